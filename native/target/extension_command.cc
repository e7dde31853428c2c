// Vendor specific admin commands: their data, and the way to the subsystem's extension and back.
#include <cstring>

#include "nvme/limits.h"
#include "target/controller.h"

namespace ballast::target {

using transport::Request;

namespace {

TransferDirection direction_of(const Request& request) {
  return static_cast<TransferDirection>(request.command.opcode & 3);
}

}  // namespace

// Null where the opcode is nobody's.
SubsystemExtension* Controller::extension_for(uint8_t opcode) const {
  SubsystemExtension* const extension = subsystem_.config().extension.get();
  const bool is_its =
      extension != nullptr && opcode >= k_vendor_opcode_first && extension->has_opcode(opcode);
  return is_its ? extension : nullptr;
}

void Controller::start_extended(Request& request) {
  const auto [status, bytes] = extension_for(request.command.opcode)->transfer_of(request.command);
  if (!status.ok()) return reply(request, status);
  if (bytes > nvme::k_transfer_bytes_max) return reply(request, nvme::status::invalid_field.with_dnr());
  if (bytes > request.sgl_length_bytes) {
    return reply(request, nvme::status::data_sgl_length_invalid.with_dnr());
  }
  if (bytes == 0) return execute_extended(request);
  switch (direction_of(request)) {
    case TransferDirection::host_to_controller:
      return admin_.fetch(request, bytes, transport::DataUse::until_released);
    case TransferDirection::controller_to_host: return admin_.alloc_reply_buffer(request, bytes);
    case TransferDirection::none: break;
  }
  reply(request, nvme::status::invalid_field.with_dnr());  // both ways: nobody has such a command
}

// The controller and the request are there until the answer, however the connection fares.
void Controller::execute_extended(Request& request) {
  ExtensionCommand command;
  command.association = ref_.instance;
  command.command = request.command;
  command.data = {request.data.base, request.data.base == nullptr ? 0 : request.data.size_bytes};
  if (direction_of(request) == TransferDirection::controller_to_host) {
    std::memset(command.data.data(), 0, command.data.size());
  }
  command.answer = [this, &request](nvme::Status status) {
    BALLAST_ASSERT_ON_REACTOR(shard_.reactor());
    const bool has_data = direction_of(request) == TransferDirection::controller_to_host;
    if (!status.ok() || !has_data) return reply(request, status);
    admin_.reply(request, {}, {&request.data, 1});
  };
  extension_for(request.command.opcode)->execute(std::move(command));
}

void Controller::tell_extension_of_begin() {
  SubsystemExtension* const extension = subsystem_.config().extension.get();
  if (extension == nullptr) return;
  extension->on_controller_began(ref_.instance, [shard = &shard_, ref = ref_] {
    send_task(shard->reactor(), [shard, ref] {
      Controller* const controller = shard->find_controller(ref);
      if (controller != nullptr) controller->terminate(transport::CloseReason::local_request);
    });
  });
}

}  // namespace ballast::target
