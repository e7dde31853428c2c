#include "bdev/qos/token_bucket.h"

namespace ballast::bdev::qos {

void TokenBucket::configure(uint64_t now_ns, uint64_t per_s, uint64_t saved_ns, uint64_t smoothing_ns) {
  const uint64_t now = now_ns * k_per_ns;
  const double before = per_amount_.load(std::memory_order_relaxed);
  const double after = per_s == 0 ? 0 : 1e9 * k_per_ns / static_cast<double>(per_s);
  per_amount_.store(after, std::memory_order_relaxed);
  saved_.store(saved_ns * k_per_ns, std::memory_order_relaxed);
  smoothing_.store(smoothing_ns * k_per_ns, std::memory_order_relaxed);
  uint64_t next = next_.load(std::memory_order_relaxed), moved;
  do {
    if (per_s == 0) {
      moved = 0;
    } else if (before == 0) {
      moved = now;  // nothing was saved up without a limit
    } else if (next <= now) {
      moved = next;
    } else {
      moved =
          now + static_cast<uint64_t>(std::min(static_cast<double>(next - now) / before * after, k_cost_max));
    }
  } while (!next_.compare_exchange_weak(next, moved, std::memory_order_relaxed));
}

}  // namespace ballast::bdev::qos
