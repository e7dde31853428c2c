#include "reactor/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "reactor/io_backend.h"

namespace ballast {
namespace {

// The first tick at which a deadline has passed: rounding up is what keeps a timer from firing early.
uint64_t tick_of_deadline(uint64_t deadline_ns) {
  const uint64_t part = deadline_ns & ((uint64_t{1} << TimerWheel::k_tick_bits) - 1);
  return (deadline_ns >> TimerWheel::k_tick_bits) + (part != 0 ? 1 : 0);
}

}  // namespace

TimerWheel::TimerWheel(uint64_t now_ns) : tick_now_(now_ns >> k_tick_bits) {}

TimerWheel::~TimerWheel() { BALLAST_ASSERT(empty()); }

void TimerWheel::arm(Timer& timer, uint64_t deadline_ns) {
  cancel(timer);
  timer.deadline_ns_ = deadline_ns;
  ++armed_count_;
  if (tick_of_deadline(deadline_ns) > tick_now_) return link(timer);
  timer.slot_ = k_in_due;
  due_.push_back(timer);
}

void TimerWheel::cancel(Timer& timer) {
  if (!timer.armed()) return;
  unlink(timer);
  --armed_count_;
}

// Level L holds deadlines less than 64^(L+1) ticks away, in the slot of their digit L; the slot is emptied
// when the wheel's own digit L comes to it. A timer that cascades at its very tick lands in the slot that is
// about to fire.
void TimerWheel::link(Timer& timer) {
  constexpr uint64_t k_away_max = (uint64_t{1} << (k_level_bits * k_levels_count)) - 1;
  const uint64_t away = std::min(tick_of_deadline(timer.deadline_ns_) - tick_now_, k_away_max);
  const uint32_t level = (static_cast<uint32_t>(std::bit_width(away | 1)) - 1) / k_level_bits;
  const uint32_t slot = ((tick_now_ + away) >> (k_level_bits * level)) & (k_slots_count - 1);
  timer.slot_ = static_cast<uint16_t>(level * k_slots_count + slot);
  slots_[level][slot].push_back(timer);
  occupied_[level] |= uint64_t{1} << slot;
}

void TimerWheel::unlink(Timer& timer) {
  if (timer.slot_ == k_in_due) return due_.remove(timer);
  if (timer.slot_ == k_in_firing) return firing_.remove(timer);
  const uint32_t level = timer.slot_ / k_slots_count;
  const uint32_t slot = timer.slot_ % k_slots_count;
  slots_[level][slot].remove(timer);
  if (slots_[level][slot].empty()) occupied_[level] &= ~(uint64_t{1} << slot);
}

// The earliest tick after tick_now_ at which a slot must be looked at; nothing happens on the way there.
uint64_t TimerWheel::next_occupied_tick() const {
  uint64_t earliest = k_no_tick;
  for (uint32_t level = 0; level < k_levels_count; ++level) {
    if (occupied_[level] == 0) continue;
    const uint64_t digits = tick_now_ >> (k_level_bits * level);
    // Slots in the order in which they come; the present one comes last, a lap later.
    const int first = static_cast<int>((digits + 1) & (k_slots_count - 1));
    const auto steps = static_cast<uint64_t>(std::countr_zero(std::rotr(occupied_[level], first))) + 1;
    earliest = std::min(earliest, (digits + steps) << (k_level_bits * level));
  }
  return earliest;
}

// Brings the timers of the slots that tick_now_ has just entered down to the levels below.
void TimerWheel::cascade() {
  for (uint32_t level = k_levels_count - 1; level > 0; --level) {
    const uint32_t shift = k_level_bits * level;
    if ((tick_now_ & ((uint64_t{1} << shift) - 1)) != 0) continue;
    const uint32_t slot = (tick_now_ >> shift) & (k_slots_count - 1);
    occupied_[level] &= ~(uint64_t{1} << slot);
    // Counted, because a deadline beyond the wheel's reach may go back into this very slot.
    for (size_t left = slots_[level][slot].size(); left > 0; --left) link(*slots_[level][slot].pop_front());
  }
}

// Moves the slot to firing_ first: what its timers arm is for later, and they may cancel one another.
uint32_t TimerWheel::fire(Slot& slot) {
  while (Timer* const timer = slot.pop_front()) {
    timer->slot_ = k_in_firing;
    firing_.push_back(*timer);
  }
  uint32_t fired_count = 0;
  while (Timer* const timer = firing_.pop_front()) {
    --armed_count_;
    ++fired_count;
    timer->fired_(*timer, timer->context_);  // may destroy it
  }
  return fired_count;
}

uint32_t TimerWheel::advance(uint64_t now_ns) {
  const uint64_t tick_target = now_ns >> k_tick_bits;
  if (tick_target <= tick_now_ && due_.empty()) return 0;
  uint32_t fired_count = fire(due_);
  while (tick_now_ < tick_target) {
    const uint64_t tick = next_occupied_tick();
    if (tick > tick_target) {
      tick_now_ = tick_target;
      break;
    }
    tick_now_ = tick;
    cascade();
    const uint32_t slot = tick & (k_slots_count - 1);
    occupied_[0] &= ~(uint64_t{1} << slot);
    fired_count += fire(slots_[0][slot]);
  }
  return fired_count;
}

uint64_t TimerWheel::next_deadline_ns() const {
  if (!due_.empty()) return tick_now_ << k_tick_bits;
  const uint64_t tick = next_occupied_tick();
  // Ticks that do not fit into nanoseconds are 500 years away.
  return tick > (UINT64_MAX >> k_tick_bits) ? k_no_deadline : tick << k_tick_bits;
}

}  // namespace ballast
