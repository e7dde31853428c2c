#include "bdev/mirror/replica_load.h"

#include <algorithm>
#include <utility>

#include "bdev/mirror/planted.h"

namespace ballast::bdev::mirror {

namespace {

uint64_t divide_up(uint64_t value, uint64_t by) { return (value + by - 1) / by; }
uint64_t bytes_of_volume(const ReplicaSuperblock& superblock) {
  return superblock.blocks_count * superblock.block_size_bytes;
}

}  // namespace

ReplicaMetadata::ReplicaMetadata(const ReplicaSuperblock& newest, const ReplicaLayout& its_layout)
    : superblock(newest),
      layout(its_layout),
      marks(divide_up(bytes_of_volume(newest), ReplicaLayout::k_region_bytes)),
      durable_marks(marks.bits_count()) {
  for (uint32_t slot = 0; slot < k_absent_slots; ++slot) {
    if (!superblock.absent[slot].is_free()) absent[slot] = std::make_unique<GranuleMap>(granules_count());
  }
}

uint64_t ReplicaMetadata::granules_count() const {
  return divide_up(bytes_of_volume(superblock), ReplicaLayout::k_granule_bytes);
}

void ReplicaMetadata::grow() {
  const uint64_t regions = divide_up(bytes_of_volume(superblock), ReplicaLayout::k_region_bytes);
  marks.grow(regions);
  durable_marks.grow(regions);
  for (uint32_t slot = 0; slot < k_absent_slots; ++slot) {
    if (absent[slot] == nullptr) continue;
    const uint64_t before = absent[slot]->bits_count(), now = granules_count();
    absent[slot]->grow(now);
    const bool everything = superblock.absent[slot].everything != 0;
    if (everything && !planted(Planted::member_grown_forgotten)) absent[slot]->set(before, now - before);
  }
}

ReplicaLoader::ReplicaLoader(ByteSpan copy_0, ByteSpan copy_1, uint64_t device_blocks) {
  std::array<ReplicaSuperblock, 2> copies;
  const std::array checks{decode_superblock(copy_0, 0, copies[0]), decode_superblock(copy_1, 1, copies[1])};
  const bool has_0 = checks[0] != SuperblockCheck::damaged, has_1 = checks[1] != SuperblockCheck::damaged;
  if (!has_0 && !has_1) return;
  if (has_0 && has_1 && copies[0].head.replica_uuid != copies[1].head.replica_uuid) return;
  const bool is_1_newest = has_1 && (!has_0 || copies[1].head.generation > copies[0].head.generation);
  const size_t newest = is_1_newest ? 1 : 0;
  if (checks[newest] == SuperblockCheck::unknown) {
    state_ = State::unknown;
    return;
  }
  const std::optional<ReplicaLayout> layout = ReplicaLayout::of(copies[newest].size_max_bytes);
  BALLAST_ASSERT(layout.has_value());  // or it would be unknown
  if (layout->blocks_count() > device_blocks) {
    state_ = State::too_large;
    return;
  }
  metadata_ = std::make_unique<ReplicaMetadata>(copies[newest], *layout);
  const auto content = [](const ReplicaSuperblock& copy) {
    return bytes_of(copy).subspan(sizeof(BlockHead));
  };
  metadata_->is_superblock_worn = checks[0] != SuperblockCheck::whole ||
                                  checks[1] != SuperblockCheck::whole ||
                                  !std::ranges::equal(content(copies[0]), content(copies[1]));
  next_ = layout->intent_start();
  state_ = State::reading;
}

std::optional<uint64_t> ReplicaLoader::next_block() const {
  if (state_ != State::reading || next_ == metadata_->layout.blocks_count()) return std::nullopt;
  return next_;
}

void ReplicaLoader::take(ByteSpan block) {
  BALLAST_ASSERT(next_block().has_value());
  const ReplicaLayout& layout = metadata_->layout;
  const uint64_t absent_start = layout.absent_start(0);
  if (next_ < absent_start) {
    take_intent(next_ - layout.intent_start(), block);
  } else {
    const uint64_t in_maps = next_ - absent_start;
    take_absent(static_cast<uint32_t>(in_maps / layout.absent_blocks), in_maps % layout.absent_blocks, block);
  }
  next_ = past_unused(next_ + 1);
}

std::optional<uint64_t> ReplicaLoader::block_after(uint64_t block) const {
  BALLAST_ASSERT(state_ == State::reading);
  const uint64_t after = past_unused(block + 1);
  if (after >= metadata_->layout.blocks_count()) return std::nullopt;
  return after;
}

// The map of a free slot says nothing, nor do the blocks of any that are for a larger replica.
uint64_t ReplicaLoader::past_unused(uint64_t block) const {
  const ReplicaLayout& layout = metadata_->layout;
  if (block < layout.absent_start(0) && block - layout.intent_start() >= metadata_->marks.blocks_count()) {
    block = layout.absent_start(0);
  }
  for (uint32_t slot = 0; slot < k_absent_slots; ++slot) {
    if (block < layout.absent_start(slot) || block >= layout.absent_start(slot + 1)) continue;
    const auto& map = metadata_->absent[slot];
    const uint64_t used = map == nullptr ? 0 : map->blocks_count();
    if (block - layout.absent_start(slot) >= used) block = layout.absent_start(slot + 1);
  }
  return block;
}

void ReplicaLoader::take_intent(uint64_t block, ByteSpan bytes) {
  const BlockHead expected{.magic = k_intent_magic,
                           .address = next_,
                           .replica_uuid = metadata_->superblock.head.replica_uuid,
                           .generation = k_intent_generation};
  switch (check_map_block(bytes, expected)) {
    case MapBlockCheck::no_bits: return;
    case MapBlockCheck::whole:
      metadata_->marks.add_block(block, bytes.subspan(sizeof(BlockHead)));
      metadata_->durable_marks.add_block(block, bytes.subspan(sizeof(BlockHead)));
      return;
    case MapBlockCheck::damaged: {
      // These marks are on no device: the block may read well, without them, the next time.
      if (planted(Planted::member_damaged_marks)) return;
      const GranuleMap::Run bits = metadata_->marks.bits_of(block);
      metadata_->marks.set(bits.first, bits.count);
      return;
    }
  }
}

void ReplicaLoader::take_absent(uint32_t slot, uint64_t block, ByteSpan bytes) {
  const BlockHead expected{.magic = k_absent_magic,
                           .address = next_,
                           .replica_uuid = metadata_->superblock.head.replica_uuid,
                           .generation = metadata_->superblock.absent[slot].generation};
  GranuleMap& map = *metadata_->absent[slot];
  switch (check_map_block(bytes, expected)) {
    case MapBlockCheck::no_bits: return;
    case MapBlockCheck::whole: map.add_block(block, bytes.subspan(sizeof(BlockHead))); return;
    case MapBlockCheck::damaged: {
      if (planted(Planted::member_damaged_map)) return;
      const GranuleMap::Run bits = map.bits_of(block);
      map.set(bits.first, bits.count);
      return;
    }
  }
}

std::unique_ptr<ReplicaMetadata> ReplicaLoader::finish() {
  BALLAST_ASSERT(state_ == State::reading);
  BALLAST_ASSERT(!next_block().has_value());
  const uint64_t granules_count = metadata_->granules_count();
  for (uint32_t slot = 0; slot < k_absent_slots; ++slot) {
    if (metadata_->absent[slot] == nullptr) continue;
    GranuleMap& map = *metadata_->absent[slot];
    const AbsentEntry& entry = metadata_->superblock.absent[slot];
    const uint64_t exact = entry.copied_regions * ReplicaLayout::k_granules_per_region;
    if (entry.everything != 0 && exact < granules_count &&
        !(exact > 0 && planted(Planted::member_copied_trusted))) {
      map.set(exact, granules_count - exact);
    }
    if (planted(Planted::member_marked_granules)) continue;
    // What was written in marked regions was kept in memory only.
    for (auto run = metadata_->marks.next_run(0); run;
         run = metadata_->marks.next_run(run->first + run->count)) {
      const uint64_t first = run->first * ReplicaLayout::k_granules_per_region;
      const uint64_t count = run->count * ReplicaLayout::k_granules_per_region;
      map.set(first, std::min(count, granules_count - first));
    }
  }
  return std::move(metadata_);
}

}  // namespace ballast::bdev::mirror
