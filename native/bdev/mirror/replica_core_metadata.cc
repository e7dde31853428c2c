// A member's writes to its metadata device: which blocks, in which order, and what they make durable.
#include <algorithm>

#include "bdev/mirror/replica_core.h"

namespace ballast::bdev::mirror {

// Each change goes to both copies, one after the other: with one of them lost later, no epoch falls.
void ReplicaCore::write_superblock() {
  BALLAST_ASSERT(superblock_writes_left_ == 0);
  superblock_writes_left_ = planted(Planted::member_one_superblock) ? 1 : ReplicaLayout::k_superblock_copies;
}

void ReplicaCore::flush(uint32_t absent_slot, uint64_t first_granule, uint64_t count) {
  const GranuleMap& map = *metadata_->absent[absent_slot];
  if (count == 0) return;
  const uint64_t last = GranuleMap::block_of(first_granule + count - 1);
  for (auto block = map.next_dirty(GranuleMap::block_of(first_granule)); block && *block <= last;
       block = map.next_dirty(*block + 1)) {
    flush_.set(absent_slot * metadata_->layout.absent_blocks + *block, 1);
  }
}

bool ReplicaCore::is_intent_in_flight(uint64_t block) const {
  return std::ranges::any_of(writes_, [block](const MetadataWrite& write) {
    return write.kind == MetadataWrite::Kind::intent && write.block == block;
  });
}

// No mark is on its way.
bool ReplicaCore::is_intent_settled() const {
  const auto is_intent = [](const MetadataWrite& write) { return write.kind == MetadataWrite::Kind::intent; };
  return !metadata_->marks.next_dirty(0) && std::ranges::none_of(writes_, is_intent);
}

ReplicaCore::MetadataWrite* ReplicaCore::find_free_write() {
  const auto is_free = [](const MetadataWrite& write) { return write.kind == MetadataWrite::Kind::free; };
  const auto found = std::ranges::find_if(writes_, is_free);
  return found == writes_.end() ? nullptr : &*found;
}

void ReplicaCore::pump_metadata() {
  MetadataWrite* write = find_free_write();
  if (write != nullptr && superblock_writes_left_ > 0 && !is_superblock_in_flight_) {
    submit_superblock(*write);
    write = find_free_write();
  }
  while (write != nullptr && flush_.count() > 0 && absent_writes_count_ < k_absent_writes_max) {
    const uint64_t wanted = flush_.next_run(0)->first;
    flush_.clear(wanted, 1);
    const uint64_t absent_blocks = metadata_->layout.absent_blocks;
    submit_absent(*write, static_cast<uint32_t>(wanted / absent_blocks), wanted % absent_blocks);
    write = find_free_write();
  }
  const GranuleMap& marks = metadata_->marks;
  for (auto block = marks.next_dirty(0); write != nullptr && block; block = marks.next_dirty(*block + 1)) {
    // One write of a block at a time: two could end in either order.
    if (is_intent_in_flight(*block) && !planted(Planted::member_intent_crossed)) continue;
    submit_intent(*write, *block);
    write = find_free_write();
  }
}

void ReplicaCore::submit_superblock(MetadataWrite& write) {
  ReplicaSuperblock& superblock = metadata_->superblock;
  ++superblock.head.generation;
  encode_superblock(write.bytes, superblock);
  write.kind = MetadataWrite::Kind::superblock;
  is_superblock_in_flight_ = true;
  submit_write(write, superblock_address(superblock.head.generation));
}

void ReplicaCore::submit_intent(MetadataWrite& write, uint64_t block) {
  const uint64_t number = metadata_->layout.intent_start() + block;
  metadata_->marks.copy_block(block, MutableByteSpan(write.bytes).subspan(sizeof(BlockHead)));
  finish_map_block(write.bytes, {.magic = k_intent_magic,
                                 .address = number,
                                 .replica_uuid = metadata_->superblock.head.replica_uuid,
                                 .generation = k_intent_generation});
  metadata_->marks.clear_dirty(block);
  write.kind = MetadataWrite::Kind::intent;
  write.block = block;
  submit_write(write, number);
}

void ReplicaCore::submit_absent(MetadataWrite& write, uint32_t absent_slot, uint64_t block) {
  GranuleMap& map = *metadata_->absent[absent_slot];
  const uint64_t number = metadata_->layout.absent_start(absent_slot) + block;
  map.copy_block(block, MutableByteSpan(write.bytes).subspan(sizeof(BlockHead)));
  finish_map_block(write.bytes, {.magic = k_absent_magic,
                                 .address = number,
                                 .replica_uuid = metadata_->superblock.head.replica_uuid,
                                 .generation = map_generations_[absent_slot]});
  map.clear_dirty(block);
  write.kind = MetadataWrite::Kind::absent;
  write.absent_slot = absent_slot;
  write.block = block;
  ++absent_writes_count_;
  submit_write(write, number);
}

void ReplicaCore::submit_write(MetadataWrite& write, uint64_t block_number) {
  actions_->add({.kind = ReplicaAction::Kind::write_metadata,
                 .ticket = static_cast<uint32_t>(&write - writes_.data()),
                 .block_number = block_number,
                 .bytes = write.bytes});
}

void ReplicaCore::on_metadata_done(uint32_t ticket, Status status) {
  BALLAST_ASSERT(ticket < writes_.size());
  MetadataWrite& write = writes_[ticket];
  BALLAST_ASSERT(write.kind != MetadataWrite::Kind::free);
  const MetadataWrite::Kind kind = write.kind;
  write.kind = MetadataWrite::Kind::free;
  if (status != Status::ok) return poison();
  if (is_poisoned_) return;
  switch (kind) {
    case MetadataWrite::Kind::free: break;
    case MetadataWrite::Kind::superblock:
      is_superblock_in_flight_ = false;
      --superblock_writes_left_;
      break;
    case MetadataWrite::Kind::intent:
      // A mark that was cleared meanwhile is not durable, though this block has it: the next one does not.
      if (planted(Planted::member_cleared_in_flight)) {
        metadata_->durable_marks.add_block(write.block, ByteSpan(write.bytes).subspan(sizeof(BlockHead)));
      } else {
        metadata_->durable_marks.add_block_where(
            write.block, ByteSpan(write.bytes).subspan(sizeof(BlockHead)), metadata_->marks);
      }
      advance_waiting();
      break;
    case MetadataWrite::Kind::absent: --absent_writes_count_; break;
  }
}

}  // namespace ballast::bdev::mirror
