#include "bdev/qos/fence.h"

#include <algorithm>

#include "base/assert.h"
#include "base/clock.h"

namespace ballast::bdev::qos {
namespace {

constexpr uint64_t k_look_ns = 5 * k_ns_per_ms;
// A verdict over fewer I/Os would be chance; over a longer time it would come too late for the second.
constexpr double k_judged_units_min = 16;
constexpr uint64_t k_judged_ns_max = 200 * k_ns_per_ms;
// Less than half of the time in the device: it is its client that asks for no more.
constexpr double k_wants_more = 0.5;
// Aimed at a little above the minimum, as what it gets swings about the aim.
constexpr double k_aim = 1.05;
// When no promised volume has done I/O for so long, the others may be as deep as they like.
constexpr uint64_t k_forgotten_ns = 100 * k_ns_per_ms;

}  // namespace

void Fence::watch(const std::shared_ptr<Service>& service, uint64_t min_iops) {
  BALLAST_ASSERT_ON_REACTOR(home_);
  std::erase_if(watched_, [&](const Watched& one) {
    const std::shared_ptr<Service> kept = one.service.lock();
    return kept == nullptr || kept == service;
  });
  if (min_iops != 0) watched_.push_back({service, min_iops, home_.now_ns(), service->read()});
  // Also when none is left: the depth is to be its whole again.
  uint64_t never = k_never;
  next_look_ns_.compare_exchange_strong(never, home_.now_ns(), std::memory_order_relaxed);
}

void Fence::look() {
  BALLAST_ASSERT_ON_REACTOR(home_);
  const uint64_t now_ns = home_.now_ns();
  Verdict verdict = Verdict::idle;
  for (Watched& one : watched_) {
    const std::shared_ptr<Service> service = one.service.lock();
    if (service == nullptr) continue;  // the volume is gone; watch() of another clears its place
    verdict = std::max(verdict, judge(one, *service, now_ns));
  }
  if (verdict != Verdict::idle) active_ns_ = now_ns;
  if (verdict == Verdict::misses) fall();
  if (verdict == Verdict::content) rise();
  if (now_ns - active_ns_ >= k_forgotten_ns) budget_.set_depth(budget_.depth_max());
  const bool is_done = watched_.empty() && budget_.depth() == budget_.depth_max();
  next_look_ns_.store(is_done ? k_never : now_ns + k_look_ns, std::memory_order_relaxed);
}

Fence::Verdict Fence::judge(Watched& watched, const Service& service, uint64_t now_ns) {
  const Served now = service.read();
  const uint64_t time_ns = now_ns - watched.since_ns;
  const double wanted =
      static_cast<double>(watched.min_iops) * static_cast<double>(time_ns) / static_cast<double>(k_ns_per_s);
  const uint64_t got = now.units - watched.before.units;
  if ((got == 0 || wanted < k_judged_units_min) && time_ns < k_judged_ns_max) {
    return got == 0 && now.in_flight_ios == 0 ? Verdict::idle : Verdict::undecided;
  }
  const auto in_device_ns = static_cast<double>(now.in_device_ns - watched.before.in_device_ns);
  watched.before = now;
  watched.since_ns = now_ns;
  if (got == 0) return now.in_flight_ios == 0 ? Verdict::idle : Verdict::misses;
  const bool wants_more = in_device_ns >= k_wants_more * static_cast<double>(time_ns);
  return wants_more && static_cast<double>(got) < k_aim * wanted ? Verdict::misses : Verdict::content;
}

// From what the others have in there now, where that is less: to halve a depth that nobody uses is in vain.
void Fence::fall() {
  const uint32_t depth = budget_.depth();
  const uint32_t used = std::clamp(budget_.in_flight_units(), depth / 8, depth);
  budget_.set_depth(std::max(1u, used / 2));
}

void Fence::rise() {
  const uint32_t depth = budget_.depth();
  budget_.set_depth(std::min(budget_.depth_max(), depth + std::max(1u, depth / 16)));
}

}  // namespace ballast::bdev::qos
