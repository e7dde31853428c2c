#include "reactor/buffer_arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <vector>

namespace ballast {
namespace {

using Purpose = BufferArena::Purpose;
constexpr size_t k_small = BufferArenaSizes::k_small_bytes;
constexpr size_t k_large = BufferArenaSizes::k_large_bytes;

struct Waiting {
  explicit Waiting(std::vector<int>& in_order, int of_number)
      : waiter(
            [](BufferArena::Waiter& me, Segment given) {
              auto& self = *static_cast<Waiting*>(me.context);
              self.buffer = given;
              self.order.push_back(self.number);
              if (self.on_ready) self.on_ready();
            },
            this),
        order(in_order),
        number(of_number) {}
  BufferArena::Waiter waiter;
  std::vector<int>& order;
  int number;
  Segment buffer;
  std::function<void()> on_ready;
};

class BufferArenaTest : public ::testing::Test {
 protected:
  // 4 small ones, 1 kept for capsules; 2 large ones, 1 kept.
  BufferArenaTest()
      : arena_(std::move(BufferArena::create({.small_count = 4,
                                              .large_count = 2,
                                              .small_reserved_for_capsules = 1,
                                              .large_reserved_for_capsules = 1})
                             .value())) {}
  ~BufferArenaTest() override {
    for (const Segment& buffer : held_) arena_->release(buffer);
  }
  bool take(size_t size_bytes, Purpose purpose) {
    const Segment buffer = arena_->try_acquire(size_bytes, purpose);
    if (buffer.base == nullptr) return false;
    EXPECT_EQ(buffer.size_bytes, size_bytes);
    EXPECT_TRUE(arena_->contains(buffer.base));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.base) % 4096, 0u);
    held_.push_back(buffer);
    return true;
  }
  void give_back_last() {
    const Segment buffer = held_.back();
    held_.pop_back();
    arena_->release(buffer);
  }

  std::vector<int> order_;
  std::unique_ptr<BufferArena> arena_;
  std::vector<Segment> held_;
};

TEST(BufferArena, refuses_a_reserve_that_is_everything) {
  EXPECT_EQ(BufferArena::create({.small_count = 4, .small_reserved_for_capsules = 4}).errc(),
            Errc::invalid_argument);
  EXPECT_EQ(BufferArena::create({.large_count = 0}).errc(), Errc::invalid_argument);
}

TEST_F(BufferArenaTest, transfers_cannot_take_the_last_buffers) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(take(k_small, Purpose::transfer));
  EXPECT_FALSE(take(1, Purpose::transfer));
  EXPECT_EQ(arena_->small_free(), 1u);
  EXPECT_TRUE(take(1, Purpose::capsule));
  EXPECT_FALSE(take(1, Purpose::capsule));
  EXPECT_TRUE(take(k_small + 1, Purpose::transfer));
  EXPECT_FALSE(take(k_large, Purpose::transfer));
  EXPECT_TRUE(take(k_large, Purpose::capsule));
}

TEST_F(BufferArenaTest, the_reserve_is_kept_when_capsules_took_theirs_first) {
  EXPECT_TRUE(take(1, Purpose::capsule));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(take(1, Purpose::transfer));
  EXPECT_EQ(arena_->small_free(), 0u);
  // The capsule's buffer comes back by itself, whatever transfers wait for; it is the reserve again.
  arena_->release(held_.front());
  held_.erase(held_.begin());
  EXPECT_FALSE(take(1, Purpose::transfer));
  EXPECT_TRUE(take(1, Purpose::capsule));
}

TEST_F(BufferArenaTest, every_buffer_is_apart_from_every_other) {
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(take(k_small, Purpose::capsule));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(take(k_large, Purpose::capsule));
  std::vector<Segment> sorted = held_;
  std::sort(sorted.begin(), sorted.end(), [](const Segment& a, const Segment& b) { return a.base < b.base; });
  for (size_t i = 1; i < sorted.size(); ++i) {
    EXPECT_GE(sorted[i].base, sorted[i - 1].base + sorted[i - 1].size_bytes);
  }
}

TEST_F(BufferArenaTest, release_serves_those_in_line_in_their_order) {
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(take(1, Purpose::capsule));
  Waiting first(order_, 1);
  Waiting second(order_, 2);
  Waiting third(order_, 3);
  arena_->wait(first.waiter, 10, Purpose::transfer);
  arena_->wait(second.waiter, 20, Purpose::capsule);
  arena_->wait(third.waiter, 30, Purpose::transfer);
  EXPECT_TRUE(order_.empty());
  for (int i = 0; i < 3; ++i) give_back_last();
  EXPECT_EQ(order_, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(second.buffer.size_bytes, 20u);
  for (Waiting* waiting : {&first, &second, &third}) arena_->release(waiting->buffer);
}

TEST_F(BufferArenaTest, capsules_pass_transfers_that_are_at_their_limit) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(take(1, Purpose::transfer));
  ASSERT_TRUE(take(1, Purpose::capsule));
  Waiting transfer(order_, 1);
  Waiting capsule(order_, 2);
  arena_->wait(transfer.waiter, 1, Purpose::transfer);
  arena_->wait(capsule.waiter, 1, Purpose::capsule);
  give_back_last();  // the capsule's
  EXPECT_EQ(order_, (std::vector<int>{2}));
  give_back_last();  // a transfer's
  EXPECT_EQ(order_, (std::vector<int>{2, 1}));
  arena_->release(capsule.buffer);
  arena_->release(transfer.buffer);
}

TEST_F(BufferArenaTest, a_capsule_that_asks_is_not_held_up_by_waiting_transfers) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(take(1, Purpose::transfer));
  Waiting transfer(order_, 1);
  arena_->wait(transfer.waiter, 1, Purpose::transfer);
  EXPECT_TRUE(take(1, Purpose::capsule));
  arena_->cancel(transfer.waiter);
}

TEST_F(BufferArenaTest, nobody_jumps_the_line_from_inside_ready) {
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(take(1, Purpose::capsule));
  Waiting first(order_, 1);
  Waiting second(order_, 2);
  first.on_ready = [&] {
    arena_->release(first.buffer);  // frees a buffer while another waits
    EXPECT_EQ(arena_->try_acquire(1, Purpose::capsule).base, nullptr);
  };
  arena_->wait(first.waiter, 1, Purpose::capsule);
  arena_->wait(second.waiter, 1, Purpose::capsule);
  give_back_last();
  EXPECT_EQ(order_, (std::vector<int>{1, 2}));
  arena_->release(second.buffer);
}

TEST_F(BufferArenaTest, who_cancels_gets_nothing_and_may_cancel_again) {
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(take(1, Purpose::capsule));
  Waiting gone(order_, 1);
  Waiting stays(order_, 2);
  arena_->wait(gone.waiter, 1, Purpose::capsule);
  arena_->wait(stays.waiter, 1, Purpose::capsule);
  arena_->cancel(gone.waiter);
  arena_->cancel(gone.waiter);
  give_back_last();
  EXPECT_EQ(order_, (std::vector<int>{2}));
  arena_->release(stays.buffer);
}

TEST_F(BufferArenaTest, a_wait_for_a_large_one_does_not_hold_up_small_ones) {
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(take(k_large, Purpose::capsule));
  Waiting large(order_, 1);
  arena_->wait(large.waiter, k_large, Purpose::capsule);
  EXPECT_TRUE(take(1, Purpose::transfer));
  arena_->cancel(large.waiter);
}

TEST_F(BufferArenaTest, the_buffer_given_back_last_is_handed_out_first) {
  ASSERT_TRUE(take(1, Purpose::capsule));
  const uint8_t* const base = held_.back().base;
  give_back_last();
  ASSERT_TRUE(take(1, Purpose::transfer));
  EXPECT_EQ(held_.back().base, base);
}

using BufferArenaDeathTest = BufferArenaTest;

TEST_F(BufferArenaDeathTest, giving_a_buffer_back_twice_stops_the_program) {
  ASSERT_TRUE(take(1, Purpose::capsule));
  const Segment buffer = held_.back();
  give_back_last();
  EXPECT_DEATH(arena_->release(buffer), "assertion failed");
}

}  // namespace
}  // namespace ballast
