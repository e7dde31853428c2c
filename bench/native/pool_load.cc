// Load on a volume of a pool, or on a plain file, in this process: no network between. Called by
// bench/pool.mjs; prints one line of JSON.
//   pool_load create PATH CHECKSUMS VOLUME_BYTES
//     a pool on PATH (overwritten), volume v in it, all of it written
//   pool_load run PATH JOB QD SECONDS
//     JOB: read, overwrite (of v), first (of a new volume), snapshot (overwrite of v, right after a snapshot)
//   pool_load file PATH JOB QD SECONDS
//     read or overwrite of a file through the file device
// I/O is 4 KiB at random places; first and snapshot take each place once, and end when all are taken. After
// a run the volume is as it was.

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "bdev/file/file_bdev.h"
#include "engine/blocking.h"
#include "engine/pool_table.h"

namespace ballast {
namespace {

constexpr uint32_t k_block_bytes = 4096;

[[noreturn]] void die(const std::string& text) {
  std::fprintf(stderr, "pool_load: %s\n", text.c_str());
  std::exit(1);
}

template <typename T>
T must(Result<T> result) {
  if (!result.ok()) die(result.error().text.empty() ? errc_text(result.errc()) : result.error().text);
  return std::move(*result);
}

Uuid random_uuid(Prng& prng) {
  Uuid uuid;
  for (uint8_t& byte : uuid.bytes) byte = static_cast<uint8_t>(prng.next());
  return uuid;
}

struct Job {
  bdev::IoType type = bdev::IoType::read;
  bool once = false;  // each place once
  uint32_t queue_depth = 1;
  uint64_t seconds_ns = 0;
  uint32_t blocks = 1;
  bool in_order = false;
};

// Keeps `queue_depth` I/Os in flight on one reactor until the time or the places are over.
class Load {
 public:
  Load(Reactor& reactor, bdev::Bdev& device, const Job& job)
      : reactor_(reactor), job_(job), places_count_(device.geometry().blocks_count / job.blocks) {
    if (!job.once && !job.in_order) return;
    places_.resize(places_count_);
    std::iota(places_.begin(), places_.end(), 0u);
    for (size_t i = places_.size(); i > 1 && !job.in_order; --i) {
      std::swap(places_[i - 1], places_[prng_.below(i)]);
    }
  }
  void run(bdev::Bdev& device) {
    engine::Signal ended;
    ended_ = &ended;
    send_task(reactor_, [this, &device] { start(device); });
    ended.wait();
    engine::run_on(reactor_, [this] { channel_.reset(); });
  }
  uint64_t ios() const { return latency_.count(); }
  double seconds() const { return static_cast<double>(ended_ns_ - started_ns_) / 1e9; }
  const Histogram& latency() const { return latency_; }
  const char* failure() const { return failure_; }

 private:
  struct One {
    Load* load = nullptr;
    bdev::Io io;
    Segment data;
    uint64_t started_ns = 0;
  };
  void start(bdev::Bdev& device) {
    channel_ = device.open(reactor_);
    const size_t bytes = size_t{job_.blocks} * k_block_bytes;
    memory_.reset(static_cast<uint8_t*>(std::aligned_alloc(4096, bytes * job_.queue_depth)));
    std::memset(memory_.get(), 0x5a, bytes * job_.queue_depth);
    ones_ = std::make_unique<One[]>(job_.queue_depth);
    started_ns_ = ended_ns_ = reactor_.clock().now_ns();
    for (uint32_t i = 0; i < job_.queue_depth; ++i) {
      One& one = ones_[i];
      one.load = this;
      one.data = {memory_.get() + i * bytes, bytes};
      ++in_flight_;
      next(one);
    }
  }
  void next(One& one) {
    const uint64_t now = reactor_.clock().now_ns();
    const bool is_over = now - started_ns_ >= job_.seconds_ns || failure_ != nullptr ||
                         (!places_.empty() && next_place_ == places_.size());
    if (is_over) {
      ended_ns_ = now;
      if (--in_flight_ == 0) ended_->raise();
      return;
    }
    const uint64_t place = places_.empty() ? prng_.below(places_count_) : places_[next_place_++];
    one.io.type = job_.type;
    one.io.lba = place * job_.blocks;
    one.io.blocks_count = job_.blocks;
    one.io.data = {&one.data, 1};
    one.io.context = &one;
    one.io.done = [](bdev::Io& io, bdev::Status status) {
      One& ended = *static_cast<One*>(io.context);
      Load& load = *ended.load;
      if (status != bdev::Status::ok) load.failure_ = bdev::status_text(status);
      load.latency_.record(load.reactor_.clock().now_ns() - ended.started_ns);
      load.next(ended);
    };
    one.started_ns = now;
    channel_->submit(one.io);
  }

  struct Free {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };
  Reactor& reactor_;
  const Job job_;
  const uint64_t places_count_;
  Prng prng_{20261122};
  std::vector<uint32_t> places_;
  size_t next_place_ = 0;
  std::unique_ptr<uint8_t, Free> memory_;
  std::unique_ptr<One[]> ones_;
  std::unique_ptr<bdev::Channel> channel_;
  engine::Signal* ended_ = nullptr;
  uint32_t in_flight_ = 0;
  uint64_t started_ns_ = 0, ended_ns_ = 0;
  Histogram latency_;
  const char* failure_ = nullptr;
};

void report(const Load& load) {
  if (load.failure() != nullptr) die(load.failure());
  const double seconds = load.seconds();
  std::printf("{\"ios\":%" PRIu64 ",\"seconds\":%.3f,\"iops\":%.1f,\"p50Us\":%.1f,\"p99Us\":%.1f}\n",
              load.ios(), seconds, static_cast<double>(load.ios()) / seconds,
              static_cast<double>(load.latency().percentile_ns(50)) / 1e3,
              static_cast<double>(load.latency().percentile_ns(99)) / 1e3);
}

Job job_of(const std::string& name, const char* queue_depth, const char* seconds) {
  Job job;
  if (name != "read" && name != "overwrite" && name != "first" && name != "snapshot")
    die("no such job: " + name);
  job.type = name == "read" ? bdev::IoType::read : bdev::IoType::write;
  job.once = name == "first" || name == "snapshot";
  job.queue_depth = static_cast<uint32_t>(std::atoi(queue_depth));
  job.seconds_ns = static_cast<uint64_t>(std::atof(seconds) * 1e9);
  if (job.queue_depth == 0 || job.seconds_ns == 0) die("a depth and a time above 0");
  return job;
}

uint64_t volume_bytes(engine::PoolTable& pools) { return must(pools.volumes("bench")).front().size_bytes; }

void make_volume(engine::PoolTable& pools, const std::string& name, uint64_t bytes, Prng& prng) {
  engine::PoolVolumeConfig config;
  config.name = name;
  config.uuid = random_uuid(prng);
  config.size_bytes = bytes;
  must(pools.create_volume("bench", config));
}

void load_volume(engine::PoolTable& pools, Reactor& reactor, const std::string& name, const Job& job,
                 bool shows) {
  engine::PoolTable::Opened opened = must(pools.open_volume("bench", name));
  Load load(reactor, *opened.device, job);
  load.run(*opened.device);
  if (shows) report(load);
  if (load.failure() != nullptr) die(load.failure());
  opened.device.reset();
  pools.close_volume("bench", name);
}

int run(const std::vector<std::string>& words, Reactor& reactor, ReactorSet& reactors) {
  const std::string& verb = words[0];
  const std::string& path = words[1];
  Prng prng(reactor.clock().now_ns());
  if (verb == "file" && words.size() == 5) {
    bdev::FileBdevOptions options;
    options.path = path;
    const std::shared_ptr<bdev::Bdev> device = must(bdev::make_file_bdev(reactors.files(), options));
    Load load(reactor, *device, job_of(words[2], words[3].c_str(), words[4].c_str()));
    load.run(*device);
    report(load);
    return 0;
  }
  engine::PoolTable pools(reactors, 0);
  if (verb == "create" && words.size() == 4) {
    engine::PoolConfig config;
    config.name = "bench";
    config.uuid = random_uuid(prng);
    config.devices = {{path, 0, random_uuid(prng)}};
    config.checksums = words[2] == "1";
    config.force = true;
    must(pools.create(config));
    make_volume(pools, "v", std::strtoull(words[3].c_str(), nullptr, 10), prng);
    Job fill;
    fill.type = bdev::IoType::write;
    fill.queue_depth = 8;
    fill.seconds_ns = 3600 * k_ns_per_s;
    fill.blocks = 64;
    fill.in_order = true;
    load_volume(pools, reactor, "v", fill, true);
    return 0;
  }
  if (verb != "run" || words.size() != 5) die("create, run or file, and what belongs to it");
  must(pools.open({path}));
  const std::string& name = words[2];
  const Job job = job_of(name, words[3].c_str(), words[4].c_str());
  if (name == "first") make_volume(pools, "first", volume_bytes(pools), prng);
  if (name == "snapshot") must(pools.create_snapshots("bench", {{"v", "s", random_uuid(prng)}}, 0));
  load_volume(pools, reactor, name == "first" ? "first" : "v", job, true);
  if (name == "first") must(pools.delete_volume("bench", "first", false));
  if (name == "snapshot") must(pools.delete_snapshot("bench", "v", "s"));
  while (must(pools.info("bench")).is_working) usleep(1000);
  return 0;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  using namespace ballast;
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 2) die("create, run or file, and a path");
  ReactorSetOptions options;
  auto reactors = must(ReactorSet::start(options));
  return run(words, reactors->at(0), *reactors);
}
