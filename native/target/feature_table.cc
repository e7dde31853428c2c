#include "target/feature_table.h"

#include "nvme/identify.h"

namespace ballast::target {
namespace {

using nvme::FeatureId;
constexpr uint32_t k_changeable = nvme::k_feature_changeable;

constexpr FeatureInfo k_features[] = {
    {FeatureId::arbitration, k_changeable, false, false},
    {FeatureId::power_management, k_changeable, false, false},
    {FeatureId::temperature_threshold, k_changeable, false, false},
    {FeatureId::error_recovery, k_changeable | nvme::k_feature_namespace_specific, false, true},
    {FeatureId::volatile_write_cache, 0, false, false},
    {FeatureId::number_of_queues, k_changeable, false, false},
    {FeatureId::write_atomicity_normal, k_changeable, false, true},
    {FeatureId::async_event_configuration, k_changeable, true, false},
    {FeatureId::keep_alive_timer, k_changeable, true, false},
    {FeatureId::host_behavior_support, k_changeable, false, false},
    {FeatureId::host_identifier, 0, false, false},
};

}  // namespace

const FeatureInfo* find_feature(Controller& controller, FeatureId id) {
  for (const FeatureInfo& info : k_features) {
    if (info.id != id) continue;
    SubsystemShard& subsystem = controller.subsystem();
    if (subsystem.is_discovery() && !info.on_discovery) return nullptr;
    // There is nothing to switch where no device has a cache.
    const bool needs_cache = id == FeatureId::volatile_write_cache;
    if (needs_cache && !subsystem.namespaces().has_volatile_write_cache()) return nullptr;
    return &info;
  }
  return nullptr;
}

nvme::Status check_feature_fields(Controller& controller, const FeatureInfo& info,
                                  const nvme::Command& command) {
  const bool is_namespace_specific = (info.capabilities & nvme::k_feature_namespace_specific) != 0;
  const bool is_broadcast = command.nsid == nvme::k_nsid_broadcast;
  if (is_namespace_specific) {
    if (!is_broadcast && controller.subsystem().visible(command.nsid) == nullptr) {
      return nvme::status::invalid_namespace_or_format.with_dnr();
    }
  } else if (command.nsid != 0 && !is_broadcast) {
    return nvme::status::feature_not_namespace_specific.with_dnr();
  }
  if (info.id == FeatureId::temperature_threshold) {
    const uint32_t sensor = command.cdw11 >> 16 & 15;  // TMPSEL: 0 is the composite, 15 is all
    const uint32_t kind = command.cdw11 >> 20 & 3;     // THSEL
    if ((sensor != 0 && sensor != 15) || kind > 1) return nvme::status::invalid_field.with_dnr();
  }
  return nvme::status::success;
}

nvme::Status check_feature_path(Controller& controller, const FeatureInfo& info,
                                const nvme::Command& command) {
  const nvme::Status path = controller.subsystem().path_status(command.nsid);
  if (path.ok()) return path;
  const bool sets = command.opcode == static_cast<uint8_t>(nvme::AdminOpcode::set_features);
  const bool sets_all = sets && command.nsid == nvme::k_nsid_broadcast;
  const bool sets_lost = sets && path.is(nvme::status::ana_persistent_loss);
  return info.of_command_set || sets_all || sets_lost ? path : nvme::status::success;
}

uint32_t events_supported(Controller& controller) {
  if (controller.subsystem().is_discovery()) return nvme::k_event_discovery_change;
  return nvme::k_event_namespace_attribute | nvme::k_event_ana_change;
}

}  // namespace ballast::target
