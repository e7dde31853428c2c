#include "bdev/pool/disk.h"

#include "native/bdev_pool/pool_stage.h"

namespace ballast::bdev::pool::test {
namespace {

class PoolDisk : public testing::Test {
 protected:
  Errc write(uint64_t offset, uint8_t fill, bool durable = true) {
    std::memset(buffer_.data(), fill, buffer_.size());
    return stage_.run([&]() -> Task<Errc> {
      co_return durable ? co_await disk_->write_durable(offset, buffer_.bytes())
                        : co_await disk_->write(offset, buffer_.bytes());
    });
  }
  Errc read(uint64_t offset) {
    return stage_.run([&]() -> Task<Errc> { co_return co_await disk_->read(offset, buffer_.bytes()); });
  }
  Errc sync() {
    return stage_.run([&]() -> Task<Errc> { co_return co_await disk_->sync(); });
  }

  PoolStage stage_;
  std::unique_ptr<Disk> disk_ = stage_.open("a", k_mib);
  PageBuffer buffer_{8192};
};

TEST_F(PoolDisk, short_counts_go_on_where_they_stopped) {
  stage_.world.spoil_file_operations("a", FileOp::Kind::write_durable, {SimulatedFault::Kind::cut_short}, 15);
  EXPECT_EQ(write(4096, 7), Errc::ok);
  stage_.world.spoil_file_operations("a", FileOp::Kind::read, {SimulatedFault::Kind::cut_short}, 3);
  std::memset(buffer_.data(), 0, buffer_.size());
  EXPECT_EQ(read(4096), Errc::ok);
  for (const uint8_t byte : buffer_.bytes()) ASSERT_EQ(byte, 7);
}

TEST_F(PoolDisk, a_read_beyond_the_end_is_an_error) { EXPECT_EQ(read(k_mib - 4096), Errc::io_error); }

// Row D5: a sync that failed once is never believed again.
TEST_F(PoolDisk, a_failed_sync_poisons) {
  EXPECT_EQ(write(0, 1, false), Errc::ok);
  stage_.world.fail_file_operations("a", FileOp::Kind::sync_data, EIO, 1);
  EXPECT_EQ(sync(), Errc::io_error);
  EXPECT_TRUE(disk_->is_poisoned());
  EXPECT_EQ(sync(), Errc::io_error);
  EXPECT_EQ(write(0, 2), Errc::io_error);
  EXPECT_EQ(write(0, 2, false), Errc::io_error);
  EXPECT_EQ(read(0), Errc::ok);
  EXPECT_EQ(buffer_.data()[0], 1);
}

TEST_F(PoolDisk, a_failed_durable_write_poisons_and_a_failed_plain_one_does_not) {
  stage_.world.fail_file_operations("a", FileOp::Kind::write, ENOSPC, 1);
  EXPECT_EQ(write(0, 1, false), Errc::no_space);
  EXPECT_FALSE(disk_->is_poisoned());
  stage_.world.fail_file_operations("a", FileOp::Kind::write_durable, EIO, 1);
  EXPECT_EQ(write(0, 1), Errc::io_error);
  EXPECT_TRUE(disk_->is_poisoned());
}

}  // namespace
}  // namespace ballast::bdev::pool::test
