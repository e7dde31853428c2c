#include "bdev/pool/journal_record.h"

#include "base/prng.h"
#include "native/bdev_pool/samples.h"

namespace ballast::bdev::pool::test {
namespace {

constexpr uint64_t k_address = 1 << 20;

std::vector<uint8_t> block_of(const std::vector<Record>& records) {
  std::vector<uint8_t> block(k_page_bytes, 0);
  JournalHead head;
  head.head = {k_journal_magic, 0, k_address, k_pool_uuid, 5};
  for (const Record& record : records) {
    encode(record, MutableByteSpan(block).subspan(k_body_offset + head.records_bytes));
    head.records_bytes = static_cast<uint16_t>(head.records_bytes + record.size_bytes());
    ++head.records_count;
  }
  store(block, head);
  return sealed(block);
}

bool accepts(ByteSpan block) { return is_whole_journal_block(block, k_address, k_pool_uuid); }

TEST(PoolJournalRecord, every_bit_of_a_block_counts) {
  const SlotMap map{1, 2, 3, 4, Extent::of(0, 9)};
  expect_every_bit_counts(block_of({{RecordType::slot_map, false, bytes_of(map)}}), accepts);
}

TEST(PoolJournalRecord, records_come_back_as_they_were) {
  const SlotMap map{1, 2, 3, 4, Extent::of(0, 9)};
  const SlotZero zero{7, 0, 256, 11};
  const Key key = Key::of(KeyType::volume, 77, 5);
  std::vector<uint8_t> put(sizeof(Key) + k_value_bytes_max, 0xcd);
  store(put, key);
  const std::vector<Extent> extents{Extent::of(1, 2), Extent::of(3, 4)};
  const ByteSpan extent_bytes{reinterpret_cast<const uint8_t*>(extents.data()), 16};
  const std::vector<Record> records{{RecordType::slot_map, true, bytes_of(map)},
                                    {RecordType::slot_zero, false, bytes_of(zero)},
                                    {RecordType::put, true, put},
                                    {RecordType::remove, false, bytes_of(key)},
                                    {RecordType::dirty, false, extent_bytes},
                                    {RecordType::extent_free, false, extent_bytes}};
  const std::vector<uint8_t> block = block_of(records);
  ASSERT_TRUE(accepts(block));
  ByteSpan rest = records_of(block);
  for (const Record& wanted : records) {
    Record record;
    ASSERT_TRUE(decode_next(rest, record));
    EXPECT_EQ(record.type, wanted.type);
    EXPECT_EQ(record.more, wanted.more);
    EXPECT_TRUE(std::equal(record.payload.begin(), record.payload.end(), wanted.payload.begin(),
                           wanted.payload.end()));
  }
  EXPECT_TRUE(rest.empty());
}

TEST(PoolJournalRecord, payloads_that_a_type_cannot_have_are_refused) {
  const std::vector<uint8_t> bytes(5000, 0);
  const auto is_ok = [&](RecordType type, size_t size) {
    return is_valid({type, false, ByteSpan(bytes).first(size)});
  };
  EXPECT_TRUE(is_ok(RecordType::put, 16));
  EXPECT_FALSE(is_ok(RecordType::put, 15));
  EXPECT_FALSE(is_ok(RecordType::put, 16 + k_value_bytes_max + 1));
  EXPECT_FALSE(is_ok(RecordType::remove, 17));
  EXPECT_FALSE(is_ok(RecordType::slot_map, 24));  // of no blocks
  EXPECT_FALSE(is_ok(RecordType::slot_zero, 16));
  EXPECT_FALSE(is_ok(RecordType::dirty, 0));
  EXPECT_FALSE(is_ok(RecordType::dirty, 12));
  EXPECT_FALSE(is_ok(RecordType::extent_free, 501 * 8));
  EXPECT_TRUE(is_ok(RecordType::extent_free, 500 * 8));
  EXPECT_FALSE(is_ok(RecordType{0}, 16));
  EXPECT_TRUE(is_ok(RecordType::slot_merge, 16));
  EXPECT_FALSE(is_ok(RecordType::slot_merge, 24));
  EXPECT_TRUE(is_ok(RecordType::nothing, 0));
  EXPECT_FALSE(is_ok(RecordType::nothing, 1));
  EXPECT_FALSE(is_ok(RecordType{10}, 16));
  SlotMapSums sums;
  const auto are_ok = [&](SlotMap of, size_t size) {
    sums.map = of;
    return is_valid({RecordType::slot_map_sums, false, bytes_of(sums).first(size)});
  };
  const Extent extent = Extent::of(0, 9);
  EXPECT_TRUE(are_ok({1, 2, 3, 4, extent}, 24 + 3 * 4));
  EXPECT_FALSE(are_ok({1, 2, 3, 4, extent}, 24 + 2 * 4));
  EXPECT_FALSE(are_ok({1, 2, 3, 4, extent}, 20));
  EXPECT_TRUE(are_ok({1, 224, 32, 4, extent}, 24 + 32 * 4));
  EXPECT_FALSE(are_ok({1, 225, 32, 4, extent}, 24 + 32 * 4));
  EXPECT_FALSE(are_ok({1, 2, 3, 4, Extent::of(1, 9)}, 24 + 3 * 4)) << "of another disk than the journal's";
  SlotMap map{1, 255, 2, 4, Extent::of(0, 9)};
  EXPECT_FALSE(is_valid({RecordType::slot_map, false, bytes_of(map)}));
  map = {1, 255, 1, 4, Extent{~uint64_t{0}}};
  EXPECT_FALSE(is_valid({RecordType::slot_map, false, bytes_of(map)}));
}

// Sealed again after the damage, as a program with a bug or an enemy would: the CRC does not help here.
TEST(PoolJournalRecord, a_sealed_block_of_random_bytes_is_judged_without_harm) {
  Prng prng(3);
  uint32_t refused = 0;
  for (int round = 0; round < 5000; ++round) {
    const SlotMap map{1, 2, 3, 4, Extent::of(0, 9)};
    std::vector<uint8_t> block = block_of({{RecordType::slot_map, false, bytes_of(map)}});
    for (int change = 0; change < 4; ++change) {
      block[56 + prng.below(60)] = static_cast<uint8_t>(prng.next());
    }
    if (!accepts(sealed(block))) ++refused;
  }
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace ballast::bdev::pool::test
