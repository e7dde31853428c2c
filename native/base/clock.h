// Monotonic time. Enters by constructor wherever time matters, so that a simulator can jump it.
#pragma once

#include <cstdint>

namespace ballast {

inline constexpr uint64_t k_ns_per_us = 1'000;
inline constexpr uint64_t k_ns_per_ms = 1'000'000;
inline constexpr uint64_t k_ns_per_s = 1'000'000'000;

class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since an arbitrary start; never goes back. Safe on any thread.
  virtual uint64_t now_ns() const = 0;
};

// CLOCK_MONOTONIC.
class MonotonicClock final : public Clock {
 public:
  uint64_t now_ns() const override;
};

}  // namespace ballast
