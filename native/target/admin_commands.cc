#include "target/admin_commands.h"

namespace ballast::target {

using nvme::AdminOpcode;

// All of them are there on a discovery controller too; what they may name there is their own matter.
AdminHandler find_admin_handler(uint8_t opcode) {
  switch (static_cast<AdminOpcode>(opcode)) {
    case AdminOpcode::get_log_page: return get_log_page;
    case AdminOpcode::identify: return identify;
    case AdminOpcode::abort: return abort;
    case AdminOpcode::set_features: return set_features;
    case AdminOpcode::get_features: return get_features;
    case AdminOpcode::async_event_request: return async_event_request;
    case AdminOpcode::keep_alive: return keep_alive;
  }
  return nullptr;
}

// NVMe Base Specification 2.1, "Common Command Format": over Fabrics, PSDT is 01b.
nvme::Status check_admin_command(const nvme::Command& command) {
  constexpr uint8_t k_flags_reserved = 0x3c;
  const bool flags_ok = command.fuse() == nvme::k_fuse_none && command.psdt() == nvme::k_psdt_sgl &&
                        (command.flags & k_flags_reserved) == 0;
  const bool reserved_clear = command.cdw2 == 0 && command.cdw3 == 0 && command.metadata_pointer == 0;
  return flags_ok && reserved_clear ? nvme::status::success : nvme::status::invalid_field.with_dnr();
}

}  // namespace ballast::target
