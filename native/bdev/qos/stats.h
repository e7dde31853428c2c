// What can be known of a volume while it works. Cells are written by the node's home alone and read on any
// thread; Stats is what a reader gets.
#pragma once

#include <atomic>
#include <cstdint>

namespace ballast::bdev::qos {

struct Stats {
  uint64_t throttled_ios = 0;  // that had to wait; those that wait now are not in it
  uint64_t throttled_ns = 0;   // how long, all together
  uint64_t waiting_ios = 0;    // now
  // Seconds of waiting for the node's budget (not for a limit of its own), and those in which the volume got
  // at least 99 % of its minimum all the same. A device that is slower than its node's budget does not show
  // here but in NodeStats::depth_waits.
  uint64_t guarantee_seconds = 0;
  uint64_t guarantee_kept_seconds = 0;

  double guarantee_kept_percent() const {
    if (guarantee_seconds == 0) return 100;
    return 100.0 * static_cast<double>(guarantee_kept_seconds) / static_cast<double>(guarantee_seconds);
  }
};

struct NodeStats {
  uint64_t in_flight_units = 0;  // in the device and not promised, while something is arbitrated
  uint64_t depth_units = 0;      // how many there may be at present
  uint64_t waiting_volumes = 0;  // for the budget
  uint64_t guaranteed_iops = 0;  // promised to volumes, together
  uint64_t rate_waits = 0;       // times that volumes were left waiting because the rate was used up
  uint64_t depth_waits = 0;      // because the device had its depth: it is slower than its budget says
};

// One writer: a load and a store, no locked instruction.
inline void add(std::atomic<uint64_t>& cell, uint64_t amount) {
  cell.store(cell.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

struct StatsCells {
  std::atomic<uint64_t> throttled_ios{0};
  std::atomic<uint64_t> throttled_ns{0};
  std::atomic<uint64_t> waiting_ios{0};
  std::atomic<uint64_t> guarantee_seconds{0};
  std::atomic<uint64_t> guarantee_kept_seconds{0};

  Stats read() const {
    const auto value = [](const std::atomic<uint64_t>& cell) { return cell.load(std::memory_order_relaxed); };
    return {value(throttled_ios), value(throttled_ns), value(waiting_ios), value(guarantee_seconds),
            value(guarantee_kept_seconds)};
  }
};

// The time that a volume with a minimum spends waiting for the budget, cut into seconds that are judged one
// by one. Home's.
class Pressure {
 public:
  // `waits`: it does, from now on. `min_iops` is what it was promised until now.
  void settle(uint64_t now_ns, bool waits, uint64_t min_iops, StatsCells& cells) {
    if (waits_ && now_ns > since_ns_) time_ns_ += now_ns - since_ns_;
    since_ns_ = now_ns;
    waits_ = waits;
    if (time_ns_ < k_second_ns) return;
    // It may have become a little more than a second.
    const double wanted = 0.99 * static_cast<double>(min_iops) * static_cast<double>(time_ns_) / k_second_ns;
    add(cells.guarantee_seconds, 1);
    if (static_cast<double>(units_) >= wanted) add(cells.guarantee_kept_seconds, 1);
    reset();
  }
  void count(uint64_t units) { units_ += waits_ ? units : 0; }
  void reset() { time_ns_ = units_ = 0; }

 private:
  static constexpr uint64_t k_second_ns = 1'000'000'000;
  bool waits_ = false;
  uint64_t since_ns_ = 0;
  uint64_t time_ns_ = 0;
  uint64_t units_ = 0;
};

}  // namespace ballast::bdev::qos
