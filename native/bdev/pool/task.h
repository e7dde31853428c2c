// A coroutine that runs at once until it first has to wait, and can be awaited once. For the control path of
// a pool (opening, checkpoints, pages that have to be read): a frame is allocated, so never per I/O of a
// block whose place is known. Belongs to one reactor.
#pragma once

#include <coroutine>
#include <optional>
#include <utility>

#include "base/assert.h"

namespace ballast::bdev::pool {

// Task<Outcome> close(); ... const Outcome closed = co_await close();
// A task must be awaited, or kept until is_done(): destroying one that runs is an error.
template <typename T>
class [[nodiscard]] Task {
 public:
  struct promise_type {
    std::optional<T> value;
    std::coroutine_handle<> waiter;

    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_never initial_suspend() noexcept { return {}; }
    struct Final {
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<promise_type> ended) noexcept {
        // The waiter destroys this frame, so nothing of it is looked at afterwards.
        if (const std::coroutine_handle<> waiter = ended.promise().waiter) waiter.resume();
      }
      void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
    template <typename U>
    void return_value(U&& returned) {
      value.emplace(std::forward<U>(returned));
    }
    [[noreturn]] void unhandled_exception() { assert_failed("no exceptions", __FILE__, __LINE__); }
  };

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (!handle_) return;
    BALLAST_ASSERT(handle_.done());
    handle_.destroy();
  }

  bool is_done() const { return handle_.done(); }
  // After is_done().
  T& value() { return *handle_.promise().value; }

  bool await_ready() const noexcept { return handle_.done(); }
  void await_suspend(std::coroutine_handle<> waiter) noexcept {
    BALLAST_ASSERT(!handle_.promise().waiter);
    handle_.promise().waiter = waiter;
  }
  T await_resume() { return std::move(*handle_.promise().value); }

 private:
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

}  // namespace ballast::bdev::pool
