// Log pages. NVMe Base Specification 2.1, "Get Log Page command" and "Log Page Identifiers"; each structure
// names its section.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/command.h"

namespace ballast::nvme {

enum class LogPage : uint8_t {
  supported_log_pages = 0x00,
  error_information = 0x01,
  smart = 0x02,
  firmware_slot = 0x03,
  changed_namespaces = 0x04,
  command_effects = 0x05,
  ana = 0x0c,
  feature_effects = 0x12,
  management_effects = 0x13,
  discovery = 0x70,
};

// The fields of a Get Log Page command, dwords 10 to 14.
struct GetLogPage {
  LogPage page{};
  uint8_t specific = 0;  // LSP
  bool retain_event = false;
  uint64_t length_bytes = 0;  // of NUMD, which counts dwords from 0: never overflows 64 bits
  uint64_t offset_bytes = 0;  // or an index when offset_is_index
  bool offset_is_index = false;
  uint8_t command_set = 0;

  static constexpr GetLogPage parse(const Command& command) {
    GetLogPage fields;
    fields.page = static_cast<LogPage>(command.cdw10 & 0xff);
    fields.specific = command.cdw10 >> 8 & 0x7f;
    fields.retain_event = (command.cdw10 >> 15 & 1) != 0;
    const uint64_t dwords = uint64_t{command.cdw11 & 0xffff} << 16 | command.cdw10 >> 16;
    fields.length_bytes = (dwords + 1) * 4;
    fields.offset_bytes = uint64_t{command.cdw13} << 32 | command.cdw12;
    fields.offset_is_index = (command.cdw14 >> 23 & 1) != 0;
    fields.command_set = static_cast<uint8_t>(command.cdw14 >> 24);
    return fields;
  }
  // length_bytes must be a multiple of 4.
  constexpr void encode(Command& command) const {
    const uint64_t dwords = length_bytes / 4 - 1;
    command.cdw10 = static_cast<uint32_t>(page) | uint32_t{specific} << 8 | (retain_event ? 1u << 15 : 0) |
                    static_cast<uint32_t>(dwords & 0xffff) << 16;
    command.cdw11 = static_cast<uint32_t>(dwords >> 16 & 0xffff);
    command.cdw12 = static_cast<uint32_t>(offset_bytes);
    command.cdw13 = static_cast<uint32_t>(offset_bytes >> 32);
    command.cdw14 = (offset_is_index ? 1u << 23 : 0) | uint32_t{command_set} << 24;
  }
};

// "Supported Log Pages": one of these per LID.
inline constexpr uint32_t k_log_page_supported = 1u << 0;
struct SupportedLogPagesLog {
  uint32_t pages[256] = {};
};
static_assert(sizeof(SupportedLogPagesLog) == 1024);

// "Error Information Log Entry". Newest first.
struct ErrorLogEntry {
  uint64_t error_count = 0;  // 0: no entry
  uint16_t qid = 0;
  uint16_t cid = 0;
  uint16_t status = 0;  // Status in bits 15:1
  uint16_t parameter_location = 0xffff;
  uint64_t lba = 0;
  uint32_t nsid = 0;
  uint8_t vendor_information = 0;
  uint8_t transport_type = 0;
  uint8_t command_set = 0;
  uint8_t opcode = 0;
  uint64_t command_specific = 0;
  uint16_t transport_specific = 0;
  uint8_t reserved_42[21] = {};
  uint8_t version = 1;
};
static_assert(sizeof(ErrorLogEntry) == 64 && offsetof(ErrorLogEntry, lba) == 16);
static_assert(offsetof(ErrorLogEntry, nsid) == 24 && offsetof(ErrorLogEntry, opcode) == 31);
static_assert(offsetof(ErrorLogEntry, command_specific) == 32 && offsetof(ErrorLogEntry, version) == 63);

struct Uint128 {
  uint64_t low = 0;
  uint64_t high = 0;
};

// "SMART / Health Information". Data units are thousands of 512-byte units, rounded up.
struct SmartLog {
  uint8_t critical_warning = 0;
  uint8_t composite_temperature[2] = {};  // kelvin
  uint8_t available_spare = 0;            // per cent
  uint8_t available_spare_threshold = 0;
  uint8_t percentage_used = 0;
  uint8_t endurance_group_warning = 0;
  uint8_t reserved_7[25] = {};
  Uint128 data_units_read;
  Uint128 data_units_written;
  Uint128 host_read_commands;
  Uint128 host_write_commands;
  Uint128 controller_busy_minutes;
  Uint128 power_cycles;
  Uint128 power_on_hours;
  Uint128 unsafe_shutdowns;
  Uint128 media_errors;
  Uint128 error_log_entries;
  uint32_t warning_temperature_minutes = 0;
  uint32_t critical_temperature_minutes = 0;
  uint8_t reserved_200[312] = {};
};
static_assert(sizeof(SmartLog) == 512 && offsetof(SmartLog, data_units_read) == 32);
static_assert(offsetof(SmartLog, power_on_hours) == 128 && offsetof(SmartLog, error_log_entries) == 176);

// "Firmware Slot Information".
struct FirmwareSlotLog {
  uint8_t active = 1;  // AFI: slot in bits 2:0
  uint8_t reserved_1[7] = {};
  char revisions[7][8] = {};
  uint8_t reserved_64[448] = {};
};
static_assert(sizeof(FirmwareSlotLog) == 512 && offsetof(FirmwareSlotLog, revisions) == 8);

// "Changed Attached Namespace List": NSIDs ascending; the first is FFFFFFFFh when they do not fit.
struct ChangedNamespacesLog {
  uint32_t nsids[1024] = {};
};
static_assert(sizeof(ChangedNamespacesLog) == 4096);

// "Commands Supported and Effects", and the same layout of bits for features.
inline constexpr uint32_t k_effect_supported = 1u << 0;
inline constexpr uint32_t k_effect_block_content = 1u << 1;      // LBCC or UDCC
inline constexpr uint32_t k_effect_namespace_scope = 1u << 20;   // CSP bit 0
inline constexpr uint32_t k_effect_controller_scope = 1u << 21;  // CSP bit 1
inline constexpr uint32_t k_effect_subsystem_scope = 1u << 25;   // CSP bit 5
struct CommandEffectsLog {
  uint32_t admin[256] = {};
  uint32_t io[256] = {};
  uint8_t reserved_2048[2048] = {};
};
static_assert(sizeof(CommandEffectsLog) == 4096);

// "Feature Identifiers Supported and Effects".
struct FeatureEffectsLog {
  uint32_t features[256] = {};
};
static_assert(sizeof(FeatureEffectsLog) == 1024);

// "Asymmetric Namespace Access": header, then for each group a descriptor followed by its NSIDs.
inline constexpr uint8_t k_ana_groups_only = 1 << 0;  // LSP: RGO
enum class AnaState : uint8_t {
  optimized = 0x1,
  non_optimized = 0x2,
  inaccessible = 0x3,
  persistent_loss = 0x4,
  change = 0xf,
};
// What a command is answered with whose namespace is in this state: "Asymmetric Namespace Access states".
// Success: it is executed. Never with DNR: the host tries another path, or this one later.
inline constexpr Status ana_status(AnaState state) {
  switch (state) {
    case AnaState::optimized:
    case AnaState::non_optimized: return status::success;
    case AnaState::inaccessible: return status::ana_inaccessible;
    case AnaState::persistent_loss: return status::ana_persistent_loss;
    case AnaState::change: break;
  }
  return status::ana_transition;
}
struct AnaLogHeader {
  uint64_t change_count = 0;
  uint16_t groups_count = 0;
  uint8_t reserved_10[6] = {};
};
static_assert(sizeof(AnaLogHeader) == 16);
struct AnaGroupDescriptor {
  uint32_t group_id = 0;
  uint32_t nsids_count = 0;
  uint64_t change_count = 0;
  uint8_t state = 0;
  uint8_t reserved_17[15] = {};
};
static_assert(sizeof(AnaGroupDescriptor) == 32 && offsetof(AnaGroupDescriptor, state) == 16);

// "Discovery Log Page": header, then entries of the same size.
struct DiscoveryLogHeader {
  uint64_t generation = 0;     // GENCTR
  uint64_t records_count = 0;  // NUMREC
  uint16_t record_format = 0;
  uint8_t reserved_18[1006] = {};
};
static_assert(sizeof(DiscoveryLogHeader) == 1024 && offsetof(DiscoveryLogHeader, record_format) == 16);

inline constexpr uint8_t k_transport_type_rdma = 1;
inline constexpr uint8_t k_transport_type_tcp = 3;
inline constexpr uint8_t k_address_family_ipv4 = 1;
inline constexpr uint8_t k_address_family_ipv6 = 2;
inline constexpr uint8_t k_subsystem_type_referral = 1;
inline constexpr uint8_t k_subsystem_type_nvm = 2;
inline constexpr uint8_t k_subsystem_type_discovery = 3;  // the one that answers
inline constexpr uint8_t k_treq_secure_channel_not_required = 2;
inline constexpr uint8_t k_treq_flow_control_disable = 1 << 2;
inline constexpr uint16_t k_eflags_same_information = 1 << 0;     // DUPRETINFO
inline constexpr uint16_t k_eflags_explicit_persistent = 1 << 1;  // EPCSD
inline constexpr uint8_t k_tsas_tcp_no_security = 0;
struct DiscoveryLogEntry {
  uint8_t transport_type = 0;
  uint8_t address_family = 0;
  uint8_t subsystem_type = 0;
  uint8_t transport_requirements = 0;  // TREQ
  uint16_t port_id = 0;
  uint16_t controller_id = 0xffff;
  uint16_t admin_queue_entries_max = 0;  // ASQSZ
  uint16_t flags = 0;                    // EFLAGS
  uint8_t reserved_12[20] = {};
  char service_id[32] = {};  // TRSVCID, padded with spaces or NUL
  uint8_t reserved_64[192] = {};
  char subsystem_nqn[256] = {};  // NUL terminated
  char transport_address[256] = {};
  uint8_t transport_specific[256] = {};  // TSAS; TCP: SECTYPE in byte 0
};
static_assert(sizeof(DiscoveryLogEntry) == 1024 && offsetof(DiscoveryLogEntry, port_id) == 4);
static_assert(offsetof(DiscoveryLogEntry, service_id) == 32 &&
              offsetof(DiscoveryLogEntry, subsystem_nqn) == 256);
static_assert(offsetof(DiscoveryLogEntry, transport_address) == 512);

// "Asynchronous Event Request command": dword 0 of the completion is type in 2:0, information in 15:8, log
// page in 23:16.
enum class EventType : uint8_t { error = 0, smart = 1, notice = 2, immediate = 3, io_command_set = 6 };
inline constexpr uint8_t k_notice_namespace_attribute = 0x00;
inline constexpr uint8_t k_notice_ana_change = 0x03;
inline constexpr uint8_t k_notice_discovery_change = 0xf0;
inline constexpr uint32_t async_event(EventType type, uint8_t information, LogPage page) {
  return static_cast<uint32_t>(type) | uint32_t{information} << 8 | static_cast<uint32_t>(page) << 16;
}

}  // namespace ballast::nvme
