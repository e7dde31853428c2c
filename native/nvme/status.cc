#include "nvme/status.h"

namespace ballast::nvme {
namespace {

struct Named {
  Status status;
  const char* name;
};

constexpr Named k_names[] = {
    {status::success, "Successful Completion"},
    {status::invalid_opcode, "Invalid Command Opcode"},
    {status::invalid_field, "Invalid Field in Command"},
    {status::command_id_conflict, "Command ID Conflict"},
    {status::data_transfer_error, "Data Transfer Error"},
    {status::internal_error, "Internal Error"},
    {status::abort_requested, "Command Abort Requested"},
    {status::aborted_sq_deletion, "Command Aborted due to SQ Deletion"},
    {status::aborted_failed_fused, "Command Aborted due to Failed Fused Command"},
    {status::aborted_missing_fused, "Command Aborted due to Missing Fused Command"},
    {status::invalid_namespace_or_format, "Invalid Namespace or Format"},
    {status::command_sequence_error, "Command Sequence Error"},
    {status::sgl_invalid_count, "Invalid Number of SGL Descriptors"},
    {status::data_sgl_length_invalid, "Data SGL Length Invalid"},
    {status::sgl_descriptor_type_invalid, "SGL Descriptor Type Invalid"},
    {status::sgl_offset_invalid, "SGL Offset Invalid"},
    {status::host_identifier_inconsistent, "Host Identifier Inconsistent Format"},
    {status::keep_alive_timeout_invalid, "Keep Alive Timeout Invalid"},
    {status::namespace_write_protected, "Namespace is Write Protected"},
    {status::transient_transport_error, "Transient Transport Error"},
    {status::lba_out_of_range, "LBA Out of Range"},
    {status::capacity_exceeded, "Capacity Exceeded"},
    {status::namespace_not_ready, "Namespace Not Ready"},
    {status::reservation_conflict, "Reservation Conflict"},
    {status::invalid_queue_identifier, "Invalid Queue Identifier"},
    {status::abort_command_limit_exceeded, "Abort Command Limit Exceeded"},
    {status::async_event_request_limit_exceeded, "Asynchronous Event Request Limit Exceeded"},
    {status::invalid_log_page, "Invalid Log Page"},
    {status::feature_not_saveable, "Feature Identifier Not Saveable"},
    {status::feature_not_changeable, "Feature Not Changeable"},
    {status::feature_not_namespace_specific, "Feature Not Namespace Specific"},
    {status::connect_incompatible_format, "Connect Incompatible Format"},
    {status::connect_controller_busy, "Connect Controller Busy"},
    {status::connect_invalid_parameters, "Connect Invalid Parameters"},
    {status::connect_restart_discovery, "Connect Restart Discovery"},
    {status::connect_invalid_host, "Connect Invalid Host"},
    {status::invalid_queue_type, "Invalid Queue Type"},
    {status::discover_restart, "Discover Restart"},
    {status::authentication_required, "Authentication Required"},
    {status::write_fault, "Write Fault"},
    {status::unrecovered_read_error, "Unrecovered Read Error"},
    {status::compare_failure, "Compare Failure"},
    {status::access_denied, "Access Denied"},
    {status::internal_path_error, "Internal Path Error"},
    {status::ana_persistent_loss, "Asymmetric Access Persistent Loss"},
    {status::ana_inaccessible, "Asymmetric Access Inaccessible"},
    {status::ana_transition, "Asymmetric Access Transition"},
    {status::host_pathing_error, "Host Pathing Error"},
    {status::command_aborted_by_host, "Command Aborted By Host"},
};

}  // namespace

const char* status_name(Status status) {
  for (const Named& named : k_names) {
    if (named.status.is(status)) return named.name;
  }
  return "unknown status";
}

}  // namespace ballast::nvme
