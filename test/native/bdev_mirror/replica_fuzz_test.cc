// Damaged structures of peers and damaged metadata, at random: nothing stops the program, and what is taken
// is within its bounds. A failure says its seed.
#include <gtest/gtest.h>

#include "base/prng.h"
#include "bdev/mirror/replica_load.h"
#include "bdev/mirror/replica_protocol.h"
#include "bdev/mirror/snapshot_protocol.h"

namespace ballast::bdev::mirror::test {
namespace {

constexpr uint64_t k_seeds_count = 5'000;
constexpr uint64_t k_size_bytes = uint64_t{64} << 20;

// Some bytes are others, mostly near the beginning, where the fields are.
void damage(Prng& prng, MutableByteSpan bytes) {
  for (uint64_t i = prng.below(6); i > 0; --i) {
    const uint64_t within = prng.chance(3, 4) ? 160 : bytes.size();
    bytes[prng.below(within)] = prng.chance(1, 2) ? static_cast<uint8_t>(prng.next()) : 0xff;
  }
}

TEST(ReplicaFuzz, lists_and_ranges_of_peers_stay_within_the_replica) {
  const ReplicaLayout layout = *ReplicaLayout::of(k_size_bytes);
  for (uint64_t seed = 0; seed < k_seeds_count; ++seed) {
    Prng prng(seed);
    ReplicaBlock block{};
    store(MutableByteSpan(block), RegionList{.count = 3, .regions = {1, 5, 63}});
    damage(prng, block);
    if (const auto list = parse_region_list(block, layout.regions_count)) {
      ASSERT_LE(list->count, RegionList::k_regions_max) << seed;
      for (uint32_t i = 0; i < list->count; ++i) ASSERT_LT(list->regions[i], layout.regions_count) << seed;
    }
    AbsentRequest absent{.since_epoch = 1, .count = 2};
    absent.member_uuid.bytes.fill(7);
    absent.ranges[0] = {0, 5};
    absent.ranges[1] = {100, 1};
    store(MutableByteSpan(block), absent);
    damage(prng, block);
    if (const auto request = parse_absent_request(block, layout.granules_count)) {
      ASSERT_LE(request->count, AbsentRequest::k_ranges_max) << seed;
      for (uint32_t i = 0; i < request->count; ++i) {
        ASSERT_LE(request->ranges[i].count, layout.granules_count) << seed;
        ASSERT_LE(request->ranges[i].first, layout.granules_count - request->ranges[i].count) << seed;
      }
    }
    block = {};
    Uuid uuid;
    uuid.bytes.fill(9);
    store(MutableByteSpan(block), snapshot_request(uuid, 5, "monday"));
    damage(prng, block);
    if (const auto snapshot = parse_snapshot_request(block)) {
      ASSERT_TRUE(is_snapshot_name(snapshot->name_text())) << seed;
      ASSERT_FALSE(snapshot->uuid.is_nil()) << seed;
    }
    block = {};
    ReceiveRequest receive{.uuid = uuid, .size_bytes = k_size_bytes};
    receive.name[0] = 'm';
    store(MutableByteSpan(block), receive);
    damage(prng, block);
    if (const auto request = parse_receive_request(block)) {
      ASSERT_TRUE(is_snapshot_name(request->name_text())) << seed;
      ASSERT_NE(request->uuid, request->below) << seed;
      ASSERT_EQ(request->size_bytes % ReplicaLayout::k_granule_bytes, 0u) << seed;
    }
    block = {};
    store(MutableByteSpan(block), SnapshotSelection{.uuid = uuid});
    damage(prng, block);
    if (const auto selection = parse_snapshot_selection(block)) {
      ASSERT_FALSE(selection->uuid.is_nil()) << seed;
      ASSERT_NE(selection->uuid, selection->since) << seed;
    }
    block = {};
    SnapshotList list{.count = 2};
    for (uint8_t i = 0; i < 2; ++i) {
      list.entries[i].uuid.bytes.fill(static_cast<uint8_t>(i + 1));
      list.entries[i].size_bytes = k_size_bytes;
      list.entries[i].name[0] = 'm';
    }
    store(MutableByteSpan(block), list);
    damage(prng, block);
    bool has_more = false;
    if (const auto entries = parse_snapshot_list(block, has_more)) {
      ASSERT_LE(entries->size(), SnapshotList::k_entries_max) << seed;
      ASSERT_TRUE(!has_more || !entries->empty()) << seed;
      for (const SnapshotEntry& entry : *entries) {
        ASSERT_TRUE(is_snapshot_name(entry.name_text())) << seed;
        ASSERT_GT(entry.size_bytes, 0u) << seed;
      }
    }
    damage(prng, block);
    if (const auto seal = parse_seal_request(block)) {
      ASSERT_GT(seal->epoch, 0u) << seed;
      ASSERT_FALSE(seal->volume_uuid.is_nil()) << seed;
    }
  }
}

// D7, D8: with a CRC that was made to fit, too. Marks are never lost to what is damaged.
TEST(ReplicaFuzz, D8_damaged_metadata_is_refused_or_counts_as_marked) {
  ReplicaSuperblock superblock;
  superblock.head.replica_uuid.bytes.fill(0xaa);
  superblock.blocks_count = k_size_bytes / 4096;
  superblock.size_max_bytes = k_size_bytes;
  const ReplicaLayout layout = *ReplicaLayout::of(k_size_bytes);
  uint64_t loaded = 0;
  for (uint64_t seed = 0; seed < k_seeds_count; ++seed) {
    Prng prng(seed);
    std::array<ReplicaBlock, 2> copies{};
    for (const uint64_t generation : {1, 2}) {
      superblock.head.generation = generation;
      ReplicaBlock& copy = copies[superblock_address(generation)];
      encode_superblock(copy, superblock);
      damage(prng, copy);
      if (!prng.chance(1, 2)) continue;
      auto head = load<BlockHead>(ByteSpan(copy));
      head.crc = 0;
      finish_map_block(copy, head);
    }
    ReplicaLoader loader(copies[0], copies[1], ReplicaLayout::of(k_size_bytes)->blocks_count());
    if (loader.state() != ReplicaLoader::State::reading) continue;
    ReplicaBlock intent{};
    intent[sizeof(BlockHead)] = 1;
    finish_map_block(intent, {.magic = k_intent_magic,
                              .address = layout.intent_start(),
                              .replica_uuid = superblock.head.replica_uuid,
                              .generation = k_intent_generation});
    damage(prng, intent);
    while (const auto block = loader.next_block()) loader.take(*block == 2 ? ByteSpan(intent) : ByteSpan());
    ASSERT_TRUE(loader.finish()->marks.has(0)) << seed;
    ++loaded;
  }
  EXPECT_GT(loaded, k_seeds_count / 4);
}

}  // namespace
}  // namespace ballast::bdev::mirror::test
