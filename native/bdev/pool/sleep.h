// How a coroutine lets time go by, and how another ends that early.
#pragma once

#include <coroutine>

#include "reactor/reactor.h"

namespace ballast::bdev::pool {

class Sleeper {
 public:
  explicit Sleeper(Reactor& reactor) : reactor_(reactor), timer_(fired, this) {}
  ~Sleeper() { BALLAST_ASSERT(!waiter_); }

  // co_await sleeper.sleep(delay_ns); one coroutine at a time.
  struct Sleep {
    Sleeper& sleeper;
    uint64_t delay_ns;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      sleeper.waiter_ = waiter;
      sleeper.reactor_.arm(sleeper.timer_, delay_ns);
    }
    void await_resume() {}
  };
  Sleep sleep(uint64_t delay_ns) { return {*this, delay_ns}; }
  void wake() {
    reactor_.cancel(timer_);
    if (waiter_) std::exchange(waiter_, nullptr).resume();
  }

 private:
  static void fired(Timer&, void* context) {
    std::exchange(static_cast<Sleeper*>(context)->waiter_, nullptr).resume();
  }

  Reactor& reactor_;
  Timer timer_;
  std::coroutine_handle<> waiter_;
};

}  // namespace ballast::bdev::pool
