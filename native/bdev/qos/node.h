// What several volumes share: a device group whose budget is arbitrated between them. Made by the control
// path; kept by its volumes. A volume that shares with nobody has a node of its own.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "bdev/qos/budget.h"
#include "bdev/qos/config.h"
#include "bdev/qos/fence.h"
#include "bdev/qos/scheduler.h"
#include "bdev/qos/stats.h"

namespace ballast::bdev::qos {

class Node : public std::enable_shared_from_this<Node> {
 public:
  // `home` runs the I/O that waits; it must outlive the node, and run until all its volumes are closed.
  static std::shared_ptr<Node> create(Reactor& home);

  // --- control path, one thread at a time ---
  // In force when `done` runs, on home; possibly null. It may be below what was promised: that is kept as
  // far as the device can.
  using Done = std::function<void()>;
  Outcome set_budget(const NodeBudget& budget, Done done = nullptr);
  NodeStats stats() const;

  // --- of the room ---
  Reactor& home() { return home_; }
  Budget& budget() { return budget_; }
  Scheduler& scheduler() { return scheduler_; }
  // too_many: with this the promises are more than the budget. Less than before is always allowed.
  Outcome promise(uint64_t min_iops_before, uint64_t min_iops);
  // As promise(), and changes nothing.
  Outcome check_promise(uint64_t min_iops_before, uint64_t min_iops) const;
  // A place in the scheduler for one more, or one less.
  void add_volume();
  void remove_volume() { volumes_count_.fetch_sub(1, std::memory_order_relaxed); }
  // Room was made on another reactor and home waits for it: Budget::leave() said so.
  void tell_home();
  // An arbitrated I/O ended.
  void ended(uint64_t now_ns) {
    if (fence_.is_due(now_ns)) look();
  }
  // Its minimum is another. Home.
  void watch(Volume& volume) { fence_.watch(volume.shared_service(), volume.min_iops()); }

 private:
  struct NodeMessage : Message {
    using Message::Message;
    std::shared_ptr<Node> node;  // while it is on its way nothing else may keep the node
  };

  explicit Node(Reactor& home);
  void look();

  Reactor& home_;
  Budget budget_;
  Scheduler scheduler_;
  Fence fence_;
  NodeMessage room_message_;
  NodeMessage look_message_;
  std::atomic<uint32_t> volumes_count_{0};
  std::atomic<uint64_t> budget_iops_{0};
  std::atomic<uint64_t> promised_iops_{0};
};

}  // namespace ballast::bdev::qos
