// Feature identifiers and their values. NVMe Base Specification 2.1, "Get Features command", "Set Features
// command" and "Feature Identifiers".
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/command.h"

namespace ballast::nvme {

enum class FeatureId : uint8_t {
  arbitration = 0x01,
  power_management = 0x02,
  temperature_threshold = 0x04,
  error_recovery = 0x05,
  volatile_write_cache = 0x06,
  number_of_queues = 0x07,
  write_atomicity_normal = 0x0a,
  async_event_configuration = 0x0b,
  keep_alive_timer = 0x0f,
  host_behavior_support = 0x16,
  host_identifier = 0x81,
};

// SEL of Get Features, CDW10 bits 10:8.
enum class FeatureSelect : uint8_t { current = 0, default_value = 1, saved = 2, capabilities = 3 };
// What SEL 3 answers in dword 0.
inline constexpr uint32_t k_feature_saveable = 1u << 0;
inline constexpr uint32_t k_feature_namespace_specific = 1u << 1;
inline constexpr uint32_t k_feature_changeable = 1u << 2;

inline constexpr FeatureId feature_id(const Command& command) {
  return static_cast<FeatureId>(command.cdw10 & 0xff);
}
inline constexpr uint8_t feature_select(const Command& command) { return command.cdw10 >> 8 & 7; }
inline constexpr bool feature_save(const Command& command) { return (command.cdw10 >> 31 & 1) != 0; }

// "Number of Queues": submission queues - 1 in bits 15:0, completion queues - 1 in 31:16, asked and granted.
inline constexpr uint32_t number_of_queues(uint32_t queues_count) {
  return (queues_count - 1) << 16 | (queues_count - 1);
}
inline constexpr uint32_t k_volatile_write_cache_enabled = 1u << 0;
inline constexpr uint32_t k_error_recovery_deallocated = 1u << 16;  // DULBE
inline constexpr uint32_t k_extended_host_id = 1u << 0;             // EXHID, CDW11

// "Host Behavior Support": the data of feature 16h.
struct HostBehaviorSupport {
  uint8_t advanced_command_retry = 0;
  uint8_t extended_telemetry = 0;
  uint8_t lba_format_extension = 0;
  uint8_t host_dispersed = 0;
  uint16_t copy_descriptor_formats = 0;
  uint8_t reserved_6[506] = {};
};
static_assert(sizeof(HostBehaviorSupport) == 512 &&
              offsetof(HostBehaviorSupport, copy_descriptor_formats) == 4);

}  // namespace ballast::nvme
