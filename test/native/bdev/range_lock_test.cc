#include "bdev/range_lock.h"

#include <gtest/gtest.h>

#include "native/bdev/stage.h"

namespace ballast::bdev::test {
namespace {

// A lock over some reactors, and I/O that passes its gates and "runs" until a test ends it.
class RangeLockTest : public testing::Test {
 protected:
  struct Passing : TestIo {
    Passing(IoType type, uint64_t lba, uint32_t count) : TestIo(type, lba, count) {}
    bool started = false;
    uint32_t reactor = 0;
  };
  struct Lock : RangeLockRequest {
    bool is_granted = false;
    bool is_unlocked = false;
  };

  void open(uint32_t reactors) {
    stage_ = std::make_unique<SimulatedStage>(reactors);
    for (uint32_t i = 0; i < reactors; ++i) open_shard(i);
    stage_->settle();
  }
  void open_shard(uint32_t i) {
    shards_.resize(std::max<size_t>(shards_.size(), i + 1));
    stage_->on(i, [&] { shards_[i] = &lock_->shard(stage_->reactor(i)); });
  }
  Passing& enter(uint32_t reactor, uint64_t lba, uint32_t count, IoType type = IoType::write,
                 uint64_t source = 0) {
    Passing& io = *passing_.emplace_back(std::make_unique<Passing>(type, lba, count));
    io.reactor = reactor;
    io.io.copy_source_lba = source;
    stage_->on(reactor, [&] { io.started = shards_[reactor]->try_enter(io.io, resume); });
    stage_->settle();
    return io;
  }
  static void resume(Io& io) { static_cast<Passing*>(static_cast<TestIo*>(io.context))->started = true; }
  void leave(Passing& io) {
    stage_->on(io.reactor, [&] { shards_[io.reactor]->leave(io.io); });
    stage_->settle();
  }
  Lock& lock(uint32_t reactor, uint64_t lba, uint32_t count) {
    Lock& lock = *locks_.emplace_back(std::make_unique<Lock>());
    lock.lba = lba;
    lock.blocks_count = count;
    lock.granted = [](RangeLockRequest& request) { static_cast<Lock&>(request).is_granted = true; };
    lock.unlocked = [](RangeLockRequest& request) { static_cast<Lock&>(request).is_unlocked = true; };
    stage_->on(reactor, [&] { shards_[reactor]->lock(lock); });
    stage_->settle();
    return lock;
  }
  void unlock(uint32_t reactor, Lock& lock) {
    ASSERT_TRUE(lock.is_granted);
    stage_->on(reactor, [&] { shards_[reactor]->unlock(lock); });
    stage_->settle();
    EXPECT_TRUE(lock.is_unlocked);
  }

  std::unique_ptr<SimulatedStage> stage_;
  std::shared_ptr<RangeLock> lock_ = RangeLock::create();
  std::vector<RangeLockShard*> shards_;
  std::vector<std::unique_ptr<Passing>> passing_;
  std::vector<std::unique_ptr<Lock>> locks_;
};

TEST_F(RangeLockTest, lock_waits_for_overlapping_io_of_every_reactor_and_only_for_it) {
  open(3);
  Passing& here = enter(0, 10, 4);
  Passing& there = enter(2, 13, 4);
  Passing& beside = enter(1, 20, 4);
  Lock& held = lock(1, 12, 3);
  EXPECT_FALSE(held.is_granted);
  leave(here);
  EXPECT_FALSE(held.is_granted);
  leave(there);
  EXPECT_TRUE(held.is_granted);
  unlock(1, held);
  leave(beside);
}

TEST_F(RangeLockTest, new_io_in_the_range_is_held_on_every_reactor_until_the_lock_is_given_back) {
  open(3);
  Lock& held = lock(1, 10, 4);
  ASSERT_TRUE(held.is_granted);
  std::vector<Passing*> inside;
  for (uint32_t i = 0; i < 3; ++i) inside.push_back(&enter(i, 13, 1, i == 0 ? IoType::read : IoType::write));
  std::vector<Passing*> outside = {&enter(0, 9, 1), &enter(1, 14, 1), &enter(2, 0, 10)};
  for (const Passing* io : inside) EXPECT_FALSE(io->started);
  for (const Passing* io : outside) EXPECT_TRUE(io->started);
  unlock(1, held);
  for (Passing* io : inside) {
    EXPECT_TRUE(io->started);
    leave(*io);
  }
  for (Passing* io : outside) leave(*io);
}

TEST_F(RangeLockTest, io_that_is_held_while_a_lock_waits_does_not_keep_it_waiting) {
  open(2);
  Passing& before = enter(0, 10, 1);
  Lock& held = lock(1, 10, 1);
  Passing& after = enter(0, 10, 1);
  EXPECT_FALSE(after.started);
  leave(before);
  EXPECT_TRUE(held.is_granted);
  unlock(1, held);
  EXPECT_TRUE(after.started);
  leave(after);
}

TEST_F(RangeLockTest, copy_counts_with_its_source_and_its_target) {
  open(2);
  Lock& held = lock(0, 10, 4);
  Passing& from = enter(1, 100, 4, IoType::copy, 8);
  Passing& to = enter(1, 12, 4, IoType::copy, 200);
  Passing& beside = enter(1, 100, 4, IoType::copy, 6);
  EXPECT_FALSE(from.started);
  EXPECT_FALSE(to.started);
  EXPECT_TRUE(beside.started);
  unlock(0, held);
  for (Passing* io : {&from, &to, &beside}) {
    EXPECT_TRUE(io->started);
    leave(*io);
  }
}

TEST_F(RangeLockTest, overlapping_locks_are_granted_in_the_order_they_came_and_others_beside_them) {
  open(2);
  Lock& a = lock(0, 10, 4);
  Lock& b = lock(1, 12, 4);
  Lock& c = lock(0, 15, 4);  // overlaps b only, which came before
  Lock& d = lock(1, 30, 4);
  EXPECT_TRUE(a.is_granted);
  EXPECT_FALSE(b.is_granted);
  EXPECT_FALSE(c.is_granted);
  EXPECT_TRUE(d.is_granted);
  unlock(0, a);
  EXPECT_TRUE(b.is_granted);
  EXPECT_FALSE(c.is_granted);
  unlock(1, b);
  EXPECT_TRUE(c.is_granted);
  unlock(0, c);
  unlock(1, d);
}

TEST_F(RangeLockTest, more_locks_than_slots_wait_in_line) {
  open(2);
  std::vector<Lock*> held;
  for (uint32_t i = 0; i < 3 * k_range_locks_max; ++i) held.push_back(&lock(i % 2, i * 10, 1));
  for (uint32_t i = 0; i < held.size(); ++i) EXPECT_EQ(held[i]->is_granted, i < k_range_locks_max);
  for (uint32_t i = 0; i < held.size(); ++i) unlock(i % 2, *held[i]);
}

TEST_F(RangeLockTest, reactor_that_comes_in_the_middle_of_a_lock_is_held_until_it_is_given_back) {
  stage_ = std::make_unique<SimulatedStage>(2);
  open_shard(0);
  Lock& held = lock(0, 10, 4);
  open_shard(1);
  Passing& inside = enter(1, 10, 1);
  EXPECT_FALSE(inside.started);
  unlock(0, held);
  EXPECT_TRUE(inside.started);
  Lock& next = lock(0, 10, 1);
  EXPECT_FALSE(next.is_granted);
  leave(inside);
  EXPECT_TRUE(next.is_granted);
  unlock(0, next);
}

TEST_F(RangeLockTest, lock_given_back_from_inside_its_grant_lets_the_next_one_in) {
  open(1);
  Lock first, second;
  for (Lock* lock : {&first, &second}) {
    lock->lba = 5;
    lock->blocks_count = 1;
    lock->granted = [](RangeLockRequest& request) { request.shard->unlock(request); };
    lock->unlocked = [](RangeLockRequest& request) { static_cast<Lock&>(request).is_unlocked = true; };
  }
  Passing& before = enter(0, 5, 1);
  stage_->on(0, [&] {
    shards_[0]->lock(first);
    shards_[0]->lock(second);
  });
  leave(before);
  EXPECT_TRUE(first.is_unlocked);
  EXPECT_TRUE(second.is_unlocked);
}

}  // namespace
}  // namespace ballast::bdev::test
