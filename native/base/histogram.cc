#include "base/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ballast {

uint32_t Histogram::bucket_of(uint64_t value_ns) {
  const uint64_t value = std::min(value_ns, (uint64_t{1} << k_value_bits_max) - 1);
  const auto width = static_cast<uint32_t>(std::bit_width(value));
  if (width <= k_steps_bits) return static_cast<uint32_t>(value);
  const uint32_t shift = width - k_steps_bits - 1;
  // The top bit is implied by the row, the next k_steps_bits choose the step.
  return ((shift + 1) << k_steps_bits) + static_cast<uint32_t>((value >> shift) & ((1u << k_steps_bits) - 1));
}

uint64_t Histogram::bucket_upper_ns(uint32_t bucket) {
  const uint32_t row = bucket >> k_steps_bits;
  const uint64_t step = bucket & ((1u << k_steps_bits) - 1);
  if (row == 0) return step;
  const uint32_t shift = row - 1;
  return (((uint64_t{1} << k_steps_bits) + step + 1) << shift) - 1;
}

void Histogram::record(uint64_t value_ns) {
  ++buckets_[bucket_of(value_ns)];
  ++count_;
  sum_ns_ += value_ns;
  max_ns_ = std::max(max_ns_, value_ns);
}

void Histogram::merge(const Histogram& other) {
  for (uint32_t i = 0; i < k_buckets_count; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ns_ += other.sum_ns_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
}

uint64_t Histogram::percentile_ns(double percentile) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(percentile, 0.0, 100.0) / 100.0 * static_cast<double>(count_));
  const auto rank = std::max<uint64_t>(1, static_cast<uint64_t>(wanted));
  uint64_t seen = 0;
  for (uint32_t i = 0; i < k_buckets_count; ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::min(bucket_upper_ns(i), max_ns_);
  }
  return max_ns_;
}

}  // namespace ballast
