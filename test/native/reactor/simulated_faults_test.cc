#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <vector>

#include "reactor/simulated_world.h"

namespace ballast::test {
namespace {

class SimulatedFaults : public testing::Test {
 protected:
  SimulatedFaults() {
    FileOptions options;
    options.direct = false;
    options.create = true;
    options.create_size_bytes = 1 << 20;
    file_ = std::move(*world_.files().open("a", options));
  }
  struct Running {
    FileOp op;
    std::vector<uint8_t> bytes;
    Segment segment;
    std::optional<int64_t> result;
  };
  void start(Running& running, FileOp::Kind kind, uint64_t offset, std::vector<uint8_t> bytes) {
    running.bytes = std::move(bytes);
    running.segment = {running.bytes.data(), running.bytes.size()};
    running.op.kind = kind;
    running.op.file = file_->descriptor();
    running.op.offset = offset;
    if (!running.bytes.empty()) running.op.data = {&running.segment, 1};
    running.op.context = &running;
    running.op.done = [](FileOp& done_op, int64_t result) {
      static_cast<Running*>(done_op.context)->result = result;
    };
    world_.on(reactor_, [&] { reactor_.io().submit(running.op); });
  }
  int64_t run(FileOp::Kind kind, uint64_t offset, std::vector<uint8_t> bytes) {
    Running running;
    start(running, kind, offset, std::move(bytes));
    EXPECT_TRUE(world_.run_until([&] { return running.result.has_value(); }));
    return *running.result;
  }
  uint8_t at(size_t offset) { return world_.file_bytes("a")[offset]; }

  SimulatedWorld world_{1};
  Reactor& reactor_ = world_.add_reactor();
  std::unique_ptr<File> file_;
};

TEST_F(SimulatedFaults, a_lost_write_answers_and_does_nothing) {
  world_.spoil_file_operations("a", FileOp::Kind::write_durable, {SimulatedFault::Kind::lost}, 1);
  EXPECT_EQ(run(FileOp::Kind::write_durable, 0, std::vector<uint8_t>(512, 1)), 512);
  EXPECT_EQ(at(0), 0);
  EXPECT_EQ(run(FileOp::Kind::write_durable, 0, std::vector<uint8_t>(512, 1)), 512);
  EXPECT_EQ(at(0), 1);
}

TEST_F(SimulatedFaults, a_misdirected_write_lands_elsewhere) {
  world_.spoil_file_operations("a", FileOp::Kind::write, {SimulatedFault::Kind::misdirected, 0, -4096}, 1);
  EXPECT_EQ(run(FileOp::Kind::write, 8192, std::vector<uint8_t>(512, 1)), 512);
  EXPECT_EQ(at(8192), 0);
  EXPECT_EQ(at(4096), 1);
}

TEST_F(SimulatedFaults, an_operation_cut_short_moves_a_sector) {
  world_.spoil_file_operations("a", FileOp::Kind::write, {SimulatedFault::Kind::cut_short}, 1);
  EXPECT_EQ(run(FileOp::Kind::write, 0, std::vector<uint8_t>(4096, 1)), 512);
  EXPECT_EQ(at(511), 1);
  EXPECT_EQ(at(512), 0);
}

TEST_F(SimulatedFaults, rot_is_on_the_medium) {
  run(FileOp::Kind::write_durable, 0, std::vector<uint8_t>(512, 1));
  world_.spoil_file("a", 5, 0x80);
  world_.drop_unsynced_writes();
  EXPECT_EQ(at(4), 1);
  EXPECT_EQ(at(5), 0x81);
}

TEST_F(SimulatedFaults, a_sector_that_cannot_be_read_fails_what_touches_it_until_it_is_written) {
  world_.make_unreadable("a", 4096 + 512);
  const auto read = [&](uint64_t offset, size_t bytes) {
    return run(FileOp::Kind::read, offset, std::vector<uint8_t>(bytes));
  };
  EXPECT_EQ(read(4096, 4096), -EIO);
  EXPECT_EQ(read(0, 8192), -EIO);
  EXPECT_EQ(read(4096, 512), 512);
  EXPECT_EQ(read(4096 + 1024, 1024), 1024);
  EXPECT_EQ(run(FileOp::Kind::write, 4096, std::vector<uint8_t>(512, 1)), 512);
  EXPECT_EQ(read(4096, 4096), -EIO);
  EXPECT_EQ(run(FileOp::Kind::write, 4096, std::vector<uint8_t>(4096, 1)), 4096);
  EXPECT_EQ(read(0, 8192), 8192);
}

TEST_F(SimulatedFaults, the_power_fails_in_the_change_asked_and_stays_off_until_restored) {
  const uint64_t before = world_.file_changes_count();
  world_.cut_power_after(2);
  EXPECT_EQ(run(FileOp::Kind::write, 0, std::vector<uint8_t>(512, 1)), 512);
  EXPECT_EQ(run(FileOp::Kind::read, 0, std::vector<uint8_t>(512, 0)), 512);
  EXPECT_EQ(run(FileOp::Kind::sync_data, 0, {}), 0);
  EXPECT_FALSE(world_.power_is_off());
  EXPECT_EQ(run(FileOp::Kind::write_durable, 512, std::vector<uint8_t>(512, 2)), -EIO);
  EXPECT_TRUE(world_.power_is_off());
  EXPECT_EQ(world_.file_changes_count(), before + 2);
  EXPECT_EQ(run(FileOp::Kind::write, 1024, std::vector<uint8_t>(512, 3)), -EIO);
  EXPECT_EQ(run(FileOp::Kind::read, 0, std::vector<uint8_t>(512, 0)), -EIO);
  world_.restore_power(UnsyncedWrites::kept);
  EXPECT_EQ(at(0), 1);
  EXPECT_EQ(at(512), 2);   // the one it failed in may be there, though nobody was told
  EXPECT_EQ(at(1024), 0);  // what came afterwards cannot
  EXPECT_EQ(run(FileOp::Kind::write, 1024, std::vector<uint8_t>(512, 3)), 512);
}

TEST_F(SimulatedFaults, dropped_means_what_was_synced_and_no_more) {
  run(FileOp::Kind::write_durable, 0, std::vector<uint8_t>(4096, 1));
  run(FileOp::Kind::write, 512, std::vector<uint8_t>(512, 2));
  world_.cut_power_after(0);
  EXPECT_EQ(run(FileOp::Kind::sync_data, 0, {}), -EIO);
  world_.restore_power(UnsyncedWrites::dropped);
  EXPECT_EQ(at(511), 1);
  EXPECT_EQ(at(512), 1);
}

TEST_F(SimulatedFaults, what_a_killed_process_has_not_synced_is_read_and_lost_with_the_power) {
  run(FileOp::Kind::write, 0, std::vector<uint8_t>(512, 1));
  run(FileOp::Kind::sync_data, 0, {});
  run(FileOp::Kind::write, 0, std::vector<uint8_t>(512, 2));
  world_.cut_power_after(0);
  EXPECT_EQ(run(FileOp::Kind::write_durable, 512, std::vector<uint8_t>(512, 3)), -EIO);
  world_.restart_process();
  EXPECT_FALSE(world_.power_is_off());
  EXPECT_EQ(at(0), 2);
  EXPECT_EQ(at(512), 3);
  world_.restore_power(UnsyncedWrites::dropped);
  EXPECT_EQ(at(0), 1);
  EXPECT_EQ(at(512), 0);
}

TEST_F(SimulatedFaults, what_is_in_flight_when_the_power_fails_may_reach_the_disk) {
  world_.cut_power_after(0);
  Running first, second;
  start(first, FileOp::Kind::write_durable, 0, std::vector<uint8_t>(512, 1));
  start(second, FileOp::Kind::write_durable, 4096, std::vector<uint8_t>(512, 2));
  world_.settle();
  EXPECT_EQ(first.result, -EIO);
  EXPECT_EQ(second.result, -EIO);
  world_.restore_power(UnsyncedWrites::kept);
  EXPECT_EQ(at(0), 1);
  EXPECT_EQ(at(4096), 2);
}

// Row D7 of bad input: any sectors of a write may be there, a prefix or a suffix among others, each one
// whole.
TEST_F(SimulatedFaults, a_write_is_torn_between_sectors_in_every_way) {
  std::set<std::vector<bool>> seen;
  for (int round = 0; round < 400; ++round) {
    run(FileOp::Kind::write_durable, 0, std::vector<uint8_t>(4 * 512, 1));
    world_.cut_power_after(0);
    run(FileOp::Kind::write_durable, 0, std::vector<uint8_t>(4 * 512, 2));
    world_.restore_power(UnsyncedWrites::random);
    const std::vector<uint8_t> bytes = world_.file_bytes("a");
    std::vector<bool> is_new;
    for (size_t sector = 0; sector < 4; ++sector) {
      is_new.push_back(bytes[sector * 512] == 2);
      for (size_t i = 1; i < 512; ++i) ASSERT_EQ(bytes[sector * 512 + i], bytes[sector * 512]);
    }
    seen.insert(is_new);
  }
  EXPECT_EQ(seen.size(), 16u);
}

}  // namespace
}  // namespace ballast::test
