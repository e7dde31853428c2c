// I/O of hosts at a member: the gate, and marks before the first write of a region.
#include <algorithm>

#include "bdev/mirror/replica_core.h"

namespace ballast::bdev::mirror {
namespace {

enum class Effect : uint8_t { looks, changes, unsupported };

Effect effect_of(IoType type) {
  switch (type) {
    case IoType::read:
    case IoType::flush:
    case IoType::compare:
    case IoType::verify: return Effect::looks;
    case IoType::write:
    case IoType::write_zeroes:
    case IoType::unmap: return Effect::changes;
    // The head does the reading and the writing of these apart.
    case IoType::compare_and_write:
    case IoType::copy: return Effect::unsupported;
    case IoType::read_allocation: return Effect::unsupported;  // a command, not an I/O
  }
  return Effect::unsupported;
}

}  // namespace

void ReplicaCore::on_io_submit(const ReplicaEvent& event) {
  ReplicaIo& io = ios_[event.slot];
  BALLAST_ASSERT(io.state == ReplicaIo::State::free);
  const Refusal refusal = judge(event.association);
  if (refusal != Refusal::none) return finish_io(event.slot, Status::fenced, refusal);
  if (is_poisoned_) return finish_io(event.slot, Status::io_error);
  const Effect effect = effect_of(event.io_type);
  if (effect == Effect::unsupported) return finish_io(event.slot, Status::unsupported);
  const uint64_t blocks_count = metadata_->superblock.blocks_count;
  if (event.blocks_count > blocks_count || event.lba > blocks_count - event.blocks_count) {
    return finish_io(event.slot, Status::out_of_range);
  }
  if (event.blocks_count == 0 && event.io_type != IoType::flush) {
    return finish_io(event.slot, Status::invalid);
  }
  io.is_change = effect == Effect::changes;
  io.association = event.association;
  io.lba = event.lba;
  io.blocks_count = event.blocks_count;
  if (!io.is_change) return start_io(event.slot);
  prepare_change(event.slot);
}

void ReplicaCore::prepare_change(uint32_t slot) {
  ReplicaIo& io = ios_[slot];
  const GranuleMap::Run regions = regions_of(io);
  metadata_->marks.set(regions.first, regions.count);
  if (metadata_->durable_marks.has_all(regions.first, regions.count) ||
      planted(Planted::member_written_unmarked)) {
    return start_io(slot);
  }
  io.state = ReplicaIo::State::waiting;
  ++waiting_count_;
}

void ReplicaCore::start_io(uint32_t slot) {
  ReplicaIo& io = ios_[slot];
  BALLAST_ASSERT(io.association == sealed_ || planted(Planted::member_replaced_heard));
  if (io.is_change) {
    const GranuleMap::Run regions = regions_of(io);
    BALLAST_ASSERT(metadata_->durable_marks.has_all(regions.first, regions.count) ||
                   planted(Planted::member_written_unmarked));
    note_granules(io);
    clearing_.clear(regions.first, regions.count);
  }
  io.state = ReplicaIo::State::in_device;
  ++in_device_count_;
  actions_->add({.kind = ReplicaAction::Kind::submit_io, .slot = slot});
}

void ReplicaCore::on_io_done(uint32_t slot, Status status) {
  BALLAST_ASSERT(ios_[slot].state == ReplicaIo::State::in_device);
  BALLAST_ASSERT(in_device_count_ > 0);
  --in_device_count_;
  finish_io(slot, status);
}

// Those that waited for a mark are judged again.
void ReplicaCore::advance_waiting() {
  for (uint32_t slot = 0; waiting_count_ > 0 && slot < ios_.size(); ++slot) {
    const ReplicaIo& io = ios_[slot];
    if (io.state != ReplicaIo::State::waiting) continue;
    const Refusal refusal = io.association == sealed_ ? Refusal::none : Refusal::fenced;
    const GranuleMap::Run regions = regions_of(io);
    const bool is_refused = refusal != Refusal::none || is_poisoned_;
    if (!is_refused && !metadata_->durable_marks.has_all(regions.first, regions.count)) continue;
    --waiting_count_;
    if (is_refused) {
      finish_io(slot, Status::io_error, refusal);
    } else {
      start_io(slot);
    }
  }
}

void ReplicaCore::note_granules(const ReplicaIo& io) {
  const GranuleMap::Run granules = granules_of(io);
  for (const auto& map : metadata_->absent) {
    const bool forgets = planted(Planted::member_granule_forgotten);
    if (map != nullptr) map->set(granules.first, forgets ? 1 : granules.count);
  }
}

// Nobody knows whether an absent member gets what is being written now.
void ReplicaCore::note_changes_in_device() {
  for (const ReplicaIo& io : ios_) {
    if (io.state == ReplicaIo::State::in_device && io.is_change) note_granules(io);
  }
}

GranuleMap::Run ReplicaCore::regions_of(const ReplicaIo& io) const {
  const uint64_t region_blocks = ReplicaLayout::k_region_bytes / metadata_->superblock.block_size_bytes;
  const uint64_t first = io.lba / region_blocks;
  if (planted(Planted::member_second_region)) return {first, 1};
  return {first, (io.lba + io.blocks_count - 1) / region_blocks - first + 1};
}

GranuleMap::Run ReplicaCore::granules_of(const ReplicaIo& io) const {
  const uint64_t granule_blocks = ReplicaLayout::k_granule_bytes / metadata_->superblock.block_size_bytes;
  const uint64_t first = io.lba / granule_blocks;
  return {first, (io.lba + io.blocks_count - 1) / granule_blocks - first + 1};
}

}  // namespace ballast::bdev::mirror
