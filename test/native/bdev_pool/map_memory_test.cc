// The memory of maps follows what is allocated.
#include "bdev/pool/map_memory.h"

#include "native/bdev_pool/pool_fixture.h"

namespace ballast::bdev::pool::test {
namespace {

class PoolMapMemory : public PoolFixture {
 protected:
  static constexpr uint64_t k_blocks_per_slot = 64;

  uint64_t held_bytes(Served& served) {
    const DataPath& path = served.opened->path();
    return path.ages.size() * k_cached_slot_bytes + path.ages.sums_count() * k_block_sums_bytes;
  }
};

TEST_F(PoolMapMemory, slots_and_sums_take_what_the_data_allows_and_are_read_again) {
  constexpr uint64_t k_slots = 45'000;
  options_.data.slots_max = 65'536;
  ASSERT_TRUE(create({"a"}, 16 * 1024 * k_mib).ok());
  Served& volume = serve(*add_volume("v", k_slots * 256 * 1024));
  const uint64_t held_max = slots_bytes_max(k_slots * 256 * 1024);
  ASSERT_LT(held_max, k_slots * (k_cached_slot_bytes + k_block_sums_bytes));
  for (uint64_t slot = 0; slot < k_slots; ++slot) {
    ASSERT_EQ(write(volume, slot * k_blocks_per_slot + slot % 64, {slot + 1}), Status::ok);
    ASSERT_LE(held_bytes(volume), held_max + k_cached_slot_bytes + k_block_sums_bytes);
  }
  for (uint64_t i = 0; i < k_slots; ++i) {
    const uint64_t slot = i * 7 % k_slots;
    const auto found = read(volume, slot * k_blocks_per_slot + slot % 64, 1);
    ASSERT_TRUE(found.ok());
    ASSERT_EQ(found->front(), slot + 1);
    ASSERT_LE(held_bytes(volume), held_max + k_cached_slot_bytes + k_block_sums_bytes);
  }
  EXPECT_GT(held_bytes(volume), held_max / 2);
}

TEST_F(PoolMapMemory, slots_and_sums_take_what_was_chosen_and_no_more) {
  constexpr uint64_t k_slots = 3000, k_chosen = 2 * k_mib;
  options_.data.map_bytes = options_.store.map_bytes = k_chosen;
  options_.data.slots_max = 1;  // is for those who have not chosen
  ASSERT_TRUE(create({"a"}, 2 * 1024 * k_mib).ok());
  Served& volume = serve(*add_volume("v", k_slots * 256 * 1024));
  const uint64_t held_max = slots_bytes_max(0, k_chosen);
  for (uint64_t slot = 0; slot < k_slots; ++slot) {
    ASSERT_EQ(write(volume, slot * k_blocks_per_slot, {slot + 1}), Status::ok);
    ASSERT_LE(held_bytes(volume), held_max + k_cached_slot_bytes + k_block_sums_bytes);
  }
  for (uint64_t slot = 0; slot < k_slots; ++slot) {
    const auto found = read(volume, slot * k_blocks_per_slot, 1);
    ASSERT_TRUE(found.ok());
    ASSERT_EQ(found->front(), slot + 1);
  }
  EXPECT_GT(held_bytes(volume), held_max / 2);
}

TEST_F(PoolMapMemory, what_was_chosen_is_divided_without_a_rest) {
  for (const uint64_t chosen : {16 * k_mib, 256 * k_mib, 8192 * k_mib}) {
    EXPECT_EQ(slots_bytes_max(0, chosen) + clean_pages_max(0, chosen) * k_page_bytes, chosen);
  }
}

TEST_F(PoolMapMemory, is_a_thousandth_of_the_data_above_the_floors) {
  for (const uint64_t gib : {96, 1024, 16384}) {
    const uint64_t allocated = gib * 1024 * k_mib;
    EXPECT_LE(slots_bytes_max(allocated) + clean_pages_max(allocated) * k_page_bytes, allocated / 1000);
  }
  EXPECT_EQ(slots_bytes_max(0) + clean_pages_max(0) * k_page_bytes, 64 * k_mib);
}

}  // namespace
}  // namespace ballast::bdev::pool::test
