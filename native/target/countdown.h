// Runs something once when a known number of parts have finished, wherever they finish: how a change of
// configuration is made on every shard, and how a shard waits for several controllers to go. Control path.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "base/assert.h"

namespace ballast::target {

// Owns itself from start() to the last finish().
class Countdown {
 public:
  // Returns a countdown that waits for `parts_count` (above 0) calls of finish(). `done` runs inside the
  // last.
  static Countdown& start(uint32_t parts_count, std::function<void()> done) {
    BALLAST_ASSERT(parts_count > 0);
    return *new Countdown(parts_count, std::move(done));
  }
  // Any thread.
  void finish() {
    if (parts_left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    const std::function<void()> done = std::move(done_);
    delete this;
    if (done) done();
  }

 private:
  Countdown(uint32_t parts_count, std::function<void()> done)
      : parts_left_(parts_count), done_(std::move(done)) {}
  ~Countdown() = default;

  std::atomic<uint32_t> parts_left_;
  std::function<void()> done_;
};

}  // namespace ballast::target
