// Submission and completion queue entries and the SGL descriptor. NVMe Base Specification 2.1, "Common
// Command Format", "Common Completion Queue Entry Layout", "SGL Descriptor".
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/status.h"

namespace ballast::nvme {

// SGL descriptor type in bits 7:4 and sub type in bits 3:0 of the last byte.
inline constexpr uint8_t k_sgl_data_block = 0x0;
inline constexpr uint8_t k_sgl_bit_bucket = 0x1;
inline constexpr uint8_t k_sgl_keyed_data_block = 0x4;
inline constexpr uint8_t k_sgl_transport_data_block = 0x5;
inline constexpr uint8_t k_sgl_subtype_address = 0x0;
inline constexpr uint8_t k_sgl_subtype_offset = 0x1;     // data is in the capsule, at an offset
inline constexpr uint8_t k_sgl_subtype_transport = 0xa;  // data is moved by the transport

struct SglDescriptor {
  uint64_t address = 0;
  uint32_t length_bytes = 0;
  uint8_t reserved[3] = {};
  uint8_t identifier = 0;

  uint8_t type() const { return identifier >> 4; }
  uint8_t subtype() const { return identifier & 15; }
};
static_assert(sizeof(SglDescriptor) == 16 && offsetof(SglDescriptor, identifier) == 15);

// Byte 1 of a command: FUSE in bits 1:0, PSDT in bits 7:6.
inline constexpr uint8_t k_fuse_none = 0;
inline constexpr uint8_t k_fuse_first = 1;
inline constexpr uint8_t k_fuse_second = 2;
inline constexpr uint8_t k_psdt_sgl = 1;  // 01b: SGL, and metadata pointer (unused) is an address

struct Command {
  uint8_t opcode = 0;
  uint8_t flags = 0;
  uint16_t cid = 0;
  uint32_t nsid = 0;
  uint32_t cdw2 = 0;
  uint32_t cdw3 = 0;
  uint64_t metadata_pointer = 0;
  SglDescriptor sgl;
  uint32_t cdw10 = 0;
  uint32_t cdw11 = 0;
  uint32_t cdw12 = 0;
  uint32_t cdw13 = 0;
  uint32_t cdw14 = 0;
  uint32_t cdw15 = 0;

  uint8_t fuse() const { return flags & 3; }
  uint8_t psdt() const { return flags >> 6; }
};
static_assert(sizeof(Command) == 64 && offsetof(Command, sgl) == 24 && offsetof(Command, cdw10) == 40);

struct Completion {
  uint32_t dw0 = 0;
  uint32_t dw1 = 0;
  uint16_t sqhd = 0;
  uint16_t sqid = 0;  // reserved over Fabrics
  uint16_t cid = 0;
  uint16_t status_and_phase = 0;  // status in bits 15:1, phase tag (unused over Fabrics) in bit 0

  Status status() const { return {static_cast<uint16_t>(status_and_phase >> 1)}; }
  void set_status(Status status) { status_and_phase = static_cast<uint16_t>(status.value << 1); }
  // Dwords 0 and 1 as one value: what Property Get of an 8-byte property returns.
  uint64_t result() const { return static_cast<uint64_t>(dw1) << 32 | dw0; }
};
static_assert(sizeof(Completion) == 16 && offsetof(Completion, status_and_phase) == 14);

// NVMe Base Specification 2.1, "Opcodes for Admin Commands"; Fabrics commands share one opcode on every
// queue.
enum class AdminOpcode : uint8_t {
  get_log_page = 0x02,
  identify = 0x06,
  abort = 0x08,
  set_features = 0x09,
  get_features = 0x0a,
  async_event_request = 0x0c,
  keep_alive = 0x18,
};
inline constexpr uint8_t k_opcode_fabrics = 0x7f;

// NVM Command Set Specification 1.1, "Opcodes for NVM Commands".
enum class NvmOpcode : uint8_t {
  flush = 0x00,
  write = 0x01,
  read = 0x02,
  write_uncorrectable = 0x04,
  compare = 0x05,
  write_zeroes = 0x08,
  dataset_management = 0x09,
  verify = 0x0c,
  copy = 0x19,
};

// NVMe Base Specification 2.1, "Data Transfer": bits 1:0 of every standard opcode.
enum class DataDirection : uint8_t {
  none = 0,
  host_to_controller = 1,
  controller_to_host = 2,
  bidirectional = 3
};
inline constexpr DataDirection data_direction(uint8_t opcode) {
  return static_cast<DataDirection>(opcode & 3);
}
// For Fabrics commands it is in the command type instead (byte 4 of the command).
inline constexpr DataDirection data_direction(const Command& command) {
  return data_direction(command.opcode == k_opcode_fabrics ? static_cast<uint8_t>(command.nsid)
                                                           : command.opcode);
}

}  // namespace ballast::nvme
