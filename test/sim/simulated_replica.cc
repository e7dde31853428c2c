#include "sim/simulated_replica.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "base/crc32c.h"

namespace ballast::sim {

using namespace bdev::mirror;

namespace {

// No host writes that.
constexpr uint64_t k_leftover = uint64_t{1} << 63;

constexpr ReplicaOptions k_options{.associations_max = 64, .ios_max = 256, .commands_max = 16};

}  // namespace

SimulatedReplica::SimulatedReplica(World& world, const ReplicaIdentity& identity)
    : world_(world),
      identity_(identity),
      layout_(ReplicaLayout::of(size_max_bytes()).value()),
      disk_(world, identity.blocks_count, layout_.blocks_count()) {
  format(Content::complete);
}

void SimulatedReplica::format(Content content) {
  DiskImage& image = disk_.image();
  std::ranges::fill(image.data, 0);
  image.snapshots.clear();
  std::ranges::fill(image.metadata, ReplicaBlock{});
  ReplicaSuperblock superblock;
  superblock.head.replica_uuid = identity_.replica;
  superblock.volume_uuid = identity_.volume;
  superblock.block_size_bytes = identity_.block_size_bytes;
  superblock.blocks_count = identity_.blocks_count;
  superblock.size_max_bytes = size_max_bytes();
  superblock.content = content;
  for (uint64_t generation = 1; generation <= ReplicaLayout::k_superblock_copies; ++generation) {
    superblock.head.generation = generation;
    encode_superblock(image.metadata[superblock_address(generation)], superblock);
  }
}

void SimulatedReplica::crash() {
  disk_.crash();
  ++life_;
  core_.reset();
  associations_.clear();
  ios_.clear();
  commands_.clear();
}

std::unique_ptr<ReplicaMetadata> SimulatedReplica::load_metadata(bool with_errors) const {
  std::array<std::vector<uint8_t>, 2> copies{disk_.read_metadata(0), disk_.read_metadata(1)};
  ReplicaSuperblock found;
  const bool both_whole = decode_superblock(copies[0], 0, found) == SuperblockCheck::whole &&
                          decode_superblock(copies[1], 1, found) == SuperblockCheck::whole;
  const auto is_bad = [&] {
    const uint32_t one_in = disk_.options.heals ? 0 : disk_.options.read_error_one_in;
    return with_errors && one_in != 0 && world_.chance(one_in);
  };
  if (both_whole && is_bad()) copies[world_.prng().below(2)].clear();
  ReplicaLoader loader(copies[0], copies[1], UINT64_MAX);
  if (loader.state() != ReplicaLoader::State::reading) return nullptr;
  while (const auto block = loader.next_block()) {
    if (is_bad()) {
      loader.take({});
    } else {
      loader.take(disk_.read_metadata(*block));
    }
  }
  return loader.finish();
}

bool SimulatedReplica::start() {
  BALLAST_ASSERT(core_ == nullptr);
  std::unique_ptr<ReplicaMetadata> metadata = load_metadata(true);
  if (metadata == nullptr) return false;
  is_poison_told_ = false;
  std::erase_if(disk_.image().snapshots, [](const DiskSnapshot& one) { return one.is_received; });
  core_ = std::make_unique<ReplicaCore>(k_options, std::move(metadata));
  actions_ = std::make_unique<ReplicaActions>(core_->actions_max());
  return true;
}

void SimulatedReplica::replace(bool has_leftovers) {
  BALLAST_ASSERT(core_ == nullptr);
  format(Content::nothing);
  if (!has_leftovers) return;
  std::ranges::fill(disk_.image().data, k_leftover);
}

void SimulatedReplica::rot() {
  std::vector<ReplicaBlock>& blocks = disk_.image().metadata;
  const uint64_t block = world_.prng().below(blocks.size());
  if (block < ReplicaLayout::k_superblock_copies) {
    ReplicaSuperblock found;
    const uint64_t other = 1 - block;
    if (decode_superblock(blocks[other], other, found) != SuperblockCheck::whole) return;
    if (decode_superblock(blocks[block], block, found) != SuperblockCheck::whole) return;
  }
  blocks[block][world_.prng().below(k_replica_block_bytes)] ^= 0x24;
}

ReplicaSuperblock SimulatedReplica::superblock() const {
  if (core_ != nullptr) return core_->metadata()->superblock;
  ReplicaSuperblock newest;
  for (uint64_t address = 0; address < ReplicaLayout::k_superblock_copies; ++address) {
    ReplicaSuperblock found;
    if (decode_superblock(disk_.image().metadata[address], address, found) != SuperblockCheck::whole)
      continue;
    if (found.head.generation > newest.head.generation) newest = found;
  }
  return newest;
}

bool SimulatedReplica::has_marks(uint64_t blocks_count) const {
  const std::unique_ptr<ReplicaMetadata> on_device = load_metadata(false);
  const auto has = [&](const ReplicaMetadata& metadata) {
    const auto first = metadata.marks.next_run(0);
    const uint64_t region_blocks = ReplicaLayout::k_region_bytes / identity_.block_size_bytes;
    return first && first->first * region_blocks < blocks_count;
  };
  return on_device == nullptr || has(*on_device) || has(metadata());
}

// ---- associations ----

std::optional<uint32_t> SimulatedReplica::associate(std::function<void()> dropped) {
  const uint32_t association = free_number(associations_);
  if (association == k_options.associations_max) return std::nullopt;
  associations_[association] = std::move(dropped);
  step({.kind = ReplicaEvent::Kind::association_opened, .association = association});
  return association;
}

void SimulatedReplica::close(uint32_t association) {
  associations_.erase(association);
  step({.kind = ReplicaEvent::Kind::association_closed, .association = association});
}

void SimulatedReplica::command(uint32_t association, const CommandWords& words, std::vector<uint8_t> data,
                               Answer answer) {
  const std::optional<CommandTransfer> transfer = transfer_of(words);
  BALLAST_ASSERT(transfer && transfer->request_bytes == data.size());
  const uint32_t slot = free_number(commands_);
  Command& command = commands_[slot];
  command = {words, std::move(data), std::vector<uint8_t>(transfer->answer_bytes), std::move(answer)};
  step({.kind = ReplicaEvent::Kind::command,
        .association = association,
        .slot = slot,
        .command = replica_command(words, command.data, command.out)});
}

void SimulatedReplica::write(uint32_t association, uint64_t lba, std::vector<uint64_t> values,
                             std::function<void(Status)> done) {
  const uint32_t slot = free_number(ios_);
  const auto count = static_cast<uint32_t>(values.size());
  ios_[slot] = {IoType::write, lba, count, std::move(values), std::move(done), {}};
  step({.kind = ReplicaEvent::Kind::io_submit,
        .association = association,
        .slot = slot,
        .io_type = IoType::write,
        .lba = lba,
        .blocks_count = count});
}

void SimulatedReplica::read(uint32_t association, uint64_t lba, uint32_t count, ReadDone done) {
  const uint32_t slot = free_number(ios_);
  ios_[slot] = {IoType::read, lba, count, {}, {}, std::move(done)};
  step({.kind = ReplicaEvent::Kind::io_submit,
        .association = association,
        .slot = slot,
        .io_type = IoType::read,
        .lba = lba,
        .blocks_count = count});
}

// ---- the core ----

void SimulatedReplica::step(const ReplicaEvent& event) {
  core_->step(event, *actions_);
  // Nothing of what follows steps again, or it would come between these.
  for (const ReplicaAction& action : actions_->list()) carry_out(action);
  actions_->clear();
  if (core_->is_poisoned() && !is_poison_told_) {
    is_poison_told_ = true;
    poisoned();
  }
}

void SimulatedReplica::carry_out(const ReplicaAction& action) {
  switch (action.kind) {
    case ReplicaAction::Kind::write_metadata: {
      ReplicaBlock bytes;
      std::ranges::copy(action.bytes, bytes.begin());
      disk_.write_metadata(action.block_number, bytes, [this, ticket = action.ticket](Status status) {
        step({.kind = ReplicaEvent::Kind::metadata_done, .ticket = ticket, .status = status});
      });
      break;
    }
    case ReplicaAction::Kind::submit_io: submit(action.slot); break;
    case ReplicaAction::Kind::finish_io: finish(action.slot, action.status); break;
    case ReplicaAction::Kind::answer: answer(action); break;
    case ReplicaAction::Kind::drop_association: associations_.at(action.association)(); break;
    case ReplicaAction::Kind::read_allocation: read_allocation(action); break;
    case ReplicaAction::Kind::read_checksums: read_checksums(action); break;
    case ReplicaAction::Kind::grow: grow(action.lba); break;
    case ReplicaAction::Kind::take_snapshot: take_snapshot(load<SnapshotRequest>(action.bytes)); break;
    case ReplicaAction::Kind::delete_snapshot: delete_snapshot(load<Uuid>(action.bytes)); break;
    case ReplicaAction::Kind::carry: carry(action); break;
    case ReplicaAction::Kind::drop_received: drop_received(); break;
  }
}

// What is found there at some moment before the answer.
void SimulatedReplica::read_allocation(const ReplicaAction& action) {
  const bool at_once = world_.chance(2), fails = world_.chance(20);
  if (at_once) note_allocation(action);
  disk_.pass([this, action, at_once, fails] {
    if (!at_once) note_allocation(action);
    Command& command = commands_.at(action.slot);
    step({.kind = ReplicaEvent::Kind::allocation_done,
          .slot = action.slot,
          .status = fails ? Status::io_error : Status::ok,
          .command = replica_command(command.words, command.data, command.out)});
  });
}

// A device may hold more for taken than is.
void SimulatedReplica::note_allocation(const ReplicaAction& action) {
  constexpr uint64_t k_taken_together = 32, k_taken_too_one_in = 8;
  const std::vector<uint64_t>& data = disk_.image().data;
  std::vector<uint8_t>& out = commands_.at(action.slot).out;
  const uint64_t unit_blocks = bdev::k_allocation_unit_bytes / identity_.block_size_bytes;
  for (uint64_t unit = 0; unit * unit_blocks < action.blocks_count; ++unit) {
    bool is_taken = unit / k_taken_together % k_taken_too_one_in == 0;
    // The last unit of a volume that became larger may be in part behind the end of the disk.
    const uint64_t first = action.lba + unit * unit_blocks;
    const uint64_t end = std::min<uint64_t>(first + unit_blocks, data.size());
    for (uint64_t lba = first; lba < end; ++lba) is_taken |= data[lba] != 0;
    if (is_taken) out[unit / 8] = static_cast<uint8_t>(out[unit / 8] | 1u << unit % 8);
  }
}

// It may fail, also after it was done. What was there before, of another use of the disk, is not any more.
void SimulatedReplica::grow(uint64_t blocks_count) {
  const bool fails = world_.chance(6), is_done = !fails || world_.chance(2);
  const uint64_t before = superblock().blocks_count;
  disk_.pass([this, blocks_count, before, fails, is_done] {
    std::vector<uint64_t>& data = disk_.image().data;
    if (is_done) data.resize(std::max<uint64_t>(data.size(), blocks_count), k_leftover);
    if (is_done) std::fill(data.begin() + static_cast<int64_t>(before), data.end(), 0);
    step({.kind = ReplicaEvent::Kind::grown, .status = fails ? Status::no_space : Status::ok});
  });
}

// It is of some moment between, and may fail after it was done.
void SimulatedReplica::take_snapshot(const SnapshotRequest& request) {
  const std::string name(request.name_text());
  const bool exists = std::ranges::any_of(disk_.image().snapshots, [&](const DiskSnapshot& one) {
    return !one.is_received && (one.uuid == request.uuid || one.name == name);
  });
  const bool fails = world_.chance(10), is_done = !exists && (!fails || world_.chance(2));
  const bool at_once = world_.chance(2);
  const auto take = [this, uuid = request.uuid, name] {
    disk_.image().snapshots.push_back({uuid, name, disk_.image().data});
  };
  if (is_done && at_once) take();
  disk_.pass([this, exists, fails, is_done, at_once, take] {
    if (is_done && !at_once) take();
    step({.kind = ReplicaEvent::Kind::snapshot_done,
          .status = fails ? Status::no_space : Status::ok,
          .refusal = exists ? Refusal::exists : Refusal::none});
  });
}

void SimulatedReplica::delete_snapshot(const Uuid& uuid) {
  disk_.pass([this, uuid] {
    std::erase_if(disk_.image().snapshots,
                  [&](const DiskSnapshot& one) { return one.uuid == uuid && !one.is_received; });
    step({.kind = ReplicaEvent::Kind::snapshot_done, .status = Status::ok});
  });
}

// A block is one word, and so is what a checksum is made of.
void SimulatedReplica::read_checksums(const ReplicaAction& action) {
  const auto done = [this, slot = action.slot](Status status, const std::vector<uint64_t>& values) {
    Command& command = commands_.at(slot);
    const uint64_t granule_blocks = ReplicaLayout::k_granule_bytes / identity_.block_size_bytes;
    MutableByteSpan out(command.out);
    for (size_t at = 0; at < values.size(); at += granule_blocks) {
      const size_t count = std::min<size_t>(granule_blocks, values.size() - at);
      const auto* const words = reinterpret_cast<const uint8_t*>(values.data() + at);
      store(out, crc32c({words, count * sizeof(uint64_t)}));
      out = out.subspan(sizeof(uint32_t));
    }
    step({.kind = ReplicaEvent::Kind::checksums_done,
          .slot = slot,
          .status = status,
          .command = replica_command(command.words, command.data, command.out)});
  };
  disk_.read(action.lba, action.blocks_count, done);
}

void SimulatedReplica::submit(uint32_t slot) {
  const Io& io = ios_.at(slot);
  const auto ended = [this, slot](Status status) {
    step({.kind = ReplicaEvent::Kind::io_done, .slot = slot, .status = status});
  };
  if (io.type == IoType::write) return disk_.write(io.lba, io.values, ended);
  disk_.read(io.lba, io.count, [this, slot, ended](Status status, std::vector<uint64_t> values) {
    ios_.at(slot).values = std::move(values);
    ended(status);
  });
}

void SimulatedReplica::finish(uint32_t slot, Status status) {
  Io io = std::move(ios_.extract(slot).mapped());
  world_.note(uint64_t{slot} << 8 | static_cast<uint64_t>(status));
  if (io.type == IoType::write) return io.write_done(status);
  if (status != Status::ok) io.values.clear();
  io.read_done(status, std::move(io.values));
}

void SimulatedReplica::answer(const ReplicaAction& action) {
  Command command = std::move(commands_.extract(action.slot).mapped());
  command.out.resize(action.out_bytes);
  command.answer(action.status, action.refusal, std::move(command.out));
}

}  // namespace ballast::sim
