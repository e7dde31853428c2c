#include "bdev/pool/journal_record.h"

namespace ballast::bdev::pool {
namespace {

bool is_block_range(uint32_t first, uint32_t count) {
  return count > 0 && first + count <= (1u << k_extent_size_log2_max) / k_page_bytes;
}

}  // namespace

bool is_valid(const Record& record) {
  const size_t size = record.payload.size();
  switch (record.type) {
    case RecordType::put: return size >= sizeof(Key) && size <= sizeof(Key) + k_value_bytes_max;
    case RecordType::remove: return size == sizeof(Key);
    case RecordType::slot_map: {
      if (size != sizeof(SlotMap)) return false;
      const SlotMap map = load<SlotMap>(record.payload);
      return is_block_range(map.first, map.count) && map.extent.is_valid();
    }
    case RecordType::slot_map_sums: {
      if (size < sizeof(SlotMap)) return false;
      const SlotMap map = load<SlotMap>(record.payload);
      return size == sizeof(SlotMap) + map.count * sizeof(uint32_t) && map.count <= k_sums_per_record_max &&
             is_block_range(map.first, map.count) && map.extent.is_valid() && map.extent.device() == 0;
    }
    case RecordType::slot_zero: {
      if (size != sizeof(SlotZero)) return false;
      const SlotZero zero = load<SlotZero>(record.payload);
      return is_block_range(zero.first, zero.count);
    }
    case RecordType::slot_merge: return size == sizeof(SlotMerge);
    case RecordType::nothing: return size == 0;
    case RecordType::dirty:
    case RecordType::extent_free: {
      if (size == 0 || size % sizeof(Extent) != 0) return false;
      if (size > k_extents_per_record_max * sizeof(Extent)) return false;
      for (uint32_t i = 0; i < record.extents_count(); ++i) {
        if (!record.extent(i).is_valid()) return false;
      }
      return true;
    }
  }
  return false;
}

void encode(const Record& record, MutableByteSpan into) {
  BALLAST_ASSERT(is_valid(record));
  BALLAST_ASSERT(into.size() >= record.size_bytes());
  const RecordHead head{record.type, record.more ? k_record_more : uint8_t{0},
                        static_cast<uint16_t>(record.size_bytes())};
  store(into, head);
  if (!record.payload.empty()) {
    std::memcpy(into.data() + sizeof head, record.payload.data(), record.payload.size());
  }
}

bool decode_next(ByteSpan& rest, Record& record) {
  if (rest.size() < sizeof(RecordHead)) return false;
  const RecordHead head = load<RecordHead>(rest);
  if (head.length_bytes < sizeof head || head.length_bytes > rest.size()) return false;
  record = {head.type, (head.flags & k_record_more) != 0,
            rest.subspan(sizeof head, head.length_bytes - sizeof head)};
  rest = rest.subspan(head.length_bytes);
  return is_valid(record);
}

bool is_whole_journal_block(ByteSpan block, uint64_t address, const Uuid& pool_uuid) {
  if (!is_whole(block, k_journal_magic, address, pool_uuid)) return false;
  const JournalHead head = load<JournalHead>(block);
  if (head.records_count == 0 || head.records_bytes > k_body_bytes) return false;
  ByteSpan rest = records_of(block);
  uint32_t count = 0;
  for (Record record; !rest.empty(); ++count) {
    if (!decode_next(rest, record)) return false;
  }
  return count == head.records_count;
}

ByteSpan records_of(ByteSpan block) {
  return block.subspan(k_body_offset, load<JournalHead>(block).records_bytes);
}

}  // namespace ballast::bdev::pool
