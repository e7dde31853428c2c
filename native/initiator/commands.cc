#include "initiator/commands.h"

#include <algorithm>
#include <bit>
#include <cstdio>

#include "base/bytes.h"
#include "nvme/nqn.h"

namespace ballast::initiator {

namespace {
// The Fabrics commands have structures of their own, of the same 64 bytes.
template <typename FabricsCommand>
nvme::Command as_command(const FabricsCommand& command) {
  static_assert(sizeof(FabricsCommand) == sizeof(nvme::Command));
  return load<nvme::Command>(bytes_of(command));
}

nvme::Command admin(nvme::AdminOpcode opcode) {
  nvme::Command command;
  command.opcode = static_cast<uint8_t>(opcode);
  return command;
}
}  // namespace

nvme::Command connect_command(uint16_t qid, uint16_t queue_entries, uint32_t keep_alive_ms) {
  BALLAST_ASSERT(queue_entries >= 2);
  nvme::ConnectCommand command;
  command.qid = qid;
  command.sqsize = static_cast<uint16_t>(queue_entries - 1);
  command.attributes = nvme::k_connect_disable_flow_control;
  command.keep_alive_ms = keep_alive_ms;
  return as_command(command);
}

nvme::ConnectData connect_data(const ControllerOptions& options, uint16_t controller_id) {
  nvme::ConnectData data;
  std::copy(options.host_id.bytes.begin(), options.host_id.bytes.end(), data.host_id);
  data.controller_id = controller_id;
  nvme::store_nqn_field(data.subsystem_nqn, options.subsystem_nqn);
  nvme::store_nqn_field(data.host_nqn, options.host_nqn);
  return data;
}

nvme::Command property_get(uint32_t offset, bool eight_bytes) {
  nvme::PropertyGetCommand command;
  command.attributes = eight_bytes ? nvme::k_property_8_bytes : nvme::k_property_4_bytes;
  command.offset = offset;
  return as_command(command);
}

nvme::Command property_set(uint32_t offset, uint32_t value) {
  nvme::PropertySetCommand command;
  command.attributes = nvme::k_property_4_bytes;
  command.offset = offset;
  command.value = value;
  return as_command(command);
}

nvme::Command identify(nvme::Cns cns, uint32_t nsid) {
  nvme::Command command = admin(nvme::AdminOpcode::identify);
  command.nsid = nsid;
  command.cdw10 = static_cast<uint32_t>(cns);
  return command;
}

nvme::Command set_feature(nvme::FeatureId feature, uint32_t value) {
  nvme::Command command = admin(nvme::AdminOpcode::set_features);
  command.cdw10 = static_cast<uint32_t>(feature);
  command.cdw11 = value;
  return command;
}

nvme::Command get_log_page(nvme::LogPage page, uint64_t offset_bytes, uint32_t length_bytes) {
  nvme::Command command = admin(nvme::AdminOpcode::get_log_page);
  nvme::GetLogPage fields;
  fields.page = page;
  fields.length_bytes = length_bytes;
  fields.offset_bytes = offset_bytes;
  fields.encode(command);
  return command;
}

nvme::Command keep_alive() { return admin(nvme::AdminOpcode::keep_alive); }

nvme::Command async_event_request() { return admin(nvme::AdminOpcode::async_event_request); }

std::string describe(const char* what, nvme::Status status) {
  char numbers[16];
  std::snprintf(numbers, sizeof(numbers), " (%x/%02xh)", static_cast<unsigned>(status.type()), status.code());
  return std::string(what) + ": " + nvme::status_name(status) + numbers;
}

}  // namespace ballast::initiator
