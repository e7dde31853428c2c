#include "reactor/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/prng.h"
#include "reactor/io_backend.h"

namespace ballast {
namespace {

constexpr uint64_t k_tick_ns = uint64_t{1} << TimerWheel::k_tick_bits;

struct Counted {
  Counted() : timer([](Timer&, void* context) { static_cast<Counted*>(context)->fire(); }, this) {}
  void fire() {
    ++fired;
    if (on_fire) on_fire();
  }
  Timer timer;
  int fired = 0;
  std::function<void()> on_fire;
};

TEST(TimerWheel, an_empty_one_has_no_deadline) {
  TimerWheel wheel(12345);
  EXPECT_TRUE(wheel.empty());
  EXPECT_EQ(wheel.next_deadline_ns(), k_no_deadline);
  EXPECT_EQ(wheel.advance(1'000'000'000'000), 0u);
}

TEST(TimerWheel, cancelling_what_is_not_armed_does_nothing) {
  TimerWheel wheel(0);
  Counted counted;
  wheel.cancel(counted.timer);
  EXPECT_FALSE(counted.timer.armed());
}

TEST(TimerWheel, never_fires_early_and_at_most_a_tick_late) {
  for (const uint64_t delay_ns :
       {uint64_t{1}, k_tick_ns - 1, k_tick_ns, k_tick_ns + 1, 63 * k_tick_ns, 64 * k_tick_ns, 65 * k_tick_ns,
        4096 * k_tick_ns, 10 * k_ns_per_s, 86'400 * k_ns_per_s}) {
    for (const uint64_t start_ns : {uint64_t{0}, uint64_t{7}, 63 * k_tick_ns + 5, 12'345'678'901'234u}) {
      TimerWheel wheel(start_ns);
      Counted counted;
      wheel.arm(counted.timer, start_ns + delay_ns);
      wheel.advance(start_ns + delay_ns - 1);
      EXPECT_EQ(counted.fired, 0) << delay_ns << " from " << start_ns;
      wheel.advance(start_ns + delay_ns + k_tick_ns);
      EXPECT_EQ(counted.fired, 1) << delay_ns << " from " << start_ns;
    }
  }
}

TEST(TimerWheel, a_past_deadline_fires_at_the_next_advance_even_without_a_tick) {
  TimerWheel wheel(10 * k_ns_per_s);
  Counted counted;
  wheel.arm(counted.timer, 3);
  EXPECT_LE(wheel.next_deadline_ns(), 10 * k_ns_per_s);
  EXPECT_EQ(wheel.advance(10 * k_ns_per_s), 1u);
  EXPECT_EQ(counted.fired, 1);
}

TEST(TimerWheel, a_timer_that_arms_itself_for_the_past_fires_once_an_advance) {
  TimerWheel wheel(k_ns_per_s);
  Counted counted;
  counted.on_fire = [&] { wheel.arm(counted.timer, 0); };
  wheel.arm(counted.timer, 0);
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(wheel.advance(k_ns_per_s), 1u);
    EXPECT_EQ(counted.fired, i);
  }
  wheel.cancel(counted.timer);
}

TEST(TimerWheel, arming_again_moves_the_deadline) {
  TimerWheel wheel(0);
  Counted counted;
  wheel.arm(counted.timer, 5 * k_tick_ns);
  wheel.arm(counted.timer, 500 * k_tick_ns);
  wheel.advance(499 * k_tick_ns);
  EXPECT_EQ(counted.fired, 0);
  wheel.advance(500 * k_tick_ns);
  EXPECT_EQ(counted.fired, 1);
  EXPECT_TRUE(wheel.empty());
}

TEST(TimerWheel, timers_of_one_slot_may_cancel_and_destroy_each_other) {
  TimerWheel wheel(0);
  auto first = std::make_unique<Counted>();
  auto second = std::make_unique<Counted>();
  first->on_fire = [&] {
    wheel.cancel(second->timer);
    second.reset();
  };
  wheel.arm(first->timer, k_tick_ns);
  wheel.arm(second->timer, k_tick_ns);
  EXPECT_EQ(wheel.advance(k_tick_ns), 1u);
  EXPECT_TRUE(wheel.empty());
}

TEST(TimerWheel, a_deadline_beyond_the_last_level_is_kept) {
  TimerWheel wheel(0);
  Counted counted;
  const uint64_t year_ns = 365 * 86'400 * k_ns_per_s;
  wheel.arm(counted.timer, year_ns);
  for (uint64_t now_ns = 0; now_ns < year_ns; now_ns += year_ns / 1000) wheel.advance(now_ns);
  EXPECT_EQ(counted.fired, 0);
  wheel.advance(year_ns + k_tick_ns);
  EXPECT_EQ(counted.fired, 1);
}

TEST(TimerWheel, the_farthest_deadline_of_all_does_no_harm) {
  TimerWheel wheel(k_ns_per_s);
  Counted counted;
  wheel.arm(counted.timer, UINT64_MAX);
  EXPECT_GT(wheel.next_deadline_ns(), k_ns_per_s);
  wheel.advance(86'400 * k_ns_per_s);
  EXPECT_EQ(counted.fired, 0);
  wheel.cancel(counted.timer);
}

// The model: a list of deadlines, looked through.
class WheelAndModel {
 public:
  static constexpr size_t k_timers_count = 200;

  explicit WheelAndModel(uint64_t seed)
      : prng_(seed), now_ns_(prng_.below(uint64_t{1} << 55)), wheel_(now_ns_) {
    for (size_t i = 0; i < k_timers_count; ++i) {
      timers_.push_back(std::make_unique<Counted>());
      timers_[i]->on_fire = [this, i] { fired(i); };
      deadlines_.push_back(k_no_deadline);
    }
  }
  ~WheelAndModel() {
    for (auto& timer : timers_) wheel_.cancel(timer->timer);
  }

  void step() {
    const size_t i = prng_.below(k_timers_count);
    switch (prng_.below(4)) {
      case 0:
      case 1: arm(i); break;
      case 2:
        wheel_.cancel(timers_[i]->timer);
        deadlines_[i] = k_no_deadline;
        break;
      case 3: advance(); break;
    }
    check_next_deadline();
  }

 private:
  // Delays of every size: as many of microseconds as of months.
  uint64_t random_delay_ns() { return prng_.next() >> (8 + prng_.below(56)); }

  void arm(size_t i) {
    deadlines_[i] = now_ns_ + random_delay_ns() - std::min<uint64_t>(now_ns_, prng_.below(1000));
    wheel_.arm(timers_[i]->timer, deadlines_[i]);
  }
  void fired(size_t i) {
    ASSERT_NE(deadlines_[i], k_no_deadline) << "fired after cancel";
    ASSERT_GE(target_ns_, deadlines_[i]) << "fired early";
    deadlines_[i] = k_no_deadline;
    if (prng_.chance(1, 4)) {  // arm another one, or cancel it, from inside
      const size_t other = prng_.below(k_timers_count);
      deadlines_[other] = target_ns_ + 1 + random_delay_ns();
      wheel_.arm(timers_[other]->timer, deadlines_[other]);
    } else if (prng_.chance(1, 4)) {
      const size_t other = prng_.below(k_timers_count);
      wheel_.cancel(timers_[other]->timer);
      deadlines_[other] = k_no_deadline;
    }
  }
  void advance() {
    target_ns_ = now_ns_ + random_delay_ns();
    wheel_.advance(target_ns_);
    now_ns_ = target_ns_;
    for (size_t i = 0; i < k_timers_count; ++i) {
      ASSERT_EQ(timers_[i]->timer.armed(), deadlines_[i] != k_no_deadline);
      if (deadlines_[i] == k_no_deadline) continue;
      ASSERT_GT(deadlines_[i] + k_tick_ns, now_ns_) << "more than a tick late";
    }
  }
  void check_next_deadline() {
    uint64_t earliest_ns = k_no_deadline;
    for (const uint64_t deadline_ns : deadlines_) earliest_ns = std::min(earliest_ns, deadline_ns);
    if (earliest_ns == k_no_deadline) {
      ASSERT_EQ(wheel_.next_deadline_ns(), k_no_deadline);
    } else {
      ASSERT_LT(wheel_.next_deadline_ns(), earliest_ns + k_tick_ns) << "a sleep would be too long";
      if (earliest_ns > now_ns_ + k_tick_ns) {
        ASSERT_GT(wheel_.next_deadline_ns(), now_ns_) << "a sleep that does not last";
      }
    }
  }

  Prng prng_;
  uint64_t now_ns_;
  uint64_t target_ns_ = 0;
  TimerWheel wheel_;
  std::vector<std::unique_ptr<Counted>> timers_;
  std::vector<uint64_t> deadlines_;
};

TEST(TimerWheel, does_what_a_list_of_deadlines_does) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    WheelAndModel both(seed);
    for (int i = 0; i < 2000 && !::testing::Test::HasFatalFailure(); ++i) both.step();
    if (::testing::Test::HasFatalFailure()) break;
  }
}

}  // namespace
}  // namespace ballast
