// Which features a controller has, what can be done with each, and the checks that Get and Set share.
#pragma once

#include <cstdint>

#include "nvme/features.h"
#include "nvme/status.h"
#include "target/controller.h"

namespace ballast::target {

struct FeatureInfo {
  nvme::FeatureId id;
  uint32_t capabilities;  // k_feature_*
  bool on_discovery;      // a discovery controller has it too
  bool of_command_set;    // of the NVM Command Set: not there while the namespace cannot be reached
};

// Null: the controller has no such feature.
const FeatureInfo* find_feature(Controller& controller, nvme::FeatureId id);
// NSID against the scope of the feature, and selectors of CDW11.
nvme::Status check_feature_fields(Controller& controller, const FeatureInfo& info,
                                  const nvme::Command& command);
// Whether the namespaces that the command names can be reached here. NVMe Base Specification 2.1, "ANA
// effects on Command Processing".
nvme::Status check_feature_path(Controller& controller, const FeatureInfo& info,
                                const nvme::Command& command);
// OAES: what the controller can tell of by itself.
uint32_t events_supported(Controller& controller);

}  // namespace ballast::target
