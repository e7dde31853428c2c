// The volume becomes larger at any moment, whatever goes wrong beside it; hosts use what it has grown by.
#include "sim/simulation.h"

namespace ballast::sim {

using bdev::mirror::ChangeRefusal;

void Simulator::draw_growth() {
  growth_prng_ = Prng(options_.seed ^ 0x67);
  const bool is_drawn = growth_prng_.chance(2, 5);
  if (!is_drawn || (options_.faults & fault_grow) == 0) return;
  faults_ |= fault_grow;
  grow_some();
}

// Also by less than a granule, and to less than is asked for by another head at the same time.
void Simulator::grow_some() {
  world_.after(k_ms + growth_prng_.below(2 * k_s), [this] {
    if (stopping_ || healing_) return;
    grow_some();
    const std::shared_ptr<HeadProcess> process = some_head();
    if (process == nullptr || nodes_[process->node].paused_until_ns > world_.now_ns()) return;
    met(fault_grow);
    const uint64_t room = 2 * blocks_count_ - record_.blocks_count;
    const uint64_t most = growth_prng_.chance(1, 2) ? 20 : blocks_count_ / 4;
    const uint64_t wanted = record_.blocks_count + growth_prng_.below(std::min(room, most) + 1);
    with_head(process, [&](Head& head, uint64_t now_ns) {
      const ChangeRefusal refusal = head.grow(now_ns, wanted);
      if (refusal == ChangeRefusal::none) world_.say("to grow to " + std::to_string(wanted) + " blocks");
    });
  });
}

}  // namespace ballast::sim
