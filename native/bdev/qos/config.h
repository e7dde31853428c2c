// What a volume may use and what it is promised; what a node has to give. Plain values of the control path,
// judged by check_config() before anything is changed.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace ballast::bdev::qos {

// An I/O is counted as one for each 16 KiB begun: up to there a transfer costs this data path about as much
// as a command does, and pages of databases (8, 16 KiB) stay one I/O.
inline constexpr uint32_t k_unit_bytes_default = 16 * 1024;
inline constexpr uint32_t k_unit_bytes_min = 4096;
inline constexpr uint32_t k_unit_bytes_max = 1 << 20;
// Beyond what 64 bits of time can hold to one part in a hundred; as good as none.
inline constexpr uint64_t k_rate_max = 1'000'000'000'000'000;
inline constexpr uint32_t k_burst_ms_max = 3'600'000;
inline constexpr uint32_t k_weight_default = 100;
inline constexpr uint32_t k_weight_max = 10'000;
inline constexpr uint32_t k_depth_max = 65'536;

// A second's worth; 0: no limit.
struct Rates {
  uint64_t iops = 0;
  uint64_t bytes = 0;
};

struct Config {
  Rates total, read, write;
  // How long a volume that does nothing saves up what it may use; all limits alike. 0: 10 ms, which is what
  // it takes to be exact over reactors that stand still for a moment.
  uint32_t burst_ms = 0;
  // Promised while the node is at its budget; 0: nothing.
  uint64_t min_iops = 0;
  // Its part of what no promise takes, against the weights of the others.
  uint32_t weight = k_weight_default;
  uint32_t unit_bytes = k_unit_bytes_default;  // a power of two

  bool has_limits() const {
    return (total.iops | total.bytes | read.iops | read.bytes | write.iops | write.bytes) != 0;
  }
};

// What the device below can do, with everything that is on it. Nothing is arbitrated without one of them:
// limits hold, promises and weights do not.
struct NodeBudget {
  uint64_t iops = 0;  // in units, as the volumes' limits; 0: not known
  // Units in the device at a time, at most, of what is not promised; less while a promise needs it (Fence).
  // 0: a millisecond of `iops`, at least 16.
  uint32_t depth = 0;
};

// invalid_argument, and which bound it breaks.
Outcome check_config(const Config& config);
Outcome check_budget(const NodeBudget& budget);

}  // namespace ballast::bdev::qos
