// The commands of docs/formats/replica-protocol.md as NVMe carries them: opcode, dwords, how many bytes go
// which way, and the status codes of refusals. Shared by heads (member_commands.h) and by members, local and
// remote. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "bdev/mirror/replica_protocol.h"

namespace ballast::bdev::mirror {

// Nothing: no command of this protocol.
std::optional<ReplicaOpcode> replica_opcode(uint8_t opcode);

struct CommandWords {
  ReplicaOpcode opcode = ReplicaOpcode::read_state;
  uint32_t cdw10 = 0, cdw11 = 0, cdw12 = 0, cdw13 = 0;

  bool operator==(const CommandWords&) const = default;
};

// Of a command's data, before there is a buffer for it. One of the two is 0 at least.
struct CommandTransfer {
  uint32_t request_bytes = 0;  // host to controller
  uint32_t answer_bytes = 0;   // controller to host
};
// Nothing: a reserved dword is set, or a length is none that may be asked for.
std::optional<CommandTransfer> transfer_of(const CommandWords& words);

// Of a range of 1 to k_checksum_bytes_max bytes.
inline CommandWords checksum_words(uint64_t first_granule, uint32_t bytes) {
  return {.opcode = ReplicaOpcode::read_checksums,
          .cdw10 = static_cast<uint32_t>(first_granule),
          .cdw11 = static_cast<uint32_t>(first_granule >> 32),
          .cdw12 = bytes};
}
// Granules that so many bytes are, and what their checksums take.
inline uint32_t checksums_count(uint32_t bytes) {
  return (bytes + ReplicaLayout::k_granule_bytes - 1) / ReplicaLayout::k_granule_bytes;
}
inline uint32_t checksums_bytes(uint32_t bytes) { return checksums_count(bytes) * 4; }

// The data of a piece of which `mask` says the granules.
uint32_t piece_bytes(uint32_t mask);
// list_snapshots; delete_snapshot, of a UUID that is not nil.
CommandWords uuid_words(ReplicaOpcode opcode, const Uuid& uuid);
// read_snapshot_map, of so many bytes; read_snapshot and receive, of a mask of granules.
inline CommandWords granule_words(ReplicaOpcode opcode, uint64_t first_granule, uint32_t bytes_or_mask) {
  return {.opcode = opcode,
          .cdw10 = static_cast<uint32_t>(first_granule),
          .cdw11 = static_cast<uint32_t>(first_granule >> 32),
          .cdw12 = bytes_or_mask};
}

// What a member is told (ReplicaEvent::command).
struct ReplicaCommand {
  ReplicaOpcode opcode = ReplicaOpcode::read_state;
  ByteSpan data;        // what came with it; valid until the answer
  MutableByteSpan out;  // where an answer's data goes; its length is what was asked for
  // CDW10 and 11 of read_intent, read_absent, read_allocation, read_checksums, read_snapshot_map,
  // read_snapshot and receive; grow: blocks.
  uint64_t first = 0;
  // read_absent: the slot; set_content: 0 to 3; end_receive: 0 or 1; read_checksums: bytes of data;
  // read_snapshot, receive: the mask.
  uint32_t argument = 0;
  uint64_t volume_blocks = 0;  // grow: CDW12 and 13
  Uuid uuid;                   // delete_snapshot, list_snapshots: CDW10 to 13
};
// Of words that passed transfer_of(), with spans of the lengths that it says.
ReplicaCommand replica_command(const CommandWords& words, ByteSpan data, MutableByteSpan out);

// Of status code type 7h ("Vendor Specific").
inline constexpr uint8_t k_refusal_code_first = 0xc0;
inline uint8_t status_code_of(Refusal refusal) {
  return static_cast<uint8_t>(k_refusal_code_first + static_cast<uint8_t>(refusal) - 1);
}
// none: no code of this protocol.
Refusal refusal_of(uint8_t status_code);

}  // namespace ballast::bdev::mirror
