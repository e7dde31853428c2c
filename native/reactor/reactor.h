// One reactor per core: an event loop that owns connections, channels and timers, and shares nothing.
// A turn: take messages, poll sockets and completions, fire timers, run what was deferred, flush dirty
// connections, submit to the kernel; sleep when nothing happened for the spin budget. Every step of a turn is
// bounded.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "base/clock.h"
#include "base/intrusive_list.h"
#include "base/prng.h"
#include "reactor/buffer_arena.h"
#include "reactor/io_backend.h"
#include "reactor/mailbox.h"
#include "reactor/timer_wheel.h"

namespace ballast {

// Something that wants to run at the end of this turn, once, however often it was asked: a connection with
// unsent output, a batch to submit. A member of its owner.
class Flushable {
 public:
  virtual void flush() = 0;
  ListNode flush_node;

 protected:
  ~Flushable() = default;
};

// How long an idle reactor spins before it sleeps, in microseconds.
inline constexpr uint32_t k_spin_us_never = 0;
inline constexpr uint32_t k_spin_us_always = UINT32_MAX;
inline constexpr uint32_t k_spin_us_default = 50;

struct ReactorOptions {
  uint32_t index = 0;  // 0 .. reactors_count - 1
  uint32_t spin_us = k_spin_us_default;
  BufferArenaSizes buffers;
};

// Written by the reactor alone, readable on any thread.
struct ReactorStats {
  std::atomic<uint64_t> turns{0};
  std::atomic<uint64_t> sleeps{0};
  std::atomic<uint64_t> messages{0};
  std::atomic<uint64_t> busy_ns{0};  // time not asleep
};

class Reactor {
 public:
  // backend, clock and prng must outlive the reactor. buffers must have been created by BufferArena::create.
  Reactor(const ReactorOptions& options, IoBackend& backend, Clock& clock, Prng& prng,
          std::unique_ptr<BufferArena> buffers);
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // --- any thread ---
  uint32_t index() const { return options_.index; }
  // Runs message.run on this reactor, in the order of sending. The message must stay valid until then.
  void send(Message& message);
  // Ends run() after the current turn.
  void stop();
  const ReactorStats& stats() const { return stats_; }

  // --- the reactor's own thread ---
  static Reactor* current();  // null on a thread that runs none
  bool is_current() const { return current() == this; }
  IoBackend& io() { return backend_; }
  Clock& clock() { return clock_; }
  Prng& prng() { return prng_; }
  BufferArena& buffers() { return *buffers_; }
  // The time at the start of this turn; enough for time-outs, and free. clock() gives the precise one.
  uint64_t now_ns() const { return now_ns_; }
  void arm(Timer& timer, uint64_t delay_ns) { timers_.arm(timer, clock_.now_ns() + delay_ns); }
  void cancel(Timer& timer) { timers_.cancel(timer); }
  // Calls flushable.flush() at the end of this turn; nothing happens when it is queued already.
  void queue_flush(Flushable& flushable);
  void cancel_flush(Flushable& flushable);

  // Runs one turn without sleeping; true if anything was done. The simulator calls this; run() does
  // otherwise.
  bool turn();
  // Turns until stop(). Makes this reactor current() on the calling thread.
  void run();
  // Turns, spinning and sleeping as run() does, until `done()` holds, which is asked after every turn, or
  // stop(). For a thread that has other work between the calls: the reactor stands still meanwhile.
  template <typename Done>
  void run_until(Done done) {
    useful_ns_ = k_useful_not_yet;
    run_turns(done);
  }
  // For the simulator: makes this reactor current() while the object lives.
  class Entered {
   public:
    explicit Entered(Reactor& reactor);
    ~Entered();

   private:
    Reactor* previous_;
  };
  // The earliest time at which a timer may be due; k_no_deadline if none. For the simulator's clock.
  uint64_t next_deadline_ns() const { return timers_.next_deadline_ns(); }
  bool has_messages() const { return !mailbox_.empty(); }

 private:
  static constexpr uint64_t k_useful_not_yet = UINT64_MAX;

  template <typename Done>
  void run_turns(Done done) {
    const Entered entered(*this);
    while (!stopping_.load(std::memory_order_relaxed)) {
      counted_turn();
      if (done()) return;
      spin_or_sleep();
    }
  }
  uint32_t flush_dirty();
  void counted_turn();
  void spin_or_sleep();
  void sleep_until_work();

  ReactorOptions options_;
  IoBackend& backend_;
  Clock& clock_;
  Prng& prng_;
  std::unique_ptr<BufferArena> buffers_;
  Mailbox mailbox_;
  TimerWheel timers_;
  IntrusiveList<Flushable, &Flushable::flush_node> dirty_;
  uint64_t now_ns_ = 0;
  uint64_t useful_ns_ = k_useful_not_yet;  // the start of the last turn that did something
  uint64_t counted_ns_ = 0;                // up to where busy_ns has been counted
  bool expects_more_ = false;              // the last turn did something that others may answer soon
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stopping_{false};
  ReactorStats stats_;
};

#define BALLAST_ASSERT_ON_REACTOR(reactor) BALLAST_ASSERT((reactor).is_current())

// Runs `task` on the reactor. Allocates a message: for the control path, from any thread (the JavaScript
// thread enters this way), never per I/O.
template <typename Task>
void send_task(Reactor& reactor, Task task) {
  struct TaskMessage : Message {
    explicit TaskMessage(Task t)
        : Message([](Message& message) {
            std::unique_ptr<TaskMessage> self(static_cast<TaskMessage*>(&message));
            self->body();
          }),
          body(std::move(t)) {}
    Task body;
  };
  static_assert(std::is_invocable_v<Task&>);
  reactor.send(*new TaskMessage(std::move(task)));
}

}  // namespace ballast
