#include "bdev/mirror/granule_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/prng.h"

namespace ballast::bdev::mirror::test {
namespace {

TEST(GranuleMap, agrees_with_a_plain_list_of_bits) {
  Prng prng(1);
  const uint64_t bits = 2 * k_map_bits_per_block + 77;
  GranuleMap map(bits);
  std::vector<bool> plain(bits, false);
  for (int round = 0; round < 2000; ++round) {
    const uint64_t first = prng.below(bits);
    const uint64_t count = prng.below(std::min<uint64_t>(bits - first, prng.chance(1, 10) ? bits : 200) + 1);
    const bool value = prng.chance(1, 2);
    bool changes = false;
    for (uint64_t bit = first; bit < first + count; ++bit) {
      changes |= plain[bit] != value;
      plain[bit] = value;
    }
    EXPECT_EQ(value ? map.set(first, count) : map.clear(first, count), changes);
    const uint64_t from = prng.below(bits + 100);
    uint64_t start = from;
    while (start < bits && !plain[start]) ++start;
    uint64_t end = start;
    while (end < bits && plain[end]) ++end;
    const auto run = map.next_run(from);
    ASSERT_EQ(run.has_value(), start < bits);
    ASSERT_EQ(run.value_or(GranuleMap::Run{}),
              start < bits ? (GranuleMap::Run{start, end - start}) : GranuleMap::Run{});
    if (end > start) {
      ASSERT_TRUE(map.has_all(start, end - start));
      ASSERT_TRUE(end == bits || !map.has_all(start, end - start + 1));
    }
    std::array<uint8_t, 16> out;
    map.read(first, out);
    for (uint64_t i = 0; i < 128; ++i) {
      ASSERT_EQ((out[i / 8] >> i % 8 & 1) != 0, first + i < bits && plain[first + i]);
    }
  }
  uint64_t count = 0;
  for (const bool bit : plain) count += bit ? 1 : 0;
  EXPECT_EQ(map.count(), count);
}

TEST(GranuleMap, knows_which_blocks_differ_from_the_device) {
  GranuleMap map(3 * k_map_bits_per_block);
  EXPECT_FALSE(map.next_dirty(0));
  map.set(k_map_bits_per_block - 1, 2);
  EXPECT_EQ(map.next_dirty(0), 0u);
  EXPECT_EQ(map.next_dirty(1), 1u);
  EXPECT_FALSE(map.next_dirty(2));
  map.clear_dirty(0);
  map.clear_dirty(1);
  map.set(k_map_bits_per_block - 1, 2);  // nothing new
  EXPECT_FALSE(map.next_dirty(0));
  map.clear(0, 3 * k_map_bits_per_block);
  EXPECT_EQ(map.next_dirty(0), 0u);
  EXPECT_FALSE(map.is_dirty(2));
}

TEST(GranuleMap, bits_of_a_block_behind_the_end_are_ignored) {
  GranuleMap map(100);
  std::vector<uint8_t> body(k_map_bytes_per_block, 0xff);
  map.add_block(0, body);
  EXPECT_EQ(map.count(), 100u);
  EXPECT_EQ(*map.next_run(0), (GranuleMap::Run{0, 100}));
  EXPECT_FALSE(map.next_dirty(0));
  GranuleMap wanted(100), both(100);
  wanted.set(7, 3);
  both.add_block_where(0, body, wanted);
  EXPECT_EQ(*both.next_run(0), (GranuleMap::Run{7, 3}));
}

}  // namespace
}  // namespace ballast::bdev::mirror::test
