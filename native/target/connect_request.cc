#include "target/connect_request.h"

#include <algorithm>

#include "nvme/limits.h"
#include "nvme/nqn.h"

namespace ballast::target {
namespace {

std::optional<ConnectRefusal> parse_queue(const nvme::ConnectCommand& command, ConnectRequest& request) {
  if (command.record_format != nvme::k_connect_record_format) {
    return ConnectRefusal{nvme::status::connect_incompatible_format.with_dnr()};
  }
  if (command.qid > nvme::k_io_queues_max) {
    return invalid_command_field(offsetof(nvme::ConnectCommand, qid));
  }
  const uint32_t entries_max = command.qid == 0 ? nvme::k_admin_queue_entries_max : nvme::k_queue_entries_max;
  if (command.sqsize == 0 || command.sqsize >= entries_max) {
    return invalid_command_field(offsetof(nvme::ConnectCommand, sqsize));
  }
  request.qid = command.qid;
  request.queue_entries = static_cast<uint16_t>(command.sqsize + 1);
  request.flow_control_disabled = (command.attributes & nvme::k_connect_disable_flow_control) != 0;
  request.keep_alive_ms = command.keep_alive_ms;
  return std::nullopt;
}

std::optional<ConnectRefusal> parse_names(const nvme::ConnectData& data, ConnectRequest& request) {
  const auto subsystem_nqn = nvme::parse_nqn_field(data.subsystem_nqn);
  if (!subsystem_nqn) return invalid_data_field(offsetof(nvme::ConnectData, subsystem_nqn));
  const auto host_nqn = nvme::parse_nqn_field(data.host_nqn);
  if (!host_nqn) return invalid_data_field(offsetof(nvme::ConnectData, host_nqn));
  std::copy(std::begin(data.host_id), std::end(data.host_id), request.host_id.begin());
  if (request.host_id == HostId{}) return invalid_data_field(offsetof(nvme::ConnectData, host_id));
  request.subsystem_nqn = *subsystem_nqn;
  request.host_nqn = *host_nqn;
  request.controller_id = data.controller_id;
  return std::nullopt;
}

}  // namespace

ConnectRefusal invalid_command_field(size_t offset) {
  return {nvme::status::connect_invalid_parameters.with_dnr(), nvme::connect_invalid_in_command(offset)};
}

ConnectRefusal invalid_data_field(size_t offset) {
  return {nvme::status::connect_invalid_parameters.with_dnr(), nvme::connect_invalid_in_data(offset)};
}

std::string refusal_text(const ConnectRefusal& refusal) {
  struct Field {
    uint32_t dw0;
    const char* name;
  };
  static constexpr Field k_fields[] = {
      {nvme::connect_invalid_in_command(offsetof(nvme::ConnectCommand, qid)), "queue identifier"},
      {nvme::connect_invalid_in_command(offsetof(nvme::ConnectCommand, sqsize)), "queue size"},
      {nvme::connect_invalid_in_data(offsetof(nvme::ConnectData, host_id)), "host identifier"},
      {nvme::connect_invalid_in_data(offsetof(nvme::ConnectData, controller_id)), "controller identifier"},
      {nvme::connect_invalid_in_data(offsetof(nvme::ConnectData, subsystem_nqn)), "subsystem NQN"},
      {nvme::connect_invalid_in_data(offsetof(nvme::ConnectData, host_nqn)), "host NQN"},
  };
  const std::string status = nvme::status_name(refusal.status);
  if (!refusal.status.is(nvme::status::connect_invalid_parameters)) return status;
  for (const Field& field : k_fields) {
    if (field.dw0 == refusal.dw0) return status + ": " + field.name;
  }
  return status;
}

std::optional<ConnectRefusal> parse_connect(const nvme::Command& command, ByteSpan data,
                                            ConnectRequest& request) {
  if (auto refusal = parse_queue(load<nvme::ConnectCommand>(bytes_of(command)), request)) return refusal;
  const auto fields = load<nvme::ConnectData>(data);
  if (auto refusal = parse_names(fields, request)) return refusal;
  // Our controllers are dynamic ("Dynamic Controller Model"): an admin Connect names none.
  if (request.qid == 0 && request.controller_id != nvme::k_controller_id_dynamic) {
    return invalid_data_field(offsetof(nvme::ConnectData, controller_id));
  }
  return std::nullopt;
}

}  // namespace ballast::target
