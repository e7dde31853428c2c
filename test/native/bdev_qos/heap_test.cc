#include "bdev/qos/heap.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "base/prng.h"

namespace ballast::bdev::qos::test {
namespace {

struct Item {
  uint64_t key = 0;
  uint32_t place = k_not_in_heap;
};
using ItemHeap = Heap<Item, uint64_t, &Item::key, &Item::place>;

TEST(QosHeap, always_has_the_least_on_top_whatever_is_put_moved_and_removed) {
  Prng prng(3);
  std::array<Item, 50> items;
  ItemHeap heap;
  std::multiset<uint64_t> keys;
  for (int step = 0; step < 20'000; ++step) {
    Item& item = items[prng.below(items.size())];
    if (heap.has(item)) keys.erase(keys.find(item.key));
    if (prng.below(3) == 0) {
      heap.remove(item);
    } else {
      heap.put(item, prng.below(100));
      keys.insert(item.key);
    }
    ASSERT_EQ(heap.size(), keys.size());
    ASSERT_EQ(heap.empty(), heap.top() == nullptr);
    ASSERT_TRUE(heap.empty() || heap.top()->key == *keys.begin());
  }
  for (Item& item : items) heap.remove(item);
  EXPECT_TRUE(heap.empty());
}

}  // namespace
}  // namespace ballast::bdev::qos::test
