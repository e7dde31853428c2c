#include "bdev/mirror/replica_command.h"

#include <bit>

#include "bdev/mirror/snapshot_protocol.h"

namespace ballast::bdev::mirror {
namespace {

Uuid uuid_of(const CommandWords& words) {
  Uuid uuid;
  const MutableByteSpan bytes(uuid.bytes);
  store(bytes, words.cdw10);
  store(bytes.subspan(4), words.cdw11);
  store(bytes.subspan(8), words.cdw12);
  store(bytes.subspan(12), words.cdw13);
  return uuid;
}

bool is_piece(const CommandWords& words) {
  return words.cdw10 % k_piece_granules == 0 && words.cdw12 != 0 && words.cdw13 == 0;
}

}  // namespace

std::optional<ReplicaOpcode> replica_opcode(uint8_t opcode) {
  switch (static_cast<ReplicaOpcode>(opcode)) {
    case ReplicaOpcode::seal:
    case ReplicaOpcode::read_state:
    case ReplicaOpcode::mark_intent:
    case ReplicaOpcode::read_intent:
    case ReplicaOpcode::clear_intent:
    case ReplicaOpcode::begin_absent:
    case ReplicaOpcode::end_absent:
    case ReplicaOpcode::read_absent:
    case ReplicaOpcode::clear_absent:
    case ReplicaOpcode::set_content:
    case ReplicaOpcode::read_checksums:
    case ReplicaOpcode::grow:
    case ReplicaOpcode::snapshot:
    case ReplicaOpcode::delete_snapshot:
    case ReplicaOpcode::list_snapshots:
    case ReplicaOpcode::select_snapshot:
    case ReplicaOpcode::read_snapshot_map:
    case ReplicaOpcode::end_receive:
    case ReplicaOpcode::begin_receive:
    case ReplicaOpcode::read_snapshot:
    case ReplicaOpcode::receive:
    case ReplicaOpcode::read_allocation: return static_cast<ReplicaOpcode>(opcode);
  }
  return std::nullopt;
}

std::optional<CommandTransfer> transfer_of(const CommandWords& words) {
  const bool is_bare = (words.cdw10 | words.cdw11 | words.cdw12 | words.cdw13) == 0;
  switch (words.opcode) {
    case ReplicaOpcode::seal:
    case ReplicaOpcode::mark_intent:
    case ReplicaOpcode::clear_intent:
    case ReplicaOpcode::begin_absent:
    case ReplicaOpcode::end_absent:
    case ReplicaOpcode::clear_absent:
    case ReplicaOpcode::snapshot:
    case ReplicaOpcode::select_snapshot:
    case ReplicaOpcode::begin_receive:
      if (!is_bare) return std::nullopt;
      return CommandTransfer{.request_bytes = k_protocol_bytes};
    case ReplicaOpcode::read_state:
      if (!is_bare) return std::nullopt;
      return CommandTransfer{.answer_bytes = k_protocol_bytes};
    case ReplicaOpcode::list_snapshots: return CommandTransfer{.answer_bytes = k_protocol_bytes};
    case ReplicaOpcode::read_intent:
    case ReplicaOpcode::read_snapshot_map:
    case ReplicaOpcode::read_allocation:
      if (words.cdw13 != 0) return std::nullopt;
      [[fallthrough]];
    case ReplicaOpcode::read_absent:
      if (words.cdw12 == 0 || words.cdw12 % 8 != 0 || words.cdw12 > k_map_read_bytes_max) return std::nullopt;
      if (words.cdw13 >= k_absent_slots) return std::nullopt;
      return CommandTransfer{.answer_bytes = words.cdw12};
    case ReplicaOpcode::read_checksums:
      if (words.cdw12 == 0 || words.cdw12 % 512 != 0 || words.cdw12 > k_checksum_bytes_max) {
        return std::nullopt;
      }
      if (words.cdw13 != 0) return std::nullopt;
      return CommandTransfer{.answer_bytes = checksums_bytes(words.cdw12)};
    case ReplicaOpcode::read_snapshot:
      if (!is_piece(words)) return std::nullopt;
      return CommandTransfer{.answer_bytes = piece_bytes(words.cdw12)};
    case ReplicaOpcode::receive:
      if (!is_piece(words)) return std::nullopt;
      return CommandTransfer{.request_bytes = piece_bytes(words.cdw12)};
    case ReplicaOpcode::end_receive:
      if ((words.cdw11 | words.cdw12 | words.cdw13) != 0 || words.cdw10 > 1) return std::nullopt;
      return CommandTransfer{};
    case ReplicaOpcode::grow: return CommandTransfer{};
    case ReplicaOpcode::delete_snapshot:
      if (is_bare) return std::nullopt;
      return CommandTransfer{};
    case ReplicaOpcode::set_content:
      if ((words.cdw11 | words.cdw12 | words.cdw13) != 0 || words.cdw10 > 3) return std::nullopt;
      return CommandTransfer{};
  }
  return std::nullopt;
}

uint32_t piece_bytes(uint32_t mask) {
  return static_cast<uint32_t>(std::popcount(mask)) * static_cast<uint32_t>(ReplicaLayout::k_granule_bytes);
}

CommandWords uuid_words(ReplicaOpcode opcode, const Uuid& uuid) {
  const ByteSpan bytes(uuid.bytes);
  return {.opcode = opcode,
          .cdw10 = load<uint32_t>(bytes),
          .cdw11 = load<uint32_t>(bytes.subspan(4)),
          .cdw12 = load<uint32_t>(bytes.subspan(8)),
          .cdw13 = load<uint32_t>(bytes.subspan(12))};
}

ReplicaCommand replica_command(const CommandWords& words, ByteSpan data, MutableByteSpan out) {
  ReplicaCommand command{.opcode = words.opcode, .data = data, .out = out};
  switch (words.opcode) {
    case ReplicaOpcode::read_absent: command.argument = words.cdw13; [[fallthrough]];
    case ReplicaOpcode::read_intent:
    case ReplicaOpcode::read_snapshot_map:
    case ReplicaOpcode::read_allocation: command.first = uint64_t{words.cdw11} << 32 | words.cdw10; break;
    case ReplicaOpcode::grow:
      command.first = uint64_t{words.cdw11} << 32 | words.cdw10;
      command.volume_blocks = uint64_t{words.cdw13} << 32 | words.cdw12;
      break;
    case ReplicaOpcode::read_snapshot:
    case ReplicaOpcode::receive:
    case ReplicaOpcode::read_checksums:
      command.first = uint64_t{words.cdw11} << 32 | words.cdw10;
      command.argument = words.cdw12;
      break;
    case ReplicaOpcode::list_snapshots:
    case ReplicaOpcode::delete_snapshot: command.uuid = uuid_of(words); break;
    case ReplicaOpcode::end_receive:
    case ReplicaOpcode::set_content: command.argument = words.cdw10; break;
    default: break;
  }
  return command;
}

Refusal refusal_of(uint8_t status_code) {
  const int number = status_code - k_refusal_code_first + 1;
  const bool is_known = number > 0 && number <= static_cast<int>(Refusal::no_snapshot);
  return is_known ? static_cast<Refusal>(number) : Refusal::none;
}

}  // namespace ballast::bdev::mirror
