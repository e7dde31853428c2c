// The rows of the catalogue of bad inputs that are about disks, each by a test that names it, over the
// simulation: what was acknowledged is there, what is damaged is said to be. D30 is in exhaustive_test.cc.
#include <cerrno>

#include "base/log.h"
#include "native/bdev_pool/simulation.h"

namespace ballast::bdev::pool::test {
namespace {

class PoolFaults : public testing::Test {
 protected:
  PoolFaults() {
    set_log_sink([](void*, LogLevel, const char*, std::string_view) {}, nullptr);
  }
  ~PoolFaults() override { set_log_sink(nullptr, nullptr); }

  // A pool of two devices with a volume of 512 blocks, of which half are written.
  void start(uint64_t seed, SimulationOptions options = {}) {
    options.device_sizes_bytes = {36 * k_mib, 8 * k_mib};
    simulation_ = std::make_unique<Simulation>(seed, options);
    simulation_->create();
    simulation_->start_create_volume(512, false);
    simulation_->finish();
    volume_ = simulation_->volumes().begin()->first;
    simulation_->serve(volume_);
    for (uint64_t lba = 0; lba < 512; lba += 32) simulation_->write(volume_, lba, 16);
    simulation_->finish();
  }
  // Old blocks, new ones and what is between them.
  void write_some() {
    for (uint64_t i = 0; i < 8; ++i) simulation_->write(volume_, 7 + i * 61, 20, i % 2);
    simulation_->finish();
  }
  void crash_and_check(UnsyncedWrites unsynced) {
    simulation_->crash(unsynced);
    simulation_->forgive();
    if (!simulation_->has_failed()) simulation_->open();
    check();
  }
  void check() {
    if (!simulation_->has_failed()) simulation_->check_all(true);
    ASSERT_EQ(simulation_->failure(), "");
  }
  void fail(FileOp::Kind kind, int error, const std::string& path) {
    simulation_->expect_errors();
    simulation_->world().fail_file_operations(path, kind, error, 1);
  }

  std::unique_ptr<Simulation> simulation_;
  uint32_t volume_ = 0;
};

TEST_F(PoolFaults, D1_a_process_that_is_killed_leaves_every_acknowledged_write) {
  for (uint64_t changes = 0; changes < 40; ++changes) {
    start(changes + 1);
    simulation_->world().cut_power_after(changes);
    write_some();
    crash_and_check(UnsyncedWrites::kept);
    if (HasFatalFailure()) return;
  }
}

TEST_F(PoolFaults, D2_D7_power_that_fails_leaves_every_acknowledged_write_and_tears_only_others) {
  for (uint64_t changes = 0; changes < 40; ++changes) {
    start(changes + 1);
    simulation_->world().cut_power_after(changes);
    write_some();
    crash_and_check(changes % 4 == 0 ? UnsyncedWrites::dropped : UnsyncedWrites::random);
    if (HasFatalFailure()) return;
  }
}

TEST_F(PoolFaults, D3_a_write_that_the_disk_refuses_is_not_acknowledged_and_spoils_nothing_else) {
  for (const FileOp::Kind kind : {FileOp::Kind::write, FileOp::Kind::write_durable}) {
    for (const char* const path : {"disk0", "disk1"}) {
      start(1);
      fail(kind, EIO, path);
      write_some();
      simulation_->calm();
      crash_and_check(UnsyncedWrites::random);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(PoolFaults, D4_a_read_that_the_disk_refuses_fails_alone) {
  start(1);
  for (const char* const path : {"disk0", "disk1"}) fail(FileOp::Kind::read, EIO, path);
  for (uint64_t lba = 0; lba < 512; lba += 64) simulation_->read(volume_, lba, 64);
  simulation_->calm();
  EXPECT_FALSE(simulation_->is_broken());
  simulation_->forgive();
  check();
}

TEST_F(PoolFaults, D5_a_sync_that_failed_is_not_tried_again_and_believed) {
  start(1);
  fail(FileOp::Kind::write_durable, EIO, "disk0");
  write_some();
  simulation_->calm();
  EXPECT_TRUE(simulation_->is_broken());
  // Broken stays broken, until it is opened again.
  simulation_->write(volume_, 0, 4);
  simulation_->finish();
  EXPECT_TRUE(simulation_->is_broken());
  crash_and_check(UnsyncedWrites::dropped);
}

TEST_F(PoolFaults, D6_a_file_without_room_fails_writes_and_loses_nothing) {
  for (const FileOp::Kind kind : {FileOp::Kind::write, FileOp::Kind::write_durable}) {
    for (const char* const path : {"disk0", "disk1"}) {
      start(1);
      fail(kind, ENOSPC, path);
      write_some();
      simulation_->calm();
      crash_and_check(UnsyncedWrites::kept);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(PoolFaults, D8_lost_and_misdirected_writes_and_rot_are_media_errors_and_never_wrong_data) {
  for (const auto kind : {SimulatedFault::Kind::lost, SimulatedFault::Kind::misdirected}) {
    start(1);
    simulation_->expect_media_errors();
    for (const FileOp::Kind write : {FileOp::Kind::write, FileOp::Kind::write_durable}) {
      simulation_->world().spoil_file_operations("disk1", write, {kind, 0, 3 * int64_t{k_page_bytes}}, 2);
    }
    write_some();
    simulation_->calm();
    for (uint64_t offset = 0; offset < 24; ++offset) {
      simulation_->world().spoil_file("disk0", simulation_->data_offset(0) + offset * 50'000, 4);
    }
    check();
    if (HasFatalFailure()) return;
    // In order, so that the checksums that find it are on the disk.
    simulation_->close();
    simulation_->open();
    check();
    if (HasFatalFailure()) return;
  }
}

TEST_F(PoolFaults, D26_more_io_than_there_is_memory_for_waits_and_ends) {
  SimulationOptions options;
  options.ios_max = 1;
  options.slots_max = 1;
  options.frames_count = 24;
  options.shuffles = true;
  start(1, options);
  for (uint64_t i = 0; i < 400; ++i) {
    simulation_->write(volume_, i * 37 % 500, 1 + i % 9, i % 2);
    simulation_->read(volume_, i * 53 % 500, 1 + i % 9, i % 2);
    simulation_->zero(volume_, i * 71 % 500, 2, IoType::unmap, i % 2);
  }
  EXPECT_GT(simulation_->flights_count(), 300u);
  simulation_->finish();
  check();
}

TEST_F(PoolFaults, D28_any_three_damaged_superblock_copies_of_each_device_are_survived) {
  constexpr uint32_t k_subsets_count = 15;  // every one but all four
  for (uint32_t damaged = 0; damaged < k_subsets_count; ++damaged) {
    start(1);
    simulation_->close();
    for (const auto& [path, size_bytes] : {std::pair{"disk0", 36 * k_mib}, std::pair{"disk1", 8 * k_mib}}) {
      const auto offsets = superblock_offsets(size_bytes);
      for (uint32_t copy = 0; copy < k_superblock_copies; ++copy) {
        if ((damaged >> copy & 1) != 0) simulation_->world().spoil_file(path, offsets[copy] + 200, 0x20);
      }
    }
    simulation_->open();
    check();
    if (HasFatalFailure()) return;
    // They were written again: the other copies may go now.
    simulation_->close();
    for (uint32_t copy = 0; copy < k_superblock_copies; ++copy) {
      if ((damaged >> copy & 1) == 0 && damaged != 0) {
        simulation_->world().spoil_file("disk0", superblock_offsets(36 * k_mib)[copy] + 200, 0x20);
      }
    }
    simulation_->open();
    check();
    if (HasFatalFailure()) return;
  }
}

TEST_F(PoolFaults, D29_devices_are_found_in_any_order) {
  // Simulation::open() gives them in an order of its own each time.
  for (uint64_t seed = 1; seed < 6; ++seed) {
    start(seed);
    simulation_->close();
    simulation_->open();
    check();
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace ballast::bdev::pool::test
