// How long commands of one kind took on one reactor, in buckets that double: fit for Prometheus, and small
// enough to be kept for each volume. Written by its reactor alone, read by any thread.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace ballast::target {

// What a single writer does instead of an atomic addition: a load and a store, no locked instruction.
inline void add_relaxed(std::atomic<uint64_t>& counter, uint64_t amount) {
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

struct alignas(64) LatencyHistogram {
  // Upper bounds, inclusive: 8 us, 16 us, ... 16.8 s. The last bucket is what took longer.
  static constexpr uint32_t k_first_bound_us_log2 = 3;
  static constexpr uint32_t k_bounds_count = 22;
  static constexpr size_t k_buckets_count = k_bounds_count + 1;

  std::array<std::atomic<uint64_t>, k_buckets_count> buckets{};
  std::atomic<uint64_t> sum_ns{0};

  static uint32_t bucket_of(uint64_t duration_ns) {
    const uint64_t duration_us = (duration_ns + k_ns_per_us - 1) / k_ns_per_us;
    if (duration_us <= 1u << k_first_bound_us_log2) return 0;
    const auto bucket = static_cast<uint32_t>(std::bit_width(duration_us - 1)) - k_first_bound_us_log2;
    return bucket < k_bounds_count ? bucket : k_bounds_count;
  }
  void record(uint64_t duration_ns) {
    add_relaxed(buckets[bucket_of(duration_ns)], 1);
    add_relaxed(sum_ns, duration_ns);
  }
};
// There are four for each volume and reactor.
static_assert(sizeof(LatencyHistogram) == 3 * 64);

}  // namespace ballast::target
