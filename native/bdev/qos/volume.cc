#include "bdev/qos/volume.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"

namespace ballast::bdev::qos {
namespace {

// Calls visit(index) for every bit that is set, until it answers false.
template <typename Visit>
void for_each_bit(uint32_t bits, Visit visit) {
  for (; bits != 0; bits &= bits - 1) {
    if (!visit(static_cast<uint32_t>(std::countr_zero(bits)))) return;
  }
}

}  // namespace

Volume::Volume(std::shared_ptr<Node> node) : node_(std::move(node)) {}

Volume::~Volume() { BALLAST_ASSERT(!waiting_node.is_linked()); }

void Volume::configure(uint64_t now_ns, const Config& config) {
  const uint64_t saved_ns = config.burst_ms * k_ns_per_ms;
  const std::array<uint64_t, k_limits_count> rates = {config.total.iops, config.read.iops,
                                                      config.write.iops, config.total.bytes,
                                                      config.read.bytes, config.write.bytes};
  uint32_t mode = 0;
  for (uint32_t i = 0; i < k_limits_count; ++i) {
    limits_[i].configure(now_ns, rates[i], saved_ns, k_smoothing_ns);
    if (rates[i] != 0) mode |= 1u << i;
  }
  promise_.configure(now_ns, config.min_iops, 0, k_smoothing_ns);
  has_promise_.store(config.min_iops != 0, std::memory_order_relaxed);
  if (min_iops_ != config.min_iops) pressure.reset();
  min_iops_ = config.min_iops;
  weight_ = config.weight;
  unit_shift_.store(static_cast<uint32_t>(std::countr_zero(config.unit_bytes)), std::memory_order_relaxed);
  drained_ = false;
  mode_.store(lifts_ == 0 ? mode : mode | k_exempt, std::memory_order_relaxed);
}

void Volume::settle() {
  BALLAST_ASSERT(lifts_ > 0);
  --lifts_;
  if (lifts_ == 0 && !drained_) mode_.fetch_and(~k_exempt, std::memory_order_relaxed);
}

uint32_t Volume::limits_of(Direction direction) {
  return direction == Direction::read ? 1u << read_iops | 1u << read_bytes
                                      : 1u << write_iops | 1u << write_bytes;
}

// One that moves no bytes does not wait for those that do.
uint32_t Volume::limits_of(const Cost& cost) const {
  constexpr uint32_t k_total = 1u << total_iops | 1u << total_bytes;
  constexpr uint32_t k_bytes = 1u << total_bytes | 1u << read_bytes | 1u << write_bytes;
  const uint32_t concerned = (k_total | limits_of(cost.direction)) & (cost.bytes == 0 ? ~k_bytes : ~0u);
  return is_exempt() ? 0 : mode_.load(std::memory_order_relaxed) & concerned;
}

bool Volume::try_take(uint64_t now_ns, const Cost& cost, Arrival arrival) {
  const uint32_t limits = limits_of(cost);
  uint32_t taken = 0;
  for_each_bit(limits, [&](uint32_t limit) {
    const bool took = limits_[limit].try_take(now_ns, amount(limit, cost), arrival);
    if (took) taken |= 1u << limit;
    return took;
  });
  if (taken == limits) return true;
  for_each_bit(taken, [&](uint32_t limit) {
    limits_[limit].give_back(amount(limit, cost));
    return true;
  });
  return false;
}

bool Volume::would_take(uint64_t now_ns, Direction direction) const {
  return due_ns(limits_of({.bytes = 1, .units = 1, .direction = direction})) <= now_ns;
}

void Volume::take(uint64_t now_ns, const Cost& cost) {
  constexpr uint64_t k_any_debt_ns = 1000 * k_ns_per_s;
  for_each_bit(limits_of(cost), [&](uint32_t limit) {
    limits_[limit].take(now_ns, amount(limit, cost), k_any_debt_ns);
    return true;
  });
}

void Volume::give_back(const Cost& cost) {
  for_each_bit(limits_of(cost), [&](uint32_t limit) {
    limits_[limit].give_back(amount(limit, cost));
    return true;
  });
}

uint64_t Volume::due_ns(uint32_t limits) const {
  uint64_t due_ns = 0;
  for_each_bit(limits, [&](uint32_t limit) {
    due_ns = std::max(due_ns, limits_[limit].due_ns());
    return true;
  });
  return due_ns;
}

void Volume::push(Waiting& waiting) {
  waiting.number = next_number_++;
  lines_[static_cast<uint32_t>(waiting.cost.direction)].push_back(waiting);
  add(stats_->waiting_ios, 1);
}

void Volume::pop(Waiting& waiting) {
  lines_[static_cast<uint32_t>(waiting.cost.direction)].remove(waiting);
  stats_->waiting_ios.store(stats_->waiting_ios.load(std::memory_order_relaxed) - 1,
                            std::memory_order_relaxed);
}

Waiting* Volume::first_due(uint64_t now_ns) {
  Waiting* first = nullptr;
  for (WaitingList& line : lines_) {
    Waiting* const waiting = line.front();
    if (waiting == nullptr || due_ns(*waiting) > now_ns) continue;
    if (first == nullptr || waiting->number < first->number) first = waiting;
  }
  return first;
}

uint64_t Volume::due_ns() {
  uint64_t earliest_ns = k_never;
  for (WaitingList& line : lines_) {
    if (Waiting* const waiting = line.front()) earliest_ns = std::min(earliest_ns, due_ns(*waiting));
  }
  return earliest_ns;
}

// Those of one direction that a limit of their own holds do not keep the other's back. Those that wait for
// what both share do: who comes later must not take it from them.
void Volume::close_to_others(uint64_t now_ns, bool waits_for_budget) {
  bool shared = waits_for_budget;
  for (WaitingList& line : lines_) {
    Waiting* const waiting = line.front();
    if (waiting == nullptr) continue;
    const uint32_t own = limits_of(waiting->cost) & limits_of(waiting->cost.direction);
    shared = shared || due_ns(own) <= now_ns;
  }
  for (uint32_t i = 0; i < k_directions_count; ++i) {
    closed_[i].store(shared || !lines_[i].empty(), std::memory_order_relaxed);
  }
}

}  // namespace ballast::bdev::qos
