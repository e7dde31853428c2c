// Measures commands without a clock read for each: those that are answered in one turn of the reactor share
// the time at its end, when their answers are sent. One for each reactor.
#pragma once

#include <array>
#include <cstdint>

#include "base/assert.h"
#include "reactor/reactor.h"
#include "target/latency_histogram.h"

namespace ballast::target {

class LatencyRecorder final : private Flushable {
 public:
  explicit LatencyRecorder(Reactor& reactor) : reactor_(reactor) {}
  ~LatencyRecorder() { BALLAST_ASSERT(count_ == 0); }  // settle() before
  LatencyRecorder(const LatencyRecorder&) = delete;
  LatencyRecorder& operator=(const LatencyRecorder&) = delete;

  // A command received at `received_ns` (Reactor::now_ns() then) is being answered. `histogram` must live
  // until the end of the turn, or settle().
  void add(LatencyHistogram& histogram, uint64_t received_ns) {
    if (count_ == k_samples_max) settle();
    if (count_ == 0) reactor_.queue_flush(*this);
    samples_[count_++] = {&histogram, received_ns};
  }
  // Histograms may go afterwards.
  void settle();

 private:
  struct Sample {
    LatencyHistogram* histogram;
    uint64_t received_ns;
  };
  // More in one turn cost a further clock read: a turn handles a few hundred commands at most.
  static constexpr uint32_t k_samples_max = 256;

  void flush() override { settle(); }

  Reactor& reactor_;
  uint32_t count_ = 0;
  std::array<Sample, k_samples_max> samples_;
};

}  // namespace ballast::target
