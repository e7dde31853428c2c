// Snapshots that are read for another pool.
#include "native/bdev_pool/pool_fixture.h"

namespace ballast::bdev::pool::test {
namespace {

using Numbers = std::vector<uint64_t>;
constexpr uint64_t k_size_bytes = 4 * k_mib;

class SnapshotReadTest : public PoolFixture {
 protected:
  void SetUp() override {
    ASSERT_TRUE(create({"a"}, 64 * k_mib).ok());
    const Result<uint32_t> id = add_volume("v", k_size_bytes);
    ASSERT_TRUE(id.ok());
    volume_ = *id;
    serve(volume_);
  }
  Served& volume() { return served_.at(volume_); }

  uint32_t volume_ = 0;
};

TEST_F(SnapshotReadTest, ASnapshotIsReadWhileItsVolumeIsWritten) {
  ASSERT_EQ(write(volume(), 60, {1, 2, 3, 4, 5, 6}), Status::ok);
  const Result<uint32_t> old = snapshot(volume_, "old");
  ASSERT_EQ(write(volume(), 62, {7, 8, 9}), Status::ok);
  const Result<uint32_t> young = snapshot(volume_, "young");
  ASSERT_TRUE(old.ok() && young.ok());
  ASSERT_EQ(write(volume(), 60, Numbers(6, 10)), Status::ok);
  expect_snapshot(*old, 59, {0, 1, 2, 3, 4, 5, 6, 0});
  expect_snapshot(*young, 59, {0, 1, 2, 7, 8, 9, 6, 0});
  expect_snapshot(*young, k_size_bytes / k_page_bytes - 1, {0});
  ASSERT_EQ(simple(volume(), IoType::unmap, 0, 1024), Status::ok);
  ASSERT_TRUE(remove_snapshot(*old).ok());
  finish_layer_work();
  expect_snapshot(*young, 59, {0, 1, 2, 7, 8, 9, 6, 0});
}

TEST_F(SnapshotReadTest, WhatIsNoSnapshotIsNotRead) {
  ASSERT_EQ(write(volume(), 0, {1}), Status::ok);
  const Result<uint32_t> layer = snapshot(volume_, "s");
  ASSERT_TRUE(layer.ok());
  EXPECT_EQ(read_snapshot(volume().opened->head_layer(), 0, 1).errc(), Errc::not_found);
  EXPECT_EQ(read_snapshot(1000, 0, 1).errc(), Errc::not_found);
  EXPECT_EQ(read_snapshot(*layer, k_size_bytes / k_page_bytes, 1).errc(), Errc::invalid_argument);
  EXPECT_EQ(read_snapshot(*layer, k_size_bytes / k_page_bytes - 1, 2).errc(), Errc::invalid_argument);
  EXPECT_EQ(read_snapshot(*layer, 0, 0).errc(), Errc::invalid_argument);
  Buffer buffer(k_page_bytes);
  const auto read_at = [&](uint64_t offset, size_t length) {
    return stage_->run([&] { return pool_->read_snapshot(*layer, offset, {buffer.data(), length}); }).errc();
  };
  EXPECT_EQ(read_at(512, k_page_bytes), Errc::invalid_argument);
  EXPECT_EQ(read_at(0, 512), Errc::invalid_argument);
  ASSERT_TRUE(remove_snapshot(*layer).ok());
  EXPECT_EQ(read_snapshot(*layer, 0, 1).errc(), Errc::not_found);
}

TEST_F(SnapshotReadTest, ABlockOfASnapshotThatIsDamagedIsNotRead) {
  ASSERT_EQ(write(volume(), 0, {1, 2, 3}), Status::ok);
  const Result<uint32_t> layer = snapshot(volume_, "s");
  ASSERT_TRUE(layer.ok());
  const uint64_t data = pool_->facts().superblock.devices[0].data_offset;
  stage_->world.spoil_file("a", data + k_page_bytes + 5, 0x10);
  EXPECT_EQ(read_snapshot(*layer, 0, 3).errc(), Errc::io_error);
  EXPECT_EQ(*read_snapshot(*layer, 0, 1), Numbers{1});
  EXPECT_EQ(*read_snapshot(*layer, 2, 1), Numbers{3});
}

}  // namespace
}  // namespace ballast::bdev::pool::test
