// What several coroutines wait for: each fire() lets all who wait go on, within the call. And the end of a
// reactor's turn.
#pragma once

#include <coroutine>
#include <vector>

#include "base/assert.h"
#include "reactor/reactor.h"

namespace ballast::bdev::pool {

class Signal {
 public:
  Signal() = default;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal() { BALLAST_ASSERT(waiters_.empty()); }

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) { waiters_.push_back(waiter); }
  void await_resume() {}

  void fire() {
    std::vector<std::coroutine_handle<>> released;
    released.swap(waiters_);
    for (const std::coroutine_handle<> waiter : released) waiter.resume();
  }

 private:
  std::vector<std::coroutine_handle<>> waiters_;
};

// co_await NextTurn(reactor): whoever called us has returned by then.
class NextTurn final : private Flushable {
 public:
  explicit NextTurn(Reactor& reactor) : reactor_(reactor) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    reactor_.queue_flush(*this);
  }
  void await_resume() {}

 private:
  void flush() override { waiter_.resume(); }

  Reactor& reactor_;
  std::coroutine_handle<> waiter_;
};

}  // namespace ballast::bdev::pool
