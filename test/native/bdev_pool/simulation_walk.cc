#include "native/bdev_pool/simulation_walk.h"

#include <algorithm>
#include <cerrno>

namespace ballast::bdev::pool::test {
namespace {

// What goes wrong beside power, which may fail in the first three.
enum class Faults : uint8_t { none, reads, writes, rot, lost_writes };

class Walk {
 public:
  explicit Walk(uint64_t seed) : prng_(seed * 0x9e3779b97f4a7c15), simulation_(seed, choose_options()) {}
  std::string run();

 private:
  SimulationOptions choose_options();
  void step();
  void submit_some();
  void submit_one(uint32_t volume);
  void control();
  void control_snapshots(uint32_t volume);
  void control_received(uint32_t volume);
  void control_closed(uint32_t volume);
  void inject();
  void inject_error(const std::string& path);
  void recover();
  void reopen();
  uint32_t any_volume();

  uint64_t below(uint64_t bound) { return prng_.below(bound); }
  bool chance(uint64_t a, uint64_t b) { return prng_.chance(a, b); }
  bool may_crash() const { return faults_ != Faults::rot && faults_ != Faults::lost_writes; }

  Prng prng_;
  Faults faults_ = Faults::none;
  bool is_small_ = false;  // fills up
  bool has_faults_ = false;
  Simulation simulation_;
};

SimulationOptions Walk::choose_options() {
  SimulationOptions options;
  const uint64_t kind = below(10);
  faults_ = kind < 5   ? Faults::none
            : kind < 6 ? Faults::reads
            : kind < 8 ? Faults::writes
            : kind < 9 ? Faults::rot
                       : Faults::lost_writes;
  is_small_ = chance(1, 3);
  const uint64_t devices = faults_ == Faults::lost_writes ? 2 + below(2) : 1 + below(3);
  options.device_sizes_bytes.clear();
  for (uint64_t i = 0; i < devices; ++i) {
    const uint64_t extents = is_small_ ? 4 + below(8) : 16 + below(40);
    options.device_sizes_bytes.push_back(((i == 0 ? 34 : 2) + (extents + 3) / 4) * k_mib);
  }
  options.keeps_checksums = faults_ == Faults::rot || faults_ == Faults::lost_writes || chance(2, 3);
  options.direct = chance(1, 2);
  options.frames_count = static_cast<uint32_t>(chance(1, 2) ? 24 + below(40) : 256);
  options.ios_max = static_cast<uint32_t>(chance(1, 2) ? 1 + below(8) : 64);
  options.slots_max = static_cast<uint32_t>(chance(1, 2) ? 1 + below(4) : 64);
  options.cleaner.every_ns = chance(1, 2) ? k_ns_per_ms : k_ns_per_s;
  options.cleaner.idle_ns = chance(1, 2) ? 0 : (chance(1, 2) ? k_ns_per_ms : 10 * k_ns_per_s);
  options.cleaner.dirty_max = chance(1, 2) ? static_cast<uint32_t>(below(4)) : 16'384;
  options.shuffles = chance(2, 3);
  options.chains.layers_asked = static_cast<uint32_t>(below(3));
  options.chains.region_slots_min = 1;
  options.chains.region_slots_max = 1u << below(4);
  options.chains.holders_max = static_cast<uint32_t>(chance(1, 2) ? below(8) : 256);
  if (chance(1, 4)) options.chains.bytes_max = 100 + below(400);
  return options;
}

uint32_t Walk::any_volume() {
  auto found = simulation_.volumes().begin();
  std::advance(found, below(simulation_.volumes().size()));
  return found->first;
}

// --- I/O ---

void Walk::submit_one(uint32_t volume) {
  const uint64_t size = simulation_.volumes().at(volume).size_blocks;
  // Small ones, those of a slot, and large ones; many at the same few places.
  const uint64_t wanted = chance(3, 4) ? 1 + below(4) : chance(1, 2) ? 1 + below(64) : 1 + below(200);
  const auto blocks = static_cast<uint32_t>(std::min(wanted, size));
  uint64_t lba = below(size - blocks + 1);
  if (chance(1, 3)) lba = std::min(size - blocks, below(4) + 62 * below(2));
  const auto reactor = static_cast<uint32_t>(below(2));
  switch (below(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6: return simulation_.write(volume, lba, blocks, reactor);
    case 7:
    case 8:
    case 9:
    case 10: return simulation_.read(volume, lba, blocks, reactor);
    case 11: return simulation_.read(volume, lba, blocks, reactor, true);
    case 12: return simulation_.zero(volume, lba, blocks, IoType::write_zeroes, reactor);
    case 13: return simulation_.zero(volume, lba, blocks, IoType::unmap, reactor);
    case 14: {
      const uint64_t at = chance(1, 2) ? 0 : lba / 64 * 64;
      const auto count = static_cast<uint32_t>(chance(1, 2) ? size - at : std::min<uint64_t>(size - at, 64));
      return simulation_.zero(volume, at, count, IoType::unmap, reactor);
    }
    case 15: return simulation_.compare(volume, lba, blocks, chance(2, 3), reactor);
    case 16:
    case 17: return simulation_.compare_and_write(volume, lba, std::min(blocks, 64u), chance(2, 3), reactor);
    case 18: return simulation_.copy(volume, lba, below(size - blocks + 1), blocks, reactor);
    default: return simulation_.flush(volume, reactor);
  }
}

void Walk::submit_some() {
  for (uint64_t left = 1 + below(6); left > 0; --left) {
    const uint32_t volume = any_volume();
    if (simulation_.is_served(volume)) submit_one(volume);
  }
}

// --- control path ---

void Walk::control_snapshots(uint32_t volume) {
  ModelVolume& model = simulation_.volumes().at(volume);
  if (model.snapshots.size() < 4 && chance(1, 2)) {
    std::vector<uint32_t> group{volume};
    for (const auto& [id, other] : simulation_.volumes()) {
      if (id != volume && !simulation_.is_busy(id) && other.snapshots.size() < 4 && chance(1, 3)) {
        group.push_back(id);
      }
    }
    return simulation_.start_snapshot(group);
  }
  if (model.snapshots.empty()) return;
  const uint32_t layer = model.snapshots[below(model.snapshots.size())].layer;
  if (chance(1, 3) && simulation_.volumes().size() < 5) return simulation_.start_clone(volume, layer);
  if (chance(1, 4)) return simulation_.start_read_snapshot(volume, layer);
  if (chance(2, 3)) return simulation_.start_remove_snapshot(volume, layer);
  simulation_.check_snapshot(volume, layer);
}

// A snapshot comes in parts, which come beside all else.
void Walk::control_received(uint32_t volume) {
  const std::optional<uint32_t> layer = simulation_.received_of(volume);
  if (!layer.has_value()) {
    if (simulation_.volumes().at(volume).snapshots.size() < 5) simulation_.start_begin_receive(volume);
    return;
  }
  if (simulation_.is_receiving(*layer)) return;
  if (chance(2, 3)) return simulation_.start_receive(*layer);
  chance(1, 4) ? simulation_.start_stop_receive(*layer) : simulation_.start_finish_receive(*layer);
}

// What needs the volume to be closed.
void Walk::control_closed(uint32_t volume) {
  simulation_.stop_serving(volume);
  if (simulation_.has_failed() || simulation_.power_is_off()) return;
  const ModelVolume& model = simulation_.volumes().at(volume);
  if (simulation_.is_busy(volume)) return;
  if (model.snapshots.empty()) {
    if (simulation_.volumes().size() > 1 || chance(1, 4)) simulation_.start_remove(volume, chance(1, 3));
  } else if (chance(3, 4)) {
    simulation_.start_revert(volume, model.snapshots[below(model.snapshots.size())].layer);
  }
}

void Walk::control() {
  if (simulation_.controls_count() >= 3) return;
  if (simulation_.volumes().empty() || (simulation_.volumes().size() < 4 && chance(1, 4))) {
    const uint64_t size = 1 + below(is_small_ ? 200 : 400);
    const bool is_thick = chance(1, 5);
    return simulation_.start_create_volume(is_thick ? (size + 63) / 64 * 64 : size, is_thick);
  }
  const uint32_t volume = any_volume();
  if (simulation_.is_busy(volume)) return;
  if (!simulation_.is_served(volume)) return simulation_.serve(volume);
  if (chance(1, 4) || (simulation_.received_of(volume).has_value() && chance(1, 3))) {
    return control_received(volume);
  }
  const uint64_t size = simulation_.volumes().at(volume).size_blocks;
  switch (below(12)) {
    case 0: return simulation_.start_resize(volume, chance(1, 2) ? 1 + below(400) : 64 * (1 + below(6)));
    case 1:
      return simulation_.start_resize(volume,
                                      std::max<uint64_t>(1, size - below(std::min<uint64_t>(size, 64))));
    case 2: return simulation_.start_rename(volume);
    case 3: return control_closed(volume);
    case 4: return simulation_.start_scrub();
    case 5:
      if (chance(1, 4) && simulation_.paths().size() < 4) {
        return simulation_.start_add_device((2 + 1 + below(4)) * k_mib);
      }
      return;
    default: return control_snapshots(volume);
  }
}

// --- what goes wrong ---

void Walk::inject_error(const std::string& path) {
  SimulatedWorld& world = simulation_.world();
  simulation_.expect_errors();
  has_faults_ = true;
  const auto count = static_cast<uint32_t>(1 + below(3));
  if (faults_ == Faults::reads) return world.fail_file_operations(path, FileOp::Kind::read, EIO, count);
  static constexpr FileOp::Kind k_kinds[] = {FileOp::Kind::write, FileOp::Kind::write_durable,
                                             FileOp::Kind::sync_data, FileOp::Kind::zero_range};
  const FileOp::Kind kind = k_kinds[below(4)];
  if (chance(1, 4)) {
    return world.spoil_file_operations(path, kind, {SimulatedFault::Kind::cut_short, 0, 0},
                                       kind == FileOp::Kind::write ? count : 0);
  }
  world.fail_file_operations(path, kind, chance(1, 3) ? ENOSPC : EIO, count);
}

void Walk::inject() {
  if (faults_ == Faults::none) return;
  const std::vector<std::string>& paths = simulation_.paths();
  SimulatedWorld& world = simulation_.world();
  if (faults_ == Faults::reads || faults_ == Faults::writes) return inject_error(paths[below(paths.size())]);
  simulation_.expect_media_errors();
  if (faults_ == Faults::rot) {
    const size_t device = below(paths.size());
    const uint64_t offset = simulation_.data_offset(device) + below(4 * k_mib);
    return world.spoil_file(paths[device], offset, static_cast<uint8_t>(1 << below(8)));
  }
  // Only data is written to the other devices.
  const std::string& path = paths[1 + below(paths.size() - 1)];
  const FileOp::Kind kind = chance(1, 2) ? FileOp::Kind::write : FileOp::Kind::write_durable;
  const int64_t by_bytes = (1 + static_cast<int64_t>(below(64))) * int64_t{k_page_bytes};
  if (chance(1, 2)) return world.spoil_file_operations(path, kind, {SimulatedFault::Kind::lost, 0, 0}, 1);
  world.spoil_file_operations(path, kind, {SimulatedFault::Kind::misdirected, 0, by_bytes}, 1);
}

void Walk::recover() {
  static constexpr UnsyncedWrites k_ways[] = {UnsyncedWrites::random, UnsyncedWrites::dropped,
                                              UnsyncedWrites::kept};
  const uint64_t way = below(5);
  if (chance(1, 3)) {
    simulation_.kill();
  } else {
    simulation_.crash(k_ways[way < 3 ? 0 : way - 2]);
  }
  if (simulation_.has_failed()) return;
  reopen();
}

void Walk::reopen() {
  if (has_faults_) simulation_.forgive();
  has_faults_ = false;
  // Power may fail while it recovers.
  if (may_crash() && chance(1, 6)) simulation_.world().cut_power_after(below(12));
  simulation_.open();
  if (simulation_.has_failed() || simulation_.power_is_off()) return;
  if (chance(2, 3)) simulation_.check_all(chance(1, 4));
}

void Walk::step() {
  if (simulation_.power_is_off()) return recover();
  if (simulation_.is_broken()) {
    simulation_.calm();
    return recover();
  }
  if (!simulation_.volumes().empty()) submit_some();
  if (chance(1, 3)) control();
  if (simulation_.has_failed()) return;
  simulation_.turns(static_cast<uint32_t>(below(8)));
  // Timers of the pool run out while its I/O is in flight.
  if (chance(1, 8) && !simulation_.volumes().empty()) {
    simulation_.world().hold_file_operations(true);
    submit_some();
    simulation_.turns(static_cast<uint32_t>(below(4)));
    simulation_.advance(below(3 * k_ns_per_s));
    simulation_.world().hold_file_operations(false);
  }
  if (chance(1, 8)) simulation_.advance(below(3 * k_ns_per_s));
  if (chance(1, 20)) inject();
  if (may_crash() && chance(1, 20)) simulation_.world().cut_power_after(below(60));
  if (chance(1, 12)) simulation_.finish();
  if (chance(1, 40) && !simulation_.power_is_off()) {
    simulation_.calm();
    if (has_faults_ && !simulation_.is_broken() && !simulation_.power_is_off()) {
      simulation_.forgive();
      has_faults_ = false;
    }
  }
  if (chance(1, 40) && !simulation_.power_is_off() && !simulation_.is_broken() && !has_faults_) {
    if (chance(1, 2)) simulation_.finish();
    simulation_.close();
    if (!simulation_.has_failed() && !simulation_.is_open()) reopen();
  }
}

std::string Walk::run() {
  simulation_.create();
  for (uint64_t steps = 20 + below(120); steps > 0 && !simulation_.has_failed(); --steps) step();
  // The end: all that can be read, layers at rest, closed, and once more.
  for (int rounds = 0; rounds < 2 && !simulation_.has_failed(); ++rounds) {
    simulation_.calm();
    if (simulation_.power_is_off() || simulation_.is_broken()) recover();
    if (simulation_.has_failed()) break;
    simulation_.world().cut_power_after(UINT64_MAX);
    if (simulation_.power_is_off()) recover();
    simulation_.calm();
    if (has_faults_) simulation_.forgive();
    has_faults_ = false;
    if (simulation_.has_failed()) break;
    simulation_.check_all(true);
    simulation_.finish_layer_work();
    if (!simulation_.has_failed()) simulation_.close();
    if (!simulation_.has_failed()) simulation_.open();
  }
  if (!simulation_.has_failed()) simulation_.close();
  return simulation_.failure();
}

}  // namespace

std::string walk(uint64_t seed) { return Walk(seed).run(); }

}  // namespace ballast::bdev::pool::test
