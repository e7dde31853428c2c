#include "native/bdev_pool/simulation.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "native/bdev_pool/simulation_flight.h"

namespace ballast::bdev::pool::test {

Simulation::Simulation(uint64_t seed, SimulationOptions options)
    : options_(std::move(options)),
      stage_(std::make_unique<PoolStage>(seed)),
      remote_(stage_->world.add_reactor()),
      prng_(seed ^ 0x5eed5eed5eed5eed) {
  for (size_t i = 0; i < options_.device_sizes_bytes.size(); ++i)
    paths_.push_back("disk" + std::to_string(i));
}

Simulation::~Simulation() {
  // What has failed is left as it is: nobody knows what is in flight.
  if (has_failed()) {
    static_cast<void>(pool_.release());
    static_cast<void>(stage_.release());
    for (auto& flight : flights_) static_cast<void>(flight.release());
    for (auto& control : controls_) static_cast<void>(control.release());
    new std::map<uint32_t, ServedVolume>(std::move(served_));
    return;
  }
  if (pool_ != nullptr) crash(UnsyncedWrites::kept);
}

void Simulation::fail(const std::string& text) {
  if (failure_.empty()) failure_ = text;
}

void Simulation::trace(const std::string& text) const {
  static const bool is_on = std::getenv("BALLAST_SIM_TRACE") != nullptr;
  if (is_on) std::fprintf(stderr, "%llu: %s\n", static_cast<unsigned long long>(now_), text.c_str());
}

PoolOptions Simulation::pool_options() const {
  PoolOptions options;
  options.store.frames_count = options_.frames_count;
  options.data.ios_max = options_.ios_max;
  options.data.slots_max = options_.slots_max;
  options.data.chains = options_.chains;
  options.cleaner = options_.cleaner;
  return options;
}

PoolFile Simulation::file(const std::string& path, uint64_t create_bytes) {
  FileOptions options;
  options.direct = options_.direct;
  options.create = create_bytes > 0;
  options.create_size_bytes = create_bytes;
  Result<std::unique_ptr<File>> opened = world().files().open(path, options);
  BALLAST_ASSERT(opened.ok());
  return {path, std::move(*opened)};
}

// --- time ---

void Simulation::turns(uint32_t count) {
  world().run_until(
      [&] {
        end_controls();
        return has_failed() || count-- == 0;
      },
      0);
  if (is_broken() && !may_fail_ && !power_is_off()) fail("the pool broke by itself");
}

void Simulation::advance(uint64_t ns) {
  world().advance(ns);
  end_controls();
}

void Simulation::wait_until(const std::function<bool()>& done, const char* what) {
  const bool ended = world().run_until([&] {
    end_controls();
    return has_failed() || done();
  });
  if (!ended) fail(std::string(what) + " does not end");
}

void Simulation::finish() {
  wait_until([&] { return flights_.empty() && controls_.empty(); }, "an I/O or an operation");
}

void Simulation::finish_layer_work() {
  wait_until([&] { return !pool_->facts().is_working; }, "work on layers");
}

void Simulation::calm() {
  finish();
  clear_faults();
}

void Simulation::clear_faults() {
  for (const std::string& path : paths_) {
    for (const FileOp::Kind kind : {FileOp::Kind::read, FileOp::Kind::write, FileOp::Kind::write_durable,
                                    FileOp::Kind::sync_data, FileOp::Kind::zero_range}) {
      world().fail_file_operations(path, kind, 0, 0);
    }
  }
}

// --- the pool comes and goes ---

void Simulation::create() {
  std::vector<PoolFile> files;
  PoolSettings settings;
  settings.name = "simulated";
  settings.uuid = uuid_of(0x10);
  settings.extent_bytes = 256 * 1024;
  settings.keeps_checksums = options_.keeps_checksums;
  for (size_t i = 0; i < paths_.size(); ++i) {
    files.push_back(file(paths_[i], options_.device_sizes_bytes[i]));
    settings.device_uuids.push_back(uuid_of(static_cast<uint8_t>(0x20 + i)));
  }
  auto made =
      stage_->run([&] { return Pool::create(stage_->reactor, std::move(files), settings, pool_options()); });
  if (!made.ok()) return fail("create: " + made.error().text);
  pool_ = std::move(*made);
  world().shuffle_file_operations(options_.shuffles);
}

// Power may fail while it is opened; then it is opened once more.
void Simulation::open() {
  bool with_joining = !joining_.empty();
  for (int tries = 0; tries < 100; ++tries) {
    std::vector<std::string> paths = paths_;
    if (with_joining) paths.push_back(joining_);
    std::rotate(paths.begin(), paths.begin() + static_cast<ptrdiff_t>(prng_.below(paths.size())),
                paths.end());
    std::vector<PoolFile> files;
    for (const std::string& path : paths) files.push_back(file(path));
    auto opened = stage_->run([&] { return Pool::open(stage_->reactor, std::move(files), pool_options()); });
    if (opened.ok() && !power_is_off()) {
      pool_ = std::move(*opened);
      break;
    }
    if (power_is_off()) {
      if (opened.ok()) {
        pool_ = std::move(*opened);
        drop_pool();
      }
      world().settle();
      prng_.chance(1, 3) ? restart_process() : restore_power(UnsyncedWrites::random);
    } else if (with_joining) {
      with_joining = false;
    } else {
      return fail("open: " + opened.error().text);
    }
  }
  if (pool_ == nullptr) return fail("open: power fails all the time");
  if (with_joining) paths_.push_back(joining_);
  joining_.clear();
  trace("open");
  listing_ = list();
  resolve_doubts();
  received_.clear();
  receiving_now_.clear();
  check_listing();
}

void Simulation::drop_pool() {
  world().settle();
  for (auto& [id, served] : served_) {
    world().on(stage_->reactor, [&] { served.channels[0].reset(); });
    world().on(remote_, [&] { served.channels[1].reset(); });
    stage_->run([&] { return pool_->close_volume(id); });
  }
  served_.clear();
  static_cast<void>(stage_->run([&] { return pool_->close(); }));
  world().on(stage_->reactor, [&] { pool_.reset(); });
}

void Simulation::close() {
  trace("close");
  finish();
  if (has_failed()) return;
  const uint64_t errors = pool_->facts().scrub.errors;
  if (errors > 0 && !may_rot_ && !may_fail_ && !is_scrub_unsure_ && !power_is_off())
    return fail("a scrub found errors");
  while (!served_.empty() && !has_failed()) stop_serving(served_.begin()->first);
  if (has_failed()) return;
  const bool was_broken = is_broken();
  const Outcome closed = stage_->run([&] { return pool_->close(); });
  if (!closed.ok() && !was_broken && !may_fail_ && !power_is_off()) fail("close: " + closed.error().text);
  world().on(stage_->reactor, [&] { pool_.reset(); });
  if (power_is_off()) return crash(UnsyncedWrites::random);
  clear_faults();
  world().cut_power_after(UINT64_MAX);
  check_disks(closed.ok());
}

void Simulation::serve(uint32_t volume) {
  const auto opened = stage_->run([&] { return pool_->open_volume(volume); });
  if (!opened.ok()) {
    if (!may_fail_ && !power_is_off()) fail("open volume: " + opened.error().text);
    return;
  }
  ServedVolume& served = served_[volume];
  served.opened = *opened;
  served.device = make_volume_bdev(**opened);
  world().on(stage_->reactor, [&] { served.channels[0] = served.device->open(stage_->reactor); });
  world().on(remote_, [&] { served.channels[1] = served.device->open(remote_); });
}

void Simulation::stop_serving(uint32_t volume) {
  ServedVolume& served = served_.at(volume);
  wait_until([&] { return served.flights_count == 0; }, "the I/O of a volume");
  if (has_failed()) return;
  world().on(stage_->reactor, [&] { served.channels[0].reset(); });
  world().on(remote_, [&] { served.channels[1].reset(); });
  stage_->run([&] { return pool_->close_volume(volume); });
  served_.erase(volume);
}

}  // namespace ballast::bdev::pool::test
