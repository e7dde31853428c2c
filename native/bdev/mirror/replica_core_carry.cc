// Snapshots that are carried from one member to another. These commands are beside the line of the others:
// writes of hosts wait for those, and for none of these.
//
// What they read does not change, so a seal does not wait for it: an answer that comes after another seal
// is as true as before, and goes to an association that is to be dropped. What they change a seal waits for:
// who is sealed then finds what an earlier head began either finished or gone.
#include "bdev/mirror/replica_core.h"

namespace ballast::bdev::mirror {
namespace {

bool is_change(ReplicaOpcode opcode) {
  return opcode == ReplicaOpcode::begin_receive || opcode == ReplicaOpcode::receive ||
         opcode == ReplicaOpcode::end_receive;
}

}  // namespace

void ReplicaCore::carry(const ReplicaEvent& event) {
  const Refusal refusal = judge(event.association);
  if (refusal != Refusal::none && !planted(Planted::member_receive_unfenced)) {
    return refuse(event.slot, refusal);
  }
  const ReplicaCommand& command = event.command;
  switch (command.opcode) {
    case ReplicaOpcode::list_snapshots:
      if (command.out.size() != k_protocol_bytes) return answer(event.slot, Status::invalid);
      return start_carry(event);
    case ReplicaOpcode::select_snapshot: {
      const auto selection = parse_snapshot_selection(command.data);
      if (!selection) return answer(event.slot, Status::invalid);
      selection_ = *selection;
      return answer(event.slot, Status::ok);
    }
    case ReplicaOpcode::read_snapshot_map: {
      const size_t bytes = command.out.size();
      const bool is_right = bytes > 0 && bytes % 8 == 0 && bytes <= k_map_read_bytes_max;
      return is_right ? read_of_snapshot(event, bytes) : answer(event.slot, Status::invalid);
    }
    case ReplicaOpcode::read_snapshot: return read_of_snapshot(event, piece_bytes(command.argument));
    default: break;
  }
  if (!begins_change(event)) return;
  receiving_ = Receiving::at_work;
  ++in_device_count_;
  start_carry(event);
}

void ReplicaCore::read_of_snapshot(const ReplicaEvent& event, size_t out_bytes) {
  if (selection_.uuid.is_nil()) return refuse(event.slot, Refusal::no_snapshot);
  if (out_bytes == 0 || event.command.out.size() != out_bytes) return answer(event.slot, Status::invalid);
  start_carry(event);
}

// False: it was answered.
bool ReplicaCore::begins_change(const ReplicaEvent& event) {
  const ReplicaCommand& command = event.command;
  const auto refuse_with = [&](Status status) {
    answer(event.slot, status);
    return false;
  };
  if (receiving_ == Receiving::at_work || receiving_ == Receiving::dropping) return refuse_with(Status::busy);
  switch (command.opcode) {
    case ReplicaOpcode::begin_receive:
      if (!parse_receive_request(command.data)) return refuse_with(Status::invalid);
      return receiving_ == Receiving::none ? true : refuse_with(Status::busy);
    case ReplicaOpcode::receive:
      if (command.argument == 0 || command.data.size() != piece_bytes(command.argument)) {
        return refuse_with(Status::invalid);
      }
      break;
    default: break;
  }
  if (receiving_ == Receiving::begun) return true;
  refuse(event.slot, Refusal::no_snapshot);
  return false;
}

void ReplicaCore::start_carry(const ReplicaEvent& event) {
  actions_->add({.kind = ReplicaAction::Kind::carry,
                 .slot = event.slot,
                 .bytes = ByteSpan(reinterpret_cast<const uint8_t*>(&selection_), sizeof selection_)});
}

void ReplicaCore::on_carry_done(const ReplicaEvent& event) {
  const ReplicaCommand& command = event.command;
  const bool is_done = event.status == Status::ok && event.refusal == Refusal::none;
  if (is_change(command.opcode)) {
    BALLAST_ASSERT(in_device_count_ > 0 && receiving_ == Receiving::at_work);
    --in_device_count_;
    // One that could not be finished is there still. One that could not be removed nobody asks for any more:
    // or no other one could be received before the next seal.
    const bool begins = command.opcode == ReplicaOpcode::begin_receive;
    const bool ends = command.opcode == ReplicaOpcode::end_receive;
    receiving_ = (begins && !is_done) || (ends && is_done) ? Receiving::none : Receiving::begun;
    const bool is_given_up = ends && command.argument == 1 && receiving_ == Receiving::begun;
    if (is_received_ownerless_ || is_given_up) drop_received();
  }
  const auto bytes = static_cast<uint32_t>(command.out.size());
  const Status status = event.refusal == Refusal::none ? event.status : Status::fenced;
  answer(event.slot, status, event.refusal, is_done ? bytes : 0);
}

// Of an association that is not sealed any more. What is at work is waited for.
void ReplicaCore::drop_received() {
  if (planted(Planted::member_received_kept)) return;
  is_received_ownerless_ = receiving_ == Receiving::at_work;
  if (receiving_ != Receiving::begun) return;
  receiving_ = Receiving::dropping;
  ++in_device_count_;
  actions_->add({.kind = ReplicaAction::Kind::drop_received});
}

// If it could not be removed it is before the next one is received, or when the device is opened the next
// time; nobody sees it until then.
void ReplicaCore::on_received_dropped() {
  BALLAST_ASSERT(in_device_count_ > 0 && receiving_ == Receiving::dropping);
  --in_device_count_;
  receiving_ = Receiving::none;
}

}  // namespace ballast::bdev::mirror
