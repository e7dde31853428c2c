// The records of the journal and the blocks they are packed into (docs/formats/pool.md, "Journal block").
// Written by Journal, read by replay.
#pragma once

#include "bdev/pool/format.h"
#include "bdev/pool/key.h"

namespace ballast::bdev::pool {

inline constexpr uint32_t k_extents_per_record_max = 500;
inline constexpr uint32_t k_sums_per_record_max = 32;

struct JournalHead {
  Head head;  // generation: the block's sequence
  uint64_t incarnation = 0;
  uint64_t durable_sequence = 0;  // every block below it was durable, with the data of its slot_map_sums
  uint16_t records_count = 0;
  uint16_t records_bytes = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(JournalHead) == k_body_offset && offsetof(JournalHead, incarnation) == 40 &&
              offsetof(JournalHead, durable_sequence) == 48 && offsetof(JournalHead, records_count) == 56 &&
              offsetof(JournalHead, records_bytes) == 58);

enum class RecordType : uint8_t {
  put = 1,
  remove = 2,
  slot_map = 3,
  slot_zero = 4,
  dirty = 5,
  extent_free = 6,
  slot_merge = 7,
  slot_map_sums = 8,
  nothing = 9
};

struct RecordHead {
  RecordType type = RecordType::put;
  uint8_t flags = 0;
  uint16_t length_bytes = 0;  // with this head
};
static_assert(sizeof(RecordHead) == 4 && offsetof(RecordHead, length_bytes) == 2);
inline constexpr uint8_t k_record_more = 1;  // takes effect together with the next record

struct SlotMap {
  uint32_t layer = 0;
  uint16_t first = 0;
  uint16_t count = 0;
  uint64_t slot = 0;
  Extent extent;
};
static_assert(sizeof(SlotMap) == 24 && offsetof(SlotMap, slot) == 8 && offsetof(SlotMap, extent) == 16);

// A slot_map whose data may be on its way: the checksum of each block goes with it. The first map.count
// count.
struct SlotMapSums {
  SlotMap map;
  std::array<uint32_t, k_sums_per_record_max> sums{};

  ByteSpan payload() const {
    return {reinterpret_cast<const uint8_t*>(this), sizeof(SlotMap) + map.count * sizeof(uint32_t)};
  }
};
static_assert(sizeof(SlotMapSums) == sizeof(SlotMap) + k_sums_per_record_max * 4);

struct SlotZero {
  uint32_t layer = 0;
  uint16_t first = 0;
  uint16_t count = 0;
  uint64_t slot = 0;
};
static_assert(sizeof(SlotZero) == 16 && offsetof(SlotZero, slot) == 8);

struct SlotMerge {
  uint32_t from = 0;
  uint32_t to = 0;
  uint64_t slot = 0;
};
static_assert(sizeof(SlotMerge) == 16 && offsetof(SlotMerge, slot) == 8);

// A record as it lies in memory that the caller keeps.
struct Record {
  RecordType type = RecordType::put;
  bool more = false;
  ByteSpan payload;

  size_t size_bytes() const { return sizeof(RecordHead) + payload.size(); }
  // put and remove; payload of a checked record.
  Key key() const { return load<Key>(payload); }
  ByteSpan value() const { return payload.subspan(sizeof(Key)); }
  uint32_t extents_count() const { return static_cast<uint32_t>(payload.size() / sizeof(Extent)); }
  Extent extent(uint32_t index) const { return load<Extent>(payload.subspan(index * sizeof(Extent))); }
  // slot_map_sums: of a block of its range.
  uint32_t sum(uint32_t index) const {
    return load<uint32_t>(payload.subspan(sizeof(SlotMap) + index * sizeof(uint32_t)));
  }
};

// True if the payload is one that this type can have.
bool is_valid(const Record& record);

// Copies the record to the start of `into`, which has room.
void encode(const Record& record, MutableByteSpan into);
// Takes the first record off `rest`; false if what is there is none.
bool decode_next(ByteSpan& rest, Record& record);

// A whole block of this ring place and pool whose records are all valid.
bool is_whole_journal_block(ByteSpan block, uint64_t address, const Uuid& pool_uuid);
// The records of such a block.
ByteSpan records_of(ByteSpan block);

}  // namespace ballast::bdev::pool
