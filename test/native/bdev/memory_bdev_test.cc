// What is particular to memory and null: reads without a copy, and going from one reactor to several.
#include "bdev/memory/memory_bdev.h"

#include <gtest/gtest.h>

#include "bdev/null/null_bdev.h"
#include "native/bdev/stage.h"

namespace ballast::bdev::test {
namespace {

constexpr uint32_t k_block = 4096;

TEST(MemoryBdevOpen, refuses_sizes_that_are_not_whole_blocks) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{4095}, uint64_t{4097}, UINT64_MAX}) {
    EXPECT_EQ(make_memory_bdev({size, 4096}).errc(), Errc::invalid_argument);
    EXPECT_EQ(make_null_bdev({size, 4096}).errc(), Errc::invalid_argument);
  }
  for (const uint32_t block : {0u, 1u, 1024u, 8192u}) {
    EXPECT_EQ(make_memory_bdev({1 << 20, block}).errc(), Errc::invalid_argument);
    EXPECT_EQ(make_null_bdev({1 << 20, block}).errc(), Errc::invalid_argument);
  }
}

TEST(MemoryBdevOpen, answers_no_memory_for_more_than_there_can_be) {
  EXPECT_EQ(make_memory_bdev({uint64_t{1} << 62, 4096}).errc(), Errc::no_memory);
}

TEST(MemoryBdev, maps_reads_while_one_reactor_uses_it) {
  SimulatedStage stage(1);
  Opened disk(stage, *make_memory_bdev({1 << 20, k_block}));
  ASSERT_EQ(disk.write(3, std::vector<uint8_t>(k_block, 7)), Status::ok);
  stage.on(0, [&] {
    const Segment mapped = disk.channel().map_read(3, 2);
    ASSERT_NE(mapped.base, nullptr);
    EXPECT_EQ(mapped.size_bytes, 2 * k_block);
    EXPECT_EQ(mapped.base[0], 7);
    EXPECT_EQ(mapped.base[k_block], 0);
    disk.channel().unmap_read(mapped);
    EXPECT_EQ(disk.channel().map_read(256, 1).base, nullptr);
    EXPECT_EQ(disk.channel().map_read(UINT64_MAX, 1).base, nullptr);
  });
}

TEST(MemoryBdev, maps_nothing_while_several_reactors_use_it) {
  SimulatedStage stage(2);
  Opened disk(stage, *make_memory_bdev({1 << 20, k_block}));
  stage.settle();
  for (uint32_t i = 0; i < 2; ++i) {
    stage.on(i, [&] { EXPECT_EQ(disk.channel(i).map_read(0, 1).base, nullptr) << i; });
  }
}

TEST(MemoryBdev, second_reactor_waits_until_no_read_of_the_first_is_mapped) {
  SimulatedStage stage(2);
  const std::shared_ptr<Bdev> device = *make_memory_bdev({1 << 20, k_block});
  std::unique_ptr<Channel> first, second;
  Segment mapped;
  stage.on(0, [&] {
    first = device->open(stage.reactor(0));
    mapped = first->map_read(0, 1);
  });
  Buffer buffer(k_block, 9);
  TestIo write(IoType::write, 0, 1, {buffer.segment()});
  stage.on(1, [&] {
    second = device->open(stage.reactor(1));
    second->submit(write.io);
  });
  stage.settle();
  EXPECT_FALSE(write.done);
  EXPECT_EQ(mapped.base[0], 0);
  stage.on(0, [&] {
    EXPECT_EQ(first->map_read(1, 1).base, nullptr) << "another map would keep the second waiting";
    first->unmap_read(mapped);
  });
  stage.settle();
  EXPECT_TRUE(write.done);
  EXPECT_EQ(write.status, Status::ok);
  stage.on(0, [&] { first.reset(); });
  stage.on(1, [&] { second.reset(); });
}

TEST(MemoryBdev, channel_may_close_before_the_first_reactor_has_answered) {
  SimulatedStage stage(2);
  const std::shared_ptr<Bdev> device = *make_memory_bdev({1 << 20, k_block});
  std::unique_ptr<Channel> first;
  stage.on(0, [&] { first = device->open(stage.reactor(0)); });
  stage.on(1, [&] { device->open(stage.reactor(1)).reset(); });
  stage.on(0, [&] { first.reset(); });
  stage.settle();
}

TEST(MemoryBdev, zeroing_of_a_large_range_gives_the_reactor_back_between_its_pieces) {
  SimulatedStage stage(1);
  Opened disk(stage, *make_memory_bdev({64 << 20, k_block}));
  TestIo zero(IoType::unmap, 0, (64 << 20) / k_block), flush(IoType::flush);
  stage.on(0, [&] {
    disk.channel().submit(zero.io);
    disk.channel().submit(flush.io);
    EXPECT_FALSE(zero.done);
    EXPECT_TRUE(flush.done);
  });
  stage.wait(zero.done);
  EXPECT_EQ(zero.status, Status::ok);
}

// ---- null ----

TEST(NullBdev, reads_zeroes_whatever_was_written) {
  SimulatedStage stage(2);
  Opened disk(stage, *make_null_bdev({1 << 20, k_block}));
  EXPECT_EQ(disk.write(3, std::vector<uint8_t>(k_block, 7), 1), Status::ok);
  EXPECT_EQ(disk.read(0, 40), std::vector<uint8_t>(40 * k_block));
}

TEST(NullBdev, refuses_what_is_beyond_the_last_block) {
  SimulatedStage stage(1);
  Opened disk(stage, *make_null_bdev({1 << 20, k_block}));
  for (const uint64_t lba : {uint64_t{256}, uint64_t{255}, UINT64_MAX}) {
    EXPECT_EQ(disk.write(lba, std::vector<uint8_t>(2 * k_block)), Status::out_of_range);
    EXPECT_EQ(disk.simple(IoType::unmap, lba, 2), Status::out_of_range);
    EXPECT_EQ(disk.copy(0, lba, 2), Status::out_of_range);
    stage.on(0, [&] { EXPECT_EQ(disk.channel().map_read(lba, 2).base, nullptr); });
  }
}

TEST(NullBdev, maps_any_transfer_as_zeroes_on_every_reactor) {
  SimulatedStage stage(2);
  Opened disk(stage, *make_null_bdev({1 << 20, k_block}));
  for (uint32_t i = 0; i < 2; ++i) {
    stage.on(i, [&] {
      const Segment mapped = disk.channel(i).map_read(200, 32);
      ASSERT_NE(mapped.base, nullptr);
      ASSERT_EQ(mapped.size_bytes, 32 * k_block);
      for (size_t at = 0; at < mapped.size_bytes; at += 509) ASSERT_EQ(mapped.base[at], 0);
      disk.channel(i).unmap_read(mapped);
      EXPECT_EQ(disk.channel(i).map_read(0, 33).base, nullptr);
    });
  }
}

TEST(NullBdev, compares_with_zeroes) {
  SimulatedStage stage(1);
  Opened disk(stage, *make_null_bdev({1 << 20, k_block}));
  std::vector<uint8_t> bytes(40 * k_block);
  EXPECT_EQ(disk.compare(0, bytes), Status::ok);
  EXPECT_EQ(disk.compare_and_write(0, bytes, std::vector<uint8_t>(40 * k_block, 1)), Status::ok);
  bytes.back() = 1;
  EXPECT_EQ(disk.compare(0, bytes), Status::compare_mismatch);
  EXPECT_EQ(disk.compare_and_write(0, bytes, bytes), Status::compare_mismatch);
  for (const IoType type : {IoType::flush, IoType::verify, IoType::write_zeroes, IoType::unmap}) {
    EXPECT_EQ(disk.simple(type, 0, type == IoType::flush ? 0 : 8), Status::ok);
  }
}

}  // namespace
}  // namespace ballast::bdev::test
