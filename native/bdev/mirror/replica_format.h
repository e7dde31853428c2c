// What a replica has on its metadata device (docs/formats/replica.md), as bytes and back. Pure; nothing that
// a device can hold trips an assertion here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/uuid.h"
#include "bdev/mirror/content.h"

namespace ballast::bdev::mirror {

inline constexpr uint32_t k_replica_block_bytes = 4096;
inline constexpr uint32_t k_replica_version = 1;
inline constexpr uint32_t k_absent_slots = 7;

// --- the head of every block ---

inline constexpr uint32_t k_superblock_magic = 0x42535242;  // "BRSB", "BRIM", "BRAM" as they lie in memory
inline constexpr uint32_t k_intent_magic = 0x4d495242;
inline constexpr uint32_t k_absent_magic = 0x4d415242;
// The intent map has one use as long as the replica lives.
inline constexpr uint64_t k_intent_generation = 1;

struct BlockHead {
  uint32_t magic = 0;
  uint32_t crc = 0;      // CRC32C of the block with these four bytes zero
  uint64_t address = 0;  // number of the block
  Uuid replica_uuid;
  uint64_t generation = 0;
};
static_assert(sizeof(BlockHead) == 40 && offsetof(BlockHead, crc) == 4 && offsetof(BlockHead, address) == 8 &&
              offsetof(BlockHead, replica_uuid) == 16 && offsetof(BlockHead, generation) == 32);

inline constexpr uint32_t k_map_bytes_per_block = k_replica_block_bytes - sizeof(BlockHead);
inline constexpr uint32_t k_map_bits_per_block = k_map_bytes_per_block * 8;
static_assert(k_map_bits_per_block == 32448);

// --- superblock ---

struct AbsentEntry {
  Uuid member_uuid;  // nil: the slot is free
  uint64_t since_epoch = 0;
  uint64_t generation = 0;  // of the blocks of its map; outlives the use, so that the next one differs
  uint8_t everything = 0;   // 1: all granules from region copied_regions on count as set
  uint8_t copying = 0;      // 1: in since_epoch copying to it began; its map has told since what is left
  std::array<uint8_t, 2> reserved{};
  uint32_t copied_regions = 0;

  bool is_free() const { return member_uuid.is_nil(); }
  bool operator==(const AbsentEntry&) const = default;
};
static_assert(sizeof(AbsentEntry) == 40 && offsetof(AbsentEntry, since_epoch) == 16 &&
              offsetof(AbsentEntry, generation) == 24 && offsetof(AbsentEntry, everything) == 32 &&
              offsetof(AbsentEntry, copying) == 33 && offsetof(AbsentEntry, copied_regions) == 36);
using AbsentEntries = std::array<AbsentEntry, k_absent_slots>;

struct ReplicaSuperblock {
  BlockHead head;
  uint32_t version = k_replica_version;
  uint32_t block_size_bytes = 4096;
  Uuid volume_uuid;
  uint64_t blocks_count = 0;
  uint64_t size_max_bytes = 0;
  uint64_t max_epoch = 0;
  Uuid head_uuid;
  Content content = Content::complete;
  std::array<uint8_t, 7> reserved{};
  AbsentEntries absent{};
};
static_assert(sizeof(ReplicaSuperblock) == 392 && offsetof(ReplicaSuperblock, version) == 40 &&
              offsetof(ReplicaSuperblock, block_size_bytes) == 44 &&
              offsetof(ReplicaSuperblock, volume_uuid) == 48 &&
              offsetof(ReplicaSuperblock, blocks_count) == 64 &&
              offsetof(ReplicaSuperblock, size_max_bytes) == 72 &&
              offsetof(ReplicaSuperblock, max_epoch) == 80 && offsetof(ReplicaSuperblock, head_uuid) == 88 &&
              offsetof(ReplicaSuperblock, content) == 104 && offsetof(ReplicaSuperblock, absent) == 112);

// --- where things lie ---

struct ReplicaLayout {
  static constexpr uint64_t k_region_bytes = uint64_t{1} << 20;
  static constexpr uint64_t k_granule_bytes = 4096;
  static constexpr uint64_t k_granules_per_region = k_region_bytes / k_granule_bytes;
  // Regions are numbers of 32 bits on the wire.
  static constexpr uint64_t k_size_bytes_max = k_region_bytes << 32;
  static constexpr uint64_t k_superblock_copies = 2;

  uint64_t regions_count = 0;
  uint64_t granules_count = 0;
  uint64_t intent_blocks = 0;
  uint64_t absent_blocks = 0;  // of one slot

  // Nothing if no replica can be of this size.
  static std::optional<ReplicaLayout> of(uint64_t size_max_bytes);

  uint64_t intent_start() const { return k_superblock_copies; }
  uint64_t absent_start(uint32_t slot) const { return intent_start() + intent_blocks + slot * absent_blocks; }
  uint64_t blocks_count() const { return absent_start(k_absent_slots); }
};

// --- bytes ---

using ReplicaBlock = std::array<uint8_t, k_replica_block_bytes>;

// Fills `block` with the superblock, whose head.generation says to which copy it belongs.
void encode_superblock(MutableByteSpan block, const ReplicaSuperblock& superblock);
inline uint64_t superblock_address(uint64_t generation) {
  return generation % ReplicaLayout::k_superblock_copies;
}

enum class SuperblockCheck : uint8_t {
  whole,
  damaged,  // or never written
  unknown,  // whole, and of a version or with a content that this program does not know
};
SuperblockCheck decode_superblock(ByteSpan block, uint64_t address, ReplicaSuperblock& superblock);

// Puts head and CRC around bits that are in their place already, from byte 40 on.
void finish_map_block(MutableByteSpan block, const BlockHead& head);

enum class MapBlockCheck : uint8_t {
  whole,    // its bits count
  no_bits,  // never written, or of an earlier use of its slot
  damaged,  // every bit counts as set
};
// `expected` without the CRC.
MapBlockCheck check_map_block(ByteSpan block, const BlockHead& expected);

}  // namespace ballast::bdev::mirror
