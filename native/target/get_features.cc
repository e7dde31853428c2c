// Get Features. NVMe Base Specification 2.1, "Get Features command". Row N23.
#include <cstring>

#include "nvme/identify.h"
#include "target/admin_commands.h"
#include "target/feature_table.h"

namespace ballast::target {
namespace {

using nvme::FeatureId;
using nvme::FeatureSelect;

// What the controller has now.
uint32_t current_value(Controller& controller, FeatureId id, uint32_t cdw11) {
  const Features& features = controller.features();
  switch (id) {
    case FeatureId::arbitration: return features.arbitration;
    case FeatureId::power_management: return 0;
    case FeatureId::temperature_threshold:
      return (cdw11 >> 20 & 3) == 0 ? features.temperature_over : features.temperature_under;
    case FeatureId::error_recovery: return features.error_recovery;
    case FeatureId::volatile_write_cache: return nvme::k_volatile_write_cache_enabled;
    case FeatureId::number_of_queues: return nvme::number_of_queues(features.queues_granted);
    case FeatureId::write_atomicity_normal: return features.write_atomicity;
    case FeatureId::async_event_configuration: return controller.events().enabled();
    case FeatureId::keep_alive_timer: return controller.keep_alive().timeout_ms();
    case FeatureId::host_behavior_support:
    case FeatureId::host_identifier: return 0;  // in data
  }
  return 0;
}

// Defaults, which are also what "saved" answers as nothing can be saved.
uint32_t default_value(FeatureId id, uint32_t cdw11) {
  const Features features;
  switch (id) {
    case FeatureId::temperature_threshold:
      return (cdw11 >> 20 & 3) == 0 ? features.temperature_over : features.temperature_under;
    case FeatureId::volatile_write_cache: return nvme::k_volatile_write_cache_enabled;
    case FeatureId::number_of_queues: return nvme::number_of_queues(features.queues_granted);
    default: return 0;
  }
}

nvme::Status fill_host_behavior(Controller& controller, const nvme::Command&, MutableByteSpan data) {
  store(data, controller.features().host_behavior);
  return nvme::status::success;
}

nvme::Status fill_host_identifier(Controller& controller, const nvme::Command&, MutableByteSpan data) {
  std::memcpy(data.data(), controller.host_id().data(), controller.host_id().size());
  return nvme::status::success;
}

}  // namespace

void get_features(Controller& controller, transport::Request& request) {
  const nvme::Command& command = request.command;
  const FeatureId id = nvme::feature_id(command);
  const FeatureInfo* const info = find_feature(controller, id);
  const uint8_t select = nvme::feature_select(command);
  if (info == nullptr || select > static_cast<uint8_t>(FeatureSelect::capabilities)) {
    return controller.reply(request, nvme::status::invalid_field.with_dnr());
  }
  const nvme::Status status = check_feature_fields(controller, *info, command);
  if (!status.ok()) return controller.reply(request, status);
  const nvme::Status path = check_feature_path(controller, *info, command);
  if (!path.ok()) return controller.reply(request, path);

  switch (static_cast<FeatureSelect>(select)) {
    case FeatureSelect::capabilities:
      return controller.reply(request, nvme::status::success, info->capabilities);
    case FeatureSelect::default_value:
    case FeatureSelect::saved:
      return controller.reply(request, nvme::status::success, default_value(id, command.cdw11));
    case FeatureSelect::current: break;
  }
  if (id == FeatureId::host_behavior_support) {
    return controller.reply_with_data(request, sizeof(nvme::HostBehaviorSupport), fill_host_behavior);
  }
  if (id == FeatureId::host_identifier) {
    // Over Fabrics the identifier is always the 128-bit one.
    if ((command.cdw11 & nvme::k_extended_host_id) == 0) {
      return controller.reply(request, nvme::status::invalid_field.with_dnr());
    }
    return controller.reply_with_data(request, controller.host_id().size(), fill_host_identifier);
  }
  controller.reply(request, nvme::status::success, current_value(controller, id, command.cdw11));
}

}  // namespace ballast::target
