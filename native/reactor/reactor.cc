#include "reactor/reactor.h"

#include <sched.h>

#include <algorithm>

#include "base/assert.h"

namespace ballast {
namespace {

thread_local Reactor* current_reactor = nullptr;

// Bounds of one turn: a flood of one kind of work must not hold up the others.
constexpr uint32_t k_messages_per_turn_max = 256;
// Messages may send messages; after stop() only so many rounds are run.
constexpr uint32_t k_messages_at_stop_max = 1 << 16;

// A turn that found nothing lets others have the CPU: the other hardware thread of the core, and whoever
// waits for this one, which may be the very reactor that has to answer us. Without the yield it waited for
// the end of our time slice, milliseconds, wherever there are more reactors and clients than CPUs.
void give_way() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
  sched_yield();
}

// The reactor is the only writer: a load and a store, no locked instruction.
void add(std::atomic<uint64_t>& counter, uint64_t amount) {
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

}  // namespace

Reactor::Reactor(const ReactorOptions& options, IoBackend& backend, Clock& clock, Prng& prng,
                 std::unique_ptr<BufferArena> buffers)
    : options_(options),
      backend_(backend),
      clock_(clock),
      prng_(prng),
      buffers_(std::move(buffers)),
      timers_(clock.now_ns()),
      now_ns_(clock.now_ns()),
      counted_ns_(now_ns_) {
  BALLAST_ASSERT(buffers_ != nullptr);
}

Reactor::~Reactor() = default;

Reactor* Reactor::current() { return current_reactor; }

Reactor::Entered::Entered(Reactor& reactor) : previous_(current_reactor) { current_reactor = &reactor; }

Reactor::Entered::~Entered() { current_reactor = previous_; }

void Reactor::send(Message& message) {
  // Only the sender that found the mailbox empty wakes: those after it are seen together with its message.
  // The load costs nothing while the reactor is awake; the exchange lets one of several senders wake it.
  if (!mailbox_.push(message)) return;
  if (asleep_.load(std::memory_order_seq_cst) && asleep_.exchange(false)) backend_.wake();
}

void Reactor::stop() {
  stopping_.store(true, std::memory_order_seq_cst);
  backend_.wake();
}

void Reactor::queue_flush(Flushable& flushable) {
  if (!flushable.flush_node.is_linked()) dirty_.push_back(flushable);
}

void Reactor::cancel_flush(Flushable& flushable) {
  if (flushable.flush_node.is_linked()) dirty_.remove(flushable);
}

// What a flush queues again waits for the next turn.
uint32_t Reactor::flush_dirty() {
  const auto queued = static_cast<uint32_t>(dirty_.size());
  for (uint32_t i = 0; i < queued; ++i) {
    Flushable* const flushable = dirty_.pop_front();
    if (flushable == nullptr) break;
    flushable->flush();
  }
  return queued;
}

bool Reactor::turn() {
  now_ns_ = clock_.now_ns();
  const uint32_t messages = mailbox_.run(k_messages_per_turn_max);
  uint32_t handled = messages + backend_.poll();
  const uint32_t fired = timers_.advance(now_ns_);
  handled += flush_dirty();
  backend_.flush();
  // A timer that sent nothing and started nothing promises no answer that would be worth spinning for.
  expects_more_ = handled != 0;
  add(stats_.turns, 1);
  if (messages != 0) add(stats_.messages, messages);
  return handled + fired != 0;
}

void Reactor::run() {
  now_ns_ = useful_ns_ = counted_ns_ = clock_.now_ns();
  run_turns([] { return false; });
  // What was sent before the stop is done, and what it closed is handed to the kernel.
  const Entered entered(*this);
  mailbox_.run(k_messages_at_stop_max);
  turn();
}

void Reactor::counted_turn() {
  turn();
  add(stats_.busy_ns, now_ns_ - counted_ns_);
  counted_ns_ = now_ns_;
}

// After a turn. The spin budget begins with the last turn that did something, or with the first.
void Reactor::spin_or_sleep() {
  if (expects_more_ || useful_ns_ == k_useful_not_yet) useful_ns_ = now_ns_;
  if (expects_more_) return;
  if (options_.spin_us == k_spin_us_always ||
      now_ns_ - useful_ns_ < uint64_t{options_.spin_us} * k_ns_per_us) {
    give_way();
    return;
  }
  add(stats_.busy_ns, clock_.now_ns() - counted_ns_);
  sleep_until_work();
  counted_ns_ = clock_.now_ns();
}

void Reactor::sleep_until_work() {
  asleep_.store(true, std::memory_order_seq_cst);
  // Whoever sent before the store was not told to wake us: look once more.
  if (mailbox_.empty() && !stopping_.load(std::memory_order_seq_cst)) {
    add(stats_.sleeps, 1);
    backend_.sleep(timers_.next_deadline_ns());
  }
  asleep_.store(false, std::memory_order_relaxed);
}

}  // namespace ballast
