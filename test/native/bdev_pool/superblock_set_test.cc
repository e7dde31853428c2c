#include "bdev/pool/superblock_set.h"

#include "native/bdev_pool/pool_stage.h"

namespace ballast::bdev::pool::test {
namespace {

constexpr uint64_t k_size = 64 * k_mib;

class PoolSuperblocks : public testing::Test {
 protected:
  Errc write(const Superblock& superblock) {
    return stage_.run([&] { return write_superblocks(*disk_, superblock); });
  }
  Result<FoundSuperblock> read() {
    return stage_.run([&] { return read_superblocks(*disk_); });
  }
  void damage(size_t copy) { stage_.world.spoil_file("a", superblock_offsets(k_size)[copy] + 130, 4); }
  Superblock of_generation(uint64_t generation) {
    Superblock superblock = sample_superblock();
    superblock.head.generation = generation;
    return superblock;
  }

  PoolStage stage_;
  std::unique_ptr<Disk> disk_ = stage_.open("a", k_size + 4096);  // not a whole number of MiB
};

TEST_F(PoolSuperblocks, come_back_as_they_were_written) {
  ASSERT_EQ(write(sample_superblock()), Errc::ok);
  const Result<FoundSuperblock> found = read();
  ASSERT_TRUE(found.ok()) << found.error().text;
  EXPECT_FALSE(found->is_worn);
  EXPECT_EQ(name_text(found->superblock.name), "tank");
  EXPECT_EQ(found->superblock.devices_count, 2);
}

// Row D28: a superblock copy damaged, each, and each pair; here each set of one to three.
TEST_F(PoolSuperblocks, D28_any_three_copies_may_be_damaged) {
  for (uint32_t damaged = 1; damaged < 15; ++damaged) {
    ASSERT_EQ(write(of_generation(damaged)), Errc::ok);
    for (size_t copy = 0; copy < 4; ++copy) {
      if ((damaged >> copy & 1) != 0) damage(copy);
    }
    const Result<FoundSuperblock> found = read();
    ASSERT_TRUE(found.ok()) << "copies " << damaged;
    EXPECT_TRUE(found->is_worn);
    EXPECT_EQ(found->superblock.head.generation, damaged);
    ASSERT_EQ(write(found->superblock), Errc::ok);
    EXPECT_FALSE(read()->is_worn);
  }
  for (size_t copy = 0; copy < 4; ++copy) damage(copy);
  EXPECT_EQ(read().errc(), Errc::not_found);
}

TEST_F(PoolSuperblocks, D28_a_copy_that_cannot_be_read_is_a_damaged_one) {
  ASSERT_EQ(write(sample_superblock()), Errc::ok);
  stage_.world.fail_file_operations("a", FileOp::Kind::read, EIO, 2);
  const Result<FoundSuperblock> found = read();
  ASSERT_TRUE(found.ok());
  EXPECT_TRUE(found->is_worn);
}

// The power fails in every change of a rewrite; afterwards any pair of copies may still be damaged.
TEST_F(PoolSuperblocks, D28_a_crash_in_a_rewrite_leaves_two_whole_copies_of_one_generation) {
  for (uint64_t round = 0; round < 600; ++round) {
    ASSERT_EQ(write(of_generation(2 * round + 1)), Errc::ok);
    stage_.world.cut_power_after(round % 6);
    ASSERT_NE(write(of_generation(2 * round + 2)), Errc::ok);
    disk_.reset();
    stage_.world.restore_power(UnsyncedWrites::random);
    disk_ = stage_.open("a", k_size + 4096);
    uint32_t old_whole = 0, new_whole = 0;
    PageBuffer buffer(sizeof(Superblock));
    const ByteSpan copy = buffer.bytes();
    for (const uint64_t offset : superblock_offsets(k_size)) {
      ASSERT_EQ(stage_.read(*disk_, offset, buffer), Errc::ok);
      if (!is_whole(copy, k_superblock_magic, offset)) continue;
      ++(load<Head>(copy).generation == 2 * round + 2 ? new_whole : old_whole);
    }
    ASSERT_TRUE(old_whole >= 2 || new_whole >= 2) << old_whole << " and " << new_whole;
    const Result<FoundSuperblock> found = read();
    ASSERT_TRUE(found.ok());
    ASSERT_EQ(found->superblock.head.generation, new_whole > 0 ? 2 * round + 2 : 2 * round + 1);
    ASSERT_EQ(found->is_worn, new_whole != 4 && old_whole != 4);
  }
}

TEST_F(PoolSuperblocks, a_device_that_has_grown_is_found_by_the_size_it_had) {
  ASSERT_EQ(write(sample_superblock()), Errc::ok);
  PageBuffer page(k_page_bytes);
  ASSERT_EQ(stage_.write(*disk_, 2 * k_size, page), Errc::ok);  // a file grows by being written to
  ASSERT_GT(disk_->size_bytes(), 2 * k_size);
  const Result<FoundSuperblock> found = read();
  ASSERT_TRUE(found.ok()) << found.error().text;
  EXPECT_FALSE(found->is_worn);
  damage(0);
  EXPECT_TRUE(read().ok());
}

TEST_F(PoolSuperblocks, a_device_that_has_shrunk_is_refused) {
  Superblock superblock = sample_superblock();
  superblock.devices[0] = {uuid_of(0x20), 2 * k_size, 33 * k_mib, 94};
  ASSERT_EQ(write(superblock), Errc::ok);  // behind the end: the file grows
  const std::vector<uint8_t> bytes = stage_.world.file_bytes("a");
  disk_ = nullptr;
  disk_ = stage_.open("b", k_size);
  PageBuffer front(k_mib);
  std::copy_n(bytes.begin(), front.size(), front.data());
  ASSERT_EQ(stage_.write(*disk_, 0, front), Errc::ok);
  EXPECT_EQ(read().errc(), Errc::invalid_argument);
}

TEST_F(PoolSuperblocks, an_empty_or_tiny_device_is_of_no_pool) {
  EXPECT_EQ(read().errc(), Errc::not_found);
  disk_ = stage_.open("tiny", 4096);
  EXPECT_EQ(read().errc(), Errc::not_found);
}

// Row D29: disks swapped between slots, renamed: the UUIDs say who is who.
TEST(PoolAssemble, D29_devices_are_known_by_uuid_in_whatever_order) {
  const Superblock a = sample_superblock(0), b = sample_superblock(1);
  EXPECT_EQ(*assemble({a, b}), (std::vector<size_t>{0, 1}));
  EXPECT_EQ(*assemble({b, a}), (std::vector<size_t>{1, 0}));
}

TEST(PoolAssemble, D29_what_does_not_belong_together_is_refused_by_name) {
  const Superblock a = sample_superblock(0), b = sample_superblock(1);
  const auto refusal = [](const std::vector<Superblock>& found) {
    Result<std::vector<size_t>> assembled = assemble(found);
    return assembled.ok() ? std::string() : assembled.error().text;
  };
  const std::string second = uuid_of(0x21).text();
  EXPECT_NE(refusal({a}).find(second + " of the pool is missing"), std::string::npos);
  EXPECT_NE(refusal({b}).find("first device"), std::string::npos);
  EXPECT_NE(refusal({}).find("first device"), std::string::npos);
  EXPECT_NE(refusal({a, b, b}).find(second + " is there twice"), std::string::npos);
  EXPECT_NE(refusal({a, a, b}).find("is there twice"), std::string::npos);
  Superblock foreign = b;
  foreign.head.pool_uuid = uuid_of(0x12);
  EXPECT_NE(refusal({a, foreign}).find("is of pool " + uuid_of(0x12).text()), std::string::npos);
  Superblock stranger = b;
  stranger.device_uuid = stranger.devices[1].uuid = uuid_of(0x33);
  EXPECT_NE(refusal({a, b, stranger}).find("never added"), std::string::npos);
  Superblock newer = b;
  newer.head.generation = a.head.generation + 1;
  EXPECT_NE(refusal({a, newer}).find("old copy"), std::string::npos);
  Superblock older = b;
  older.head.generation = a.head.generation - 1;
  EXPECT_TRUE(assemble({a, older}).ok());
}

}  // namespace
}  // namespace ballast::bdev::pool::test
