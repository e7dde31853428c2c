// What a node has to give, and how much of it is in use: a rate, and how much is in the device at a time.
// Taken from on every reactor; what finds nothing left waits in the Scheduler, on the node's home.
#pragma once

#include <atomic>
#include <cstdint>

#include "bdev/qos/config.h"
#include "bdev/qos/token_bucket.h"

namespace ballast::bdev::qos {

class Budget {
 public:
  // --- home ---
  void configure(uint64_t now_ns, const NodeBudget& budget);
  // At most depth_max(), which is as it was configured.
  void set_depth(uint32_t depth) { depth_.store(depth, std::memory_order_relaxed); }
  uint32_t depth_max() const { return depth_max_; }
  // While volumes wait for the budget nobody else takes from it; what is promised does.
  void set_waited_for(bool waited_for) { waited_for_.store(waited_for, std::memory_order_relaxed); }
  bool has_room(uint64_t now_ns) const { return !is_full() && rate_.is_due(now_ns); }
  uint64_t due_ns() const { return rate_.due_ns(); }
  // False: there is no room.
  bool try_take(uint64_t now_ns, uint32_t units, Arrival arrival) {
    return !is_full() && rate_.try_take(now_ns, units, arrival);
  }
  // The next leave() that makes room tells home. True: there is room already.
  bool want_room();
  void told() { room_.store(Room::not_wanted, std::memory_order_seq_cst); }

  // --- any reactor ---
  bool arbitrates() const { return arbitrates_.load(std::memory_order_relaxed); }
  bool is_waited_for() const { return waited_for_.load(std::memory_order_relaxed); }
  // For what is promised, room or not.
  void take(uint64_t now_ns, uint32_t units) { rate_.take(now_ns, units, k_debt_ns_max); }
  void give_back(uint32_t units) { rate_.give_back(units); }
  uint32_t depth() const { return depth_.load(std::memory_order_relaxed); }
  // What is not promised, on its way into the device.
  void enter(uint32_t units) { in_flight_.fetch_add(units, std::memory_order_relaxed); }
  // True: home wants to be told, and whoever got this answer tells it.
  [[nodiscard]] bool leave(uint32_t units);
  uint32_t in_flight_units() const { return in_flight_.load(std::memory_order_relaxed); }
  bool is_full() const {
    return in_flight_.load(std::memory_order_relaxed) >= depth_.load(std::memory_order_relaxed);
  }

 private:
  // What is not used within this time is gone. Shorter than the moments for which a reactor stands still, the
  // rate would not be reached; longer, a neighbour could have the depth full for longer after a pause.
  static constexpr uint64_t k_saved_ns = 2 * 1000 * 1000;
  // Promises that are more than the budget must not stop everybody else for longer, once they end.
  static constexpr uint64_t k_debt_ns_max = 10 * 1000 * 1000;
  static constexpr uint64_t k_depth_ns = 1000 * 1000;
  static constexpr uint32_t k_depth_min = 16;

  enum class Room : uint8_t {
    not_wanted,
    wanted,   // home waits for some
    telling,  // a message is on its way to home
  };

  // Read for each I/O, seldom written.
  alignas(64) std::atomic<bool> arbitrates_{false};
  std::atomic<bool> waited_for_{false};
  std::atomic<uint32_t> depth_{UINT32_MAX};
  uint32_t depth_max_ = UINT32_MAX;  // home's
  alignas(64) TokenBucket rate_;
  alignas(64) std::atomic<uint32_t> in_flight_{0};
  std::atomic<Room> room_{Room::not_wanted};
};

}  // namespace ballast::bdev::qos
