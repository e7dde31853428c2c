// Commands of the head at a member. Those that only look are answered at once; the others are done one after
// the other, and a seal waits for the one at work.
#include <algorithm>
#include <utility>

#include "bdev/mirror/replica_core.h"

namespace ballast::bdev::mirror {
namespace {

static_assert(ReplicaLayout::k_granule_bytes == k_allocation_unit_bytes);

bool is_carrying(ReplicaOpcode opcode) {
  switch (opcode) {
    case ReplicaOpcode::list_snapshots:
    case ReplicaOpcode::select_snapshot:
    case ReplicaOpcode::read_snapshot_map:
    case ReplicaOpcode::read_snapshot:
    case ReplicaOpcode::begin_receive:
    case ReplicaOpcode::receive:
    case ReplicaOpcode::end_receive: return true;
    default: return false;
  }
}

uint64_t first_granule(uint64_t region) { return region * ReplicaLayout::k_granules_per_region; }

}  // namespace

void ReplicaCore::on_command(const ReplicaEvent& event) {
  if (metadata_ == nullptr) return refuse(event.slot, Refusal::unusable);
  if (is_poisoned_) return answer(event.slot, Status::io_error);
  const ReplicaCommand& command = event.command;
  if (command.opcode == ReplicaOpcode::seal) return on_seal(event);
  if (command.opcode == ReplicaOpcode::read_state) return read_state(event);
  if (command.opcode == ReplicaOpcode::read_intent) return read_map(event, &metadata_->marks);
  if (command.opcode == ReplicaOpcode::read_absent) {
    const uint32_t slot = command.argument;
    return read_map(event, slot < k_absent_slots ? metadata_->absent[slot].get() : nullptr);
  }
  if (command.opcode == ReplicaOpcode::read_allocation) return read_allocation(event);
  if (command.opcode == ReplicaOpcode::read_checksums) return read_checksums(event);
  if (is_carrying(command.opcode)) return carry(event);
  const Refusal refusal = judge(event.association);
  const bool is_unfenced =
      planted(Planted::member_snapshot_unfenced) && command.opcode == ReplicaOpcode::snapshot;
  if (refusal != Refusal::none && !is_unfenced) return refuse(event.slot, refusal);
  BALLAST_ASSERT(queue_count_ < queue_.size());
  queue_[(queue_first_ + queue_count_++) % queue_.size()] = {event.slot, event.association, command};
}

// ---- those that only look ----

void ReplicaCore::read_state(const ReplicaEvent& event) {
  const Refusal refusal = judge(event.association);
  if (refusal == Refusal::fenced) return refuse(event.slot, refusal);
  if (event.command.out.size() < sizeof(ReplicaState)) return answer(event.slot, Status::invalid);
  const ReplicaSuperblock& superblock = metadata_->superblock;
  ReplicaState state{.block_size_bytes = superblock.block_size_bytes,
                     .volume_uuid = superblock.volume_uuid,
                     .replica_uuid = superblock.head.replica_uuid,
                     .blocks_count = superblock.blocks_count,
                     .size_max_bytes = superblock.size_max_bytes,
                     .max_epoch = superblock.max_epoch};
  if (refusal == Refusal::none) {
    if (std::exchange(is_state_unread_, false)) state.max_epoch = max_epoch_before_;
    state.sealed_epoch = superblock.max_epoch;
    state.session = session_;
    state.marked_regions = metadata_->marks.count();
    state.content = superblock.content;
    state.absent = superblock.absent;
    for (AbsentEntry& entry : state.absent) entry.reserved = {};
  }
  std::ranges::fill(event.command.out, uint8_t{0});
  store(event.command.out, state);
  answer(event.slot, Status::ok, Refusal::none, static_cast<uint32_t>(event.command.out.size()));
}

void ReplicaCore::read_map(const ReplicaEvent& event, const GranuleMap* map) {
  const Refusal refusal = judge(event.association);
  if (refusal != Refusal::none) return refuse(event.slot, refusal);
  const size_t bytes = event.command.out.size();
  if (map == nullptr || bytes == 0 || bytes % 8 != 0 || bytes > k_map_read_bytes_max) {
    return answer(event.slot, Status::invalid);
  }
  if (event.command.first >= map->bits_count()) return answer(event.slot, Status::out_of_range);
  map->read(event.command.first, event.command.out);
  answer(event.slot, Status::ok, Refusal::none, static_cast<uint32_t>(bytes));
}

// The device is asked. What it says is of some moment in which the command was at work: a write that is under
// way may be in it or not.
void ReplicaCore::read_allocation(const ReplicaEvent& event) {
  const Refusal refusal = judge(event.association);
  if (refusal != Refusal::none) return refuse(event.slot, refusal);
  const MutableByteSpan out = event.command.out;
  if (out.empty() || out.size() % 8 != 0 || out.size() > k_map_read_bytes_max) {
    return answer(event.slot, Status::invalid);
  }
  const ReplicaSuperblock& superblock = metadata_->superblock;
  const uint64_t granule_blocks = ReplicaLayout::k_granule_bytes / superblock.block_size_bytes;
  if (event.command.first > (superblock.blocks_count - 1) / granule_blocks) {
    return answer(event.slot, Status::out_of_range);
  }
  const uint64_t lba = event.command.first * granule_blocks;
  const uint64_t count = std::min(out.size() * 8 * granule_blocks, superblock.blocks_count - lba);
  std::ranges::fill(out, uint8_t{0});
  actions_->add({.kind = ReplicaAction::Kind::read_allocation,
                 .slot = event.slot,
                 .lba = lba,
                 .blocks_count = static_cast<uint32_t>(count),
                 .out = out.first(allocation_bytes(count * superblock.block_size_bytes))});
}

// Who cannot tell may hold anything.
void ReplicaCore::on_allocation_done(const ReplicaEvent& event) {
  const MutableByteSpan out = event.command.out;
  if (event.status != Status::ok) std::ranges::fill(out, uint8_t{0xff});
  answer(event.slot, Status::ok, Refusal::none, static_cast<uint32_t>(out.size()));
}

// It counts as I/O in the device: a seal waits for it, so that what is answered is of the time before.
void ReplicaCore::read_checksums(const ReplicaEvent& event) {
  const Refusal refusal = judge(event.association);
  if (refusal != Refusal::none) return refuse(event.slot, refusal);
  const ReplicaSuperblock& superblock = metadata_->superblock;
  const uint32_t bytes = event.command.argument;
  const MutableByteSpan out = event.command.out;
  if (bytes == 0 || bytes % superblock.block_size_bytes != 0 || out.size() != checksums_bytes(bytes)) {
    return answer(event.slot, Status::invalid);
  }
  const uint64_t granule_blocks = ReplicaLayout::k_granule_bytes / superblock.block_size_bytes;
  const uint32_t count = bytes / superblock.block_size_bytes;
  if (event.command.first > (superblock.blocks_count - 1) / granule_blocks ||
      count > superblock.blocks_count - event.command.first * granule_blocks) {
    return answer(event.slot, Status::out_of_range);
  }
  ++in_device_count_;
  actions_->add({.kind = ReplicaAction::Kind::read_checksums,
                 .slot = event.slot,
                 .lba = event.command.first * granule_blocks,
                 .blocks_count = count,
                 .out = out});
}

void ReplicaCore::on_checksums_done(const ReplicaEvent& event) {
  BALLAST_ASSERT(in_device_count_ > 0);
  --in_device_count_;
  const auto bytes = static_cast<uint32_t>(event.command.out.size());
  answer(event.slot, event.status, Refusal::none, event.status == Status::ok ? bytes : 0);
}

// ---- one after the other ----

void ReplicaCore::start_commands() {
  while (stage_ == CommandStage::idle && queue_count_ > 0) {
    at_work_ = queue_[queue_first_];
    queue_first_ = (queue_first_ + 1) % static_cast<uint32_t>(queue_.size());
    --queue_count_;
    BALLAST_ASSERT(at_work_.association == sealed_ || planted(Planted::member_snapshot_unfenced));
    if (is_poisoned_) {
      answer(at_work_.slot, Status::io_error);
    } else {
      start_command();
      advance_command();
    }
  }
}

void ReplicaCore::start_command() {
  switch (at_work_.command.opcode) {
    case ReplicaOpcode::mark_intent:
    case ReplicaOpcode::clear_intent: {
      const auto list = parse_region_list(at_work_.command.data, metadata_->regions_count());
      if (!list) return end_command(Status::invalid);
      regions_ = *list;
      return at_work_.command.opcode == ReplicaOpcode::mark_intent ? start_marking() : start_clearing();
    }
    case ReplicaOpcode::begin_absent:
    case ReplicaOpcode::end_absent:
    case ReplicaOpcode::clear_absent: {
      const auto request = parse_absent_request(at_work_.command.data, metadata_->granules_count());
      if (!request) return end_command(Status::invalid);
      absent_request_ = *request;
      return start_absent();
    }
    case ReplicaOpcode::set_content: return set_content();
    case ReplicaOpcode::grow: return start_growing();
    case ReplicaOpcode::snapshot: return start_snapshot();
    case ReplicaOpcode::delete_snapshot: return delete_snapshot();
    case ReplicaOpcode::seal:
    case ReplicaOpcode::read_state:
    case ReplicaOpcode::read_intent:
    case ReplicaOpcode::read_absent:
    case ReplicaOpcode::read_checksums:
    case ReplicaOpcode::list_snapshots:
    case ReplicaOpcode::select_snapshot:
    case ReplicaOpcode::read_snapshot_map:
    case ReplicaOpcode::read_snapshot:
    case ReplicaOpcode::begin_receive:
    case ReplicaOpcode::receive:
    case ReplicaOpcode::end_receive:
    case ReplicaOpcode::read_allocation: break;
  }
  end_command(Status::unsupported);
}

// Who has nothing is partial when others note what it still lacks, and not before.
void ReplicaCore::set_content() {
  Content& content = metadata_->superblock.content;
  const Content before = content;
  switch (at_work_.command.argument) {
    case 0: content = Content::complete; break;
    case 1: content = content == Content::nothing ? Content::nothing : Content::partial; break;
    case 2: content = Content::partial; break;
    case 3: content = Content::nothing; break;
    default: return end_command(Status::invalid);
  }
  if (content == before) return end_command(Status::ok);
  write_superblock();
  if (planted(Planted::member_content_volatile)) return end_command(Status::ok);
  stage_ = CommandStage::superblock;
}

// The devices first. What is noted of the size is durable before the answer.
void ReplicaCore::start_growing() {
  const ReplicaSuperblock& superblock = metadata_->superblock;
  const uint64_t blocks_count = at_work_.command.first;
  forget_marks_behind(at_work_.command.volume_blocks);
  if (blocks_count <= superblock.blocks_count) return end_command(Status::ok);
  if (blocks_count > superblock.size_max_bytes / superblock.block_size_bytes) {
    return end_command(Status::no_space);
  }
  stage_ = CommandStage::growing;
  actions_->add({.kind = ReplicaAction::Kind::grow, .lba = blocks_count});
}

// Of a damaged block of marks all count as set, also those behind the end of the volume, where nothing was
// ever written. Nobody would clear them once it is larger.
void ReplicaCore::forget_marks_behind(uint64_t volume_blocks) {
  const uint64_t region_blocks = ReplicaLayout::k_region_bytes / metadata_->superblock.block_size_bytes;
  const uint64_t first = volume_blocks / region_blocks + (volume_blocks % region_blocks != 0 ? 1 : 0);
  const uint64_t regions = metadata_->regions_count();
  if (first >= regions) return;
  metadata_->marks.clear(first, regions - first);
  metadata_->durable_marks.clear(first, regions - first);
}

void ReplicaCore::on_grown(Status status) {
  if (stage_ != CommandStage::growing) return;  // poisoned meanwhile
  if (status != Status::ok) return end_command(status);
  metadata_->superblock.blocks_count = at_work_.command.first;
  metadata_->grow();
  write_superblock();
  if (planted(Planted::member_size_volatile)) return end_command(Status::ok);
  stage_ = CommandStage::superblock;
}

// What is in the device by then the head has seen the end of: it holds what it would write.
void ReplicaCore::start_snapshot() {
  if (!parse_snapshot_request(at_work_.command.data)) return end_command(Status::invalid);
  stage_ = CommandStage::snapshot;
  actions_->add({.kind = ReplicaAction::Kind::take_snapshot, .bytes = at_work_.command.data});
  if (planted(Planted::member_snapshot_volatile)) end_command(Status::ok);
}

void ReplicaCore::delete_snapshot() {
  if (at_work_.command.uuid.is_nil()) return end_command(Status::invalid);
  stage_ = CommandStage::snapshot;
  actions_->add(
      {.kind = ReplicaAction::Kind::delete_snapshot, .bytes = ByteSpan(at_work_.command.uuid.bytes)});
}

void ReplicaCore::on_snapshot_done(const ReplicaEvent& event) {
  if (stage_ != CommandStage::snapshot) return;  // poisoned meanwhile
  end_command(event.status, event.refusal);
}

void ReplicaCore::advance_command() {
  if (stage_ == CommandStage::flushing && is_flushed()) {
    switch (at_work_.command.opcode) {
      case ReplicaOpcode::clear_intent: clear_marks(); break;
      case ReplicaOpcode::begin_absent: give_slot(); break;
      case ReplicaOpcode::clear_absent: note_copied(); break;
      default: return end_command(Status::ok);
    }
  }
  if (stage_ == CommandStage::marking && is_marking_done()) return end_command(Status::ok);
  if (stage_ == CommandStage::superblock && superblock_writes_left_ == 0) {
    // Until now writes were noted for it: the slot might have outlived a crash.
    if (at_work_.command.opcode == ReplicaOpcode::end_absent) metadata_->absent[absent_slot_].reset();
    end_command(Status::ok);
  }
}

void ReplicaCore::end_command(Status status, Refusal refusal) {
  stage_ = CommandStage::idle;
  answer(at_work_.slot, refusal == Refusal::none ? status : Status::fenced, refusal);
}

// ---- marks ----

void ReplicaCore::start_marking() {
  const uint64_t granules_count = metadata_->granules_count();
  for (uint32_t i = 0; i < regions_.count; ++i) {
    const uint64_t first = first_granule(regions_.regions[i]);
    const uint64_t count = std::min(ReplicaLayout::k_granules_per_region, granules_count - first);
    metadata_->marks.set(regions_.regions[i], 1);
    for (const auto& map : metadata_->absent) {
      if (map != nullptr) map->set(first, count);
    }
  }
  stage_ = CommandStage::marking;
}

// First what absent members miss there becomes durable.
void ReplicaCore::start_clearing() {
  const uint64_t granules_count = metadata_->granules_count();
  for (uint32_t i = 0; i < regions_.count; ++i) {
    const uint64_t first = first_granule(regions_.regions[i]);
    const uint64_t count = std::min(ReplicaLayout::k_granules_per_region, granules_count - first);
    clearing_.set(regions_.regions[i], 1);
    for (uint32_t slot = 0; slot < k_absent_slots; ++slot) {
      const bool flushes = !planted(Planted::member_cleared_unflushed);
      if (metadata_->absent[slot] != nullptr && flushes) flush(slot, first, count);
    }
  }
  stage_ = CommandStage::flushing;
}

// A region that was written since has granules that may not be durable: it keeps its mark, and so does one
// with a write in the device or in waiting.
void ReplicaCore::clear_marks() {
  const Refusal refusal = judge(at_work_.association);
  if (refusal != Refusal::none) {
    clearing_.clear(0, clearing_.bits_count());
    return end_command(Status::fenced, refusal);
  }
  for (const ReplicaIo& io : ios_) {
    if (io.state == ReplicaIo::State::free || !io.is_change) continue;
    const GranuleMap::Run regions = regions_of(io);
    clearing_.clear(regions.first, regions.count);
  }
  for (auto run = clearing_.next_run(0); run; run = clearing_.next_run(run->first)) {
    metadata_->marks.clear(run->first, run->count);
    if (!planted(Planted::member_cleared_trusted)) {
      metadata_->durable_marks.clear(run->first, run->count);
    }
    clearing_.clear(run->first, run->count);
  }
  stage_ = CommandStage::marking;
}

// On the device as they are in memory: marks to be set are durable, those to be cleared are gone.
bool ReplicaCore::is_marking_done() const {
  for (uint32_t i = 0; i < regions_.count; ++i) {
    const uint64_t region = regions_.regions[i];
    if (planted(Planted::member_marks_volatile)) return true;
    if (at_work_.command.opcode == ReplicaOpcode::mark_intent) {
      if (!metadata_->durable_marks.has(region)) return false;
      continue;
    }
    const uint64_t block = GranuleMap::block_of(region);
    if (metadata_->marks.is_dirty(block) || is_intent_in_flight(block)) return false;
  }
  return true;
}

// ---- absent members ----

uint32_t ReplicaCore::find_slot(const Uuid& member) const {
  for (uint32_t slot = 0; slot < k_absent_slots; ++slot) {
    if (metadata_->superblock.absent[slot].member_uuid == member) return slot;
  }
  return k_absent_slots;
}

void ReplicaCore::start_absent() {
  absent_slot_ = find_slot(absent_request_.member_uuid);
  const bool is_there = absent_slot_ < k_absent_slots;
  const ReplicaOpcode opcode = at_work_.command.opcode;
  if (opcode == ReplicaOpcode::begin_absent) return begin_absent();
  if (absent_request_.flags != 0) return end_command(Status::invalid);
  if (opcode == ReplicaOpcode::clear_absent) {
    return is_there ? clear_absent() : end_command(Status::invalid);
  }
  if (absent_request_.count != 0) return end_command(Status::invalid);
  if (!is_there) return end_command(Status::ok);
  AbsentEntry& entry = metadata_->superblock.absent[absent_slot_];
  entry = {.generation = entry.generation};
  write_superblock();
  stage_ = CommandStage::superblock;
}

// The map first: once the slot is given out, durably, everything that was asked for is in it.
void ReplicaCore::begin_absent() {
  if (absent_slot_ == k_absent_slots) absent_slot_ = find_slot(Uuid{});
  if (absent_slot_ == k_absent_slots) return end_command(Status::no_space, Refusal::no_slot);
  auto& map = metadata_->absent[absent_slot_];
  if (map == nullptr) {
    map = std::make_unique<GranuleMap>(metadata_->granules_count());
    map_generations_[absent_slot_] = metadata_->superblock.absent[absent_slot_].generation + 1;
  }
  for (uint32_t i = 0; i < absent_request_.count; ++i) {
    map->set(absent_request_.ranges[i].first, absent_request_.ranges[i].count);
    flush(absent_slot_, absent_request_.ranges[i].first, absent_request_.ranges[i].count);
  }
  note_changes_in_device();
  stage_ = CommandStage::flushing;
}

// A slot that it has already keeps its age and what it knows: both are true still.
void ReplicaCore::give_slot() {
  AbsentEntry& entry = metadata_->superblock.absent[absent_slot_];
  const AbsentEntry before = entry;
  if (entry.is_free()) {
    entry = {.member_uuid = absent_request_.member_uuid,
             .since_epoch = absent_request_.since_epoch,
             .generation = map_generations_[absent_slot_]};
  }
  if (absent_request_.everything() && !planted(Planted::member_everything_forgotten)) {
    entry.everything = 1;
    entry.copying = 0;
    entry.copied_regions = 0;
    metadata_->absent[absent_slot_]->set_all();
  }
  if (absent_request_.copying()) {
    entry.copying = 1;
    entry.since_epoch = absent_request_.since_epoch;
  }
  if (entry == before) return end_command(Status::ok);
  if (planted(Planted::member_slot_generation)) ++entry.generation;
  write_superblock();
  if (planted(Planted::member_slot_volatile)) return end_command(Status::ok);
  stage_ = CommandStage::superblock;
}

// What the map says of the granules that were cleared is durable: where a slot counts everything as missing
// from some region on, that may begin behind them.
void ReplicaCore::note_copied() {
  AbsentEntry& entry = metadata_->superblock.absent[absent_slot_];
  const AbsentEntry before = entry;
  for (uint32_t i = 0; entry.everything != 0 && entry.copying != 0 && i < absent_request_.count; ++i) {
    const GranuleRange& range = absent_request_.ranges[i];
    const uint64_t end_region = (range.first + range.count) / ReplicaLayout::k_granules_per_region;
    if (range.first > first_granule(entry.copied_regions)) continue;
    entry.copied_regions = std::max(entry.copied_regions, static_cast<uint32_t>(end_region));
  }
  if (entry == before) return end_command(Status::ok);
  write_superblock();
  stage_ = CommandStage::superblock;
}

void ReplicaCore::clear_absent() {
  GranuleMap& map = *metadata_->absent[absent_slot_];
  for (uint32_t i = 0; i < absent_request_.count; ++i) {
    map.clear(absent_request_.ranges[i].first, absent_request_.ranges[i].count);
    if (planted(Planted::member_copied_unflushed)) continue;
    flush(absent_slot_, absent_request_.ranges[i].first, absent_request_.ranges[i].count);
  }
  note_changes_in_device();
  stage_ = CommandStage::flushing;
}

}  // namespace ballast::bdev::mirror
