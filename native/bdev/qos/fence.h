// How much of what was not promised may be in the device at a time. What a neighbour has in the device's own
// queue is latency that no order above the device can take away, and how much of it a device bears is not
// known beforehand: some reach their rate at two I/Os, some at a hundred. So it is found out: while a volume
// that was promised something has I/O in the device much of the time and still gets less than its minimum,
// the others' depth is halved; otherwise it grows back, to the whole depth of the node.
//
// It looks when I/O ends, every few milliseconds, by a message to home: without I/O there is nothing to see,
// and no timer that would keep an idle node awake.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "bdev/qos/budget.h"
#include "bdev/qos/service.h"
#include "reactor/reactor.h"

namespace ballast::bdev::qos {

class Fence {
 public:
  Fence(Reactor& home, Budget& budget) : home_(home), budget_(budget) {}

  // --- home ---
  // Its minimum is looked after from now on, as long as somebody else keeps it; 0: it has none.
  void watch(const std::shared_ptr<Service>& service, uint64_t min_iops);
  void look();

  // --- any reactor ---
  // It is time to look: whoever gets this answer has home do so.
  [[nodiscard]] bool is_due(uint64_t now_ns) {
    uint64_t next_ns = next_look_ns_.load(std::memory_order_relaxed);
    return now_ns >= next_ns &&
           next_look_ns_.compare_exchange_strong(next_ns, k_looking, std::memory_order_relaxed);
  }

 private:
  static constexpr uint64_t k_never = UINT64_MAX;
  static constexpr uint64_t k_looking = UINT64_MAX - 1;  // a message is on its way to home
  struct Watched {
    std::weak_ptr<Service> service;
    uint64_t min_iops = 0;
    uint64_t since_ns = 0;
    Served before;
  };
  enum class Verdict : uint8_t { idle, undecided, content, misses };  // the last that any has counts

  // What it got since the last time that was judged.
  static Verdict judge(Watched& watched, const Service& service, uint64_t now_ns);
  void fall();
  void rise();

  Reactor& home_;
  Budget& budget_;
  std::vector<Watched> watched_;
  uint64_t active_ns_ = 0;  // when a promised volume was last seen to do I/O
  std::atomic<uint64_t> next_look_ns_{k_never};
};

}  // namespace ballast::bdev::qos
