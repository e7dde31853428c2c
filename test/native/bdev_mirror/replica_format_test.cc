#include "bdev/mirror/replica_format.h"

#include <gtest/gtest.h>

#include "bdev/mirror/replica_load.h"
#include "bdev/mirror/replica_protocol.h"
#include "native/bdev_mirror/replica_harness.h"

namespace ballast::bdev::mirror::test {
namespace {

constexpr uint64_t k_device_blocks = UINT64_MAX;  // of no matter here

ReplicaSuperblock sample(uint64_t generation) {
  ReplicaSuperblock superblock;
  superblock.head.replica_uuid = uuid_of(1);
  superblock.head.generation = generation;
  superblock.volume_uuid = uuid_of(2);
  superblock.block_size_bytes = 512;
  superblock.blocks_count = 2048;
  superblock.size_max_bytes = 64 << 20;
  superblock.max_epoch = 7;
  superblock.head_uuid = uuid_of(3);
  superblock.content = Content::partial;
  superblock.absent[2] = {uuid_of(4), 5, 6, 1, {}};
  return superblock;
}

TEST(ReplicaFormat, superblock_comes_back_as_it_was) {
  ReplicaBlock block;
  encode_superblock(block, sample(8));
  ReplicaSuperblock found;
  ASSERT_EQ(decode_superblock(block, 0, found), SuperblockCheck::whole);
  EXPECT_EQ(found.max_epoch, 7u);
  EXPECT_EQ(found.head_uuid, uuid_of(3));
  EXPECT_EQ(found.content, Content::partial);
  EXPECT_EQ(found.absent, sample(8).absent);
  EXPECT_EQ(std::string(block.begin(), block.begin() + 4), "BRSB");
  EXPECT_EQ(decode_superblock(block, 1, found), SuperblockCheck::damaged);  // the other copy's place
}

TEST(ReplicaFormat, superblock_with_any_byte_flipped_is_damaged) {
  ReplicaBlock block;
  encode_superblock(block, sample(1));
  for (size_t i = 0; i < block.size(); ++i) {
    for (const uint8_t flip : {0x01, 0x80, 0xff}) {
      block[i] ^= flip;
      ReplicaSuperblock found;
      EXPECT_EQ(decode_superblock(block, 1, found), SuperblockCheck::damaged) << i;
      block[i] ^= flip;
    }
  }
}

// Whole by its CRC, written by somebody who knows more, or who is mad: not touched.
TEST(ReplicaFormat, superblock_that_makes_no_sense_is_unknown) {
  const auto check = [](auto change) {
    ReplicaBlock block;
    encode_superblock(block, sample(2));
    auto superblock = load<ReplicaSuperblock>(block);
    change(superblock);
    store(MutableByteSpan(block), superblock);
    BlockHead head = superblock.head;
    head.crc = 0;
    finish_map_block(block, head);  // puts a right CRC on any block
    ReplicaSuperblock found;
    const SuperblockCheck result = decode_superblock(block, 0, found);
    ReplicaLoader loader(block, {}, k_device_blocks);
    EXPECT_EQ(loader.state() == ReplicaLoader::State::unknown, result == SuperblockCheck::unknown);
    return result;
  };
  using S = ReplicaSuperblock;
  EXPECT_EQ(check([](S&) {}), SuperblockCheck::whole);
  EXPECT_EQ(check([](S& s) { s.version = 2; }), SuperblockCheck::unknown);
  EXPECT_EQ(check([](S& s) { s.block_size_bytes = 1024; }), SuperblockCheck::unknown);
  EXPECT_EQ(check([](S& s) { s.blocks_count = 0; }), SuperblockCheck::unknown);
  EXPECT_EQ(check([](S& s) { s.blocks_count = UINT64_MAX; }), SuperblockCheck::unknown);
  EXPECT_EQ(check([](S& s) { s.size_max_bytes = 0; }), SuperblockCheck::unknown);
  EXPECT_EQ(check([](S& s) { s.size_max_bytes = UINT64_MAX; }), SuperblockCheck::unknown);
  EXPECT_EQ(check([](S& s) { s.content = static_cast<Content>(3); }), SuperblockCheck::unknown);
  EXPECT_EQ(check([](S& s) { s.absent[0] = s.absent[2]; }), SuperblockCheck::unknown);
  EXPECT_EQ(check([](S& s) { s.absent[1].everything = 9; }), SuperblockCheck::unknown);
  EXPECT_EQ(check([](S& s) { s.absent[1].copying = 2; }), SuperblockCheck::unknown);
  EXPECT_EQ(check([](S& s) { s.absent[1].everything = 0, s.absent[1].copied_regions = 1; }),
            SuperblockCheck::unknown);
  EXPECT_EQ(check([](S& s) { s.reserved[3] = 9; }), SuperblockCheck::whole);  // ignored when read
}

TEST(ReplicaFormat, layout_counts_blocks_for_every_size_without_overflow) {
  EXPECT_FALSE(ReplicaLayout::of(0));
  EXPECT_FALSE(ReplicaLayout::of(UINT64_MAX));
  EXPECT_FALSE(ReplicaLayout::of(ReplicaLayout::k_size_bytes_max + 1));
  const auto least = ReplicaLayout::of(1);
  ASSERT_TRUE(least);
  EXPECT_EQ(least->regions_count, 1u);
  EXPECT_EQ(least->blocks_count(), 2u + 1 + 7);
  const auto brim = ReplicaLayout::of(uint64_t{32448} << 20);
  EXPECT_EQ(brim->intent_blocks, 1u);
  EXPECT_EQ(brim->absent_blocks, 256u);
  const auto more = ReplicaLayout::of((uint64_t{32448} << 20) + 1);
  EXPECT_EQ(more->intent_blocks, 2u);
  EXPECT_EQ(more->absent_blocks, 257u);
  EXPECT_EQ(more->absent_start(1) - more->absent_start(0), 257u);
  const auto most = ReplicaLayout::of(ReplicaLayout::k_size_bytes_max);
  EXPECT_EQ(most->regions_count, uint64_t{1} << 32);
  EXPECT_EQ(most->granules_count, uint64_t{1} << 40);
}

TEST(ReplicaFormat, map_block_is_whole_empty_earlier_or_damaged) {
  const BlockHead head{k_absent_magic, 0, 9, uuid_of(1), 5};
  ReplicaBlock block{};
  EXPECT_EQ(check_map_block(block, head), MapBlockCheck::no_bits);
  block[100] = 0x10;
  finish_map_block(block, head);
  EXPECT_EQ(check_map_block(block, head), MapBlockCheck::whole);
  BlockHead expected = head;
  expected.generation = 6;
  EXPECT_EQ(check_map_block(block, expected), MapBlockCheck::no_bits);
  expected.generation = 4;
  EXPECT_EQ(check_map_block(block, expected), MapBlockCheck::damaged);
  expected = head;
  expected.replica_uuid = uuid_of(2);
  EXPECT_EQ(check_map_block(block, expected), MapBlockCheck::damaged);
  expected = head;
  expected.address = 10;
  EXPECT_EQ(check_map_block(block, expected), MapBlockCheck::damaged);
  EXPECT_EQ(check_map_block({}, head), MapBlockCheck::damaged);  // could not be read
  // An intent map has one generation.
  finish_map_block(block, {k_intent_magic, 0, 2, uuid_of(1), 1});
  EXPECT_EQ(check_map_block(block, {k_intent_magic, 0, 2, uuid_of(1), 2}), MapBlockCheck::damaged);
}

TEST(ReplicaFormat, map_block_with_any_byte_flipped_loses_no_bit) {
  const BlockHead head{k_absent_magic, 0, 9, uuid_of(1), 5};
  ReplicaBlock block{};
  block[40] = 1;
  finish_map_block(block, head);
  for (size_t i = 0; i < block.size(); ++i) {
    for (const uint8_t flip : {0x01, 0x80, 0xff}) {
      block[i] ^= flip;
      EXPECT_EQ(check_map_block(block, head), MapBlockCheck::damaged) << i;
      block[i] ^= flip;
    }
  }
}

// ---- the metadata of a replica as a whole ----

TEST(ReplicaLoad, any_byte_of_a_map_flipped_leaves_every_bit_set_that_was) {
  Replica replica;
  const uint32_t head = replica.sealed_association(1);
  replica.regions(head, ReplicaOpcode::mark_intent, {3, 77});
  replica.absent(head, ReplicaOpcode::begin_absent, 9, {{5, 3}});
  replica.settle();
  const std::vector<ReplicaBlock> before = replica.platter();
  for (const uint64_t block : {replica.layout().intent_start(), replica.layout().absent_start(0)}) {
    for (size_t i = 0; i < k_replica_block_bytes; i += 1) {
      replica.platter()[block][i] ^= 0x40;
      replica.open();
      EXPECT_TRUE(replica.metadata().marks.has(3) && replica.metadata().marks.has(77)) << i;
      EXPECT_TRUE(replica.absent_map(9)->has_all(5, 3)) << i;
      EXPECT_TRUE(replica.absent_map(9)->has_all(3 * 256, 256)) << i;
      replica.platter()[block] = before[block];
    }
  }
}

TEST(ReplicaLoad, newest_whole_superblock_counts_and_without_one_the_replica_is_unusable) {
  Replica replica;
  replica.sealed_association(4);
  const std::vector<ReplicaBlock> before = replica.platter();
  for (const size_t copy : {0, 1}) {
    replica.platter() = before;
    replica.platter()[copy][200] ^= 1;
    replica.open();
    ASSERT_EQ(replica.load_state(), ReplicaLoader::State::reading);
    EXPECT_EQ(replica.metadata().superblock.max_epoch, 4u);  // each change went to both
  }
  replica.platter()[0][77] ^= 1;
  replica.platter()[1][77] ^= 1;
  replica.open();
  EXPECT_EQ(replica.load_state(), ReplicaLoader::State::unusable);
  const uint32_t association = replica.associate();
  EXPECT_EQ(replica.answer_of(replica.seal(association, 9, 1))->refusal, Refusal::unusable);
  EXPECT_EQ(replica.answer_of(replica.set_content(association, Content::partial))->refusal,
            Refusal::unusable);
  EXPECT_EQ(replica.end_of(replica.submit(association, IoType::read, 0, 1))->refusal, Refusal::unusable);
}

TEST(ReplicaLoad, superblocks_of_two_replicas_are_unusable) {
  ReplicaBlock copy_0, copy_1;
  ReplicaSuperblock superblock = sample(2);
  encode_superblock(copy_0, superblock);
  superblock.head.replica_uuid = uuid_of(9);
  superblock.head.generation = 1;
  encode_superblock(copy_1, superblock);
  EXPECT_EQ(ReplicaLoader(copy_0, copy_1, k_device_blocks).state(), ReplicaLoader::State::unusable);
}

// A CRC can be right by accident or intent: what a device cannot hold must not take memory.
TEST(ReplicaLoad, D8_superblock_of_a_larger_replica_than_its_device_is_refused_before_maps_are_made) {
  ReplicaSuperblock superblock = sample(2);
  superblock.size_max_bytes = ReplicaLayout::k_size_bytes_max;
  ReplicaBlock block;
  encode_superblock(block, superblock);
  EXPECT_EQ(ReplicaLoader(block, {}, 1000).state(), ReplicaLoader::State::too_large);
}

// The block may read well the next time, without the mark: so the mark is written before the region is.
TEST(ReplicaLoad, marks_of_a_damaged_block_are_set_but_not_durable) {
  Replica replica;
  replica.platter()[replica.layout().intent_start()][9] = 1;
  replica.open();
  EXPECT_EQ(replica.metadata().marks.count(), replica.layout().regions_count);
  EXPECT_EQ(replica.metadata().durable_marks.count(), 0u);
  replica.settle();
  const uint32_t head = replica.sealed_association(1);
  const uint32_t io = replica.submit(head, IoType::write, 0, 1);
  replica.settle();
  EXPECT_TRUE(replica.is_in_device(io));
  EXPECT_EQ(replica.trouble(), "");
}

// ---- what peers send ----

TEST(ReplicaProtocol, malformed_structures_are_refused) {
  SealRequest seal{.epoch = 1, .session = 1, .volume_uuid = uuid_of(2), .head_uuid = uuid_of(1)};
  const auto parse_seal = [](const SealRequest& request, size_t dirt = 0) {
    ReplicaBlock block{};
    store(MutableByteSpan(block), request);
    if (dirt != 0) block[dirt] = 1;
    return parse_seal_request(block).has_value();
  };
  EXPECT_TRUE(parse_seal(seal));
  EXPECT_FALSE(parse_seal(seal, 88));
  EXPECT_FALSE(parse_seal(seal, 4095));
  EXPECT_FALSE(parse_seal_request({}));
  SealRequest wrong = seal;
  wrong.version = 2;
  EXPECT_FALSE(parse_seal(wrong));
  wrong = seal;
  wrong.epoch = 0;
  EXPECT_FALSE(parse_seal(wrong));
  wrong = seal;
  wrong.volume_uuid = {};
  EXPECT_FALSE(parse_seal(wrong));
  wrong = seal;
  wrong.session = 0;
  EXPECT_FALSE(parse_seal(wrong));
  wrong = seal;
  wrong.sealed_epoch = 2;
  EXPECT_FALSE(parse_seal(wrong));

  RegionList list{.count = 2};
  list.regions = {3, 5};
  EXPECT_TRUE(parse_region_list(bytes_of(list), 6));
  EXPECT_FALSE(parse_region_list(bytes_of(list), 5));  // beyond the end
  list.regions = {5, 5};
  EXPECT_FALSE(parse_region_list(bytes_of(list), 6));
  list.regions = {5, 3};
  EXPECT_FALSE(parse_region_list(bytes_of(list), 6));
  list.regions = {3, 5, 6};
  EXPECT_FALSE(parse_region_list(bytes_of(list), 9));  // behind the count
  list.count = 1023;
  EXPECT_FALSE(parse_region_list(bytes_of(list), 9));
  list.count = UINT32_MAX;
  EXPECT_FALSE(parse_region_list(bytes_of(list), 9));

  AbsentRequest absent{.member_uuid = uuid_of(1), .count = 1};
  absent.ranges[0] = {10, 5};
  EXPECT_TRUE(parse_absent_request(bytes_of(absent), 15));
  EXPECT_FALSE(parse_absent_request(bytes_of(absent), 14));
  absent.ranges[0] = {UINT64_MAX, 2};
  EXPECT_FALSE(parse_absent_request(bytes_of(absent), 15));
  absent.ranges[0] = {2, UINT64_MAX};
  EXPECT_FALSE(parse_absent_request(bytes_of(absent), 15));
  absent.ranges[0] = {2, 0};
  EXPECT_FALSE(parse_absent_request(bytes_of(absent), 15));
  absent.ranges[0] = {2, 1};
  absent.flags = 4;
  EXPECT_FALSE(parse_absent_request(bytes_of(absent), 15));
  absent.flags = 1;
  absent.reserved_at_end[15] = 1;
  EXPECT_FALSE(parse_absent_request(bytes_of(absent), 15));
  absent.reserved_at_end[15] = 0;
  absent.count = 254;
  EXPECT_FALSE(parse_absent_request(bytes_of(absent), 15));
}

}  // namespace
}  // namespace ballast::bdev::mirror::test
