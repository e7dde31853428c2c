// The feature values of one controller that are nothing but stored. Features that act (Keep Alive Timer,
// Asynchronous Event Configuration, Number of Queues) live where they act. A controller reset brings back the
// defaults. NVMe Base Specification 2.1, "Feature Identifiers".
#pragma once

#include <cstdint>

#include "nvme/features.h"
#include "nvme/limits.h"

namespace ballast::target {

struct Features {
  uint32_t arbitration = 0;
  uint32_t temperature_over = 0xffff;  // kelvin; no sensor, so never crossed
  uint32_t temperature_under = 0;
  uint32_t error_recovery = 0;
  uint32_t write_atomicity = 0;
  uint32_t queues_granted = nvme::k_io_queues_max;
  nvme::HostBehaviorSupport host_behavior;
};

}  // namespace ballast::target
