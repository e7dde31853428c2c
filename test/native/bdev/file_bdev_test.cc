// What is particular to files: how they are opened, what faults of the disk become, and that a power failure
// loses nothing that was acknowledged.
#include "bdev/file/file_bdev.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "native/bdev/stage.h"
#include "support/native/odd_file_backend.h"

namespace ballast::bdev::test {
namespace {

using ballast::test::OddFileBackend;
using ballast::test::OddFileSystem;

constexpr uint32_t k_block = 4096;
std::vector<uint8_t> filled(uint64_t blocks, uint8_t fill) {
  return std::vector<uint8_t>(blocks * k_block, fill);
}

// ---- opening ----

Errc open_errc(FileSystem& files, const FileBdevOptions& options, std::string* text = nullptr) {
  const Result<std::shared_ptr<Bdev>> made = make_file_bdev(files, options);
  if (!made.ok() && text != nullptr) *text = made.error().text;
  return made.errc();
}

TEST(FileBdevOpen, refuses_sizes_that_are_not_whole_blocks_and_creates_nothing) {
  SimulatedWorld world(1);
  for (const uint64_t size : {uint64_t{0}, uint64_t{4095}, uint64_t{4097}, UINT64_MAX}) {
    EXPECT_EQ(open_errc(world.files(), {.path = "new", .size_bytes = size}), Errc::invalid_argument) << size;
  }
  EXPECT_EQ(open_errc(world.files(), {.path = "new", .size_bytes = 8192, .block_size_bytes = 1024}),
            Errc::invalid_argument);
  EXPECT_EQ(open_errc(world.files(), {.path = "new"}), Errc::not_found);
}

TEST(FileBdevOpen, refuses_an_existing_file_of_another_size_and_leaves_it) {
  SimulatedWorld world(1);
  ASSERT_EQ(open_errc(world.files(), {.path = "disk", .size_bytes = 8192}), Errc::ok);
  std::string text;
  EXPECT_EQ(open_errc(world.files(), {.path = "disk", .size_bytes = 4096}, &text), Errc::invalid_argument);
  EXPECT_NE(text.find("8192"), std::string::npos) << text;
  EXPECT_EQ(world.file_bytes("disk").size(), 8192u);
  EXPECT_EQ(open_errc(world.files(), {.path = "disk"}), Errc::ok);
}

TEST(FileBdevOpen, refuses_an_existing_file_that_is_not_whole_blocks) {
  SimulatedWorld world(1);
  ASSERT_EQ(open_errc(world.files(), {.path = "disk", .size_bytes = 512 * 3, .block_size_bytes = 512}),
            Errc::ok);
  EXPECT_EQ(open_errc(world.files(), {.path = "disk"}), Errc::invalid_argument);
}

TEST(FileBdevOpen, refuses_a_file_that_is_open) {
  SimulatedWorld world(1);
  const Result<std::shared_ptr<Bdev>> made =
      make_file_bdev(world.files(), {.path = "disk", .size_bytes = 8192});
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(open_errc(world.files(), {.path = "disk"}), Errc::in_use);
}

TEST(FileBdevOpen, refuses_blocks_smaller_than_the_sectors_below) {
  OddFileBackend backend;
  backend.bytes.resize(1 << 20);
  backend.alignment_bytes = 4096;
  OddFileSystem files(backend);
  std::string text;
  EXPECT_EQ(open_errc(files, {.path = "disk", .block_size_bytes = 512}, &text), Errc::invalid_argument);
  EXPECT_NE(text.find("4096-byte sectors"), std::string::npos) << text;
  EXPECT_EQ(files.removals_count, 0u);
  backend.created = true;
  EXPECT_EQ(open_errc(files, {.path = "disk", .size_bytes = 1 << 20, .block_size_bytes = 512}),
            Errc::invalid_argument);
  EXPECT_EQ(files.removals_count, 1u);
  EXPECT_EQ(open_errc(files, {.path = "disk"}), Errc::ok);
}

// ---- faults ----

class FileBdevFaults : public testing::Test {
 protected:
  static constexpr uint64_t k_size = 1 << 20;
  void open(bool volatile_write_cache = false) {
    opened_.reset();
    Result<std::shared_ptr<Bdev>> made = make_file_bdev(
        stage_.files(), {.path = "disk", .size_bytes = k_size, .volatile_write_cache = volatile_write_cache});
    ASSERT_TRUE(made.ok());
    opened_ = std::make_unique<Opened>(stage_, std::move(*made));
  }
  void fail(FileOp::Kind kind, int error, uint32_t count = 1) {
    stage_.world.fail_file_operations("disk", kind, error, count);
  }
  Opened& disk() { return *opened_; }
  SimulatedStage stage_{2};
  std::unique_ptr<Opened> opened_;
};

TEST_F(FileBdevFaults, read_error_is_a_media_error_and_passes) {
  open();
  fail(FileOp::Kind::read, EIO);
  Buffer buffer(k_block);
  TestIo io(IoType::read, 0, 1, {buffer.segment()});
  EXPECT_EQ(disk().run(io), Status::media_error);
  EXPECT_EQ(disk().read(0, 1), filled(1, 0));
  fail(FileOp::Kind::read, EIO);
  EXPECT_EQ(disk().simple(IoType::verify, 0, 4), Status::media_error);
  fail(FileOp::Kind::read, EIO);
  EXPECT_EQ(disk().compare(0, filled(1, 0)), Status::media_error);
}

TEST_F(FileBdevFaults, write_error_is_told_and_does_not_spoil_the_device) {
  open();
  fail(FileOp::Kind::write_durable, EIO);
  EXPECT_EQ(disk().write(0, filled(1, 1)), Status::io_error);
  EXPECT_EQ(disk().write(0, filled(1, 2)), Status::ok);
  EXPECT_EQ(disk().read(0, 1), filled(1, 2));
}

TEST_F(FileBdevFaults, full_disk_is_no_space_for_every_kind_of_change) {
  open();
  fail(FileOp::Kind::write_durable, ENOSPC);
  EXPECT_EQ(disk().write(0, filled(1, 1)), Status::no_space);
  fail(FileOp::Kind::zero_range, ENOSPC);
  EXPECT_EQ(disk().simple(IoType::write_zeroes, 0, 1), Status::no_space);
  fail(FileOp::Kind::write, ENOSPC);
  EXPECT_EQ(disk().copy(0, 8, 1), Status::no_space);
  fail(FileOp::Kind::write_durable, ENOSPC);
  EXPECT_EQ(disk().compare_and_write(0, filled(1, 0), filled(1, 1)), Status::no_space);
  EXPECT_EQ(disk().write(0, filled(1, 1)), Status::ok);
}

TEST_F(FileBdevFaults, failed_sync_after_a_change_poisons_the_device_until_it_is_reopened) {
  open();
  ASSERT_EQ(disk().write(0, filled(1, 1)), Status::ok);
  fail(FileOp::Kind::sync_data, EIO);
  EXPECT_EQ(disk().simple(IoType::unmap, 8, 1), Status::io_error);
  for (uint32_t reactor = 0; reactor < 2; ++reactor) {
    EXPECT_EQ(disk().write(0, filled(1, 2), reactor), Status::io_error);
    EXPECT_EQ(disk().simple(IoType::flush, 0, 0, reactor), Status::io_error);
    EXPECT_EQ(disk().simple(IoType::unmap, 0, 1, reactor), Status::io_error);
    EXPECT_EQ(disk().simple(IoType::write_zeroes, 0, 1, reactor), Status::io_error);
    EXPECT_EQ(disk().copy(0, 1, 1, reactor), Status::io_error);
    EXPECT_EQ(disk().compare_and_write(0, filled(1, 1), filled(1, 2), reactor), Status::io_error);
    EXPECT_EQ(disk().read(0, 1, reactor), filled(1, 1));
  }
  open();
  EXPECT_EQ(disk().write(0, filled(1, 2)), Status::ok);
}

TEST_F(FileBdevFaults, failed_flush_of_a_volatile_device_poisons_it) {
  open(true);
  ASSERT_EQ(disk().write(0, filled(1, 1)), Status::ok);
  fail(FileOp::Kind::sync_data, EIO);
  EXPECT_EQ(disk().simple(IoType::flush), Status::io_error);
  EXPECT_EQ(disk().simple(IoType::flush), Status::io_error);
  EXPECT_EQ(disk().write(0, filled(1, 1)), Status::io_error);
}

TEST_F(FileBdevFaults, failed_write_with_fua_poisons_a_volatile_device) {
  open(true);
  fail(FileOp::Kind::write_durable, EIO);
  EXPECT_EQ(disk().write(0, filled(1, 1), 0, true), Status::io_error);
  EXPECT_EQ(disk().simple(IoType::flush), Status::io_error);
}

TEST_F(FileBdevFaults, error_inside_a_compare_and_write_lets_the_range_go) {
  open();
  fail(FileOp::Kind::read, EIO);
  EXPECT_EQ(disk().compare_and_write(0, filled(1, 0), filled(1, 1), 1), Status::media_error);
  EXPECT_EQ(disk().write(0, filled(1, 2), 0), Status::ok);
  EXPECT_EQ(disk().compare_and_write(0, filled(1, 2), filled(1, 3), 1), Status::ok);
}

// ---- power failure ----

class FileBdevPower : public FileBdevFaults {};

TEST_F(FileBdevPower, every_acknowledged_change_survives) {
  open();
  ASSERT_EQ(disk().write(0, filled(64, 1)), Status::ok);
  ASSERT_EQ(disk().simple(IoType::unmap, 4, 2), Status::ok);
  ASSERT_EQ(disk().simple(IoType::write_zeroes, 8, 2), Status::ok);
  ASSERT_EQ(disk().write(12, filled(1, 2), 1), Status::ok);
  ASSERT_EQ(disk().copy(12, 100, 1), Status::ok);
  ASSERT_EQ(disk().copy(0, 110, 20), Status::ok);
  ASSERT_EQ(disk().compare_and_write(20, filled(2, 1), filled(2, 3)), Status::ok);
  const std::vector<uint8_t> before = disk().read(0, 130);
  stage_.world.drop_unsynced_writes();
  EXPECT_EQ(disk().read(0, 130), before);
  EXPECT_EQ(disk().read(100, 1), filled(1, 2));
  EXPECT_EQ(disk().read(4, 2), filled(2, 0));
}

TEST_F(FileBdevPower, random_acknowledged_changes_survive_a_failure_at_any_moment) {
  open();
  Prng prng(7);
  for (int round = 0; round < 200; ++round) {
    const uint64_t lba = prng.below(200);
    const uint32_t count = static_cast<uint32_t>(1 + prng.below(40));
    const uint32_t reactor = static_cast<uint32_t>(prng.below(2));
    switch (prng.below(4)) {
      case 0:
        ASSERT_EQ(disk().write(lba, filled(count, static_cast<uint8_t>(round)), reactor), Status::ok);
        break;
      case 1: ASSERT_EQ(disk().simple(IoType::unmap, lba, count, reactor), Status::ok); break;
      case 2: ASSERT_EQ(disk().simple(IoType::write_zeroes, lba, count, reactor), Status::ok); break;
      case 3: ASSERT_EQ(disk().copy(lba, prng.below(200), count, reactor), Status::ok); break;
    }
    if (!prng.chance(1, 5)) continue;
    const std::vector<uint8_t> before = disk().read(0, 256);
    stage_.world.drop_unsynced_writes();
    ASSERT_EQ(disk().read(0, 256), before) << "round " << round;
  }
}

TEST_F(FileBdevPower, volatile_device_keeps_what_was_flushed_or_written_with_fua) {
  open(true);
  EXPECT_TRUE(disk().device().capabilities().volatile_write_cache);
  ASSERT_EQ(disk().write(0, filled(1, 1)), Status::ok);
  ASSERT_EQ(disk().simple(IoType::flush, 0, 0, 1), Status::ok);
  ASSERT_EQ(disk().write(1, filled(1, 2), 0, true), Status::ok);
  ASSERT_EQ(disk().write(2, filled(1, 3)), Status::ok);
  Buffer buffer(k_block);
  TestIo read(IoType::read, 2, 1, {buffer.segment()});
  read.io.fua = true;  // what a read with fua gave is on the medium
  ASSERT_EQ(disk().run(read), Status::ok);
  ASSERT_EQ(disk().write(3, filled(1, 4)), Status::ok);
  stage_.world.drop_unsynced_writes();
  EXPECT_EQ(disk().read(0, 1), filled(1, 1));
  EXPECT_EQ(disk().read(1, 1), filled(1, 2));
  EXPECT_EQ(disk().read(2, 1), filled(1, 3));
  EXPECT_EQ(disk().read(3, 1), filled(1, 0)) << "the test proves nothing if the world keeps this";
}

// ---- an odd file system ----

class FileBdevOdd : public testing::Test {
 protected:
  static constexpr uint64_t k_size = 1 << 20;
  FileBdevOdd() { backend_.bytes.resize(k_size); }
  ~FileBdevOdd() override {
    channel_.reset();
    entered_.reset();
  }
  void open() {
    Result<std::unique_ptr<BufferArena>> buffers =
        BufferArena::create({.small_count = 128, .large_count = 16});
    ASSERT_TRUE(buffers.ok());
    reactor_ = std::make_unique<Reactor>(ReactorOptions{}, backend_, clock_, prng_, std::move(*buffers));
    entered_ = std::make_unique<Reactor::Entered>(*reactor_);
    OddFileSystem files(backend_);
    Result<std::shared_ptr<Bdev>> made = make_file_bdev(files, {.path = "disk"});
    ASSERT_TRUE(made.ok());
    device_ = *made;
    channel_ = device_->open(*reactor_);
  }
  Status run(TestIo& io) {
    channel_->submit(io.io);
    for (int turns = 0; turns < 10'000 && !io.done; ++turns) reactor_->turn();
    EXPECT_EQ(io.dones_count, 1u);
    return io.status;
  }
  Status run(IoType type, uint64_t lba, uint32_t blocks) {
    TestIo io(type, lba, blocks);
    return run(io);
  }
  OddFileBackend backend_;
  MonotonicClock clock_;
  Prng prng_{1};
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Reactor::Entered> entered_;
  std::shared_ptr<Bdev> device_;
  std::unique_ptr<Channel> channel_;
};

std::vector<uint8_t> counted(size_t size_bytes) {
  std::vector<uint8_t> bytes(size_bytes);
  for (size_t i = 0; i < size_bytes; ++i) bytes[i] = static_cast<uint8_t>(i / 509);
  return bytes;
}

TEST_F(FileBdevOdd, short_counts_go_on_at_the_next_block_until_all_is_moved) {
  open();
  for (const uint64_t most : {uint64_t{4096}, uint64_t{5000}, uint64_t{9216}, uint64_t{70'000}}) {
    backend_.moved_bytes_max = most;
    const std::vector<uint8_t> bytes = counted(20 * k_block);
    Buffer in(bytes.size()), out(bytes.size());
    in.fill_from(bytes);
    TestIo write(IoType::write, 3, 20, {{in.data(), 7 * k_block}, {in.data() + 7 * k_block, 13 * k_block}});
    ASSERT_EQ(run(write), Status::ok) << most;
    TestIo read(IoType::read, 3, 20, {{out.data(), k_block}, {out.data() + k_block, 19 * k_block}});
    ASSERT_EQ(run(read), Status::ok) << most;
    EXPECT_EQ(out.bytes(), bytes) << most;
    TestIo compare(IoType::compare, 3, 20, {in.segment()});
    EXPECT_EQ(run(compare), Status::ok) << most;
  }
}

TEST_F(FileBdevOdd, counts_of_less_than_a_block_end_with_an_error_instead_of_trying_for_ever) {
  open();
  Buffer buffer(4 * k_block);
  for (const uint64_t most : {uint64_t{0}, uint64_t{512}, uint64_t{4095}}) {
    backend_.moved_bytes_max = most;
    TestIo write(IoType::write, 0, 4, {buffer.segment()});
    EXPECT_EQ(run(write), Status::io_error);
    TestIo read(IoType::read, 0, 4, {buffer.segment()});
    EXPECT_EQ(run(read), Status::media_error);
  }
}

TEST_F(FileBdevOdd, file_that_was_cut_off_is_a_media_error) {
  open();
  backend_.bytes.resize(k_size / 2);
  Buffer buffer(4 * k_block);
  TestIo read(IoType::read, k_size / k_block / 2 - 2, 4, {buffer.segment()});
  EXPECT_EQ(run(read), Status::media_error);
  EXPECT_EQ(run(IoType::verify, 0, k_size / k_block), Status::media_error);
}

TEST_F(FileBdevOdd, zeroes_are_punched_or_written_where_the_file_system_cannot_zero) {
  open();
  for (const bool punch : {true, false}) {
    backend_.knows_zero_range = false;
    backend_.knows_punch_hole = punch;
    for (const IoType type : {IoType::write_zeroes, IoType::unmap}) {
      backend_.counts = {};
      std::fill(backend_.bytes.begin(), backend_.bytes.end(), 0x5a);
      ASSERT_EQ(run(type, 1, 100), Status::ok);
      EXPECT_EQ(backend_.bytes[k_block - 1], 0x5a);
      EXPECT_EQ(backend_.bytes[101 * k_block], 0x5a);
      EXPECT_TRUE(std::all_of(backend_.bytes.begin() + k_block, backend_.bytes.begin() + 101 * k_block,
                              [](uint8_t byte) { return byte == 0; }));
      EXPECT_EQ(backend_.count(FileOp::Kind::sync_data), 1u) << "durable when done";
      EXPECT_EQ(backend_.count(FileOp::Kind::write) > 0, !punch);
    }
  }
}

TEST_F(FileBdevOdd, disk_without_a_volatile_cache_is_written_without_syncing) {
  backend_.volatile_write_cache = false;
  open();
  Buffer buffer(k_block);
  TestIo write(IoType::write, 0, 1, {buffer.segment()});
  write.io.fua = true;
  ASSERT_EQ(run(write), Status::ok);
  ASSERT_EQ(run(IoType::unmap, 0, 1), Status::ok);
  ASSERT_EQ(run(IoType::flush, 0, 0), Status::ok);
  EXPECT_EQ(backend_.count(FileOp::Kind::write), 1u);
  EXPECT_EQ(backend_.count(FileOp::Kind::write_durable), 0u);
  EXPECT_EQ(backend_.count(FileOp::Kind::sync_data), 0u);
}

TEST_F(FileBdevOdd, one_write_is_one_file_operation) {
  open();
  Buffer buffer(k_block);
  TestIo write(IoType::write, 0, 1, {buffer.segment()});
  ASSERT_EQ(run(write), Status::ok);
  EXPECT_EQ(backend_.count(FileOp::Kind::write_durable), 1u);
  for (const FileOp::Kind kind : {FileOp::Kind::read, FileOp::Kind::write, FileOp::Kind::sync_data}) {
    EXPECT_EQ(backend_.count(kind), 0u);
  }
}

// More operations of several steps than there are tasks: they wait in line and all finish.
TEST_F(FileBdevOdd, operations_beyond_the_tasks_wait_in_line) {
  open();
  Buffer zeroes(2 * k_block);
  std::vector<std::unique_ptr<TestIo>> ios;
  for (uint32_t i = 0; i < 200; ++i) {
    const IoType types[] = {IoType::verify, IoType::compare, IoType::compare_and_write, IoType::copy};
    const IoType type = types[i % 4];
    std::vector<Segment> data;
    if (type == IoType::compare) data = {{zeroes.data(), k_block}};
    if (type == IoType::compare_and_write) data = {zeroes.segment()};
    ios.push_back(std::make_unique<TestIo>(type, i % 8, 1, data));
    channel_->submit(ios.back()->io);
  }
  for (int turns = 0; turns < 10'000; ++turns) reactor_->turn();
  for (const auto& io : ios) {
    EXPECT_EQ(io->dones_count, 1u);
    EXPECT_EQ(io->status, Status::ok);
  }
}

}  // namespace
}  // namespace ballast::bdev::test
