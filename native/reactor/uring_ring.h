// One io_uring: chooses the best set-up flags that the kernel has, hands out submission entries, collects
// completions, sleeps. Used by UringBackend alone, on one thread.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <span>
#include <string>

#include "base/intrusive_list.h"
#include "base/result.h"
#include "base/segment.h"

namespace ballast {

// What the kernel gave, best first; each needs the version named.
enum class UringLevel : uint8_t {
  defer_taskrun,  // 6.1: completions are worked off only when we ask, by one thread
  single_issuer,  // 6.0: and without locking against other submitters
  coop_taskrun,   // 5.19: no interrupt of the thread to work off completions
  plain,          // 5.11
};
const char* uring_level_text(UringLevel level);
// What is missing below defer_taskrun, from which kernel on it is there, and what happens without it.
const char* uring_level_warning(UringLevel level);

// One thing asked of the ring that is not a FileOp. Lives on the heap, because the kernel names it in its
// completion: the owner gives it to UringBackend::abandon() when it dies before that.
struct RingOp {
  enum class State : uint8_t {
    idle,
    waiting,  // the ring had no room: started again in a later turn
    in_flight,
  };
  enum class Kind : uint8_t { poll, timeout, read, nop };
  using Complete = void (*)(void* owner, int32_t result);

  RingOp(void* of_owner, Complete on_complete) : owner(of_owner), complete(on_complete) {}
  void* owner;  // null: an orphan
  Complete complete;
  State state = State::idle;
  Kind kind = Kind::nop;
  int descriptor = -1;
  uint32_t poll_events = 0;
  __kernel_timespec after{};
  Segment into;
  ListNode node;  // of the backend: waiting, or orphaned
};

struct RingCompletion {
  uint64_t user_data;
  int32_t result;
};

class UringRing {
 public:
  UringRing() = default;
  ~UringRing() { close(); }
  UringRing(const UringRing&) = delete;
  UringRing& operator=(const UringRing&) = delete;

  // Errc::unsupported if there is no io_uring, or none recent enough. Starts at `best`, for tests of the
  // fall-back.
  Outcome open(uint32_t entries, UringLevel best = UringLevel::defer_taskrun);
  void close();
  UringLevel level() const { return level_; }
  bool is_open() const { return is_open_; }

  // Null only if the ring is full and the kernel cannot take anything now.
  io_uring_sqe* try_sqe();
  // Moves at most completions.size() out; returns how many. Enters the kernel only if it says that it has
  // work for us.
  size_t collect(std::span<RingCompletion> completions);
  void submit();
  // Submits and sleeps until a completion is there or `timeout_ns` is over (UINT64_MAX: for ever).
  void submit_and_wait(uint64_t timeout_ns);
  bool register_memory(void* base, size_t size_bytes, int& error);

 private:
  bool wants_entering() const;

  io_uring ring_{};
  UringLevel level_ = UringLevel::plain;
  bool is_open_ = false;
};

}  // namespace ballast
