#include "bdev/pool/tree_page.h"

#include <map>

#include "base/prng.h"
#include "native/bdev_pool/samples.h"

namespace ballast::bdev::pool::test {
namespace {

constexpr uint64_t k_address = 8192;

struct Page {
  explicit Page(uint8_t level = 0) { view.init(2, level); }
  alignas(4096) std::array<uint8_t, k_page_bytes> bytes{};
  TreePage view{bytes.data()};

  std::vector<uint8_t> finished() {
    TreeHead head = view.head();
    head.head = {k_tree_magic, 0, k_address, k_pool_uuid, 4};
    view.set_head(head);
    return sealed(bytes);
  }
};

bool accepts(ByteSpan bytes, uint8_t level = 0) {
  return check_tree_page(bytes, k_address, k_pool_uuid, 2, load<Head>(bytes).crc, level);
}

std::vector<uint8_t> value_of(Prng& prng, size_t size) {
  std::vector<uint8_t> value(size);
  for (uint8_t& byte : value) byte = static_cast<uint8_t>(prng.next());
  return value;
}

using Model = std::map<Key, std::vector<uint8_t>>;

void expect_same(const Page& page, const Model& model) {
  ASSERT_EQ(page.view.entries_count(), model.size());
  uint32_t index = 0;
  for (const auto& [key, value] : model) {
    ASSERT_EQ(page.view.key(index), key);
    const ByteSpan held = page.view.value(index++);
    ASSERT_TRUE(std::equal(held.begin(), held.end(), value.begin(), value.end()));
  }
}

TEST(PoolTreePage, every_bit_of_a_page_counts) {
  Page page;
  Prng prng(1);
  for (uint64_t i = 0; i < 30; ++i) page.view.put({1, i}, value_of(prng, 48));
  expect_every_bit_counts(page.finished(), [](ByteSpan bytes) { return accepts(bytes); });
}

TEST(PoolTreePage, a_page_that_its_parent_does_not_name_is_refused) {
  Page page;
  page.view.put({1, 1}, {});
  const std::vector<uint8_t> bytes = page.finished();
  const uint32_t crc = load<Head>(bytes).crc;
  EXPECT_TRUE(check_tree_page(bytes, k_address, k_pool_uuid, 2, crc, 0));
  EXPECT_FALSE(check_tree_page(bytes, k_address, k_pool_uuid, 2, crc + 1, 0));
  EXPECT_FALSE(check_tree_page(bytes, k_address, k_pool_uuid, 3, crc, 0));
  EXPECT_FALSE(check_tree_page(bytes, k_address, k_pool_uuid, 2, crc, 1));
  EXPECT_FALSE(check_tree_page(bytes, k_address, uuid_of(9), 2, crc, 0));
  Page empty;
  EXPECT_FALSE(accepts(empty.finished()));
}

TEST(PoolTreePage, a_sealed_page_of_nonsense_is_judged_without_harm) {
  Prng prng(2);
  uint32_t refused = 0;
  for (int round = 0; round < 4000; ++round) {
    Page page(static_cast<uint8_t>(round % 2));
    for (uint64_t i = 0; i < 20; ++i) {
      if (round % 2 == 0) {
        page.view.put({1, i}, value_of(prng, 40));
      } else {
        page.view.insert_child(static_cast<uint32_t>(i), {{1, i}, 7, 8});
      }
    }
    std::vector<uint8_t> bytes = page.finished();
    for (int change = 0; change < 3; ++change)
      bytes[40 + prng.below(460)] = static_cast<uint8_t>(prng.next());
    bytes = sealed(bytes);
    if (accepts(bytes, static_cast<uint8_t>(round % 2))) {
      const TreePage view(bytes.data());
      for (uint32_t i = 0; i < view.entries_count(); ++i) {
        if (view.is_leaf())
          static_cast<void>(view.value(i).size());
        else
          static_cast<void>(view.child(i));
      }
    } else {
      ++refused;
    }
  }
  EXPECT_GT(refused, 500u);
}

TEST(PoolTreePage, a_leaf_is_a_map_until_it_is_full_and_splits_so_that_both_halves_have_room) {
  Prng prng(5);
  for (int round = 0; round < 300; ++round) {
    Page page;
    Model model;
    for (int step = 0; step < 400; ++step) {
      const Key key{prng.below(2), prng.below(60)};
      if (prng.chance(1, 4)) {
        const uint32_t at = page.view.lower_bound(key);
        ASSERT_EQ(page.view.holds(at, key), model.contains(key));
        if (model.erase(key) > 0) page.view.remove(at);
        continue;
      }
      const size_t size_max = round % 3 == 0 ? k_value_bytes_max : round % 3 == 1 ? 60 : 300;
      const std::vector<uint8_t> value = value_of(prng, prng.below(size_max + 1));
      if (page.view.has_room(key, value.size())) {
        page.view.put(key, value);
        model[key] = value;
        continue;
      }
      Page right;
      const uint32_t cut = page.view.split_index(key, value.size(), prng.chance(1, 2));
      ASSERT_GT(cut, 0u);
      Page left = page;
      left.view = TreePage(left.bytes.data());
      left.view.move_tail(cut, right.view);
      const bool goes_right = right.view.entries_count() == 0 || key >= right.view.key(0);
      Page& chosen = goes_right ? right : left;
      ASSERT_TRUE(chosen.view.has_room(key, value.size()));
      chosen.view.put(key, value);
      ASSERT_GT(left.view.entries_count(), 0u);
      ASSERT_GT(right.view.entries_count(), 0u);
      if (left.view.used_bytes() + right.view.used_bytes() <= k_body_bytes) {
        left.view.absorb(right.view, right.view.key(0));
        ASSERT_TRUE(accepts(left.finished()));
      }
    }
    expect_same(page, model);
    if (!model.empty()) {
      ASSERT_TRUE(accepts(page.finished()));
    }
  }
}

TEST(PoolTreePage, growing_keys_leave_full_pages_behind) {
  Page page;
  std::vector<uint8_t> value(48);
  uint64_t key = 0;
  while (page.view.has_room({7, key}, value.size())) page.view.put({7, key++}, value);
  EXPECT_EQ(key, 59u);  // the sum of docs/formats/pool.md
  EXPECT_EQ(page.view.split_index({7, key}, value.size(), true), 59u);
  EXPECT_EQ(page.view.split_index({7, key}, value.size(), false), 30u);
}

TEST(PoolTreePage, a_branch_finds_the_child_of_a_key) {
  Page page(1);
  for (uint32_t i = 0; i < k_branch_entries_max; ++i) page.view.insert_child(i, {{1, 10 * i}, 100 + i, i});
  EXPECT_TRUE(page.view.is_full());
  EXPECT_EQ(page.view.child_index({0, 5}), 0u);
  EXPECT_EQ(page.view.child_index({1, 9}), 0u);
  EXPECT_EQ(page.view.child_index({1, 10}), 1u);
  EXPECT_EQ(page.view.child_index({1, 19}), 1u);
  EXPECT_EQ(page.view.child_index({2, 0}), k_branch_entries_max - 1);
  Page right(1);
  page.view.move_tail(100, right.view);
  EXPECT_EQ(page.view.entries_count(), 100u);
  EXPECT_EQ(right.view.child(0).page, 200u);
  right.view.set_child(0, {{0, 0}, 200, 0});  // a first key says nothing
  page.view.absorb(right.view, {1, 1000});
  EXPECT_EQ(page.view.child(100).key, (Key{1, 1000}));
  EXPECT_TRUE(accepts(page.finished(), 1));
  page.view.remove_child(0);
  EXPECT_EQ(page.view.child(0).page, 101u);
}

}  // namespace
}  // namespace ballast::bdev::pool::test
