// Fabrics commands, their data and the controller properties. NVMe Base Specification 2.1, "Fabrics Command
// Set" ("Connect Command", "Property Get Command", "Property Set Command", "Disconnect Command") and
// "Controller Properties". Used by the target and by the initiator.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/command.h"
#include "nvme/status.h"

namespace ballast::nvme {

// "Fabrics Command Types" (byte 4 of the command, the low byte of Command::nsid).
enum class FabricsType : uint8_t {
  property_set = 0x00,
  connect = 0x01,
  property_get = 0x04,
  authentication_send = 0x05,
  authentication_receive = 0x06,
  disconnect = 0x08,
};

inline constexpr uint16_t k_controller_id_dynamic = 0xffff;  // CNTLID of an admin Connect: any controller
inline constexpr uint16_t k_connect_record_format = 0;
inline constexpr size_t k_nqn_field_bytes = 256;

// CATTR of Connect.
inline constexpr uint8_t k_connect_priority_mask = 0x3;
inline constexpr uint8_t k_connect_disable_flow_control = 1 << 2;
inline constexpr uint8_t k_connect_individual_deletion = 1 << 3;  // "Individual I/O Queue Deletion"

struct ConnectCommand {
  uint8_t opcode = k_opcode_fabrics;
  uint8_t flags = 0;
  uint16_t cid = 0;
  uint8_t fctype = static_cast<uint8_t>(FabricsType::connect);
  uint8_t reserved_5[19] = {};
  SglDescriptor sgl;
  uint16_t record_format = k_connect_record_format;
  uint16_t qid = 0;
  uint16_t sqsize = 0;  // entries - 1
  uint8_t attributes = 0;
  uint8_t reserved_47 = 0;
  uint32_t keep_alive_ms = 0;
  uint8_t reserved_52[12] = {};
};
static_assert(sizeof(ConnectCommand) == 64 && offsetof(ConnectCommand, sgl) == 24);
static_assert(offsetof(ConnectCommand, record_format) == 40 && offsetof(ConnectCommand, qid) == 42);
static_assert(offsetof(ConnectCommand, sqsize) == 44 && offsetof(ConnectCommand, keep_alive_ms) == 48);

struct ConnectData {
  uint8_t host_id[16] = {};
  uint16_t controller_id = k_controller_id_dynamic;
  uint8_t reserved_18[238] = {};
  char subsystem_nqn[k_nqn_field_bytes] = {};  // NUL terminated
  char host_nqn[k_nqn_field_bytes] = {};       // NUL terminated
  uint8_t reserved_768[256] = {};
};
static_assert(sizeof(ConnectData) == 1024 && offsetof(ConnectData, controller_id) == 16);
static_assert(offsetof(ConnectData, subsystem_nqn) == 256 && offsetof(ConnectData, host_nqn) == 512);

// Dword 0 of the Connect response: on success the controller and what authentication it wants ...
inline constexpr uint16_t connect_response_controller_id(uint32_t dw0) { return static_cast<uint16_t>(dw0); }
inline constexpr uint32_t k_connect_response_authentication_mask = 0x3u << 17;  // ATR and ASCR
// ... on Connect Invalid Parameters which one: IPO in bits 15:0, IATTR (in the data, not the command) in 16.
inline constexpr uint32_t connect_invalid_in_command(size_t offset) { return static_cast<uint32_t>(offset); }
inline constexpr uint32_t connect_invalid_in_data(size_t offset) {
  return static_cast<uint32_t>(offset) | 1u << 16;
}

// ATTRIB: bits 2:0 give the size of the property.
inline constexpr uint8_t k_property_size_mask = 7;
inline constexpr uint8_t k_property_4_bytes = 0;
inline constexpr uint8_t k_property_8_bytes = 1;

struct PropertySetCommand {
  uint8_t opcode = k_opcode_fabrics;
  uint8_t flags = 0;
  uint16_t cid = 0;
  uint8_t fctype = static_cast<uint8_t>(FabricsType::property_set);
  uint8_t reserved_5[35] = {};
  uint8_t attributes = 0;
  uint8_t reserved_41[3] = {};
  uint32_t offset = 0;
  uint64_t value = 0;
  uint8_t reserved_56[8] = {};
};
static_assert(sizeof(PropertySetCommand) == 64 && offsetof(PropertySetCommand, attributes) == 40);
static_assert(offsetof(PropertySetCommand, offset) == 44 && offsetof(PropertySetCommand, value) == 48);

// The value comes back in dwords 0 and 1 of the completion.
struct PropertyGetCommand {
  uint8_t opcode = k_opcode_fabrics;
  uint8_t flags = 0;
  uint16_t cid = 0;
  uint8_t fctype = static_cast<uint8_t>(FabricsType::property_get);
  uint8_t reserved_5[35] = {};
  uint8_t attributes = 0;
  uint8_t reserved_41[3] = {};
  uint32_t offset = 0;
  uint8_t reserved_48[16] = {};
};
static_assert(sizeof(PropertyGetCommand) == 64 && offsetof(PropertyGetCommand, offset) == 44);

struct DisconnectCommand {
  uint8_t opcode = k_opcode_fabrics;
  uint8_t flags = 0;
  uint16_t cid = 0;
  uint8_t fctype = static_cast<uint8_t>(FabricsType::disconnect);
  uint8_t reserved_5[35] = {};
  uint16_t record_format = 0;
  uint8_t reserved_42[22] = {};
};
static_assert(sizeof(DisconnectCommand) == 64 && offsetof(DisconnectCommand, record_format) == 40);

// "Property Definition": offsets. CAP is 8 bytes, the others 4.
namespace property {
inline constexpr uint32_t cap = 0x00;
inline constexpr uint32_t vs = 0x08;
inline constexpr uint32_t cc = 0x14;
inline constexpr uint32_t csts = 0x1c;
inline constexpr uint32_t nssr = 0x20;
inline constexpr uint32_t crto = 0x68;
}  // namespace property

// "Offset 0h: CAP - Controller Capabilities".
struct Capabilities {
  uint64_t value = 0;

  static constexpr uint8_t k_css_nvm = 1 << 0;      // NVM Command Set
  static constexpr uint8_t k_css_several = 1 << 6;  // one or more I/O Command Sets (CC.CSS 110b)
  static constexpr uint8_t k_css_none = 1 << 7;

  constexpr uint16_t mqes() const { return static_cast<uint16_t>(value); }  // entries - 1
  constexpr bool cqr() const { return (value >> 16 & 1) != 0; }
  constexpr uint8_t timeout_500ms() const { return static_cast<uint8_t>(value >> 24); }
  constexpr uint8_t css() const { return static_cast<uint8_t>(value >> 37); }
  constexpr uint8_t mpsmin() const { return value >> 48 & 15; }
  constexpr uint8_t mpsmax() const { return value >> 52 & 15; }
  constexpr bool crwms() const { return (value >> 59 & 1) != 0; }  // Controller Ready With Media Support
  constexpr bool crims() const { return (value >> 60 & 1) != 0; }

  constexpr void set_mqes(uint16_t v) { value = (value & ~0xffffull) | v; }
  constexpr void set_cqr() { value |= 1ull << 16; }
  constexpr void set_timeout_500ms(uint8_t v) { value = (value & ~(0xffull << 24)) | uint64_t{v} << 24; }
  constexpr void set_css(uint8_t v) { value = (value & ~(0xffull << 37)) | uint64_t{v} << 37; }
  constexpr void set_crwms() { value |= 1ull << 59; }
};

// "Offset 14h: CC - Controller Configuration".
struct ControllerConfiguration {
  uint32_t value = 0;

  static constexpr uint8_t k_css_nvm = 0;
  static constexpr uint8_t k_css_all = 6;
  static constexpr uint8_t k_css_admin_only = 7;
  static constexpr uint8_t k_shutdown_none = 0;
  static constexpr uint8_t k_shutdown_normal = 1;
  static constexpr uint8_t k_shutdown_abrupt = 2;
  static constexpr uint8_t k_shutdown_reserved = 3;
  static constexpr uint8_t k_iosqes = 6;  // log2 of 64
  static constexpr uint8_t k_iocqes = 4;  // log2 of 16

  constexpr bool enabled() const { return (value & 1) != 0; }
  constexpr uint8_t css() const { return value >> 4 & 7; }
  constexpr uint8_t mps() const { return value >> 7 & 15; }
  constexpr uint8_t ams() const { return value >> 11 & 7; }
  constexpr uint8_t shutdown() const { return value >> 14 & 3; }
  constexpr uint8_t iosqes() const { return value >> 16 & 15; }
  constexpr uint8_t iocqes() const { return value >> 20 & 15; }

  constexpr void set_enabled(bool on) { value = (value & ~1u) | (on ? 1u : 0u); }
  constexpr void set_css(uint8_t v) { value = (value & ~(7u << 4)) | uint32_t{v} << 4; }
  constexpr void set_shutdown(uint8_t v) { value = (value & ~(3u << 14)) | uint32_t{v} << 14; }
  constexpr void set_iosqes(uint8_t v) { value = (value & ~(15u << 16)) | uint32_t{v} << 16; }
  constexpr void set_iocqes(uint8_t v) { value = (value & ~(15u << 20)) | uint32_t{v} << 20; }
};
inline constexpr uint32_t k_cc_reserved_mask =
    0xff00000eu;  // bits 3:1 and 31:24 (CRIME needs CAP.CRMS.CRIMS)

// "Offset 1Ch: CSTS - Controller Status".
struct ControllerStatus {
  uint32_t value = 0;

  static constexpr uint8_t k_shutdown_normal_operation = 0;
  static constexpr uint8_t k_shutdown_occurring = 1;
  static constexpr uint8_t k_shutdown_complete = 2;

  constexpr bool ready() const { return (value & 1) != 0; }
  constexpr bool fatal() const { return (value >> 1 & 1) != 0; }
  constexpr uint8_t shutdown() const { return value >> 2 & 3; }

  constexpr void set_ready(bool on) { value = (value & ~1u) | (on ? 1u : 0u); }
  constexpr void set_fatal() { value |= 2; }
  constexpr void set_shutdown(uint8_t v) { value = (value & ~(3u << 2)) | uint32_t{v} << 2; }
};

// "Offset 68h: CRTO - Controller Ready Timeouts": CRWMT in bits 15:0, CRIMT in 31:16, in 500 ms.
inline constexpr uint32_t controller_ready_timeouts(uint16_t with_media_500ms) { return with_media_500ms; }

// "Offset 8h: VS - Version": major in 31:16, minor in 15:8.
inline constexpr uint32_t k_version_2_0 = 0x0002'0000;

}  // namespace ballast::nvme
