// One governed volume, shared by its channels: its limits, which every reactor takes from, and the I/O that
// waits, which is its node's home's alone.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/intrusive_list.h"
#include "bdev/qos/config.h"
#include "bdev/qos/cost.h"
#include "bdev/qos/heap.h"
#include "bdev/qos/service.h"
#include "bdev/qos/stats.h"
#include "bdev/qos/token_bucket.h"
#include "bdev/qos/waiting.h"

namespace ballast::bdev::qos {

class Node;

class Volume {
 public:
  // The channels may outlive the control path's handle of the node.
  explicit Volume(std::shared_ptr<Node> node);
  ~Volume();

  Node& node() { return *node_; }
  const std::shared_ptr<Node>& shared_node() const { return node_; }

  // --- any reactor ---
  // Nothing here says that an I/O may have to wait; the node may.
  bool is_free() const { return mode_.load(std::memory_order_relaxed) == 0; }
  // It waits for nothing any more, the node's budget included.
  bool is_exempt() const { return (mode_.load(std::memory_order_relaxed) & k_exempt) != 0; }
  uint32_t unit_shift() const { return unit_shift_.load(std::memory_order_relaxed); }
  // Others of this direction wait: who comes goes behind them.
  bool is_closed(Direction direction) const {
    return closed_[static_cast<uint32_t>(direction)].load(std::memory_order_relaxed);
  }
  // All limits that concern it, or none.
  bool try_take(uint64_t now_ns, const Cost& cost, Arrival arrival);
  // The limits are all due, of this moment.
  bool would_take(uint64_t now_ns, Direction direction) const;
  void take(uint64_t now_ns, const Cost& cost);
  void give_back(const Cost& cost);
  // A minimum is, and promise() has what is left of it.
  bool has_promise() const { return has_promise_.load(std::memory_order_relaxed); }
  TokenBucket& promise() { return promise_; }
  Service& service() { return *service_; }
  const std::shared_ptr<Service>& shared_service() const { return service_; }
  StatsCells& stats() { return *stats_; }
  const std::shared_ptr<StatsCells>& shared_stats() const { return stats_; }

  // --- home ---
  void configure(uint64_t now_ns, const Config& config);
  // Nothing waits any more, until the next configure().
  void exempt() {
    drained_ = true;
    mode_.fetch_or(k_exempt, std::memory_order_relaxed);
  }
  // The same until settle() has been called as often, whatever is configured meanwhile.
  void lift() {
    ++lifts_;
    mode_.fetch_or(k_exempt, std::memory_order_relaxed);
  }
  void settle();
  uint32_t weight() const { return weight_; }
  uint64_t min_iops() const { return min_iops_; }
  void push(Waiting& waiting);
  void pop(Waiting& waiting);
  bool has_waiting() const { return !lines_[0].empty() || !lines_[1].empty(); }
  // The oldest that no limit holds, or null.
  Waiting* first_due(uint64_t now_ns);
  // When that will be something; k_never without any that waits.
  uint64_t due_ns();
  void close_to_others(uint64_t now_ns, bool waits_for_budget);

  static constexpr uint64_t k_never = UINT64_MAX;
  // Of the scheduler.
  ListNode waiting_node;
  uint64_t wake_ns = 0;
  uint32_t times_place = k_not_in_heap;
  double tag = 0;  // its start in the weighted order: what it got there, over its weight
  uint32_t weights_place = k_not_in_heap;
  Pressure pressure;

 private:
  // A bit of mode_ for each of limits_, and one more.
  enum Limit : uint32_t { total_iops, read_iops, write_iops, total_bytes, read_bytes, write_bytes };
  static constexpr uint32_t k_limits_count = 6;
  static constexpr uint32_t k_exempt = 1u << k_limits_count;
  // Reactors and timers are late by less, nearly always. It is also how far a second may be off: 1 %.
  static constexpr uint64_t k_smoothing_ns = 10 * 1000 * 1000;

  static uint64_t amount(uint32_t limit, const Cost& cost) {
    return limit >= total_bytes ? cost.bytes : cost.units;
  }
  // Sets of limits, as bits: those of the direction alone, and those that concern an I/O.
  static uint32_t limits_of(Direction direction);
  uint32_t limits_of(const Cost& cost) const;
  uint64_t due_ns(uint32_t limits) const;
  uint64_t due_ns(const Waiting& waiting) const { return due_ns(limits_of(waiting.cost)); }

  const std::shared_ptr<Node> node_;

  // Read for each I/O, seldom written.
  alignas(64) std::atomic<uint32_t> mode_{0};
  std::atomic<uint32_t> unit_shift_{0};
  std::atomic<bool> has_promise_{false};
  std::array<std::atomic<bool>, k_directions_count> closed_{};

  alignas(64) std::array<TokenBucket, k_limits_count> limits_;
  TokenBucket promise_;

  // Home's.
  alignas(64) std::array<WaitingList, k_directions_count> lines_;
  uint64_t next_number_ = 0;
  uint32_t weight_ = k_weight_default;
  uint64_t min_iops_ = 0;
  bool drained_ = false;
  uint32_t lifts_ = 0;
  const std::shared_ptr<Service> service_ = std::make_shared<Service>();
  const std::shared_ptr<StatsCells> stats_ = std::make_shared<StatsCells>();
};

}  // namespace ballast::bdev::qos
