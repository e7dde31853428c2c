// The log pages on what is supported: commands and features. NVMe Base Specification 2.1, "Commands Supported
// and Effects", "Feature Identifiers Supported and Effects".
#include "nvme/identify.h"
#include "target/admin_commands.h"
#include "target/feature_table.h"
#include "target/identify_controller.h"
#include "target/log_page.h"

namespace ballast::target {

void write_command_effects(Controller& controller, uint32_t, uint8_t, LogWindow& window) {
  nvme::CommandEffectsLog log;
  for (size_t opcode = 0; opcode < std::size(log.admin); ++opcode) {
    const bool is_known = find_admin_handler(static_cast<uint8_t>(opcode)) != nullptr ||
                          controller.has_extended(static_cast<uint8_t>(opcode));
    if (!is_known) continue;
    log.admin[opcode] = nvme::k_effect_supported | nvme::k_effect_controller_scope;
  }
  const auto support = [&log](nvme::NvmOpcode opcode, uint32_t effects) {
    log.io[static_cast<size_t>(opcode)] = nvme::k_effect_supported | nvme::k_effect_namespace_scope | effects;
  };
  const uint16_t oncs = optional_commands(controller.subsystem());
  const auto support_if = [&support, oncs](uint16_t bit, nvme::NvmOpcode opcode, uint32_t effects) {
    if ((oncs & bit) != 0) support(opcode, effects);
  };
  using nvme::NvmOpcode;
  support(NvmOpcode::flush, 0);
  support(NvmOpcode::read, 0);
  support(NvmOpcode::write, nvme::k_effect_block_content);
  support_if(nvme::k_oncs_compare, NvmOpcode::compare, 0);
  support_if(nvme::k_oncs_verify, NvmOpcode::verify, 0);
  support_if(nvme::k_oncs_write_zeroes, NvmOpcode::write_zeroes, nvme::k_effect_block_content);
  support_if(nvme::k_oncs_dataset_management, NvmOpcode::dataset_management, nvme::k_effect_block_content);
  support_if(nvme::k_oncs_copy, NvmOpcode::copy, nvme::k_effect_block_content);
  window.put(0, bytes_of(log));
}

void write_feature_effects(Controller& controller, uint32_t, uint8_t, LogWindow& window) {
  nvme::FeatureEffectsLog log;
  for (size_t id = 0; id < std::size(log.features); ++id) {
    const FeatureInfo* const info = find_feature(controller, static_cast<nvme::FeatureId>(id));
    if (info == nullptr) continue;
    const bool per_namespace = (info->capabilities & nvme::k_feature_namespace_specific) != 0;
    log.features[id] = nvme::k_effect_supported |
                       (per_namespace ? nvme::k_effect_namespace_scope : nvme::k_effect_controller_scope);
  }
  window.put(0, bytes_of(log));
}

}  // namespace ballast::target
