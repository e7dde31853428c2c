// Who goes next of all that waits on a node: the mClock family of schedulers, with three moments for each
// volume. Until a limit of its own is due it cannot go. When its promise is due it goes at once, budget or
// not. Otherwise it goes by its tag, in the order of weights, while the node has room.
//
// All on the node's home; I/O of other reactors comes and goes back by message. Nothing here is done for I/O
// that need not wait.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/intrusive_list.h"
#include "bdev/qos/budget.h"
#include "bdev/qos/heap.h"
#include "bdev/qos/volume.h"
#include "reactor/reactor.h"

namespace ballast::bdev::qos {

class Scheduler final : private Flushable {
 public:
  Scheduler(Reactor& home, Budget& budget);
  // Nothing waits.
  ~Scheduler();

  // So many volumes may wait without memory being asked for.
  void reserve(uint32_t volumes_count);
  void enqueue(Volume& volume, Waiting& waiting);
  // The volume's limits, or all volumes' budget, are others than before.
  void reconsider(Volume& volume);
  void reconsider_all();
  // The depth is another than before.
  void reconsider_depth() { arm(home_.now_ns()); }
  // There may be room in the device.
  void on_room();

  // Any thread.
  uint64_t waiting_volumes() const { return waiting_volumes_.load(std::memory_order_relaxed); }
  uint64_t rate_waits() const { return rate_waits_.load(std::memory_order_relaxed); }
  uint64_t depth_waits() const { return depth_waits_.load(std::memory_order_relaxed); }

 private:
  // What one turn lets go; the rest goes in the next one.
  static constexpr uint32_t k_run_max = 256;
  static constexpr uint64_t k_unarmed = UINT64_MAX;

  bool is_arbitrated(const Volume& volume) const { return budget_.arbitrates() && !volume.is_exempt(); }
  void flush() override { run(); }
  void run();
  void run_due(Volume& volume, uint64_t now_ns, WaitingList& going);
  void run_weighted(uint64_t now_ns, WaitingList& going);
  void let_go(Volume& volume, Waiting& waiting, Passage passage, uint64_t now_ns, WaitingList& going);
  void place(Volume& volume, uint64_t now_ns);
  void arm(uint64_t now_ns);
  void count_waits(uint64_t now_ns);

  Reactor& home_;
  Budget& budget_;
  Timer timer_;
  uint64_t armed_ns_ = k_unarmed;
  IntrusiveList<Volume, &Volume::waiting_node> waiting_;
  Heap<Volume, uint64_t, &Volume::wake_ns, &Volume::times_place> times_;
  Heap<Volume, double, &Volume::tag, &Volume::weights_place> weights_;
  double tag_now_ = 0;  // of who went last by weight: who comes new starts there
  std::atomic<uint64_t> waiting_volumes_{0};
  std::atomic<uint64_t> rate_waits_{0};
  std::atomic<uint64_t> depth_waits_{0};
};

}  // namespace ballast::bdev::qos
