// A rate, kept exactly: the moment from which the next I/O may go. Taking moves it on by what the I/O costs
// at this rate, from where it was and not from the present, so what goes late is made up for and nothing
// drifts. An I/O larger than all that was saved up goes as soon as the moment has come, and those after it
// wait for its whole cost.
//
// Any reactor takes, without a lock: the moment is one atomic. configure() is of one reactor, its home.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace ballast::bdev::qos {

// Whether the I/O comes now, or has waited for its turn.
enum class Arrival : uint8_t { fresh, waited };

class TokenBucket {
 public:
  // `per_s` 0: everything goes. `saved_ns`: how far the moment may lie in the past, as `smoothing_ns`; but
  // the latter is only for those who waited or cost less than it, so that at 1 IOPS two I/Os are never closer
  // than a second. What is owed is kept as an amount.
  void configure(uint64_t now_ns, uint64_t per_s, uint64_t saved_ns, uint64_t smoothing_ns);

  // When the next one may go; in the past if at once.
  uint64_t due_ns() const { return (next_.load(std::memory_order_relaxed) + k_per_ns - 1) / k_per_ns; }
  bool is_due(uint64_t now_ns) const { return next_.load(std::memory_order_relaxed) <= now_ns * k_per_ns; }

  // False: it is not due, and nothing is changed.
  bool try_take(uint64_t now_ns, uint64_t amount, Arrival arrival) {
    const uint64_t now = now_ns * k_per_ns, cost = cost_of(amount);
    const uint64_t from = now - std::min(now, saved(cost, arrival));
    uint64_t next = next_.load(std::memory_order_relaxed);
    do {
      if (next > now) return false;
    } while (!next_.compare_exchange_weak(next, std::max(next, from) + cost, std::memory_order_relaxed));
    return true;
  }
  // Due or not; but no more is owed than `debt_ns`.
  void take(uint64_t now_ns, uint64_t amount, uint64_t debt_ns) {
    const uint64_t now = now_ns * k_per_ns, cost = cost_of(amount);
    const uint64_t from = now - std::min(now, saved(cost, Arrival::waited)), to = now + debt_ns * k_per_ns;
    uint64_t next = next_.load(std::memory_order_relaxed), moved;
    do {
      const uint64_t begin = std::max(next, from);
      moved = std::max(begin, std::min(begin + cost, to));
    } while (!next_.compare_exchange_weak(next, moved, std::memory_order_relaxed));
  }
  // What was taken and not used.
  void give_back(uint64_t amount) {
    const uint64_t cost = cost_of(amount);
    uint64_t next = next_.load(std::memory_order_relaxed);
    while (!next_.compare_exchange_weak(next, next - std::min(next, cost), std::memory_order_relaxed)) {
    }
  }

 private:
  // Time is in sixteenths of a nanosecond: at 10 million IOPS a cost rounded to whole ones would be 0.5 %
  // off.
  static constexpr uint64_t k_per_ns = 16;
  // Half of what a sum of two leaves room for.
  static constexpr double k_cost_max = 0x1p61;

  uint64_t cost_of(uint64_t amount) const {
    const double cost = static_cast<double>(amount) * per_amount_.load(std::memory_order_relaxed) + 0.5;
    return static_cast<uint64_t>(std::min(cost, k_cost_max));
  }
  uint64_t saved(uint64_t cost, Arrival arrival) const {
    const uint64_t smoothing = smoothing_.load(std::memory_order_relaxed);
    const uint64_t kept = saved_.load(std::memory_order_relaxed);
    return arrival == Arrival::waited || cost <= smoothing ? std::max(kept, smoothing) : kept;
  }

  std::atomic<uint64_t> next_{0};
  std::atomic<double> per_amount_{0};
  std::atomic<uint64_t> saved_{0};
  std::atomic<uint64_t> smoothing_{0};
};

}  // namespace ballast::bdev::qos
