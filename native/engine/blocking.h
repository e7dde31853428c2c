// How the engine's control thread waits for reactors. It may block, a reactor may not: that the caller is not
// one is asserted. Every wait ends because a reactor answers every message until the set is stopped.
#pragma once

#include <semaphore>
#include <utility>

#include "base/assert.h"
#include "base/result.h"
#include "reactor/reactor.h"

namespace ballast::engine {

// Waits for callbacks. Must outlive them, which wait() ensures when it is called for every raise().
class Signal {
 public:
  void raise() { semaphore_.release(); }
  void wait() {
    BALLAST_ASSERT(Reactor::current() == nullptr);
    semaphore_.acquire();
  }
  // False: nobody has raised it in that time.
  template <typename Duration>
  bool wait_for(Duration duration) {
    BALLAST_ASSERT(Reactor::current() == nullptr);
    return semaphore_.try_acquire_for(duration);
  }

 private:
  std::counting_semaphore<> semaphore_{0};
};

// Runs `body` on the reactor and returns when it has run.
template <typename Body>
void run_on(Reactor& reactor, Body&& body) {
  Signal ran;
  send_task(reactor, [&ran, &body] {
    body();
    ran.raise();
  });
  ran.wait();
}

// Calls `start(done)` here and returns when `done()` has been called on whatever thread; for what answers by
// a callback.
template <typename Start>
void wait_for(Start&& start) {
  Signal done;
  start([&done] { done.raise(); });
  done.wait();
}

// The same for a change that may be refused at once, as the target's: `start(done)` says so, and calls
// nothing.
template <typename Start>
Outcome change(Start&& start) {
  Signal changed;
  TRY(const Unit started, start([&changed] { changed.raise(); }));
  changed.wait();
  return started;
}

}  // namespace ballast::engine
