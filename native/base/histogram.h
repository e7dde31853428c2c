// A latency histogram in the HDR layout: constant relative error, constant time per sample, fixed memory,
// mergeable. Values are nanoseconds. Each power of two is cut into 128 equal steps, so a recorded value is
// off by at most 0.8 %.
#pragma once

#include <array>
#include <cstdint>

namespace ballast {

class Histogram {
 public:
  static constexpr uint32_t k_steps_bits = 7;
  // Values of 2^40 ns (18 minutes) and above count as that.
  static constexpr uint32_t k_value_bits_max = 40;
  static constexpr uint32_t k_buckets_count = (k_value_bits_max - k_steps_bits + 1) << k_steps_bits;

  void record(uint64_t value_ns);
  void merge(const Histogram& other);
  void reset() { *this = Histogram{}; }

  uint64_t count() const { return count_; }
  uint64_t max_ns() const { return max_ns_; }
  double mean_ns() const {
    return count_ == 0 ? 0.0 : static_cast<double>(sum_ns_) / static_cast<double>(count_);
  }
  // The smallest recorded value that `percentile` (0..100) of the samples do not exceed; 0 when empty.
  uint64_t percentile_ns(double percentile) const;

  static uint32_t bucket_of(uint64_t value_ns);
  // The largest value that falls into the bucket.
  static uint64_t bucket_upper_ns(uint32_t bucket);

 private:
  std::array<uint64_t, k_buckets_count> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ns_ = 0;
  uint64_t max_ns_ = 0;
};

}  // namespace ballast
