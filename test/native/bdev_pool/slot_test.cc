#include "bdev/pool/slot.h"

#include <set>

#include "base/prng.h"
#include "native/bdev_pool/samples.h"

namespace ballast::bdev::pool::test {
namespace {

TEST(PoolSlot, masks_set_and_clear_any_range) {
  Prng prng(1);
  for (int round = 0; round < 3000; ++round) {
    BlockMask mask;
    std::vector<bool> model(k_slot_blocks_max);
    for (int step = 0; step < 4; ++step) {
      const auto first = static_cast<uint32_t>(prng.below(k_slot_blocks_max));
      const auto count = static_cast<uint32_t>(1 + prng.below(k_slot_blocks_max - first));
      const bool sets = prng.chance(2, 3);
      sets ? mask.set(first, count) : mask.clear(first, count);
      for (uint32_t i = first; i < first + count; ++i) model[i] = sets;
    }
    for (uint32_t i = 0; i < k_slot_blocks_max; ++i) ASSERT_EQ(mask.test(i), model[i]);
    ASSERT_EQ(mask.is_empty(), std::count(model.begin(), model.end(), true) == 0);
  }
}

// Against an array that says for each block where it is: an extent, zeroes (-1) or nowhere (0).
TEST(PoolSlot, maps_and_unmaps_as_a_block_by_block_model_and_keeps_its_bytes) {
  Prng prng(2);
  uint32_t refused = 0;
  for (int round = 0; round < 600; ++round) {
    Slot slot;
    std::vector<int> model(k_slot_blocks_max, 0);
    for (int step = 0; step < 40; ++step) {
      const auto first = static_cast<uint32_t>(prng.below(k_slot_blocks_max));
      const auto count = static_cast<uint32_t>(1 + prng.below(std::min(80u, k_slot_blocks_max - first)));
      const auto place = static_cast<int>(prng.below(8)) - 1;  // -1: unmap and hide, 0: unmap
      std::set<int> before(model.begin(), model.end());
      std::vector<int> after = model;
      for (uint32_t i = first; i < first + count; ++i) {
        after[i] = place != 0 || model[i] == -1 ? place == 0 ? -1 : place : 0;
      }
      std::vector<Extent> freed;
      if (place > 0) {
        std::set<int> extents(after.begin(), after.end());
        extents.erase(0), extents.erase(-1);
        const bool fits = slot.map(first, count, Extent::of(0, static_cast<uint64_t>(place)), freed);
        ASSERT_EQ(fits, extents.size() <= k_fragments_max);
        if (!fits) {
          ++refused;
          ASSERT_TRUE(freed.empty());
          continue;
        }
      } else {
        slot.unmap(first, count, place == -1, freed);
      }
      model = after;
      std::set<int> gone = before;
      for (const int still : model) gone.erase(still);
      gone.erase(0), gone.erase(-1);
      ASSERT_EQ(freed.size(), gone.size());
      for (const Extent extent : freed) ASSERT_TRUE(gone.contains(static_cast<int>(extent.number())));
      for (uint32_t i = 0; i < k_slot_blocks_max; ++i) {
        const Fragment* const fragment = slot.find(i);
        ASSERT_EQ(fragment == nullptr ? 0 : static_cast<int>(fragment->extent.number()),
                  std::max(model[i], 0));
        ASSERT_EQ(slot.zero.test(i), model[i] == -1);
      }
      if (slot.is_empty()) continue;
      std::array<uint8_t, k_slot_bytes_max> bytes;
      const uint32_t size = encode(slot, bytes);
      Slot again;
      ASSERT_TRUE(decode(ByteSpan(bytes).first(size), again));
      ASSERT_EQ(again, slot);
    }
  }
  EXPECT_GT(refused, 100u);
}

TEST(PoolSlot, a_merge_changes_no_block_that_is_seen_and_frees_what_nobody_sees) {
  Prng prng(3);
  uint32_t refused = 0;
  for (int round = 0; round < 3000; ++round) {
    Slot above, below;
    std::vector<Extent> none;
    for (int step = 0; step < 6; ++step) {
      const auto first = static_cast<uint32_t>(prng.below(k_slot_blocks_max));
      const auto count = static_cast<uint32_t>(1 + prng.below(k_slot_blocks_max - first));
      Slot& slot = step % 2 == 0 ? above : below;
      if (prng.chance(1, 3)) {
        slot.unmap(first, count, true, none);
      } else {
        static_cast<void>(
            slot.map(first, count, Extent::of(static_cast<uint16_t>(step % 2), prng.below(4)), none));
      }
    }
    const bool hides = prng.chance(1, 2);
    const Slot before = above;
    std::vector<Extent> freed;
    if (!above.merge(below, hides, freed)) {
      ++refused;
      ASSERT_EQ(above, before);
      continue;
    }
    std::set<Extent> seen;
    for (uint32_t i = 0; i < k_slot_blocks_max; ++i) {
      const Fragment* wanted = before.find(i);
      if (wanted == nullptr && !before.zero.test(i)) wanted = below.find(i);
      const Fragment* const found = above.find(i);
      ASSERT_EQ(found == nullptr, wanted == nullptr);
      if (found != nullptr) {
        ASSERT_EQ(found->extent, wanted->extent);
        seen.insert(found->extent);
      }
      const bool was_zero = before.zero.test(i) || (before.find(i) == nullptr && below.zero.test(i));
      ASSERT_EQ(above.zero.test(i), hides && was_zero);
    }
    for (uint32_t i = 0; i < below.fragments_count; ++i) {
      const Extent extent = below.fragments[i].extent;
      ASSERT_NE(seen.contains(extent), std::find(freed.begin(), freed.end(), extent) != freed.end());
    }
  }
  EXPECT_GT(refused, 20u);
}

TEST(PoolSlot, bytes_that_are_no_slot_are_refused) {
  Slot slot;
  std::vector<Extent> freed;
  ASSERT_TRUE(slot.map(0, 10, Extent::of(0, 1), freed));
  ASSERT_TRUE(slot.map(10, 10, Extent::of(0, 2), freed));
  slot.unmap(5, 2, true, freed);
  std::array<uint8_t, k_slot_bytes_max> bytes;
  const uint32_t size = encode(slot, bytes);
  EXPECT_EQ(size, 8u + 32 + 2 * 40);
  Slot read;
  for (uint32_t cut = 0; cut < size; ++cut) EXPECT_FALSE(decode(ByteSpan(bytes).first(cut), read));
  const auto refused_with = [&](uint32_t at, uint8_t value) {
    auto changed = bytes;
    changed[at] = value;
    return !decode(ByteSpan(changed).first(size), read);
  };
  EXPECT_TRUE(refused_with(0, 5));
  EXPECT_TRUE(refused_with(1, 2));
  EXPECT_TRUE(refused_with(8, 1));                         // block 0 is zero and in an extent
  EXPECT_TRUE(refused_with(40, 2));                        // twice the same extent
  EXPECT_TRUE(refused_with(47, 1));                        // no extent
  EXPECT_TRUE(refused_with(88, 1));                        // block 0 in two extents
  EXPECT_FALSE(decode(std::vector<uint8_t>(8, 0), read));  // without a bit
}

}  // namespace
}  // namespace ballast::bdev::pool::test
