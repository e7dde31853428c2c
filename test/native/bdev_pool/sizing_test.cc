// The metadata region is large enough for what it promises: sums, and a store that is filled to the last
// extent in the orders that make the tree largest.
#include "bdev/pool/sizing.h"

#include <algorithm>
#include <numeric>

#include "native/bdev_pool/store_fixture.h"

namespace ballast::bdev::pool::test {
namespace {

constexpr uint64_t k_gib = 1024 * k_mib;

uint64_t promised(uint64_t metadata_bytes, const ExtentNeeds& needs) {
  return needs.extents_within(MetadataLayout::of(metadata_bytes)->tree_pages());
}

TEST(PoolSizing, a_new_pool_of_any_size_has_metadata_for_all_its_extents) {
  for (const uint32_t blocks : {64u, 128u, 256u}) {
    for (const bool keeps_checksums : {true, false}) {
      const ExtentNeeds needs{blocks, keeps_checksums};
      const uint64_t extent_bytes = uint64_t{blocks} * k_page_bytes;
      for (uint64_t usable = 64 * k_mib; usable <= 64 * 1024 * k_gib; usable += usable / 3 / k_mib * k_mib) {
        const uint64_t bytes = default_metadata_bytes({&usable, 1}, needs);
        EXPECT_EQ(bytes % k_mib, 0u);
        EXPECT_GE(promised(bytes, needs), (usable - bytes - 2 * k_mib) / extent_bytes) << usable;
        EXPECT_GE(bytes, std::max(k_metadata_bytes_min, usable / 512 / k_mib * k_mib));
        // And not much more than it needs.
        EXPECT_LE(bytes, std::max(k_metadata_bytes_min, usable / 220 + 120 * k_mib)) << usable;
      }
    }
  }
}

TEST(PoolSizing, the_first_device_keeps_half_for_data_however_large_the_others_are) {
  const std::vector<uint64_t> usable{10 * k_gib, 16 * 1024 * k_gib};
  EXPECT_EQ(default_metadata_bytes(usable, {}), 5 * k_gib);
  const std::vector<uint64_t> alike{k_gib * 1024, k_gib * 1024};
  EXPECT_GE(promised(default_metadata_bytes(alike, {}), {}), 2u * 1024 * 1024);
}

TEST(PoolSizing, metadata_for_devices_that_come_later_is_as_if_they_were_there) {
  const uint64_t first = k_gib * 1024, all = 3 * first;
  const std::vector<uint64_t> together{first, 2 * first};
  EXPECT_EQ(default_metadata_bytes({&first, 1}, {}, all), default_metadata_bytes(together, {}));
  EXPECT_EQ(default_metadata_bytes({&first, 1}, {}, first / 2), default_metadata_bytes({&first, 1}, {}));
}

enum class Order : uint8_t { growing, falling, from_both_ends, random };

class FilledStore : public StoreFixture {
 protected:
  FilledStore() { frames_ = StoreOptions{}.frames_count; }

  void make_store(uint8_t extent_size_log2, bool keeps_checksums) {
    blocks_ = (1u << extent_size_log2) / k_page_bytes;
    keeps_checksums_ = keeps_checksums;
    superblock_.extent_size_log2 = extent_size_log2;
    superblock_.read_only_compatible = keeps_checksums ? k_read_only_compatible_checksums : 0;
    extents_count_ = promised(superblock_.metadata_bytes, {blocks_, keeps_checksums});
    superblock_.devices[0].extents_count = extents_count_;
    ASSERT_TRUE(create().ok());
  }
  std::vector<uint64_t> numbers(Order order) {
    std::vector<uint64_t> numbers(extents_count_);
    std::iota(numbers.begin(), numbers.end(), 0);
    if (order == Order::falling) std::reverse(numbers.begin(), numbers.end());
    // Full pages, and from then on always right behind the last of them.
    if (order == Order::from_both_ends) std::reverse(numbers.begin() + 300, numbers.end());
    if (order != Order::random) return numbers;
    for (size_t i = numbers.size() - 1; i > 0; --i) std::swap(numbers[i], numbers[prng().below(i + 1)]);
    return numbers;
  }
  // Blocks of zeroes over a parent's and others with data: the largest slot that takes one extent.
  Errc fill(uint64_t number) {
    TestCommit commit;
    const SlotZero zero{k_test_layer, 0, 1, number};
    commit.add(RecordType::slot_zero, bytes_of(zero));
    const Extent extent = Extent::of(0, number);
    const SlotMap map{k_test_layer, 1, static_cast<uint16_t>(blocks_ - 1), number, extent};
    commit.add(RecordType::slot_map, bytes_of(map));
    const Key mark = dirty_key(extent);
    if (keeps_checksums_) commit.put(checksums_key(extent), std::vector<uint8_t>(blocks_ * 4, 7));
    if (cleans_) commit.add(RecordType::remove, bytes_of(mark));
    start(commit);
    stage_->world.run_until([&] { return commit.result.has_value(); });
    return *commit.result;
  }

  uint32_t blocks_ = 0;
  bool keeps_checksums_ = true;
  bool cleans_ = false;  // as a thick volume is filled
  uint64_t extents_count_ = 0;
};

TEST_F(FilledStore, takes_every_extent_that_its_metadata_promises_in_any_order) {
  for (const uint8_t log2 : {18, 20}) {
    for (const bool keeps_checksums : {true, false}) {
      // Without checksums the order of extents is nothing to the tree.
      for (const Order order : {Order::random, Order::growing, Order::falling, Order::from_both_ends}) {
        if (!keeps_checksums && order != Order::random) continue;
        restart(1);
        make_store(log2, keeps_checksums);
        cleans_ = order != Order::random;
        uint64_t filled = 0;
        for (const uint64_t number : numbers(order)) {
          ASSERT_EQ(store_->writable_extents(), extents_count_ - filled);
          ASSERT_EQ(fill(number), Errc::ok) << "extent " << filled << " of " << extents_count_;
          ++filled;
        }
        EXPECT_EQ(store_->writable_extents(), 0u);
        EXPECT_EQ(store_->capacity_extents(), extents_count_);
      }
    }
  }
}

// Keys that come always right behind a full leaf and before the next one, each of which would be alone.
TEST_F(FilledStore, a_leaf_in_the_middle_of_a_run_is_cut_in_half) {
  make_store(20, true);
  constexpr uint64_t k_full = 300, k_keys = 3000;
  const uint64_t free_before = store_->metadata().free_map().free_and_pending_count();
  for (uint64_t i = 0; i < k_keys; ++i) {
    TestCommit commit;
    const uint64_t low = i < k_full ? i : k_keys - i + k_full;
    commit.put(Key::of(KeyType::child, 1, low), std::vector<uint8_t>(1024, 7));
    start(commit);
    stage_->world.run_until([&] { return commit.result.has_value(); });
    ASSERT_EQ(*commit.result, Errc::ok);
  }
  const uint64_t free_after = store_->metadata().free_map().free_and_pending_count();
  EXPECT_LE(free_before - free_after, k_keys / 2 + 50);
}

}  // namespace
}  // namespace ballast::bdev::pool::test
