// The rules of docs/formats/replica-protocol.md and replica.md, one by one.
#include "bdev/mirror/replica_core.h"

#include <gtest/gtest.h>

#include "native/bdev_mirror/replica_harness.h"

namespace ballast::bdev::mirror::test {
namespace {

constexpr uint64_t k_region = Replica::k_region_blocks;

class ReplicaCoreTest : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(replica.trouble(), ""); }
  Status status(uint32_t command) const { return replica.answer_of(command)->status; }
  Refusal refusal(uint32_t command) const { return replica.answer_of(command)->refusal; }
  Refusal refusal_of_write(uint32_t association) {
    return replica.end_of(replica.submit(association, IoType::write, 0, 1))->refusal;
  }
  // A write that is done, mark and all.
  void write(uint32_t association, uint64_t lba, uint32_t count = 1) {
    const uint32_t io = replica.submit(association, IoType::write, lba, count);
    while (!replica.is_in_device(io)) replica.end_one_metadata();
    replica.end_io(io);
  }
  Replica replica;
};

// ---- who is listened to ----

TEST_F(ReplicaCoreTest, without_a_seal_nothing_but_identity_is_told_and_nothing_done) {
  const uint32_t one = replica.associate();
  EXPECT_EQ(refusal_of_write(one), Refusal::not_sealed);
  EXPECT_EQ(refusal(replica.set_content(one, Content::partial)), Refusal::not_sealed);
  EXPECT_EQ(refusal(replica.regions(one, ReplicaOpcode::clear_intent, {1})), Refusal::not_sealed);
  EXPECT_EQ(refusal(replica.command(one, ReplicaOpcode::read_intent, {}, 64)), Refusal::not_sealed);
  const ReplicaState state = replica.state(one);
  EXPECT_EQ(state.volume_uuid, uuid_of(0xbb));
  EXPECT_EQ(state.replica_uuid, uuid_of(0xaa));
  EXPECT_EQ(state.sealed_epoch, 0u);
}

TEST_F(ReplicaCoreTest, seal_is_answered_when_its_epoch_is_durable_in_both_copies) {
  const uint32_t one = replica.associate();
  const uint32_t seal = replica.seal(one, 3, 1);
  EXPECT_EQ(refusal_of_write(one), Refusal::not_sealed);
  EXPECT_FALSE(replica.answer_of(seal));
  replica.end_one_metadata();
  EXPECT_FALSE(replica.answer_of(seal));
  replica.end_one_metadata();
  EXPECT_EQ(status(seal), Status::ok);
  replica.crash();
  EXPECT_EQ(replica.metadata().superblock.max_epoch, 3u);
  EXPECT_EQ(replica.metadata().superblock.head_uuid, uuid_of(1));
}

TEST_F(ReplicaCoreTest, seal_refuses_what_is_not_this_replica) {
  const uint32_t one = replica.associate();
  const auto seal = [&](auto change) {
    SealRequest request{.epoch = 1,
                        .session = 1,
                        .volume_uuid = uuid_of(0xbb),
                        .replica_uuid = uuid_of(0xaa),
                        .head_uuid = uuid_of(1),
                        .blocks_count = 1};
    change(request);
    ReplicaBlock block{};
    store(MutableByteSpan(block), request);
    return replica.command(one, ReplicaOpcode::seal, block);
  };
  EXPECT_EQ(refusal(seal([](SealRequest& r) { r.volume_uuid = uuid_of(1); })), Refusal::wrong_replica);
  EXPECT_EQ(refusal(seal([](SealRequest& r) { r.replica_uuid = uuid_of(1); })), Refusal::wrong_replica);
  EXPECT_EQ(refusal(seal([](SealRequest& r) { r.block_size_bytes = 512; })), Refusal::wrong_replica);
  EXPECT_EQ(refusal(seal([](SealRequest& r) { r.blocks_count = 51201; })), Refusal::wrong_replica);
  EXPECT_EQ(status(seal([](SealRequest& r) { r.version = 2; })), Status::invalid);
  EXPECT_EQ(replica.writes_count(), 0u);
  const uint32_t right = seal([](SealRequest&) {});
  replica.settle();
  EXPECT_EQ(status(right), Status::ok);
}

// D12: the head before comes back after a failover.
TEST_F(ReplicaCoreTest, D12_higher_epoch_replaces_a_lower_one_for_ever) {
  const uint32_t old_head = replica.sealed_association(5, 1, 1);
  write(old_head, 0);
  const uint32_t new_head = replica.sealed_association(6, 1, 2);
  EXPECT_TRUE(replica.was_dropped(old_head));
  EXPECT_EQ(refusal_of_write(old_head), Refusal::fenced);
  EXPECT_EQ(refusal(replica.set_content(old_head, Content::partial)), Refusal::fenced);
  EXPECT_EQ(refusal(replica.seal(old_head, 7, 1)), Refusal::fenced);  // not on this association any more
  replica.close(old_head);
  const uint32_t again = replica.associate();
  EXPECT_EQ(refusal(replica.seal(again, 5, 9, 1)), Refusal::fenced);
  EXPECT_EQ(refusal(replica.seal(again, 6, 9, 1)), Refusal::fenced);  // the epoch of another head
  replica.crash();
  const uint32_t later = replica.associate();
  EXPECT_EQ(refusal(replica.seal(later, 5, 99, 1)), Refusal::fenced);
  EXPECT_EQ(refusal(replica.seal(later, 6, 99, 1)), Refusal::fenced);
  EXPECT_EQ(replica.core().sealed_association(), ReplicaCore::k_nobody);
  static_cast<void>(new_head);
}

// D13: what is stuck in an old connection of the same head does not land after what came by a new one.
TEST_F(ReplicaCoreTest, D13_higher_session_of_one_head_replaces_a_lower_one) {
  const uint32_t stuck = replica.sealed_association(5, 1);
  const uint32_t fresh = replica.sealed_association(5, 2);
  EXPECT_TRUE(replica.was_dropped(stuck));
  EXPECT_EQ(refusal_of_write(stuck), Refusal::fenced);
  EXPECT_EQ(refusal(replica.seal(replica.associate(), 5, 2)), Refusal::fenced);
  EXPECT_EQ(refusal(replica.seal(replica.associate(), 5, 1)), Refusal::fenced);
  write(fresh, 0);
}

// D9: a disk that stalls. What it has is waited for; its late end is before the answer of the seal.
TEST_F(ReplicaCoreTest, D9_seal_waits_until_what_others_have_in_the_device_has_ended) {
  const uint32_t old_head = replica.sealed_association(5);
  const uint32_t slow = replica.submit(old_head, IoType::write, 0, 1);
  const uint32_t read = replica.submit(old_head, IoType::read, 0, 1);
  replica.settle();
  replica.close(old_head);  // its connection broke; the device knows nothing of it
  const uint32_t seal = replica.seal(replica.associate(), 6, 1, 2);
  replica.settle();
  EXPECT_FALSE(replica.answer_of(seal));
  replica.end_io(slow);
  replica.settle();
  EXPECT_FALSE(replica.answer_of(seal));
  replica.end_io(read);
  replica.settle();
  EXPECT_EQ(status(seal), Status::ok);
}

// D15: paused between the judgement and the disk. Here the pause is the mark that is being written.
TEST_F(ReplicaCoreTest, D15_write_that_waits_for_its_mark_is_judged_again) {
  const uint32_t old_head = replica.sealed_association(5);
  const uint32_t io = replica.submit(old_head, IoType::write, 0, 1);
  EXPECT_FALSE(replica.end_of(io));
  const uint32_t seal = replica.seal(replica.associate(), 6, 1, 2);
  EXPECT_EQ(replica.end_of(io)->refusal, Refusal::fenced);
  replica.settle();
  EXPECT_EQ(status(seal), Status::ok);
  EXPECT_FALSE(replica.is_in_device(io));
}

TEST_F(ReplicaCoreTest, D13_waiting_write_of_a_lower_session_does_not_land) {
  const uint32_t stuck = replica.sealed_association(5, 1);
  const uint32_t io = replica.submit(stuck, IoType::write, 0, 1);
  const uint32_t seal = replica.seal(replica.associate(), 5, 2);
  replica.settle();
  EXPECT_EQ(status(seal), Status::ok);
  EXPECT_EQ(replica.end_of(io)->refusal, Refusal::fenced);
}

TEST_F(ReplicaCoreTest, waiting_write_of_a_closed_association_does_not_land) {
  const uint32_t head = replica.sealed_association(5);
  const uint32_t io = replica.submit(head, IoType::write, 0, 1);
  const uint32_t command = replica.regions(head, ReplicaOpcode::mark_intent, {7});
  const uint32_t queued = replica.set_content(head, Content::partial);
  replica.close(head);
  EXPECT_EQ(replica.end_of(io)->refusal, Refusal::fenced);
  EXPECT_EQ(refusal(queued), Refusal::fenced);
  replica.settle();
  EXPECT_EQ(status(command), Status::ok);  // had begun
  EXPECT_EQ(replica.metadata().superblock.content, Content::complete);
}

TEST_F(ReplicaCoreTest, seal_that_is_overtaken_is_fenced_and_the_higher_one_wins) {
  const uint32_t first = replica.associate(), second = replica.associate();
  const uint32_t lower = replica.seal(first, 5, 1, 1);
  replica.end_one_metadata();  // one copy has it
  const uint32_t same = replica.seal(second, 5, 2, 2);
  EXPECT_EQ(refusal(same), Refusal::fenced);
  const uint32_t higher = replica.seal(second, 6, 1, 2);
  EXPECT_EQ(refusal(lower), Refusal::fenced);
  EXPECT_TRUE(replica.was_dropped(first));
  replica.settle();
  EXPECT_EQ(status(higher), Status::ok);
  EXPECT_EQ(replica.core().sealed_association(), second);
  EXPECT_EQ(replica.metadata().superblock.max_epoch, 6u);
}

TEST_F(ReplicaCoreTest, seal_of_a_closed_association_ends_and_leaves_nobody_sealed) {
  replica.sealed_association(5);
  const uint32_t next = replica.associate();
  const uint32_t seal = replica.seal(next, 6, 1, 2);
  replica.close(next);
  EXPECT_EQ(refusal(seal), Refusal::fenced);
  replica.settle();
  EXPECT_EQ(replica.core().sealed_association(), ReplicaCore::k_nobody);
  replica.sealed_association(6, 1, 2);
}

TEST_F(ReplicaCoreTest, state_tells_once_what_the_epoch_was_before_the_seal) {
  replica.state(replica.sealed_association(5));
  const uint32_t head = replica.sealed_association(8, 3, 2);
  ReplicaState state = replica.state(head);
  EXPECT_EQ(state.max_epoch, 5u);
  EXPECT_EQ(state.sealed_epoch, 8u);
  EXPECT_EQ(state.session, 3u);
  EXPECT_EQ(replica.state(head).max_epoch, 8u);
}

// Another disk, or an old copy of this one, in the place of one that was in sync.
TEST_F(ReplicaCoreTest, replica_older_than_the_store_knows_it_has_nothing_and_stays_so) {
  replica.sealed_association(5);
  const uint32_t lost = replica.associate();
  replica.seal(lost, 8, 1, 2, 6);
  replica.settle();  // and the answer does not arrive
  replica.crash();
  const uint32_t head = replica.associate();
  replica.seal(head, 8, 1, 2, 6);
  replica.settle();
  EXPECT_EQ(replica.state(head).content, Content::nothing);
  const uint32_t partial = replica.set_content(head, Content::partial);
  replica.settle();
  EXPECT_EQ(status(partial), Status::ok);
  EXPECT_EQ(replica.state(head).content, Content::nothing);
  const uint32_t complete = replica.set_content(head, Content::complete);
  replica.settle();
  EXPECT_EQ(status(complete), Status::ok);
  EXPECT_EQ(replica.state(head).content, Content::complete);
}

TEST_F(ReplicaCoreTest, replica_as_new_as_the_store_knows_it_keeps_what_it_has) {
  replica.sealed_association(5);
  const uint32_t head = replica.associate();
  replica.seal(head, 6, 1, 2, 5);
  replica.settle();
  EXPECT_EQ(replica.state(head).content, Content::complete);
}

TEST_F(ReplicaCoreTest, seal_waits_for_marks_that_are_being_written) {
  const uint32_t head = replica.sealed_association(5);
  replica.submit(head, IoType::write, 0, 1);
  const uint32_t next = replica.associate();
  const uint32_t seal = replica.seal(next, 6, 1, 2);
  EXPECT_EQ(replica.pending_blocks(), std::vector<uint64_t>{replica.layout().intent_start()});
  replica.settle();
  EXPECT_EQ(status(seal), Status::ok);
  EXPECT_TRUE(replica.marked(next).contains(0));
}

TEST_F(ReplicaCoreTest, command_at_work_ends_before_a_seal_is_answered) {
  const uint32_t head = replica.sealed_association(5);
  const uint32_t partial = replica.set_content(head, Content::partial);
  const uint32_t queued = replica.set_content(head, Content::complete);
  const uint32_t seal = replica.seal(replica.associate(), 6, 1, 2);
  EXPECT_EQ(refusal(queued), Refusal::fenced);
  replica.end_one_metadata();
  replica.end_one_metadata();
  EXPECT_EQ(status(partial), Status::ok);
  EXPECT_FALSE(replica.answer_of(seal));
  replica.settle();
  EXPECT_EQ(status(seal), Status::ok);
  EXPECT_EQ(replica.metadata().superblock.content, Content::partial);
}

// ---- marks ----

TEST_F(ReplicaCoreTest, write_waits_for_its_mark_and_the_next_one_does_not) {
  const uint32_t head = replica.sealed_association(1);
  const uint64_t writes = replica.writes_count();
  const uint32_t io = replica.submit(head, IoType::write, k_region - 1, 2);  // two regions
  EXPECT_FALSE(replica.is_in_device(io));
  replica.settle();
  EXPECT_TRUE(replica.is_in_device(io));
  replica.end_io(io);
  EXPECT_EQ(replica.end_of(io)->status, Status::ok);
  for (const IoType type : {IoType::write, IoType::write_zeroes, IoType::unmap}) {
    const uint32_t more = replica.submit(head, type, 0, 2 * k_region);
    EXPECT_TRUE(replica.is_in_device(more));
    replica.end_io(more, Status::no_space);
    EXPECT_EQ(replica.end_of(more)->status, Status::no_space);
  }
  EXPECT_EQ(replica.writes_count(), writes + 1);
  EXPECT_EQ(replica.marked(head), (std::set<uint64_t>{0, 1}));
  replica.crash();
  EXPECT_TRUE(replica.metadata().marks.has_all(0, 2));
  EXPECT_EQ(replica.metadata().marks.count(), 2u);
}

TEST_F(ReplicaCoreTest, marks_that_come_while_their_block_is_written_go_with_its_next_write) {
  const uint32_t head = replica.sealed_association(1);
  std::vector<uint32_t> ios;
  const uint64_t writes = replica.writes_count();
  for (uint32_t region = 0; region < 50; ++region) {
    ios.push_back(replica.submit(head, IoType::write, region * k_region, 1));
  }
  EXPECT_EQ(replica.pending_blocks().size(), 1u);
  replica.end_one_metadata();
  EXPECT_TRUE(replica.is_in_device(ios[0]));
  EXPECT_FALSE(replica.is_in_device(ios[1]));
  replica.end_one_metadata();
  for (const uint32_t io : ios) EXPECT_TRUE(replica.is_in_device(io));
  EXPECT_EQ(replica.writes_count(), writes + 2);
}

TEST_F(ReplicaCoreTest, reads_need_no_mark_and_what_is_not_offered_is_refused) {
  const uint32_t head = replica.sealed_association(1);
  EXPECT_TRUE(replica.is_in_device(replica.submit(head, IoType::read, 9, 1)));
  EXPECT_TRUE(replica.is_in_device(replica.submit(head, IoType::flush, 0, 0)));
  EXPECT_EQ(replica.metadata().marks.count(), 0u);
  const auto end = [&](IoType type, uint64_t lba, uint32_t count) {
    return replica.end_of(replica.submit(head, type, lba, count))->status;
  };
  EXPECT_EQ(end(IoType::compare_and_write, 0, 1), Status::unsupported);
  EXPECT_EQ(end(IoType::copy, 0, 1), Status::unsupported);
  EXPECT_EQ(end(IoType::write, 51200, 1), Status::out_of_range);
  EXPECT_EQ(end(IoType::write, UINT64_MAX, 2), Status::out_of_range);
  EXPECT_EQ(end(IoType::read, 0, UINT32_MAX), Status::out_of_range);
  EXPECT_EQ(end(IoType::write, 0, 0), Status::invalid);
}

TEST_F(ReplicaCoreTest, mark_intent_is_durable_when_done_and_sets_the_granules_of_absent_members) {
  const uint32_t head = replica.sealed_association(1);
  replica.absent(head, ReplicaOpcode::begin_absent, 9);
  replica.settle();
  const uint32_t mark = replica.regions(head, ReplicaOpcode::mark_intent, {2, 199});
  EXPECT_FALSE(replica.answer_of(mark));
  replica.settle();
  EXPECT_EQ(status(mark), Status::ok);
  EXPECT_TRUE(replica.absent_map(9)->has_all(2 * 256, 256));
  EXPECT_EQ(replica.absent_map(9)->count(), 512u);
  replica.crash();
  EXPECT_TRUE(replica.metadata().marks.has(2) && replica.metadata().marks.has(199));
  EXPECT_EQ(status(replica.regions(replica.sealed_association(1, 1), ReplicaOpcode::mark_intent, {200})),
            Status::invalid);
}

TEST_F(ReplicaCoreTest, clear_intent_clears_and_is_durable_when_done) {
  const uint32_t head = replica.sealed_association(1);
  write(head, 0);
  write(head, k_region);
  const uint32_t clear = replica.regions(head, ReplicaOpcode::clear_intent, {0});
  EXPECT_FALSE(replica.answer_of(clear));
  replica.settle();
  EXPECT_EQ(status(clear), Status::ok);
  EXPECT_EQ(replica.marked(head), std::set<uint64_t>{1});
  EXPECT_FALSE(replica.is_in_device(replica.submit(head, IoType::write, 0, 1)));  // needs a mark again
  replica.crash();
  EXPECT_FALSE(replica.metadata().marks.has(0));
}

TEST_F(ReplicaCoreTest, region_with_a_write_in_flight_or_waiting_keeps_its_mark) {
  const uint32_t head = replica.sealed_association(1);
  const uint32_t in_flight = replica.submit(head, IoType::write, 0, 1);
  replica.settle();
  write(head, 2 * k_region);
  const uint32_t waiting = replica.submit(head, IoType::write, k_region, 1);
  const uint32_t clear = replica.regions(head, ReplicaOpcode::clear_intent, {0, 1, 2});
  replica.settle();
  EXPECT_EQ(status(clear), Status::ok);
  EXPECT_TRUE(replica.is_in_device(waiting));
  EXPECT_EQ(replica.marked(head), (std::set<uint64_t>{0, 1}));
  replica.end_io(in_flight);
}

// The write of the block without the mark is in flight when the region is written again.
TEST_F(ReplicaCoreTest, write_behind_a_clear_waits_for_a_write_that_has_its_mark) {
  const uint32_t head = replica.sealed_association(1);
  write(head, 0);
  replica.regions(head, ReplicaOpcode::clear_intent, {0});
  EXPECT_EQ(replica.pending_blocks().size(), 1u);
  const uint32_t io = replica.submit(head, IoType::write, 0, 1);
  replica.end_one_metadata();
  EXPECT_FALSE(replica.is_in_device(io));
  replica.end_one_metadata();
  EXPECT_TRUE(replica.is_in_device(io));
}

// A block with the mark was on its way when the mark was cleared: its end makes nothing durable.
TEST_F(ReplicaCoreTest, mark_that_was_cleared_under_way_is_not_durable) {
  const uint32_t head = replica.sealed_association(1);
  write(head, 0);
  const uint32_t other = replica.submit(head, IoType::write, k_region, 1);  // writes the block, 0 in it
  replica.regions(head, ReplicaOpcode::clear_intent, {0});
  replica.end_one_metadata();
  EXPECT_TRUE(replica.is_in_device(other));
  const uint32_t io = replica.submit(head, IoType::write, 0, 1);
  EXPECT_FALSE(replica.is_in_device(io));
  replica.settle();
  EXPECT_TRUE(replica.is_in_device(io));
  EXPECT_TRUE(replica.marked(head).contains(0));
}

TEST(ReplicaCoreLarge, blocks_of_a_large_map_are_written_beside_each_other) {
  Replica replica(uint64_t{40} << 30);
  const uint32_t head = replica.sealed_association(1);
  const uint32_t io = replica.submit(head, IoType::unmap, 0, static_cast<uint32_t>(40000 * k_region));
  EXPECT_EQ(replica.pending_blocks().size(), 2u);
  replica.end_one_metadata();
  EXPECT_FALSE(replica.is_in_device(io));
  replica.end_one_metadata();
  EXPECT_TRUE(replica.is_in_device(io));
  replica.end_io(io);
  EXPECT_EQ(replica.trouble(), "");
}

// Granules and regions count in bytes; a block that is half a granule's is all of it.
TEST(ReplicaCoreSmallBlocks, ranges_of_512_byte_blocks_are_rounded_outwards) {
  Replica replica(uint64_t{20} << 20, 512);
  const uint32_t head = replica.sealed_association(1);
  replica.absent(head, ReplicaOpcode::begin_absent, 9);
  replica.settle();
  const uint32_t io =
      replica.submit(head, IoType::write, 2047, 10);  // the last block of a region, 9 of the next
  replica.settle();
  EXPECT_TRUE(replica.is_in_device(io));
  EXPECT_EQ(replica.marked(head), (std::set<uint64_t>{0, 1}));
  EXPECT_EQ(*replica.absent_map(9)->next_run(0), (GranuleMap::Run{255, 3}));
  EXPECT_EQ(replica.absent_map(9)->count(), 3u);
  const uint32_t last = replica.submit(head, IoType::write, 40959, 1);
  replica.settle();
  EXPECT_TRUE(replica.is_in_device(last));
  EXPECT_TRUE(replica.absent_map(9)->has(5119));
  EXPECT_EQ(replica.end_of(replica.submit(head, IoType::write, 40960, 1))->status, Status::out_of_range);
  EXPECT_EQ(replica.trouble(), "");
}

// ---- absent members ----

TEST_F(ReplicaCoreTest, absent_member_misses_what_was_told_and_what_is_written_from_then_on) {
  const uint32_t head = replica.sealed_association(3);
  write(head, 5);
  const uint32_t in_flight = replica.submit(head, IoType::write, 7, 1);
  const uint32_t begin =
      replica.absent(head, ReplicaOpcode::begin_absent, 9, {{100, 2}, {51199, 1}}, false, 3);
  EXPECT_FALSE(replica.answer_of(begin));
  replica.settle();
  EXPECT_EQ(status(begin), Status::ok);
  replica.end_io(in_flight);
  write(head, 2 * k_region + 1, 2);
  const GranuleMap* map = replica.absent_map(9);
  EXPECT_TRUE(map->has_all(100, 2) && map->has(51199) && map->has(7));
  EXPECT_TRUE(map->has_all(513, 2));
  EXPECT_EQ(map->count(), 6u);
  const ReplicaState state = replica.state(head);
  EXPECT_EQ(state.absent[0].member_uuid, uuid_of(9));
  EXPECT_EQ(state.absent[0].since_epoch, 3u);
  // Rule 2: of marked regions all granules count after an opening.
  replica.crash();
  map = replica.absent_map(9);
  EXPECT_TRUE(map->has_all(0, 256) && map->has_all(512, 256) && map->has(51199));
  EXPECT_EQ(map->count(), 513u);
}

TEST_F(ReplicaCoreTest, granules_are_durable_before_the_mark_is_cleared) {
  const uint32_t head = replica.sealed_association(1);
  replica.absent(head, ReplicaOpcode::begin_absent, 9);
  replica.settle();
  write(head, 5);
  const uint32_t clear = replica.regions(head, ReplicaOpcode::clear_intent, {0});
  EXPECT_EQ(replica.pending_blocks(), std::vector<uint64_t>{replica.layout().absent_start(0)});
  EXPECT_TRUE(replica.marked(head).contains(0));
  replica.end_one_metadata();
  EXPECT_EQ(replica.pending_blocks(), std::vector<uint64_t>{replica.layout().intent_start()});
  replica.settle();
  EXPECT_EQ(status(clear), Status::ok);
  replica.crash();
  EXPECT_EQ(*replica.absent_map(9)->next_run(0), (GranuleMap::Run{5, 1}));
  EXPECT_EQ(replica.absent_map(9)->count(), 1u);
}

// Its granules came too late for the block that was being written.
TEST_F(ReplicaCoreTest, region_that_is_written_while_granules_are_made_durable_keeps_its_mark) {
  const uint32_t head = replica.sealed_association(1);
  replica.absent(head, ReplicaOpcode::begin_absent, 9);
  replica.settle();
  write(head, 5);
  write(head, k_region);
  replica.regions(head, ReplicaOpcode::clear_intent, {0, 1});
  write(head, 6);  // begins and ends meanwhile
  replica.settle();
  EXPECT_EQ(replica.marked(head), std::set<uint64_t>{0});
  replica.crash();
  EXPECT_TRUE(replica.absent_map(9)->has_all(5, 2));
}

TEST_F(ReplicaCoreTest, clear_intent_of_a_replaced_head_clears_nothing) {
  const uint32_t head = replica.sealed_association(1);
  replica.absent(head, ReplicaOpcode::begin_absent, 9);
  replica.settle();
  write(head, 5);
  const uint32_t clear = replica.regions(head, ReplicaOpcode::clear_intent, {0});
  const uint32_t next = replica.sealed_association(2, 1, 2);
  EXPECT_EQ(refusal(clear), Refusal::fenced);
  EXPECT_EQ(replica.marked(next), std::set<uint64_t>{0});
}

TEST_F(ReplicaCoreTest, begin_absent_gives_the_slot_out_when_its_map_is_durable) {
  const uint32_t head = replica.sealed_association(1);
  const uint32_t begin = replica.absent(head, ReplicaOpcode::begin_absent, 9, {{3, 1}});
  EXPECT_EQ(replica.pending_blocks(), std::vector<uint64_t>{replica.layout().absent_start(0)});
  replica.end_one_metadata();
  replica.end_one_metadata();
  EXPECT_FALSE(replica.answer_of(begin));
  replica.crash();
  EXPECT_TRUE(replica.absent_map(9)->has(3));
}

TEST_F(ReplicaCoreTest, slot_that_is_used_anew_has_no_bit_of_its_earlier_use) {
  const uint32_t head = replica.sealed_association(1);
  replica.absent(head, ReplicaOpcode::begin_absent, 9, {{3, 1}, {40000, 1}});
  replica.settle();
  const uint32_t end = replica.absent(head, ReplicaOpcode::end_absent, 9);
  EXPECT_FALSE(replica.answer_of(end));
  replica.settle();
  EXPECT_EQ(status(end), Status::ok);
  EXPECT_EQ(replica.absent_map(9), nullptr);
  replica.absent(head, ReplicaOpcode::begin_absent, 8, {{5, 1}});
  replica.settle();
  replica.crash();
  EXPECT_EQ(replica.absent_map(8)->count(), 1u);
  EXPECT_TRUE(replica.absent_map(8)->has(5));
  EXPECT_EQ(replica.metadata().superblock.absent[0].generation, 2u);
}

TEST_F(ReplicaCoreTest, writes_are_noted_for_a_slot_until_its_end_is_durable) {
  const uint32_t head = replica.sealed_association(1);
  replica.absent(head, ReplicaOpcode::begin_absent, 9);
  replica.settle();
  write(head, 0);
  replica.absent(head, ReplicaOpcode::end_absent, 9);
  const uint32_t io = replica.submit(head, IoType::write, 1, 1);
  replica.crash();
  static_cast<void>(io);
  EXPECT_TRUE(replica.absent_map(9)->has_all(0, 2));
}

TEST_F(ReplicaCoreTest, begin_absent_again_forgets_nothing_and_an_eighth_member_gets_no_slot) {
  const uint32_t head = replica.sealed_association(1);
  for (uint8_t member = 1; member <= 7; ++member) {
    replica.absent(head, ReplicaOpcode::begin_absent, member, {{member, 1u}}, false, 4);
    replica.settle();
  }
  EXPECT_EQ(refusal(replica.absent(head, ReplicaOpcode::begin_absent, 8)), Refusal::no_slot);
  const uint32_t again = replica.absent(head, ReplicaOpcode::begin_absent, 3, {{30, 1}}, false, 6);
  replica.settle();
  EXPECT_EQ(status(again), Status::ok);
  EXPECT_TRUE(replica.absent_map(3)->has(3) && replica.absent_map(3)->has(30));
  EXPECT_EQ(replica.state(head).absent[2].since_epoch, 4u);
  replica.absent(head, ReplicaOpcode::begin_absent, 3, {}, true);
  replica.settle();
  replica.absent(head, ReplicaOpcode::begin_absent, 3, {}, false);
  replica.settle();
  replica.crash();
  EXPECT_EQ(replica.absent_map(3)->count(), replica.layout().granules_count);
  EXPECT_EQ(replica.absent_map(4)->count(), 1u);
}

TEST_F(ReplicaCoreTest, clear_absent_clears_but_what_is_in_flight) {
  const uint32_t head = replica.sealed_association(1);
  replica.absent(head, ReplicaOpcode::begin_absent, 9, {{1000, 10}});
  replica.settle();
  const uint32_t io = replica.submit(head, IoType::write, 1003, 1);
  replica.settle();
  const uint32_t clear = replica.absent(head, ReplicaOpcode::clear_absent, 9, {{1001, 9}});
  EXPECT_FALSE(replica.answer_of(clear));
  replica.settle();
  EXPECT_EQ(status(clear), Status::ok);
  EXPECT_EQ(*replica.absent_map(9)->next_run(0), (GranuleMap::Run{1000, 1}));
  EXPECT_EQ(*replica.absent_map(9)->next_run(1001), (GranuleMap::Run{1003, 1}));
  replica.end_io(io);
  EXPECT_EQ(status(replica.absent(head, ReplicaOpcode::clear_absent, 8, {{1, 1}})), Status::invalid);
  EXPECT_EQ(status(replica.absent(head, ReplicaOpcode::end_absent, 8)), Status::ok);
}

TEST_F(ReplicaCoreTest, what_was_copied_of_everything_is_durable_region_by_region_from_the_first) {
  constexpr uint64_t k_per_region = ReplicaLayout::k_granules_per_region;
  const uint64_t all = replica.layout().granules_count;
  const uint32_t head = replica.sealed_association(1);
  replica.absent(head, ReplicaOpcode::begin_absent, 9, {}, false, 1);
  replica.settle();
  const uint32_t begin = replica.begin_copying(head, 9, true, 7);
  EXPECT_FALSE(replica.answer_of(begin));
  replica.settle();
  EXPECT_EQ(status(begin), Status::ok);
  EXPECT_EQ(replica.state(head).absent[0].since_epoch, 7u);
  EXPECT_EQ(replica.absent_map(9)->count(), all);
  const auto clear = [&](uint64_t first, uint64_t count) {
    const uint32_t command = replica.absent(head, ReplicaOpcode::clear_absent, 9, {{first, count}}, false, 0);
    EXPECT_FALSE(replica.answer_of(command));
    replica.settle();
    EXPECT_EQ(status(command), Status::ok);
    return replica.metadata().superblock.absent[0].copied_regions;
  };
  EXPECT_EQ(clear(0, 3 * k_per_region + 5), 3u);
  EXPECT_EQ(clear(10 * k_per_region, k_per_region), 3u);  // not what lies before it
  EXPECT_EQ(clear(2 * k_per_region, 3 * k_per_region), 5u);
  write(head, 4 * k_per_region + 1);
  write(head, 20 * k_per_region);
  replica.crash();
  const GranuleMap& map = *replica.absent_map(9);
  // The region that has a mark, and all behind what was copied.
  EXPECT_EQ(map.count(), all - 4 * k_per_region);
  EXPECT_FALSE(map.has(3 * k_per_region));
  EXPECT_TRUE(map.has_all(4 * k_per_region, all - 4 * k_per_region));
  const uint32_t again = replica.sealed_association(2);
  replica.absent(again, ReplicaOpcode::begin_absent, 9, {}, true, 2);
  replica.settle();
  EXPECT_EQ(replica.metadata().superblock.absent[0].copied_regions, 0u);
  EXPECT_EQ(replica.metadata().superblock.absent[0].copying, 0u);
  replica.crash();
  EXPECT_EQ(replica.absent_map(9)->count(), all);
}

TEST_F(ReplicaCoreTest, who_has_nothing_is_partial_when_told_that_others_know_what_is_left) {
  const uint32_t head = replica.sealed_association(1);
  replica.set_content(head, Content::nothing);  // 2: partial in any case
  replica.settle();
  EXPECT_EQ(replica.metadata().superblock.content, Content::partial);
}

TEST_F(ReplicaCoreTest, maps_are_read_from_any_bit_and_zero_behind_the_end) {
  const uint32_t head = replica.sealed_association(1);
  replica.absent(head, ReplicaOpcode::begin_absent, 9, {{51190, 10}});
  replica.settle();
  const auto read = [&](uint64_t first, size_t bytes, uint32_t slot) {
    return replica.command(head, ReplicaOpcode::read_absent, {}, bytes, first, slot);
  };
  const uint32_t whole = read(51189, 8, 0);
  EXPECT_EQ(status(whole), Status::ok);
  EXPECT_EQ(load<uint64_t>(replica.out_of(whole)), 0x7feu);
  EXPECT_EQ(status(read(51200, 8, 0)), Status::out_of_range);
  EXPECT_EQ(status(read(0, 12, 0)), Status::invalid);
  EXPECT_EQ(status(read(0, 0, 0)), Status::invalid);
  EXPECT_EQ(status(read(0, 65536 + 8, 0)), Status::invalid);
  EXPECT_EQ(status(read(0, 65536, 0)), Status::ok);
  EXPECT_EQ(status(read(0, 8, 1)), Status::invalid);
  EXPECT_EQ(status(read(0, 8, 7)), Status::invalid);
}

TEST_F(ReplicaCoreTest, allocation_is_asked_of_the_device_and_of_who_cannot_tell_all_is_taken) {
  const uint32_t head = replica.sealed_association(1);
  const auto ask = [&](uint64_t first, size_t bytes) {
    return replica.command(head, ReplicaOpcode::read_allocation, {}, bytes, first);
  };
  const uint32_t whole = ask(64, 16);
  EXPECT_FALSE(replica.answer_of(whole));
  const ReplicaAction asked = replica.asked_allocation();
  EXPECT_EQ(asked.lba, 64u);
  EXPECT_EQ(asked.blocks_count, 128u);
  ASSERT_EQ(asked.out.size(), 16u);
  asked.out[3] = 0x40;
  replica.end_allocation(Status::ok);
  EXPECT_EQ(status(whole), Status::ok);
  EXPECT_EQ(load<uint64_t>(replica.out_of(whole)), uint64_t{0x40} << 24);

  // Behind the end there is nothing: the device is asked for what there is.
  const uint32_t last = ask(51190, 64);
  EXPECT_EQ(replica.asked_allocation().blocks_count, 10u);
  EXPECT_EQ(replica.asked_allocation().out.size(), 8u);
  replica.end_allocation(Status::unsupported);
  EXPECT_EQ(status(last), Status::ok);
  EXPECT_EQ(load<uint64_t>(replica.out_of(last)), ~uint64_t{0});
  EXPECT_EQ(status(ask(51200, 8)), Status::out_of_range);
  EXPECT_EQ(status(ask(0, 12)), Status::invalid);
  EXPECT_EQ(status(ask(0, 65536 + 8)), Status::invalid);
  const uint32_t stranger = replica.associate();
  const uint32_t refused = replica.command(stranger, ReplicaOpcode::read_allocation, {}, 8);
  EXPECT_EQ(replica.answer_of(refused)->refusal, Refusal::not_sealed);
}

TEST_F(ReplicaCoreTest, checksums_are_asked_of_the_device_and_a_seal_waits_for_them) {
  const uint32_t head = replica.sealed_association(1);
  const auto ask = [&](uint64_t first, uint32_t bytes, size_t out_bytes) {
    return replica.command(head, ReplicaOpcode::read_checksums, {}, out_bytes, first, bytes);
  };
  EXPECT_EQ(status(ask(0, 0, 0)), Status::invalid);
  EXPECT_EQ(status(ask(0, 512, 4)), Status::invalid);  // no whole block
  EXPECT_EQ(status(ask(0, 8192, 4)), Status::invalid);
  EXPECT_EQ(status(ask(51200, 4096, 4)), Status::out_of_range);
  EXPECT_EQ(status(ask(51199, 8192, 8)), Status::out_of_range);
  const uint32_t stranger = replica.associate();
  const uint32_t refused = replica.command(stranger, ReplicaOpcode::read_checksums, {}, 4, 0, 4096);
  EXPECT_EQ(replica.answer_of(refused)->refusal, Refusal::not_sealed);

  const uint32_t last = ask(51198, 8192, 8);
  EXPECT_FALSE(replica.answer_of(last));
  const ReplicaAction asked = replica.asked_checksums();
  EXPECT_EQ(asked.lba, 51198u);
  EXPECT_EQ(asked.blocks_count, 2u);
  store(asked.out, uint64_t{7} << 32);
  // What is answered is of the time before the next head.
  const uint32_t seal = replica.seal(stranger, 2, 1);
  replica.settle();
  EXPECT_FALSE(replica.answer_of(seal));
  replica.end_checksums(Status::ok);
  EXPECT_EQ(status(last), Status::ok);
  EXPECT_EQ(load<uint64_t>(replica.out_of(last)), uint64_t{7} << 32);
  replica.settle();
  EXPECT_EQ(status(seal), Status::ok);

  const uint32_t bad = replica.command(stranger, ReplicaOpcode::read_checksums, {}, 4, 0, 4096);
  replica.end_checksums(Status::media_error);
  EXPECT_EQ(status(bad), Status::media_error);
}

// Two regions, of which one is not whole, grow to four.
TEST(ReplicaGrowth, is_answered_when_it_is_durable_and_its_new_blocks_are_used_then) {
  Replica replica(uint64_t{6} << 18, 4096, uint64_t{8} << 20);
  const uint32_t head = replica.sealed_association(1);
  replica.absent(head, ReplicaOpcode::begin_absent, 3, {}, true);  // misses everything
  replica.absent(head, ReplicaOpcode::begin_absent, 4, {{5, 1}});  // misses that one
  replica.settle();
  const auto grow = [&](uint32_t association, uint64_t blocks) {
    return replica.command(association, ReplicaOpcode::grow, {}, 0, blocks);
  };
  const auto status = [&](uint32_t command) { return replica.answer_of(command)->status; };
  EXPECT_EQ(status(grow(head, 384)), Status::ok);  // it has them
  EXPECT_EQ(status(grow(head, 2049)), Status::no_space);
  EXPECT_FALSE(replica.asked_growth());
  const uint32_t early = replica.submit(head, IoType::write, 384, 1);
  EXPECT_EQ(replica.end_of(early)->status, Status::out_of_range);

  const uint32_t failed = grow(head, 900);
  EXPECT_EQ(replica.asked_growth(), 900u);
  replica.end_growth(Status::no_space);
  EXPECT_EQ(status(failed), Status::no_space);
  EXPECT_EQ(replica.state(head).blocks_count, 384u);

  const uint32_t grown = grow(head, 900);
  EXPECT_FALSE(replica.answer_of(grown));
  replica.end_growth(Status::ok);
  EXPECT_FALSE(replica.answer_of(grown));
  replica.settle();
  EXPECT_EQ(status(grown), Status::ok);
  EXPECT_EQ(replica.absent_map(3)->count(), 900u);  // and what there is more of it, too
  EXPECT_EQ(replica.absent_map(4)->count(), 1u);

  const uint32_t write = replica.submit(head, IoType::write, 880, 20);
  replica.settle();
  replica.end_io(write);
  EXPECT_EQ(replica.end_of(write)->status, Status::ok);
  EXPECT_EQ(replica.absent_map(4)->count(), 21u);
  replica.crash();
  EXPECT_EQ(replica.metadata().superblock.blocks_count, 900u);
  EXPECT_EQ(replica.metadata().marks.count(), 1u);
  EXPECT_EQ(replica.absent_map(3)->count(), 900u);
  EXPECT_TRUE(replica.absent_map(4)->has_all(880, 20));
}

TEST(ReplicaGrowth, marks_of_a_damaged_block_behind_the_volume_are_forgotten) {
  Replica replica(uint64_t{1} << 20, 4096, uint64_t{8} << 20);
  uint32_t head = replica.sealed_association(1);
  replica.command(head, ReplicaOpcode::grow, {}, 0, 1024);  // for nothing: the volume stays what it is
  replica.end_growth(Status::ok);
  replica.settle();
  replica.platter()[replica.layout().intent_start()].fill(0x77);
  replica.open();
  EXPECT_EQ(replica.metadata().marks.count(), 4u);
  head = replica.sealed_association(2);
  const uint32_t grown = replica.command(head, ReplicaOpcode::grow, {}, 0, 1024);
  replica.settle();
  EXPECT_EQ(replica.answer_of(grown)->status, Status::ok);
  EXPECT_EQ(replica.metadata().marks.count(), 1u);
}

TEST(ReplicaGrowth, is_for_the_sealed_alone_and_a_seal_waits_for_it) {
  Replica replica(uint64_t{1} << 20, 4096, uint64_t{8} << 20);
  const uint32_t head = replica.sealed_association(1);
  const uint32_t stranger = replica.associate();
  const uint32_t refused = replica.command(stranger, ReplicaOpcode::grow, {}, 0, 300);
  EXPECT_EQ(replica.answer_of(refused)->refusal, Refusal::not_sealed);
  const uint32_t grown = replica.command(head, ReplicaOpcode::grow, {}, 0, 300);
  const uint32_t seal = replica.seal(stranger, 2, 1);
  replica.settle();
  EXPECT_FALSE(replica.answer_of(seal));
  replica.end_growth(Status::ok);
  replica.settle();
  EXPECT_EQ(replica.answer_of(grown)->status, Status::ok);
  EXPECT_EQ(replica.answer_of(seal)->status, Status::ok);
}

std::vector<uint8_t> snapshot_bytes(uint8_t number, std::string_view name) {
  std::vector<uint8_t> bytes(k_protocol_bytes);
  store(MutableByteSpan(bytes), snapshot_request(uuid_of(number), 7, name));
  return bytes;
}

TEST(ReplicaSnapshot, is_asked_of_the_device_and_what_that_says_is_answered) {
  Replica replica;
  const uint32_t head = replica.sealed_association(1);
  const auto take = [&] { return replica.command(head, ReplicaOpcode::snapshot, snapshot_bytes(9, "one")); };
  const uint32_t taken = take();
  ASSERT_TRUE(replica.asked_snapshot());
  EXPECT_EQ(replica.asked_snapshot()->kind, ReplicaAction::Kind::take_snapshot);
  EXPECT_EQ(load<SnapshotRequest>(replica.asked_snapshot()->bytes).name_text(), "one");
  EXPECT_FALSE(replica.answer_of(taken));
  replica.end_snapshot(Status::ok);
  EXPECT_EQ(replica.answer_of(taken)->status, Status::ok);
  const uint32_t again = take();
  replica.end_snapshot(Status::ok, Refusal::exists);
  EXPECT_EQ(replica.answer_of(again)->refusal, Refusal::exists);
  const uint32_t full = take();
  replica.end_snapshot(Status::no_space);
  EXPECT_EQ(replica.answer_of(full)->status, Status::no_space);
}

TEST(ReplicaSnapshot, one_that_makes_no_sense_is_none) {
  Replica replica;
  const uint32_t head = replica.sealed_association(1);
  const auto status = [&](const std::vector<uint8_t>& bytes) {
    const auto answer = replica.answer_of(replica.command(head, ReplicaOpcode::snapshot, bytes));
    return answer ? answer->status : Status::busy;
  };
  std::vector<uint8_t> bytes = snapshot_bytes(9, "one");
  bytes[offsetof(SnapshotRequest, name)] = 0;  // its first byte
  EXPECT_EQ(status(bytes), Status::invalid);
  bytes = snapshot_bytes(9, "one");
  bytes[offsetof(SnapshotRequest, name) + 10] = 'x';  // behind its end
  EXPECT_EQ(status(bytes), Status::invalid);
  bytes = snapshot_bytes(9, std::string(64, 'n'));
  bytes[sizeof(SnapshotRequest)] = 1;
  EXPECT_EQ(status(bytes), Status::invalid);
  bytes[sizeof(SnapshotRequest)] = 0;
  EXPECT_EQ(status(bytes), Status::busy);  // it is taken
  replica.end_snapshot(Status::ok);
  std::fill_n(bytes.begin(), 16, 0);
  EXPECT_EQ(status(bytes), Status::invalid);
}

TEST(ReplicaSnapshot, is_for_the_sealed_alone_and_a_seal_waits_for_it) {
  Replica replica;
  const uint32_t head = replica.sealed_association(1);
  const uint32_t stranger = replica.associate();
  const uint32_t refused = replica.command(stranger, ReplicaOpcode::snapshot, snapshot_bytes(9, "one"));
  EXPECT_EQ(replica.answer_of(refused)->refusal, Refusal::not_sealed);
  const uint32_t taken = replica.command(head, ReplicaOpcode::snapshot, snapshot_bytes(9, "one"));
  const uint32_t queued = replica.command(head, ReplicaOpcode::snapshot, snapshot_bytes(8, "two"));
  const uint32_t seal = replica.seal(stranger, 2, 1);
  replica.settle();
  EXPECT_FALSE(replica.answer_of(seal));
  EXPECT_EQ(replica.answer_of(queued)->refusal, Refusal::fenced);
  replica.end_snapshot(Status::ok);
  replica.settle();
  EXPECT_EQ(replica.answer_of(taken)->status, Status::ok);
  EXPECT_EQ(replica.answer_of(seal)->status, Status::ok);
  const uint32_t late = replica.command(head, ReplicaOpcode::snapshot, snapshot_bytes(7, "three"));
  EXPECT_EQ(replica.answer_of(late)->refusal, Refusal::fenced);
  EXPECT_FALSE(replica.asked_snapshot());
}

TEST(ReplicaSnapshot, what_comes_of_it_after_the_metadata_failed_is_nobodys) {
  Replica replica;
  const uint32_t head = replica.sealed_association(1);
  const uint32_t write = replica.submit(head, IoType::write, 0, 1);
  const uint32_t taken = replica.command(head, ReplicaOpcode::snapshot, snapshot_bytes(9, "one"));
  replica.end_one_metadata(Status::io_error);
  EXPECT_EQ(replica.answer_of(taken)->status, Status::io_error);
  replica.end_snapshot(Status::ok);
  EXPECT_EQ(replica.end_of(write)->status, Status::io_error);
}

TEST_F(ReplicaCoreTest, content_is_durable_when_answered) {
  const uint32_t head = replica.sealed_association(1);
  const uint32_t on = replica.set_content(head, Content::partial);
  EXPECT_FALSE(replica.answer_of(on));
  replica.settle();
  EXPECT_EQ(status(on), Status::ok);
  replica.crash();
  EXPECT_EQ(replica.metadata().superblock.content, Content::partial);
  const uint32_t again = replica.sealed_association(1);
  EXPECT_EQ(replica.state(again).content, Content::partial);
  EXPECT_EQ(status(replica.command(again, ReplicaOpcode::set_content, {}, 0, 0, 4)), Status::invalid);
}

// Whatever it had: nobody takes it for a replica with data again.
TEST_F(ReplicaCoreTest, who_is_no_member_any_more_has_nothing_durably) {
  const uint32_t head = replica.sealed_association(1);
  const uint32_t told = replica.command(head, ReplicaOpcode::set_content, {}, 0, 0, 3);
  EXPECT_FALSE(replica.answer_of(told));
  replica.settle();
  EXPECT_EQ(status(told), Status::ok);
  replica.crash();
  EXPECT_EQ(replica.metadata().superblock.content, Content::nothing);
}

// ---- failures ----

TEST_F(ReplicaCoreTest, failed_metadata_write_poisons_until_opened_again) {
  const uint32_t head = replica.sealed_association(1);
  write(head, k_region);
  const uint32_t in_device = replica.submit(head, IoType::write, k_region, 1);
  const uint32_t waiting = replica.submit(head, IoType::write, 0, 1);
  const uint32_t command = replica.regions(head, ReplicaOpcode::mark_intent, {9});
  const uint32_t queued = replica.set_content(head, Content::partial);
  replica.end_one_metadata(Status::io_error);
  EXPECT_TRUE(replica.core().is_poisoned());
  EXPECT_EQ(replica.end_of(waiting)->status, Status::io_error);
  EXPECT_EQ(status(command), Status::io_error);
  EXPECT_EQ(status(queued), Status::io_error);
  replica.end_io(in_device);
  EXPECT_EQ(replica.end_of(in_device)->status, Status::ok);
  EXPECT_EQ(replica.end_of(replica.submit(head, IoType::read, 0, 1))->status, Status::io_error);
  EXPECT_EQ(status(replica.seal(replica.associate(), 2, 1)), Status::io_error);
  EXPECT_TRUE(replica.pending_blocks().empty());
  replica.crash();
  write(replica.sealed_association(1), 0);
}

TEST_F(ReplicaCoreTest, seal_whose_epoch_cannot_be_written_fails) {
  const uint32_t seal = replica.seal(replica.associate(), 1, 1);
  replica.end_one_metadata(Status::io_error);
  EXPECT_EQ(status(seal), Status::io_error);
  EXPECT_EQ(replica.core().sealed_association(), ReplicaCore::k_nobody);
}

// Rot that comes after a crash between the two copies cannot take the epoch back that has been served since.
TEST_F(ReplicaCoreTest, copies_that_differ_are_made_equal_before_a_seal_is_answered) {
  replica.sealed_association(4);
  replica.seal(replica.associate(), 5, 1);
  replica.end_one_metadata();
  replica.crash();
  EXPECT_EQ(replica.metadata().superblock.max_epoch, 5u);
  const uint64_t newest = superblock_address(replica.metadata().superblock.head.generation);
  const uint32_t seal = replica.seal(replica.associate(), 5, 1);
  EXPECT_FALSE(replica.answer_of(seal));
  replica.settle();
  EXPECT_EQ(status(seal), Status::ok);
  replica.platter()[newest][99] ^= 1;
  replica.open();
  EXPECT_EQ(replica.metadata().superblock.max_epoch, 5u);
}

}  // namespace
}  // namespace ballast::bdev::mirror::test
