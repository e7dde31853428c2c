// How the control thread waits for a coroutine of a pool.
#pragma once

#include <optional>

#include "bdev/pool/task.h"
#include "engine/blocking.h"

namespace ballast::engine {

// A coroutine that nobody holds.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    [[noreturn]] void unhandled_exception() { assert_failed("no exceptions", __FILE__, __LINE__); }
  };
};

// Everything of the task is gone before `ended` is raised: the caller's arguments may go then.
template <typename T>
Detached drive(bdev::pool::Task<T> task, std::optional<T>& result, Signal& ended) {
  {
    bdev::pool::Task<T> running = std::move(task);
    result.emplace(co_await running);
  }
  ended.raise();
}

// `make` starts a task on the reactor; returns what it ends with.
template <typename Make>
auto call_on(Reactor& reactor, Make make) {
  std::optional<std::decay_t<decltype(make().await_resume())>> result;
  Signal ended;
  send_task(reactor, [&] { drive(make(), result, ended); });
  ended.wait();
  return std::move(*result);
}

}  // namespace ballast::engine
