// Timers of one reactor: a hierarchical wheel of 131 us ticks. Arming and cancelling are O(1) and allocate
// nothing. A timer never fires early; it fires at most one tick plus the length of the turn late.
#pragma once

#include <cstdint>

#include "base/intrusive_list.h"

namespace ballast {

class TimerWheel;

// A member of its owner. Destroying an armed timer is an assertion: cancel first.
class Timer {
 public:
  using Fired = void (*)(Timer& timer, void* context);
  Timer(Fired fired, void* context) : fired_(fired), context_(context) {}
  bool armed() const { return node_.is_linked(); }
  uint64_t deadline_ns() const { return deadline_ns_; }

 private:
  friend class TimerWheel;
  ListNode node_;
  uint64_t deadline_ns_ = 0;
  uint16_t slot_ = 0;  // where it is linked: level * slots + slot, or one of the wheel's two lists
  Fired fired_;
  void* context_;
};

class TimerWheel {
 public:
  static constexpr uint32_t k_tick_bits = 17;  // 131,072 ns
  static constexpr uint32_t k_level_bits = 6;  // 64 slots a level: one bitmap word
  static constexpr uint32_t k_levels_count =
      6;  // 2^36 ticks: 104 days; later deadlines wait in the last slot

  explicit TimerWheel(uint64_t now_ns);
  ~TimerWheel();

  // Fires once at or after deadline_ns; re-arms when armed already. A deadline in the past fires at the next
  // advance.
  void arm(Timer& timer, uint64_t deadline_ns);
  // Nothing happens when it is not armed. After it the timer does not fire.
  void cancel(Timer& timer);
  // Fires everything due at now_ns, in order of slot. Timers may be armed and cancelled from inside. Returns
  // the number fired.
  uint32_t advance(uint64_t now_ns);
  // A time at or before the earliest deadline and after now: how long a sleep may last. k_no_deadline when
  // empty.
  uint64_t next_deadline_ns() const;
  bool empty() const { return armed_count_ == 0; }

 private:
  static constexpr uint32_t k_slots_count = 1u << k_level_bits;
  static constexpr uint16_t k_in_due = k_levels_count * k_slots_count;
  static constexpr uint16_t k_in_firing = k_in_due + 1;
  static constexpr uint64_t k_no_tick = UINT64_MAX;
  using Slot = IntrusiveList<Timer, &Timer::node_>;

  void link(Timer& timer);
  void unlink(Timer& timer);
  uint64_t next_occupied_tick() const;
  void cascade();
  uint32_t fire(Slot& slot);

  Slot slots_[k_levels_count][k_slots_count];
  uint64_t occupied_[k_levels_count] = {};  // bit per slot: it is not empty
  Slot due_;                                // armed for a time that had passed already
  Slot firing_;                             // taken from a slot, not fired yet: cancel() must still find them
  uint64_t tick_now_;
  uint32_t armed_count_ = 0;
};

}  // namespace ballast
