// A snapshot of all members at one moment, while their volume is served.
#include <gtest/gtest.h>

#include "native/bdev_mirror/driver_rig.h"

namespace ballast::bdev::mirror::test {
namespace {

constexpr uint32_t k_kind = 9;

class HeadSnapshot : public testing::Test {
 protected:
  void begin(uint32_t members_count) {
    rig.emplace(members_count);
    rig->start();
    ASSERT_TRUE(rig->wait_in_sync());
    ASSERT_EQ(rig->write(3, 2, 1), Status::ok);
  }
  const SnapshotReport& report() { return std::as_const(*rig->driver).head().snapshot_report(); }
  const SnapshotRemoval& removal() { return std::as_const(*rig->driver).head().snapshot_removal(); }
  Activity activity() { return std::as_const(*rig->driver).head().activity(); }
  static Uuid uuid_of(uint32_t number) { return number_uuid(k_kind, number); }
  SnapshotRefusal take(uint32_t number) {
    const SnapshotRequest request = snapshot_request(uuid_of(number), 5, "s" + std::to_string(number));
    SnapshotRefusal refusal{};
    rig->world.on(rig->home, [&] { refusal = rig->driver->snapshot(request); });
    return refusal;
  }
  SnapshotRefusal remove(uint32_t number) {
    SnapshotRefusal refusal{};
    rig->world.on(rig->home, [&] { refusal = rig->driver->delete_snapshot(uuid_of(number)); });
    return refusal;
  }
  DriverRig::Op& write_later(uint64_t lba, uint32_t blocks, uint8_t value) {
    DriverRig::Op& op = rig->submit(IoType::write, lba, blocks, value);
    rig->world.on(rig->user, [&] { rig->channel->submit(op.io); });
    return op;
  }
  bool wait(SnapshotState state) {
    return rig->wait_for([&] { return report().state == state; });
  }
  bool wait_removed() {
    return rig->wait_for([&] { return removal().left.empty(); });
  }
  bool has(uint32_t replica, uint32_t number) {
    return rig->replicas[replica]->snapshots.contains(uuid_of(number));
  }
  uint8_t byte_in(uint32_t replica, uint32_t number, uint64_t lba) {
    return rig->replicas[replica]->snapshots.at(uuid_of(number))[lba * k_block_bytes];
  }
  std::optional<DriverRig> rig;
};

TEST_F(HeadSnapshot, is_the_same_at_all_members_and_has_what_was_acknowledged_before) {
  begin(3);
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  ASSERT_TRUE(wait(SnapshotState::done));
  ASSERT_EQ(rig->write(3, 2, 2), Status::ok);
  EXPECT_EQ(report().members_count, 3u);
  EXPECT_EQ(report().members[2], number_uuid(3, 2));
  EXPECT_EQ(report().blocks_count, DriverRig::k_blocks);
  EXPECT_EQ(report().request.name_text(), "s1");
  for (uint32_t replica = 0; replica < 3; ++replica) {
    EXPECT_EQ(byte_in(replica, 1, 3), 1) << replica;
    EXPECT_EQ(rig->replicas[replica]->snapshots, rig->replicas[0]->snapshots);
  }
}

TEST_F(HeadSnapshot, waits_for_writes_in_flight_and_holds_others_while_reads_go_on) {
  begin(3);
  rig->replicas[1]->hold_ios(true);
  auto& early = write_later(3, 2, 2);
  rig->world.advance(10 * k_ms);
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  auto& late = write_later(10, 2, 3);
  rig->world.advance(50 * k_ms);
  EXPECT_EQ(report().state, SnapshotState::draining);
  EXPECT_EQ(activity(), Activity::snapshotting);
  EXPECT_FALSE(rig->is_over(late));
  // Also where a write is held.
  EXPECT_EQ(rig->read(200, 1), std::vector<uint8_t>(k_block_bytes, 0));
  EXPECT_EQ(rig->read(10, 1), std::vector<uint8_t>(k_block_bytes, 0));
  rig->world.on(rig->home, [&] { rig->replicas[1]->hold_ios(false); });
  ASSERT_TRUE(wait(SnapshotState::done));
  ASSERT_TRUE(rig->wait_for([&] { return rig->is_over(late) && rig->is_over(early); }));
  EXPECT_EQ(*early.status, Status::ok);
  EXPECT_EQ(*late.status, Status::ok);
  EXPECT_GT(report().held_ns, 40 * k_ms);
  for (uint32_t replica = 0; replica < 3; ++replica) {
    EXPECT_EQ(byte_in(replica, 1, 3), 2) << replica;
    EXPECT_EQ(byte_in(replica, 1, 10), 0) << replica;
  }
  EXPECT_TRUE(rig->all_equal());
}

TEST_F(HeadSnapshot, one_that_is_lost_meanwhile_leaves_the_set_and_the_others_are_enough) {
  begin(3);
  rig->replicas[1]->holds_snapshots = true;
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  rig->world.advance(20 * k_ms);
  EXPECT_EQ(report().state, SnapshotState::taking);
  auto& held = write_later(3, 1, 9);
  rig->world.on(rig->home, [&] { rig->replicas[1]->be_unreachable(true); });
  ASSERT_TRUE(wait(SnapshotState::done));
  EXPECT_FALSE(rig->record.in_sync.has(1));
  EXPECT_EQ(report().members_count, 2u);
  EXPECT_EQ(report().members[1], number_uuid(3, 2));
  ASSERT_TRUE(rig->wait_for([&] { return rig->is_over(held); }));
  // It may have it all the same, but nobody says so.
  rig->replicas[1]->snapshots[uuid_of(1)] = {};
  rig->replicas[1]->holds_snapshots = false;
  rig->world.on(rig->home, [&] { rig->replicas[1]->restart(), rig->replicas[1]->be_unreachable(false); });
  ASSERT_TRUE(rig->wait_in_sync());
  ASSERT_TRUE(wait_removed());
  EXPECT_FALSE(has(1, 1));
  EXPECT_TRUE(has(0, 1));
}

TEST_F(HeadSnapshot, one_that_is_silent_leaves_the_set) {
  begin(3);
  rig->replicas[2]->holds_snapshots = true;
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  ASSERT_TRUE(wait(SnapshotState::done));
  EXPECT_FALSE(rig->record.in_sync.has(2));
  EXPECT_EQ(report().members_count, 2u);
}

TEST_F(HeadSnapshot, is_none_when_a_member_refuses_and_nothing_is_left_of_it) {
  begin(3);
  for (const Status status : {Status::unsupported, Status::no_space, Status::busy, Status::invalid}) {
    rig->replicas[1]->snapshot_status = status;
    ASSERT_EQ(take(1), SnapshotRefusal::none);
    ASSERT_TRUE(wait(SnapshotState::failed));
    EXPECT_EQ(report().failure, SnapshotFailure::refused);
    EXPECT_EQ(report().refuser, number_uuid(3, 1));
    EXPECT_EQ(report().status, status);
    ASSERT_EQ(rig->write(3, 1, 4), Status::ok);
    ASSERT_TRUE(wait_removed());
    EXPECT_FALSE(has(0, 1) || has(1, 1) || has(2, 1));
    EXPECT_EQ(rig->record.in_sync.size(), 3u);
  }
  rig->replicas[1]->snapshot_status = Status::ok;
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  ASSERT_TRUE(wait(SnapshotState::done));
}

TEST_F(HeadSnapshot, a_member_that_fails_at_it_is_out) {
  begin(3);
  rig->replicas[1]->snapshot_status = Status::io_error;
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  ASSERT_TRUE(wait(SnapshotState::done));
  EXPECT_EQ(report().members_count, 2u);
}

// Of another moment, whoever had it taken.
TEST_F(HeadSnapshot, one_that_a_member_has_already_is_refused_and_kept_there) {
  begin(3);
  rig->replicas[1]->snapshots[uuid_of(1)] = {7};
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  ASSERT_TRUE(wait(SnapshotState::failed));
  EXPECT_EQ(report().status, Status::invalid);
  ASSERT_TRUE(wait_removed());
  EXPECT_TRUE(has(1, 1));
  EXPECT_FALSE(has(0, 1) || has(2, 1));
}

// The first answer ends it; what the others say after that counts for what is deleted.
TEST_F(HeadSnapshot, one_that_all_members_have_already_stays_at_all_of_them) {
  begin(3);
  for (auto& replica : rig->replicas) replica->snapshots[uuid_of(1)] = {7};
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  ASSERT_TRUE(wait(SnapshotState::failed));
  ASSERT_TRUE(wait_removed());
  EXPECT_TRUE(has(0, 1) && has(1, 1) && has(2, 1));
  ASSERT_EQ(rig->write(3, 1, 4), Status::ok);
}

TEST_F(HeadSnapshot, is_given_up_after_its_time_and_writes_go_on) {
  rig.emplace(3u);
  rig->options.head.snapshot_hold_ns = 200 * k_ms;  // less than members have
  rig->start();
  ASSERT_TRUE(rig->wait_in_sync());
  rig->replicas[1]->holds_snapshots = true;
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  rig->world.advance(20 * k_ms);
  auto& held = write_later(3, 1, 9);
  ASSERT_TRUE(wait(SnapshotState::failed));
  EXPECT_EQ(report().failure, SnapshotFailure::too_long);
  EXPECT_EQ(rig->record.in_sync.size(), 3u);
  ASSERT_TRUE(rig->wait_for([&] { return rig->is_over(held); }, 100 * k_ms));
  EXPECT_EQ(take(2), SnapshotRefusal::busy);  // it is at the one before still
  // So that one leaves; then another one can be taken, without it.
  ASSERT_TRUE(rig->wait_for([&] { return !rig->record.in_sync.has(1); }));
  ASSERT_TRUE(rig->wait_for([&] { return take(2) == SnapshotRefusal::none; }));
  ASSERT_TRUE(wait(SnapshotState::done));
  EXPECT_FALSE(has(0, 1));
}

TEST_F(HeadSnapshot, a_write_that_does_not_end_has_it_given_up_too) {
  rig.emplace(2u);
  rig->options.head.snapshot_hold_ns = 200 * k_ms;
  rig->start();
  ASSERT_TRUE(rig->wait_in_sync());
  rig->replicas[1]->hold_ios(true);
  write_later(3, 1, 9);
  rig->world.advance(k_ms);
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  ASSERT_TRUE(wait(SnapshotState::failed));
  EXPECT_EQ(report().failure, SnapshotFailure::too_long);
  EXPECT_TRUE(removal().uuid.is_nil());  // nobody was told
}

TEST_F(HeadSnapshot, asked_for_again_it_is_the_same_one) {
  begin(3);
  rig->replicas[1]->holds_snapshots = true;
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  rig->world.advance(20 * k_ms);
  EXPECT_EQ(take(1), SnapshotRefusal::none);
  EXPECT_EQ(take(2), SnapshotRefusal::busy);
  EXPECT_EQ(remove(3), SnapshotRefusal::busy);
  ASSERT_TRUE(wait(SnapshotState::done));
  ASSERT_EQ(rig->write(3, 1, 5), Status::ok);
  EXPECT_EQ(take(1), SnapshotRefusal::none);
  EXPECT_EQ(report().state, SnapshotState::done);
  rig->world.advance(100 * k_ms);
  EXPECT_EQ(byte_in(0, 1, 3), 1);
  EXPECT_EQ(report().members_count, 2u);
}

TEST_F(HeadSnapshot, a_head_that_is_fenced_meanwhile_takes_none) {
  begin(2);
  rig->replicas[1]->holds_snapshots = true;
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  rig->world.advance(20 * k_ms);
  auto& held = write_later(3, 1, 9);
  ++rig->record.epoch;
  ++rig->record.revision;
  rig->record.head = number_uuid(2, 7);
  rig->world.on(rig->home, [&] { rig->driver->on_record(rig->record); });
  EXPECT_EQ(report().state, SnapshotState::failed);
  EXPECT_EQ(report().failure, SnapshotFailure::interrupted);
  ASSERT_TRUE(rig->wait_for([&] { return rig->is_over(held); }));
  EXPECT_EQ(*held.status, Status::fenced);
  EXPECT_EQ(take(2), SnapshotRefusal::not_serving);
}

TEST_F(HeadSnapshot, with_all_members_lost_it_is_none_and_its_rest_goes_when_they_are_back) {
  begin(2);
  rig->replicas[1]->holds_snapshots = true;
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  rig->world.advance(20 * k_ms);
  EXPECT_TRUE(has(0, 1));
  rig->world.on(rig->home, [&] {
    for (const auto& replica : rig->replicas) replica->restart();
  });
  rig->replicas[1]->holds_snapshots = false;
  ASSERT_TRUE(wait(SnapshotState::failed));
  EXPECT_EQ(report().failure, SnapshotFailure::interrupted);
  ASSERT_TRUE(rig->wait_in_sync());
  ASSERT_TRUE(wait_removed());
  EXPECT_FALSE(has(0, 1) || has(1, 1));
}

TEST_F(HeadSnapshot, what_an_unclean_end_left_is_made_equal_before) {
  begin(2);
  rig->replicas[1]->hold_ios(true);
  write_later(3, 1, 9);
  rig->world.advance(10 * k_ms);
  rig->stop_head(false);
  rig->world.on(rig->home, [&] { rig->replicas[1]->restart(), rig->replicas[1]->hold_ios(false); });
  rig->start();
  ASSERT_TRUE(rig->wait_for([&] { return take(1) == SnapshotRefusal::none; }));
  EXPECT_EQ(report().state, SnapshotState::waiting);
  ASSERT_TRUE(wait(SnapshotState::done));
  EXPECT_EQ(report().members_count, 2u);
  EXPECT_EQ(rig->replicas[0]->snapshots, rig->replicas[1]->snapshots);
}

TEST_F(HeadSnapshot, is_deleted_where_members_can_be_reached) {
  begin(3);
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  ASSERT_TRUE(wait(SnapshotState::done));
  rig->world.on(rig->home, [&] { rig->replicas[2]->be_unreachable(true); });
  ASSERT_EQ(rig->write(3, 1, 5), Status::ok);
  ASSERT_EQ(remove(1), SnapshotRefusal::none);
  ASSERT_TRUE(wait_removed());
  EXPECT_EQ(removal().members_count, 2u);
  EXPECT_FALSE(has(0, 1) || has(1, 1));
  EXPECT_TRUE(has(2, 1));
  rig->world.on(rig->home, [&] { rig->replicas[2]->be_unreachable(false); });
  ASSERT_TRUE(rig->wait_in_sync());
  EXPECT_TRUE(has(2, 1));  // until it is asked for again
  ASSERT_EQ(remove(1), SnapshotRefusal::none);
  ASSERT_TRUE(wait_removed());
  EXPECT_EQ(removal().members_count, 3u);
  EXPECT_FALSE(has(2, 1));
  // The same may be taken again: it is another one.
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  ASSERT_TRUE(wait(SnapshotState::done));
  EXPECT_EQ(byte_in(2, 1, 3), 5);
}

// Another head may have sealed that one alone.
TEST_F(HeadSnapshot, does_not_begin_while_the_store_may_have_added_a_member) {
  begin(3);
  rig->world.on(rig->home, [&] { rig->replicas[2]->be_unreachable(true); });
  ASSERT_EQ(rig->write(3, 1, 5), Status::ok);
  ASSERT_FALSE(rig->record.in_sync.has(2));
  rig->store = DriverRig::Store::is_down;
  const uint32_t asked = rig->store_requests;
  rig->world.on(rig->home, [&] { rig->replicas[2]->be_unreachable(false); });
  ASSERT_TRUE(rig->wait_for([&] { return rig->store_requests > asked; }));
  EXPECT_EQ(activity(), Activity::adding);
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  rig->world.advance(k_ns_per_s);
  EXPECT_EQ(report().state, SnapshotState::waiting);
  EXPECT_EQ(rig->write(3, 1, 6), Status::ok);  // nothing is held for it
  rig->store = DriverRig::Store::answers;
  ASSERT_TRUE(wait(SnapshotState::done));
  EXPECT_EQ(report().members_count, 3u);
  EXPECT_EQ(byte_in(2, 1, 3), 6);
}

TEST_F(HeadSnapshot, goes_with_no_change_of_members_or_size_and_with_a_copy) {
  begin(3);
  rig->world.on(rig->home, [&] { rig->replicas[2]->be_unreachable(true); });
  ASSERT_EQ(rig->write(3, 1, 5), Status::ok);
  rig->replicas[1]->holds_snapshots = true;
  ASSERT_EQ(take(1), SnapshotRefusal::none);
  ChangeRefusal grown{}, added{}, removed{};
  rig->world.on(rig->home, [&] {
    grown = rig->driver->grow(2 * DriverRig::k_blocks);
    removed = rig->driver->remove_member(number_uuid(3, 2));
    added = rig->driver->add_member(number_uuid(3, 7), nullptr, false);
  });
  EXPECT_EQ(grown, ChangeRefusal::busy);
  EXPECT_EQ(removed, ChangeRefusal::busy);
  EXPECT_EQ(added, ChangeRefusal::busy);
  rig->replicas[1]->holds_snapshots = false;
  rig->world.on(rig->home, [&] { rig->replicas[2]->be_unreachable(false); });
  ASSERT_TRUE(wait(SnapshotState::done));
  ASSERT_TRUE(rig->wait_in_sync());
  EXPECT_TRUE(rig->all_equal());
}

TEST_F(HeadSnapshot, has_a_name_of_1_to_64_bytes) {
  begin(2);
  SnapshotRequest request = snapshot_request(uuid_of(1), 5, "a");
  SnapshotRefusal refusal{};
  const auto ask = [&] { rig->world.on(rig->home, [&] { refusal = rig->driver->snapshot(request); }); };
  request.name[0] = '\0';
  ask();
  EXPECT_EQ(refusal, SnapshotRefusal::no_name);
  request = snapshot_request({{1}}, 5, std::string(64, 'a'));
  request.uuid = {};
  ask();
  EXPECT_EQ(refusal, SnapshotRefusal::no_name);
  request.uuid = uuid_of(1);
  ask();
  EXPECT_EQ(refusal, SnapshotRefusal::none);
}

}  // namespace
}  // namespace ballast::bdev::mirror::test
