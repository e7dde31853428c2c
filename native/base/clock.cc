#include "base/clock.h"

#include <time.h>

namespace ballast {

uint64_t MonotonicClock::now_ns() const {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * k_ns_per_s + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace ballast
