#include "bdev/pool/extent_map.h"

#include <map>

#include "base/prng.h"
#include "native/bdev_pool/samples.h"

namespace ballast::bdev::pool::test {
namespace {

const std::vector<uint64_t> k_counts{100, 20'000, 64};

TEST(PoolExtentMap, gives_every_extent_once_and_then_none) {
  ExtentMap map(k_counts);
  EXPECT_EQ(map.extents_count(), 20'164u);
  std::map<Extent, int> given;
  std::array<Extent, 50> run;
  for (uint32_t count = map.reserve(run); count > 0; count = map.reserve(run)) {
    for (uint32_t i = 0; i < count; ++i) {
      ASSERT_TRUE(map.is_known(run[i]));
      ++given[run[i]];
    }
  }
  EXPECT_EQ(given.size(), 20'164u);
  EXPECT_EQ(map.free_count(), 0u);
  EXPECT_FALSE(map.is_known(Extent::of(0, 100)));
  EXPECT_FALSE(map.is_known(Extent::of(3, 0)));
  map.unreserve(Extent::of(1, 77));
  EXPECT_EQ(map.reserve(run), 1u);
  EXPECT_EQ(run[0], Extent::of(1, 77));
}

TEST(PoolExtentMap, a_run_is_of_neighbours_on_the_device_with_the_most_room) {
  ExtentMap map(k_counts);
  std::array<Extent, 10> run;
  ASSERT_EQ(map.reserve(run), 10u);
  for (uint32_t i = 0; i < 10; ++i) EXPECT_EQ(run[i], Extent::of(1, i));
}

TEST(PoolExtentMap, what_is_only_reserved_is_not_stored) {
  ExtentMap map(k_counts);
  std::array<Extent, 10> run;
  map.reserve(run);
  EXPECT_TRUE(map.take_changed().empty());
  map.mark_used(run[3]);
  const std::vector<ExtentChunk> changed = map.take_changed();
  ASSERT_EQ(changed.size(), 1u);
  const auto image = map.image(changed[0]);
  EXPECT_EQ(image[0], 1 << 3);
  EXPECT_TRUE(map.take_changed().empty());
}

TEST(PoolExtentMap, comes_back_from_what_is_stored) {
  ExtentMap map(k_counts);
  Prng prng(4);
  std::map<Extent, bool> model;
  std::map<std::pair<uint16_t, uint64_t>, std::array<uint8_t, k_chunk_bytes>> stored;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 300; ++i) {
      const auto device = static_cast<uint16_t>(prng.below(3));
      const Extent extent = Extent::of(device, prng.below(k_counts[device]));
      const bool used = prng.chance(3, 5);
      used ? map.mark_used(extent) : map.mark_free(extent);
      model[extent] = used;
    }
    for (const ExtentChunk& chunk : map.take_changed())
      stored[{chunk.device, chunk.chunk}] = map.image(chunk);
    ExtentMap again(k_counts);
    for (const auto& [chunk, image] : stored) ASSERT_TRUE(again.load({chunk.first, chunk.second}, image));
    for (const auto& [extent, used] : model) ASSERT_EQ(again.is_used(extent), used);
    ASSERT_EQ(again.free_count(), map.free_count());
    ASSERT_TRUE(again.take_changed().empty());
  }
}

TEST(PoolExtentMap, stored_bits_of_extents_that_do_not_exist_are_refused) {
  ExtentMap map(k_counts);
  std::vector<uint8_t> image(k_chunk_bytes, 0);
  EXPECT_FALSE(map.load({3, 0}, image));
  EXPECT_FALSE(map.load({0, 1}, image));
  EXPECT_FALSE(map.load({0, 0}, ByteSpan(image).first(100)));
  image[12] = 0x10;  // extent 100 of 100
  EXPECT_FALSE(map.load({0, 0}, image));
}

}  // namespace
}  // namespace ballast::bdev::pool::test
