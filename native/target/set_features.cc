// Set Features. NVMe Base Specification 2.1, "Set Features command". Nothing can be saved. Row N23.
#include <algorithm>

#include "nvme/identify.h"
#include "target/admin_commands.h"
#include "target/feature_table.h"

namespace ballast::target {
namespace {

using nvme::FeatureId;

struct Answer {
  nvme::Status status;
  uint32_t dw0 = 0;
};
constexpr Answer k_success{nvme::status::success};
constexpr Answer k_invalid{nvme::status::invalid_field.with_dnr()};

// Only the composite temperature, which has no sensor behind it; both thresholds are kept as told.
Answer set_temperature_threshold(Features& features, uint32_t value) {
  const uint32_t threshold = value & 0xffff;
  if ((value >> 20 & 3) == 0)
    features.temperature_over = threshold;
  else
    features.temperature_under = threshold;
  return k_success;
}

Answer set_number_of_queues(Controller& controller, uint32_t value) {
  if (controller.has_io_queues()) return {nvme::status::command_sequence_error.with_dnr()};
  const uint32_t submission = value & 0xffff;
  const uint32_t completion = value >> 16;
  if (submission == 0xffff || completion == 0xffff) return k_invalid;
  // A Fabrics queue is both, so there are as many as the smaller number.
  const uint32_t granted = std::min({submission + 1, completion + 1, nvme::k_io_queues_max});
  controller.features().queues_granted = granted;
  return {nvme::status::success, nvme::number_of_queues(granted)};
}

Answer set_keep_alive(Controller& controller, uint32_t asked_ms) {
  if (asked_ms == 0) return {nvme::status::keep_alive_timeout_invalid.with_dnr()};
  controller.keep_alive().set_timeout_ms(granted_keep_alive_ms(asked_ms));
  return k_success;
}

Answer set_value(Controller& controller, FeatureId id, uint32_t value) {
  Features& features = controller.features();
  switch (id) {
    case FeatureId::arbitration: features.arbitration = value; return k_success;
    case FeatureId::power_management: return (value & 31) == 0 ? k_success : k_invalid;  // one power state
    case FeatureId::temperature_threshold: return set_temperature_threshold(features, value);
    case FeatureId::error_recovery:
      if ((value & nvme::k_error_recovery_deallocated) != 0) return k_invalid;
      features.error_recovery = value & 0xffff;
      return k_success;
    case FeatureId::volatile_write_cache:
      // A cache of the device below cannot be switched off from here.
      if ((value & nvme::k_volatile_write_cache_enabled) != 0) return k_success;
      return {nvme::status::feature_not_changeable.with_dnr()};
    case FeatureId::number_of_queues: return set_number_of_queues(controller, value);
    case FeatureId::write_atomicity_normal: features.write_atomicity = value & 1; return k_success;
    case FeatureId::async_event_configuration:
      if ((value & ~events_supported(controller)) != 0) return k_invalid;
      controller.events().set_enabled(value);
      return k_success;
    case FeatureId::keep_alive_timer: return set_keep_alive(controller, value);
    // Over Fabrics the host says who it is in Connect, and nowhere else.
    case FeatureId::host_identifier: return {nvme::status::command_sequence_error.with_dnr()};
    case FeatureId::host_behavior_support: break;  // has data
  }
  return k_invalid;
}

nvme::Status use_host_behavior(Controller& controller, const nvme::Command&, ByteSpan data) {
  const auto behavior = load<nvme::HostBehaviorSupport>(data);
  // Each field is a switch; what we do not offer cannot be switched on.
  if (behavior.advanced_command_retry > 1 || behavior.extended_telemetry != 0 ||
      behavior.lba_format_extension != 0 || behavior.copy_descriptor_formats != 0) {
    return nvme::status::invalid_field.with_dnr();
  }
  controller.features().host_behavior = behavior;
  return nvme::status::success;
}

}  // namespace

void set_features(Controller& controller, transport::Request& request) {
  const nvme::Command& command = request.command;
  const FeatureId id = nvme::feature_id(command);
  const FeatureInfo* const info = find_feature(controller, id);
  if (info == nullptr) return controller.reply(request, nvme::status::invalid_field.with_dnr());
  if (nvme::feature_save(command)) {
    return controller.reply(request, nvme::status::feature_not_saveable.with_dnr());
  }
  const nvme::Status status = check_feature_fields(controller, *info, command);
  if (!status.ok()) return controller.reply(request, status);
  const nvme::Status path = check_feature_path(controller, *info, command);
  if (!path.ok()) return controller.reply(request, path);
  if (id == FeatureId::host_behavior_support) {
    return controller.take_data(request, sizeof(nvme::HostBehaviorSupport), use_host_behavior);
  }
  const Answer answer = set_value(controller, id, command.cdw11);
  controller.reply(request, answer.status, answer.dw0);
}

}  // namespace ballast::target
