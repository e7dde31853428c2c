// Snapshots of a simulated replica that are read for another one, and those that are received from one, as
// its pool would. Of a granule each block is its word, and zeroes behind that.
#include <algorithm>

#include "sim/simulated_replica.h"

namespace ballast::sim {

using namespace bdev::mirror;

namespace {

// So that most lists take several commands.
constexpr uint32_t k_entries_in_list_max = 3;
// A map may name granules that are the same.
constexpr uint64_t k_same_named_one_in = 512;

bool is_change(ReplicaOpcode opcode) {
  return opcode == ReplicaOpcode::begin_receive || opcode == ReplicaOpcode::receive ||
         opcode == ReplicaOpcode::end_receive;
}

uint64_t block_of(const DiskSnapshot* snapshot, uint64_t lba) {
  return snapshot != nullptr && lba < snapshot->blocks.size() ? snapshot->blocks[lba] : 0;
}

}  // namespace

DiskSnapshot* SimulatedReplica::received() {
  const auto found =
      std::ranges::find_if(disk_.image().snapshots, [](const DiskSnapshot& one) { return one.is_received; });
  return found == disk_.image().snapshots.end() ? nullptr : &*found;
}

bool SimulatedReplica::fails_to_carry(uint64_t one_in) {
  return !disk_.options.heals && world_.chance(one_in);
}

// It is of some moment between; a change may fail after it was done, in part or all of it.
void SimulatedReplica::carry(const ReplicaAction& action) {
  const auto selection = load<SnapshotSelection>(action.bytes);
  const ReplicaOpcode opcode = commands_.at(action.slot).words.opcode;
  const bool at_once = world_.chance(2), fails = fails_to_carry(is_change(opcode) ? 25 : 60);
  const bool is_done = !fails || (opcode == ReplicaOpcode::end_receive && world_.chance(2));
  CarryEnd end{.status = is_change(opcode) ? Status::no_space : Status::media_error};
  if (is_done && at_once) end = carry_now(commands_.at(action.slot), selection);
  disk_.pass([this, slot = action.slot, selection, at_once, fails, is_done, end]() mutable {
    Command& command = commands_.at(slot);
    if (is_done && !at_once) end = carry_now(command, selection);
    if (fails) end = {.status = is_change(command.words.opcode) ? Status::no_space : Status::media_error};
    step({.kind = ReplicaEvent::Kind::carry_done,
          .slot = slot,
          .status = end.status,
          .refusal = end.refusal,
          .command = replica_command(command.words, command.data, command.out)});
  });
}

SimulatedReplica::CarryEnd SimulatedReplica::carry_now(Command& sent, const SnapshotSelection& selection) {
  const ReplicaCommand command = replica_command(sent.words, sent.data, sent.out);
  switch (command.opcode) {
    case ReplicaOpcode::list_snapshots: return list_snapshots(command.uuid, command.out);
    case ReplicaOpcode::read_snapshot_map: return read_snapshot_map(command, selection);
    case ReplicaOpcode::read_snapshot: return read_snapshot(command, selection);
    case ReplicaOpcode::begin_receive: return begin_receive(*parse_receive_request(command.data));
    case ReplicaOpcode::receive: return receive(command);
    default: return end_receive(command.argument == 0);
  }
}

SimulatedReplica::CarryEnd SimulatedReplica::list_snapshots(const Uuid& after, MutableByteSpan out) const {
  const DiskImage& image = disk_.image();
  if (!after.is_nil() && image.find_snapshot(after) == nullptr) return {.refusal = Refusal::no_snapshot};
  SnapshotList list;
  bool is_behind = after.is_nil();
  for (const DiskSnapshot& one : image.snapshots) {
    if (one.is_received) continue;
    if (is_behind && list.count == k_entries_in_list_max) list.has_more = 1;
    if (is_behind && list.has_more == 0) {
      const uint64_t granules = (one.blocks.size() + granule_blocks() - 1) / granule_blocks();
      SnapshotEntry& entry = list.entries[list.count++];
      entry = {.uuid = one.uuid, .created_at_s = 1, .size_bytes = granules * ReplicaLayout::k_granule_bytes};
      std::ranges::copy(one.name, entry.name.begin());
    }
    is_behind = is_behind || one.uuid == after;
  }
  store(out, list);
  return {};
}

SimulatedReplica::CarryEnd SimulatedReplica::read_snapshot_map(const ReplicaCommand& command,
                                                               const SnapshotSelection& selection) const {
  const DiskImage& image = disk_.image();
  const DiskSnapshot* const snapshot = image.find_snapshot(selection.uuid);
  const DiskSnapshot* const since = image.find_snapshot(selection.since);
  if (snapshot == nullptr) return {.refusal = Refusal::no_snapshot};
  if (since == nullptr && !selection.since.is_nil()) return {.refusal = Refusal::no_snapshot};
  if (since != nullptr && since > snapshot) return {.status = Status::invalid};
  std::ranges::fill(command.out, uint8_t{0});
  const uint64_t blocks = snapshot->blocks.size();
  for (uint64_t bit = 0; bit < command.out.size() * 8; ++bit) {
    const uint64_t granule = command.first + bit;
    bool differs = granule % k_same_named_one_in == 0 && granule * granule_blocks() < blocks;
    for (uint64_t lba = granule * granule_blocks(); lba < (granule + 1) * granule_blocks(); ++lba) {
      differs = differs || block_of(snapshot, lba) != block_of(since, lba);
    }
    if (differs) command.out[bit / 8] = static_cast<uint8_t>(command.out[bit / 8] | 1u << bit % 8);
  }
  return {};
}

SimulatedReplica::CarryEnd SimulatedReplica::read_snapshot(const ReplicaCommand& command,
                                                           const SnapshotSelection& selection) const {
  const DiskSnapshot* const snapshot = disk_.image().find_snapshot(selection.uuid);
  if (snapshot == nullptr) return {.refusal = Refusal::no_snapshot};
  std::ranges::fill(command.out, uint8_t{0});
  MutableByteSpan out = command.out;
  for (uint32_t i = 0; i < k_piece_granules; ++i) {
    if ((command.argument >> i & 1) == 0) continue;
    for (uint32_t block = 0; block < granule_blocks(); ++block) {
      store(out.subspan(size_t{block} * identity_.block_size_bytes),
            block_of(snapshot, (command.first + i) * granule_blocks() + block));
    }
    out = out.subspan(ReplicaLayout::k_granule_bytes);
  }
  return {};
}

// What is below may be deleted from now on: it holds what that has.
SimulatedReplica::CarryEnd SimulatedReplica::begin_receive(const ReceiveRequest& request) {
  DiskImage& image = disk_.image();
  const std::string name(request.name_text());
  const auto is_same = [&](const DiskSnapshot& one) { return one.uuid == request.uuid || one.name == name; };
  static_cast<void>(end_receive(false));  // what could not be dropped
  if (std::ranges::any_of(image.snapshots, is_same)) return {.refusal = Refusal::exists};
  DiskSnapshot made{.uuid = request.uuid, .name = name, .blocks = {}, .is_received = true};
  auto place = image.snapshots.begin();
  if (!request.below.is_nil()) {
    const DiskSnapshot* const below = image.find_snapshot(request.below);
    if (below == nullptr) return {.refusal = Refusal::no_snapshot};
    made.blocks = below->blocks;
    place += below - image.snapshots.data() + 1;
  }
  made.blocks.resize(request.size_bytes / identity_.block_size_bytes, 0);
  image.snapshots.insert(place, std::move(made));
  return {};
}

SimulatedReplica::CarryEnd SimulatedReplica::receive(const ReplicaCommand& command) {
  DiskSnapshot* const into = received();
  if (into == nullptr) return {.refusal = Refusal::no_snapshot};
  ByteSpan data = command.data;
  for (uint32_t i = 0; i < k_piece_granules; ++i) {
    if ((command.argument >> i & 1) == 0) continue;
    for (uint32_t block = 0; block < granule_blocks(); ++block) {
      const uint64_t lba = (command.first + i) * granule_blocks() + block;
      if (lba >= into->blocks.size()) return {.status = Status::out_of_range};
      into->blocks[lba] = load<uint64_t>(data.subspan(size_t{block} * identity_.block_size_bytes));
    }
    data = data.subspan(ReplicaLayout::k_granule_bytes);
  }
  return {};
}

SimulatedReplica::CarryEnd SimulatedReplica::end_receive(bool is_finished) {
  DiskSnapshot* const into = received();
  if (into == nullptr) return {};  // it was done, and said to have failed
  if (is_finished) {
    into->is_received = false;
  } else {
    std::erase_if(disk_.image().snapshots, [](const DiskSnapshot& one) { return one.is_received; });
  }
  return {};
}

void SimulatedReplica::drop_received() {
  const bool fails = fails_to_carry(25);
  disk_.pass([this, fails] {
    if (!fails) static_cast<void>(end_receive(false));
    step({.kind = ReplicaEvent::Kind::received_dropped});
  });
}

}  // namespace ballast::sim
