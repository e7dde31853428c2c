// Completion status values. NVMe Base Specification 2.1, "Status Field Definition" and the tables after it;
// NVM Command Set Specification 1.1, "Status Values"; NVMe over Fabrics values from Base 2.1, "Command
// Specific Status Values".
#pragma once

#include <cstdint>

namespace ballast::nvme {

enum class StatusCodeType : uint8_t { generic = 0, command_specific = 1, media = 2, path = 3, vendor = 7 };

// A status as carried in CQE dword 3 bits 31:17, without the phase bit: SC in bits 7:0, SCT in 10:8, CRD in
// 12:11, More in 13, DNR in 14.
struct Status {
  uint16_t value = 0;

  constexpr bool ok() const { return (value & 0x7ff) == 0; }
  constexpr uint8_t code() const { return static_cast<uint8_t>(value); }
  constexpr StatusCodeType type() const { return static_cast<StatusCodeType>(value >> 8 & 7); }
  constexpr bool do_not_retry() const { return (value & 1 << 14) != 0; }
  constexpr bool more() const { return (value & 1 << 13) != 0; }
  constexpr Status with_dnr() const { return {static_cast<uint16_t>(value | 1 << 14)}; }
  // Equal in type and code; DNR and More do not matter.
  constexpr bool is(Status other) const { return (value & 0x7ff) == (other.value & 0x7ff); }
};

constexpr Status make_status(StatusCodeType type, uint8_t code) {
  return {static_cast<uint16_t>(static_cast<uint16_t>(type) << 8 | code)};
}

namespace status {
// Generic Command Status (SCT 0h)
inline constexpr Status success = make_status(StatusCodeType::generic, 0x00);
inline constexpr Status invalid_opcode = make_status(StatusCodeType::generic, 0x01);
inline constexpr Status invalid_field = make_status(StatusCodeType::generic, 0x02);
inline constexpr Status command_id_conflict = make_status(StatusCodeType::generic, 0x03);
inline constexpr Status data_transfer_error = make_status(StatusCodeType::generic, 0x04);
inline constexpr Status internal_error = make_status(StatusCodeType::generic, 0x06);
inline constexpr Status abort_requested = make_status(StatusCodeType::generic, 0x07);
inline constexpr Status aborted_sq_deletion = make_status(StatusCodeType::generic, 0x08);
inline constexpr Status aborted_failed_fused = make_status(StatusCodeType::generic, 0x09);
inline constexpr Status aborted_missing_fused = make_status(StatusCodeType::generic, 0x0a);
inline constexpr Status invalid_namespace_or_format = make_status(StatusCodeType::generic, 0x0b);
inline constexpr Status command_sequence_error = make_status(StatusCodeType::generic, 0x0c);
inline constexpr Status sgl_invalid_count = make_status(StatusCodeType::generic, 0x0e);
inline constexpr Status data_sgl_length_invalid = make_status(StatusCodeType::generic, 0x0f);
inline constexpr Status sgl_descriptor_type_invalid = make_status(StatusCodeType::generic, 0x11);
inline constexpr Status sgl_offset_invalid = make_status(StatusCodeType::generic, 0x16);
inline constexpr Status host_identifier_inconsistent = make_status(StatusCodeType::generic, 0x18);
inline constexpr Status keep_alive_timeout_invalid = make_status(StatusCodeType::generic, 0x1a);
inline constexpr Status namespace_write_protected = make_status(StatusCodeType::generic, 0x20);
inline constexpr Status transient_transport_error = make_status(StatusCodeType::generic, 0x22);
inline constexpr Status lba_out_of_range = make_status(StatusCodeType::generic, 0x80);
inline constexpr Status capacity_exceeded = make_status(StatusCodeType::generic, 0x81);
inline constexpr Status namespace_not_ready = make_status(StatusCodeType::generic, 0x82);
inline constexpr Status reservation_conflict = make_status(StatusCodeType::generic, 0x83);
// Command Specific Status (SCT 1h)
inline constexpr Status invalid_queue_identifier = make_status(StatusCodeType::command_specific, 0x01);
inline constexpr Status abort_command_limit_exceeded = make_status(StatusCodeType::command_specific, 0x03);
inline constexpr Status async_event_request_limit_exceeded =
    make_status(StatusCodeType::command_specific, 0x05);
inline constexpr Status invalid_log_page = make_status(StatusCodeType::command_specific, 0x09);
inline constexpr Status feature_not_saveable = make_status(StatusCodeType::command_specific, 0x0d);
inline constexpr Status feature_not_changeable = make_status(StatusCodeType::command_specific, 0x0e);
inline constexpr Status feature_not_namespace_specific = make_status(StatusCodeType::command_specific, 0x0f);
inline constexpr Status connect_incompatible_format = make_status(StatusCodeType::command_specific, 0x80);
inline constexpr Status connect_controller_busy = make_status(StatusCodeType::command_specific, 0x81);
inline constexpr Status connect_invalid_parameters = make_status(StatusCodeType::command_specific, 0x82);
inline constexpr Status connect_restart_discovery = make_status(StatusCodeType::command_specific, 0x83);
inline constexpr Status connect_invalid_host = make_status(StatusCodeType::command_specific, 0x84);
inline constexpr Status invalid_queue_type = make_status(StatusCodeType::command_specific, 0x85);
inline constexpr Status discover_restart = make_status(StatusCodeType::command_specific, 0x90);
inline constexpr Status authentication_required = make_status(StatusCodeType::command_specific, 0x91);
// Media and Data Integrity Errors (SCT 2h)
inline constexpr Status write_fault = make_status(StatusCodeType::media, 0x80);
inline constexpr Status unrecovered_read_error = make_status(StatusCodeType::media, 0x81);
inline constexpr Status compare_failure = make_status(StatusCodeType::media, 0x85);
inline constexpr Status access_denied = make_status(StatusCodeType::media, 0x86);
// Path Related Status (SCT 3h)
inline constexpr Status internal_path_error = make_status(StatusCodeType::path, 0x00);
inline constexpr Status ana_persistent_loss = make_status(StatusCodeType::path, 0x01);
inline constexpr Status ana_inaccessible = make_status(StatusCodeType::path, 0x02);
inline constexpr Status ana_transition = make_status(StatusCodeType::path, 0x03);
inline constexpr Status host_pathing_error = make_status(StatusCodeType::path, 0x70);
inline constexpr Status command_aborted_by_host = make_status(StatusCodeType::path, 0x71);
}  // namespace status

// The specification's name of a status, e.g. "LBA Out of Range"; "unknown status" for what is not listed.
// Never null.
const char* status_name(Status status);

}  // namespace ballast::nvme
