#include "bdev/qos/budget.h"

#include <algorithm>

#include "base/assert.h"
#include "base/clock.h"

namespace ballast::bdev::qos {

void Budget::configure(uint64_t now_ns, const NodeBudget& budget) {
  rate_.configure(now_ns, budget.iops, 0, k_saved_ns);
  const uint64_t of_rate = budget.iops / (k_ns_per_s / k_depth_ns);
  uint64_t depth = budget.depth;
  if (depth == 0) depth = std::clamp<uint64_t>(of_rate, k_depth_min, k_depth_max);
  const bool arbitrates = budget.iops != 0 || budget.depth != 0;
  depth_max_ = arbitrates ? static_cast<uint32_t>(depth) : UINT32_MAX;
  set_depth(depth_max_);
  arbitrates_.store(arbitrates, std::memory_order_relaxed);
}

// Either home sees here that there is room, or whoever made it sees that it is wanted: both write before they
// read, and the order of the four is one for all.
bool Budget::want_room() {
  Room before = Room::not_wanted;
  room_.compare_exchange_strong(before, Room::wanted, std::memory_order_seq_cst);
  return in_flight_.load(std::memory_order_seq_cst) < depth_.load(std::memory_order_relaxed);
}

bool Budget::leave(uint32_t units) {
  const uint32_t before = in_flight_.fetch_sub(units, std::memory_order_seq_cst);
  BALLAST_ASSERT(before >= units);
  if (room_.load(std::memory_order_seq_cst) != Room::wanted) return false;
  if (before - units >= depth_.load(std::memory_order_relaxed)) return false;
  Room wanted = Room::wanted;
  return room_.compare_exchange_strong(wanted, Room::telling, std::memory_order_seq_cst);
}

}  // namespace ballast::bdev::qos
