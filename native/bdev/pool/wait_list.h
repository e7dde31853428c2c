// What I/O waits in for something of one reactor: a slot that is being looked up, blocks that another I/O
// writes. Without an allocation; Signal is the same for coroutines.
#pragma once

#include "base/intrusive_list.h"

namespace ballast::bdev::pool {

// A member of who waits, for one thing at a time.
struct Waiter {
  void (*wake)(Waiter& waiter) = nullptr;
  void* context = nullptr;
  ListNode node;
};

class WaitList {
 public:
  bool empty() const { return waiters_.empty(); }
  void add(Waiter& waiter) { waiters_.push_back(waiter); }
  void wake_one() {
    Waiter* const waiter = waiters_.pop_front();
    waiter->wake(*waiter);
  }
  // Those that wait now, in their order; who waits again meanwhile waits for the next time. The list may be
  // gone when this returns, if the last one ends what it is part of.
  void wake_all() {
    IntrusiveList<Waiter, &Waiter::node> woken;
    while (Waiter* const waiter = waiters_.pop_front()) woken.push_back(*waiter);
    while (Waiter* const waiter = woken.pop_front()) waiter->wake(*waiter);
  }

 private:
  IntrusiveList<Waiter, &Waiter::node> waiters_;
};

}  // namespace ballast::bdev::pool
