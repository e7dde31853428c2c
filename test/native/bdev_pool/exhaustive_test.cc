// Every sequence of a few operations on a tiny pool, with power failing in every change of its disk, and what
// was not synced dropped, kept, or there in random parts (a prefix, a suffix, any sectors). The long form
// (BALLAST_SIM_EXHAUSTIVE=3) has sequences of three and more random parts. Row D30 of the catalogue of bad
// inputs: an operation that power interrupts has happened or not.
#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "native/bdev_pool/simulation.h"

namespace ballast::bdev::pool::test {
namespace {

enum class Step : uint8_t {
  write_new,
  overwrite,
  unmap,
  snapshot,
  remove_snapshot,
  clone,
  grow,
  shrink,
  revert
};
constexpr uint32_t k_steps_count = 9;
constexpr const char* k_names[] = {"write new", "overwrite", "unmap",  "snapshot", "remove snapshot",
                                   "clone",     "grow",      "shrink", "revert"};

using Sequence = std::vector<Step>;

std::string text_of(const Sequence& sequence) {
  std::string text;
  for (const Step step : sequence)
    text += std::string(text.empty() ? "" : ", ") + k_names[static_cast<size_t>(step)];
  return text;
}

class Run {
 public:
  Run(bool keeps_checksums, uint64_t seed) : simulation_(seed, options(keeps_checksums)) {}

  static SimulationOptions options(bool keeps_checksums) {
    SimulationOptions options;
    options.device_sizes_bytes = {36 * k_mib};
    options.keeps_checksums = keeps_checksums;
    options.frames_count = 48;
    options.cleaner.idle_ns = 0;
    return options;
  }
  // A volume with two blocks written and a snapshot of it, then a block over that.
  void prepare() {
    simulation_.create();
    simulation_.start_create_volume(96, false);
    simulation_.finish();
    volume_ = simulation_.volumes().begin()->first;
    simulation_.serve(volume_);
    simulation_.write(volume_, 2, 2);
    simulation_.finish();
    simulation_.start_snapshot({volume_});
    simulation_.finish();
    simulation_.write(volume_, 3, 2);
    simulation_.finish();
  }
  void take(Step step) {
    if (simulation_.power_is_off() || simulation_.has_failed()) return;
    ModelVolume& volume = simulation_.volumes().at(volume_);
    const bool has_snapshot = !volume.snapshots.empty();
    const auto has = [&](uint64_t blocks) { return volume.size_blocks >= blocks; };
    switch (step) {
      case Step::write_new:
        if (has(66)) simulation_.write(volume_, 62, 4);
        break;
      case Step::overwrite:
        if (has(5)) simulation_.write(volume_, 2, 3);
        break;
      case Step::unmap:
        if (has(63)) simulation_.zero(volume_, 3, 60, IoType::unmap);
        break;
      case Step::snapshot: simulation_.start_snapshot({volume_}); break;
      case Step::remove_snapshot:
        if (has_snapshot) simulation_.start_remove_snapshot(volume_, volume.snapshots.front().layer);
        break;
      case Step::clone:
        if (has_snapshot) simulation_.start_clone(volume_, volume.snapshots.back().layer);
        break;
      case Step::grow: simulation_.start_resize(volume_, volume.size_blocks + 64); break;
      case Step::shrink:
        if (has(31)) simulation_.start_resize(volume_, volume.size_blocks - 30);
        break;
      case Step::revert:
        if (!has_snapshot) break;
        simulation_.stop_serving(volume_);
        simulation_.start_revert(volume_, volume.snapshots.front().layer);
        simulation_.finish();
        if (!simulation_.power_is_off() && !simulation_.has_failed()) simulation_.serve(volume_);
        break;
    }
    simulation_.finish();
    if (!simulation_.power_is_off()) simulation_.finish_layer_work();
  }
  // The number of changes of the disk that the sequence makes.
  uint64_t count(const Sequence& sequence) {
    prepare();
    const uint64_t before = simulation_.world().file_changes_count();
    for (const Step step : sequence) take(step);
    return simulation_.world().file_changes_count() - before;
  }
  // Power fails in the change after so many.
  std::string crash(const Sequence& sequence, uint64_t changes, UnsyncedWrites unsynced) {
    prepare();
    simulation_.world().cut_power_after(changes);
    for (const Step step : sequence) take(step);
    simulation_.crash(unsynced);
    if (!simulation_.has_failed()) simulation_.open();
    if (!simulation_.has_failed()) simulation_.check_all(true);
    if (!simulation_.has_failed()) simulation_.finish_layer_work();
    if (!simulation_.has_failed()) simulation_.close();
    return simulation_.failure();
  }
  Simulation& simulation() { return simulation_; }

 private:
  Simulation simulation_;
  uint32_t volume_ = 0;
};

// Of every `sequences_stride`th sequence every `stride`th crash.
void run_all(uint32_t length, uint64_t sequences_stride, uint64_t stride, uint64_t randoms_count) {
  set_log_sink([](void*, LogLevel, const char*, std::string_view) {}, nullptr);
  uint64_t sequences_count = 1;
  for (uint32_t i = 0; i < length; ++i) sequences_count *= k_steps_count;
  uint64_t crashes = 0, number = 0;
  for (uint64_t index = 0; index < sequences_count; index += sequences_stride) {
    Sequence sequence;
    for (uint64_t rest = index, i = 0; i < length; ++i, rest /= k_steps_count) {
      sequence.push_back(static_cast<Step>(rest % k_steps_count));
    }
    for (const bool keeps_checksums : {false, true}) {
      const uint64_t changes_count = Run(keeps_checksums, 1).count(sequence);
      for (uint64_t changes = 0; changes <= changes_count; ++changes) {
        for (uint64_t way = 0; way < 2 + randoms_count; ++way) {
          if (number++ % stride != 0) continue;
          const UnsyncedWrites unsynced = way == 0   ? UnsyncedWrites::dropped
                                          : way == 1 ? UnsyncedWrites::kept
                                                     : UnsyncedWrites::random;
          const std::string wrong = Run(keeps_checksums, 100 + way).crash(sequence, changes, unsynced);
          ++crashes;
          ASSERT_EQ(wrong, "") << text_of(sequence) << ", power fails after " << changes << " of "
                               << changes_count << " changes, way " << way << ", checksums "
                               << keeps_checksums;
        }
      }
    }
  }
  set_log_sink(nullptr, nullptr);
  std::printf("%llu crashes in %llu sequences\n", static_cast<unsigned long long>(crashes),
              static_cast<unsigned long long>(sequences_count));
}

uint32_t length_asked() {
  const char* const text = std::getenv("BALLAST_SIM_EXHAUSTIVE");
  return text == nullptr ? 0 : static_cast<uint32_t>(std::strtoul(text, nullptr, 0));
}

TEST(PoolExhaustive, D30_one_operation_and_power_failing_in_every_change_of_the_disk) { run_all(1, 1, 1, 2); }

TEST(PoolExhaustive, D30_two_operations_and_power_failing) { run_all(2, 1, length_asked() > 1 ? 1 : 41, 3); }

TEST(PoolExhaustive, D30_three_operations_and_power_failing) {
  const bool is_long = length_asked() > 2;
  run_all(3, is_long ? 1 : 31, is_long ? 1 : 41, 4);
}

}  // namespace
}  // namespace ballast::bdev::pool::test
