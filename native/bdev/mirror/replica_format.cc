#include "bdev/mirror/replica_format.h"

#include <algorithm>

#include "base/crc32c.h"

namespace ballast::bdev::mirror {
namespace {

uint32_t crc_of(ByteSpan block) {
  constexpr size_t k_crc_end = offsetof(BlockHead, crc) + sizeof(BlockHead::crc);
  static constexpr std::array<uint8_t, sizeof(BlockHead::crc)> k_zeroes{};
  uint32_t state = crc32c_update(k_crc32c_seed, block.first(offsetof(BlockHead, crc)));
  state = crc32c_update(state, k_zeroes);
  return crc32c_finish(crc32c_update(state, block.subspan(k_crc_end)));
}

void put_crc(MutableByteSpan block) {
  const uint32_t crc = crc_of(block);
  std::memcpy(block.data() + offsetof(BlockHead, crc), &crc, sizeof crc);
}

bool makes_sense(const ReplicaSuperblock& superblock) {
  if (superblock.block_size_bytes != 512 && superblock.block_size_bytes != 4096) return false;
  if (!ReplicaLayout::of(superblock.size_max_bytes)) return false;
  if (superblock.blocks_count == 0) return false;
  if (superblock.blocks_count > superblock.size_max_bytes / superblock.block_size_bytes) return false;
  if (superblock.content > Content::nothing) return false;
  for (uint32_t slot = 0; slot < k_absent_slots; ++slot) {
    const AbsentEntry& entry = superblock.absent[slot];
    if (entry.everything > 1 || entry.copying > 1) return false;
    if (entry.copied_regions != 0 && (entry.everything & entry.copying) == 0) return false;
    for (uint32_t other = 0; other < slot; ++other) {
      if (!entry.is_free() && superblock.absent[other].member_uuid == entry.member_uuid) return false;
    }
  }
  return true;
}

}  // namespace

std::optional<ReplicaLayout> ReplicaLayout::of(uint64_t size_max_bytes) {
  if (size_max_bytes == 0 || size_max_bytes > k_size_bytes_max) return std::nullopt;
  const auto ceil_of = [](uint64_t count, uint64_t unit) {
    return count / unit + (count % unit != 0 ? 1 : 0);
  };
  ReplicaLayout layout;
  layout.regions_count = ceil_of(size_max_bytes, k_region_bytes);
  layout.granules_count = ceil_of(size_max_bytes, k_granule_bytes);
  layout.intent_blocks = ceil_of(layout.regions_count, k_map_bits_per_block);
  layout.absent_blocks = ceil_of(layout.granules_count, k_map_bits_per_block);
  return layout;
}

void encode_superblock(MutableByteSpan block, const ReplicaSuperblock& superblock) {
  BALLAST_ASSERT(block.size() == k_replica_block_bytes);
  BALLAST_ASSERT(makes_sense(superblock));
  std::ranges::fill(block, uint8_t{0});
  ReplicaSuperblock written = superblock;
  written.head.magic = k_superblock_magic;
  written.head.crc = 0;
  written.head.address = superblock_address(superblock.head.generation);
  written.reserved = {};
  for (AbsentEntry& entry : written.absent) entry.reserved = {};
  store(block, written);
  put_crc(block);
}

SuperblockCheck decode_superblock(ByteSpan block, uint64_t address, ReplicaSuperblock& superblock) {
  if (block.size() != k_replica_block_bytes) return SuperblockCheck::damaged;
  const auto found = load<ReplicaSuperblock>(block);
  const bool is_whole = found.head.magic == k_superblock_magic && found.head.address == address &&
                        superblock_address(found.head.generation) == address &&
                        found.head.crc == crc_of(block);
  if (!is_whole) return SuperblockCheck::damaged;
  superblock = found;
  if (found.version != k_replica_version || !makes_sense(found)) return SuperblockCheck::unknown;
  return SuperblockCheck::whole;
}

void finish_map_block(MutableByteSpan block, const BlockHead& head) {
  BALLAST_ASSERT(block.size() == k_replica_block_bytes);
  store(block, head);
  put_crc(block);
}

MapBlockCheck check_map_block(ByteSpan block, const BlockHead& expected) {
  if (block.size() != k_replica_block_bytes) return MapBlockCheck::damaged;
  const auto is_zero = [](uint8_t byte) { return byte == 0; };
  if (std::ranges::all_of(block, is_zero)) return MapBlockCheck::no_bits;
  const auto head = load<BlockHead>(block);
  const bool is_whole = head.magic == expected.magic && head.address == expected.address &&
                        head.replica_uuid == expected.replica_uuid && head.crc == crc_of(block);
  if (!is_whole) return MapBlockCheck::damaged;
  if (head.generation == expected.generation) return MapBlockCheck::whole;
  // Only slots are used anew, with ever higher generations.
  const bool is_earlier = head.magic == k_absent_magic && head.generation < expected.generation;
  return is_earlier ? MapBlockCheck::no_bits : MapBlockCheck::damaged;
}

}  // namespace ballast::bdev::mirror
