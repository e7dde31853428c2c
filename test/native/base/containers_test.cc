// The small containers: intrusive list, object pool, gate.
#include <gtest/gtest.h>

#include <vector>

#include "base/gate.h"
#include "base/intrusive_list.h"
#include "base/object_pool.h"

namespace ballast {
namespace {

struct Item {
  explicit Item(int of_number = 0) : number(of_number) {}
  int number;
  ListNode node;
  ListNode other_node;
};
using Items = IntrusiveList<Item, &Item::node>;
using OtherItems = IntrusiveList<Item, &Item::other_node>;

std::vector<int> numbers(Items& items) {
  std::vector<int> seen;
  for (Item* item = items.front(); item != nullptr; item = items.after(*item)) seen.push_back(item->number);
  return seen;
}

TEST(IntrusiveList, an_empty_one_gives_null) {
  Items items;
  EXPECT_TRUE(items.empty());
  EXPECT_EQ(items.front(), nullptr);
  EXPECT_EQ(items.pop_front(), nullptr);
}

TEST(IntrusiveList, keeps_order_at_both_ends_and_counts) {
  Items items;
  Item one(1), two(2), three(3);
  items.push_back(two);
  items.push_back(three);
  items.push_front(one);
  EXPECT_EQ(items.size(), 3u);
  EXPECT_EQ(numbers(items), (std::vector<int>{1, 2, 3}));
  items.remove(two);
  EXPECT_FALSE(two.node.is_linked());
  EXPECT_EQ(numbers(items), (std::vector<int>{1, 3}));
  EXPECT_EQ(items.pop_front(), &one);
  EXPECT_EQ(items.pop_front(), &three);
  EXPECT_TRUE(items.empty());
  EXPECT_EQ(items.size(), 0u);
}

TEST(IntrusiveList, an_object_is_on_two_lists_through_two_nodes) {
  Items items;
  OtherItems others;
  Item item(1);
  items.push_back(item);
  others.push_back(item);
  EXPECT_EQ(items.front(), others.front());
  items.remove(item);
  EXPECT_EQ(others.front(), &item);
  others.remove(item);
}

TEST(IntrusiveList, a_loop_may_remove_what_it_stands_on) {
  Items items;
  Item all[4] = {Item(0), Item(1), Item(2), Item(3)};
  for (Item& item : all) items.push_back(item);
  for (Item* item = items.front(); item != nullptr;) {
    Item* const next = items.after(*item);
    if (item->number % 2 == 0) items.remove(*item);
    item = next;
  }
  EXPECT_EQ(numbers(items), (std::vector<int>{1, 3}));
  items.remove(all[1]);
  items.remove(all[3]);
}

TEST(IntrusiveListDeathTest, linking_twice_or_dying_linked_stops_the_program) {
  Items items;
  Item item;
  items.push_back(item);
  EXPECT_DEATH(items.push_back(item), "assertion failed");
  EXPECT_DEATH(
      {
        Item dying;
        items.push_back(dying);
      },
      "assertion failed");
  items.remove(item);
}

TEST(ObjectPool, an_empty_one_gives_null_and_what_comes_back_is_given_first) {
  ObjectPool<Item> pool(2);
  Item* const one = pool.try_acquire();
  Item* const two = pool.try_acquire();
  ASSERT_NE(one, nullptr);
  ASSERT_NE(two, nullptr);
  EXPECT_NE(one, two);
  EXPECT_EQ(pool.try_acquire(), nullptr);
  EXPECT_EQ(pool.available(), 0u);
  pool.release(*one);
  EXPECT_EQ(pool.try_acquire(), one);
  pool.release(*two);
  pool.release(*one);
  EXPECT_EQ(pool.available(), 2u);
}

TEST(ObjectPool, an_index_names_an_object_for_good) {
  ObjectPool<Item> pool(3);
  Item* const item = pool.try_acquire();
  EXPECT_EQ(&pool.at(pool.index_of(*item)), item);
  EXPECT_LT(pool.index_of(*item), pool.size());
  pool.release(*item);
}

TEST(ObjectPoolDeathTest, a_foreign_object_stops_the_program) {
  ObjectPool<Item> pool(1);
  Item foreign;
  Item* const item = pool.try_acquire();
  EXPECT_DEATH(pool.release(foreign), "assertion failed");
  pool.release(*item);
}

struct Emptied {
  int calls = 0;
  static void run(void* context) { ++static_cast<Emptied*>(context)->calls; }
};

TEST(Gate, a_closed_one_lets_nobody_in) {
  Gate gate;
  Emptied emptied;
  gate.close(Emptied::run, &emptied);
  EXPECT_FALSE(gate.try_enter());
  EXPECT_EQ(emptied.calls, 1) << "nobody was inside";
}

TEST(Gate, the_last_to_leave_tells_once) {
  Gate gate;
  Emptied emptied;
  ASSERT_TRUE(gate.try_enter());
  ASSERT_TRUE(gate.try_enter());
  gate.leave();
  gate.close(Emptied::run, &emptied);
  EXPECT_EQ(emptied.calls, 0);
  gate.leave();
  EXPECT_EQ(emptied.calls, 1);
}

TEST(Gate, leaving_an_open_one_tells_nobody) {
  Gate gate;
  ASSERT_TRUE(gate.try_enter());
  gate.leave();
  EXPECT_EQ(gate.inside(), 0u);
  EXPECT_FALSE(gate.closed());
}

TEST(GateDeathTest, dying_with_somebody_inside_stops_the_program) {
  EXPECT_DEATH(
      {
        Gate gate;
        static_cast<void>(gate.try_enter());
      },
      "assertion failed");
}

}  // namespace
}  // namespace ballast
