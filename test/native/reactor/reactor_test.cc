// A reactor's turn over a backend that only keeps a diary.
#include "reactor/reactor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "reactor/simulated_world.h"

namespace ballast {
namespace {

using Diary = std::vector<std::string>;

class DiaryBackend final : public IoBackend {
 public:
  explicit DiaryBackend(Diary& diary) : diary_(diary) {}
  Result<std::unique_ptr<ListenSocket>> listen(const SocketAddress&, AcceptObserver&) override {
    return Errc::unsupported;
  }
  Result<std::unique_ptr<Socket>> adopt(Descriptor, SocketObserver&) override { return Errc::unsupported; }
  Result<std::unique_ptr<Socket>> connect(const SocketAddress&, SocketObserver&) override {
    return Errc::unsupported;
  }
  void close_descriptor(Descriptor) override {}
  void submit(FileOp&) override {}
  void register_memory(Segment) override {}
  uint32_t poll() override {
    diary_.push_back("poll");
    return polled;
  }
  void flush() override { diary_.push_back("flush"); }
  void sleep(uint64_t deadline_ns) override {
    diary_.push_back("sleep");
    slept_until_ns = deadline_ns;
    if (on_sleep) on_sleep();
  }
  void wake() override { diary_.push_back("wake"); }

  Diary& diary_;
  uint32_t polled = 0;
  uint64_t slept_until_ns = 0;
  std::function<void()> on_sleep;
};

class JumpingClock final : public Clock {
 public:
  uint64_t now_ns() const override {
    ++reads;
    return now += step_ns;
  }
  mutable uint64_t now = k_ns_per_s;
  mutable uint64_t reads = 0;
  uint64_t step_ns = 0;
};

class DiaryFlushable final : public Flushable {
 public:
  explicit DiaryFlushable(Diary& diary) : diary_(diary) {}
  void flush() override {
    diary_.push_back("dirty");
    if (on_flush) on_flush();
  }
  std::function<void()> on_flush;

 private:
  Diary& diary_;
};

class ReactorTest : public ::testing::Test {
 protected:
  void make(uint32_t spin_us) {
    reactor_ = std::make_unique<Reactor>(ReactorOptions{.index = 3, .spin_us = spin_us}, backend_, clock_,
                                         prng_, std::move(BufferArena::create({}).value()));
  }
  void send(const std::string& word) {
    send_task(*reactor_, [this, word] { diary_.push_back(word); });
  }

  Diary diary_;
  DiaryBackend backend_{diary_};
  JumpingClock clock_;
  Prng prng_{1};
  std::unique_ptr<Reactor> reactor_;
};

TEST_F(ReactorTest, a_turn_takes_messages_polls_fires_timers_flushes_and_submits_in_this_order) {
  make(k_spin_us_never);
  Timer timer([](Timer&, void* diary) { static_cast<Diary*>(diary)->push_back("timer"); }, &diary_);
  DiaryFlushable dirty(diary_);
  reactor_->queue_flush(dirty);
  reactor_->queue_flush(dirty);
  reactor_->arm(timer, 0);
  clock_.now += k_ns_per_ms;
  send("message");
  EXPECT_TRUE(reactor_->turn());
  EXPECT_EQ(diary_, (Diary{"message", "poll", "timer", "dirty", "flush"}));
  diary_.clear();
  EXPECT_FALSE(reactor_->turn());
  EXPECT_EQ(diary_, (Diary{"poll", "flush"}));
}

TEST_F(ReactorTest, what_a_flush_queues_again_waits_for_the_next_turn) {
  make(k_spin_us_never);
  DiaryFlushable dirty(diary_);
  dirty.on_flush = [&] { reactor_->queue_flush(dirty); };
  reactor_->queue_flush(dirty);
  EXPECT_TRUE(reactor_->turn());
  EXPECT_EQ(diary_, (Diary{"poll", "dirty", "flush"}));
  reactor_->cancel_flush(dirty);
  reactor_->cancel_flush(dirty);
  diary_.clear();
  EXPECT_FALSE(reactor_->turn());
}

TEST_F(ReactorTest, a_flush_may_cancel_another) {
  make(k_spin_us_never);
  DiaryFlushable first(diary_);
  DiaryFlushable second(diary_);
  first.on_flush = [&] { reactor_->cancel_flush(second); };
  reactor_->queue_flush(first);
  reactor_->queue_flush(second);
  reactor_->turn();
  EXPECT_EQ(diary_, (Diary{"poll", "dirty", "flush"}));
}

TEST_F(ReactorTest, a_flood_of_messages_does_not_hold_up_polling) {
  make(k_spin_us_never);
  int ran = 0;
  for (int i = 0; i < 10'000; ++i) send_task(*reactor_, [&ran] { ++ran; });
  reactor_->turn();
  EXPECT_GT(ran, 0);
  EXPECT_LT(ran, 10'000);
  EXPECT_EQ(diary_.front(), "poll");
  while (reactor_->turn()) {
  }
  EXPECT_EQ(ran, 10'000);
}

TEST_F(ReactorTest, never_spinning_sleeps_after_the_first_empty_turn_until_the_next_timer) {
  make(k_spin_us_never);
  Timer timer([](Timer&, void*) {}, nullptr);
  reactor_->arm(timer, 5 * k_ns_per_s);
  backend_.on_sleep = [this] { reactor_->stop(); };
  reactor_->run();
  EXPECT_EQ(diary_, (Diary{"poll", "flush", "sleep", "wake", "poll", "flush"}))
      << "the last turn after stop()";
  EXPECT_GT(backend_.slept_until_ns, clock_.now);
  EXPECT_LE(backend_.slept_until_ns, clock_.now + 5 * k_ns_per_s + (uint64_t{1} << TimerWheel::k_tick_bits));
  reactor_->cancel(timer);
  EXPECT_EQ(reactor_->stats().sleeps.load(), 1u);
}

TEST_F(ReactorTest, spins_for_its_budget_after_the_last_useful_turn) {
  make(50);
  clock_.step_ns = 10 * k_ns_per_us;  // each turn reads the clock once: 10 us a turn
  backend_.on_sleep = [this] { reactor_->stop(); };
  reactor_->run();
  const auto polls = std::count(diary_.begin(), diary_.end(), "poll");
  EXPECT_GE(polls, 4);
  EXPECT_LE(polls, 6);
}

TEST_F(ReactorTest, a_timer_that_starts_nothing_is_no_reason_to_spin) {
  make(50);
  Timer timer([](Timer&, void*) {}, nullptr);
  reactor_->arm(timer, k_ns_per_ms);
  backend_.on_sleep = [this] {
    clock_.now += 2 * k_ns_per_ms;
    clock_.step_ns = 1;  // the clock would stand still for a spinning reactor
    diary_.clear();
    backend_.on_sleep = [this] { reactor_->stop(); };
  };
  clock_.step_ns = 10 * k_ns_per_us;
  reactor_->run();
  EXPECT_EQ(diary_, (Diary{"poll", "flush", "sleep", "wake", "poll", "flush"}));
}

TEST_F(ReactorTest, always_spinning_never_sleeps) {
  make(k_spin_us_always);
  clock_.step_ns = k_ns_per_s;
  Timer timer([](Timer&, void* reactor) { static_cast<Reactor*>(reactor)->stop(); }, reactor_.get());
  reactor_->arm(timer, 1000 * k_ns_per_s);
  reactor_->run();
  EXPECT_EQ(std::count(diary_.begin(), diary_.end(), "sleep"), 0);
}

TEST_F(ReactorTest, a_message_to_a_sleeping_reactor_wakes_it_once_and_to_a_busy_one_never) {
  make(k_spin_us_never);
  send("before");
  backend_.on_sleep = [this] {
    send("one");
    send("two");
    diary_.push_back("woken");
    backend_.on_sleep = [this] { reactor_->stop(); };
  };
  reactor_->run();
  EXPECT_EQ(diary_, (Diary{"before", "poll", "flush", "poll", "flush", "sleep", "wake", "woken", "one", "two",
                           "poll", "flush", "poll", "flush", "sleep", "wake", "poll", "flush"}));
}

TEST_F(ReactorTest, does_not_sleep_on_a_message_that_came_before) {
  make(k_spin_us_never);
  DiaryFlushable dirty(diary_);
  // Sent by the last step of a turn, when asleep is not announced yet: nobody wakes, so it must be seen.
  bool sent = false;
  backend_.on_sleep = [this, &sent] {
    EXPECT_TRUE(sent);
    reactor_->stop();
  };
  dirty.on_flush = [&] {
    send("message");
    sent = true;
  };
  reactor_->queue_flush(dirty);
  reactor_->run();
  EXPECT_EQ(diary_, (Diary{"poll", "dirty", "flush", "message", "poll", "flush", "poll", "flush", "sleep",
                           "wake", "poll", "flush"}));
}

TEST_F(ReactorTest, reads_the_clock_once_a_busy_turn) {
  make(k_spin_us_always);
  backend_.polled = 1;
  const uint64_t reads = clock_.reads;
  for (int i = 0; i < 10; ++i) reactor_->turn();
  EXPECT_EQ(clock_.reads - reads, 10u);
}

TEST_F(ReactorTest, runs_until_a_condition_holds_and_again_and_does_not_sleep_on_one_that_holds) {
  make(k_spin_us_never);
  EXPECT_FALSE(reactor_->is_current());
  reactor_->run_until([&] { return reactor_->is_current(); });
  EXPECT_EQ(diary_, (Diary{"poll", "flush"})) << "one turn, though it did nothing";
  EXPECT_FALSE(reactor_->is_current());

  // Made true by a timer, which is no reason to spin: asked before it would sleep.
  diary_.clear();
  bool fired = false;
  Timer timer([](Timer&, void* context) { *static_cast<bool*>(context) = true; }, &fired);
  reactor_->arm(timer, 2 * k_ns_per_ms);
  backend_.on_sleep = [this] { clock_.now += 10 * k_ns_per_ms; };
  reactor_->run_until([&] { return fired; });
  EXPECT_EQ(diary_, (Diary{"poll", "flush", "sleep", "poll", "flush"}));
}

TEST_F(ReactorTest, a_run_until_a_condition_holds_ends_at_stop_too) {
  make(k_spin_us_never);
  backend_.on_sleep = [this] { reactor_->stop(); };
  reactor_->run_until([] { return false; });
  EXPECT_EQ(diary_, (Diary{"poll", "flush", "sleep", "wake"}));
}

TEST_F(ReactorTest, every_run_until_a_condition_holds_has_a_spin_budget_of_its_own) {
  make(50);
  reactor_->run_until([] { return true; });
  clock_.now += k_ns_per_s;  // the thread did something else
  clock_.step_ns = 10 * k_ns_per_us;
  backend_.on_sleep = [this] { reactor_->stop(); };
  diary_.clear();
  reactor_->run_until([] { return false; });
  const auto polls = std::count(diary_.begin(), diary_.end(), "poll");
  EXPECT_GE(polls, 4);
  EXPECT_LE(polls, 7);
}

TEST_F(ReactorTest, is_current_only_while_it_runs_or_is_entered) {
  make(k_spin_us_never);
  EXPECT_EQ(Reactor::current(), nullptr);
  {
    const Reactor::Entered entered(*reactor_);
    EXPECT_TRUE(reactor_->is_current());
  }
  EXPECT_EQ(Reactor::current(), nullptr);
  backend_.on_sleep = [this] {
    EXPECT_TRUE(reactor_->is_current());
    reactor_->stop();
  };
  reactor_->run();
  EXPECT_FALSE(reactor_->is_current());
}

TEST_F(ReactorTest, messages_that_wait_when_it_stops_are_run_not_lost) {
  make(k_spin_us_never);
  backend_.on_sleep = [this] {
    reactor_->stop();
    send_task(*reactor_, [this] { send("last"); });
  };
  reactor_->run();
  EXPECT_EQ(diary_.back(), "flush") << "and there is a turn after it";
  EXPECT_NE(std::find(diary_.begin(), diary_.end(), "last"), diary_.end());
}

}  // namespace
}  // namespace ballast
