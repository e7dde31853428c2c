// Members that are compared while their volume is served.
#include <gtest/gtest.h>

#include <algorithm>

#include "native/bdev_mirror/driver_rig.h"

namespace ballast::bdev::mirror::test {
namespace {

const Head& head_of(DriverRig& rig) { return std::as_const(*rig.driver).head(); }
const VerifyReport& report_of(DriverRig& rig) { return head_of(rig).verify_report(); }

VerifyRefusal start(DriverRig& rig) {
  VerifyRefusal refusal{};
  rig.world.on(rig.home, [&] { refusal = rig.driver->start_verify(); });
  return refusal;
}
bool wait_ended(DriverRig& rig) {
  return rig.wait_for([&] { return report_of(rig).state != VerifyState::running; });
}

class HeadVerify : public testing::Test {
 protected:
  void begin(uint32_t members_count) {
    rig.emplace(members_count);
    rig->start();
    ASSERT_TRUE(rig->wait_in_sync());
    for (uint64_t lba = 0; lba < DriverRig::k_blocks; lba += 97) {
      ASSERT_EQ(rig->write(lba, 1, static_cast<uint8_t>(lba)), Status::ok);
    }
  }
  uint8_t& byte_of(uint32_t replica, uint64_t lba) {
    return rig->replicas[replica]->data()[lba * k_block_bytes + 17];
  }
  std::optional<DriverRig> rig;
};

TEST_F(HeadVerify, finds_no_difference_where_there_is_none) {
  begin(3);
  ASSERT_EQ(start(*rig), VerifyRefusal::none);
  ASSERT_TRUE(wait_ended(*rig));
  const VerifyReport& report = report_of(*rig);
  EXPECT_EQ(report.state, VerifyState::done);
  EXPECT_EQ(report.total_bytes, DriverRig::k_blocks * k_block_bytes);
  EXPECT_EQ(report.done_bytes, report.total_bytes);
  EXPECT_EQ(report.different_granules, 0u);
  EXPECT_EQ(report.unreadable_granules, 0u);
}

TEST_F(HeadVerify, says_what_differs_and_where_and_leaves_it_as_it_is) {
  begin(3);
  for (const uint64_t lba : {200, 201, 202}) byte_of(1, lba) ^= 1;
  byte_of(2, DriverRig::k_blocks - 1) ^= 1;
  byte_of(0, 300) ^= 1, byte_of(1, 300) ^= 2;  // three of a kind: nobody can tell
  ASSERT_EQ(start(*rig), VerifyRefusal::none);
  ASSERT_TRUE(wait_ended(*rig));
  const VerifyReport& report = report_of(*rig);
  EXPECT_EQ(report.state, VerifyState::done);
  EXPECT_EQ(report.different_granules, 5u);
  ASSERT_EQ(report.differences.size(), 3u);
  EXPECT_EQ(report.differences[0].first_granule, 200u);
  EXPECT_EQ(report.differences[0].granules_count, 3u);
  EXPECT_EQ(report.differences[0].odd, MemberSet::of(1));
  EXPECT_EQ(report.differences[1].first_granule, 300u);
  EXPECT_EQ(report.differences[1].odd, MemberSet{});
  EXPECT_EQ(report.differences[2].first_granule, DriverRig::k_blocks - 1);
  EXPECT_EQ(report.differences[2].odd, MemberSet::of(2));
  EXPECT_NE(byte_of(1, 200), byte_of(0, 200));
}

TEST_F(HeadVerify, of_two_that_differ_none_is_odd_and_a_bounded_number_is_kept) {
  begin(2);
  for (uint64_t lba = 0; lba < 600; lba += 4) byte_of(1, lba) ^= 1;
  ASSERT_EQ(start(*rig), VerifyRefusal::none);
  ASSERT_TRUE(wait_ended(*rig));
  EXPECT_EQ(report_of(*rig).different_granules, 150u);
  EXPECT_EQ(report_of(*rig).differences.size(), VerifyReport::k_differences_max);
  EXPECT_EQ(report_of(*rig).differences[0].odd, MemberSet{});
}

// A copy to one that came back makes it equal, and so it is found.
TEST_F(HeadVerify, a_member_that_is_removed_and_added_again_is_equal) {
  begin(3);
  byte_of(1, 5) ^= 1;
  const auto changed = [&] {
    return !head_of(*rig).is_changing() && rig->record.in_sync == rig->record.all();
  };
  rig->world.on(rig->home,
                [&] { EXPECT_EQ(rig->driver->remove_member(number_uuid(3, 1)), ChangeRefusal::none); });
  ASSERT_TRUE(rig->wait_for(changed));
  ASSERT_TRUE(rig->wait_for([&] {
    ChangeRefusal refusal{};
    rig->world.on(rig->home, [&] {
      refusal = rig->driver->add_member(number_uuid(3, 1), rig->way_to(number_uuid(3, 1)), false);
    });
    return refusal == ChangeRefusal::none;
  }));
  ASSERT_TRUE(rig->wait_for([&] { return changed() && rig->record.all().size() == 3; }));
  ASSERT_EQ(start(*rig), VerifyRefusal::none);
  ASSERT_TRUE(wait_ended(*rig));
  EXPECT_EQ(report_of(*rig).state, VerifyState::done);
  EXPECT_EQ(report_of(*rig).different_granules, 0u);
}

TEST_F(HeadVerify, writes_go_on_beside_it_and_give_no_difference) {
  begin(3);
  ASSERT_EQ(start(*rig), VerifyRefusal::none);
  uint32_t writes = 0;
  while (report_of(*rig).state == VerifyState::running) {
    ASSERT_EQ(rig->write(writes * 53 % 760, 9, static_cast<uint8_t>(writes)), Status::ok);
    ASSERT_LT(++writes, 10'000u);
  }
  EXPECT_GT(writes, 10u);  // it yields to them
  EXPECT_EQ(report_of(*rig).state, VerifyState::done);
  EXPECT_EQ(report_of(*rig).different_granules, 0u);
  EXPECT_TRUE(rig->all_equal());
}

TEST_F(HeadVerify, what_a_member_cannot_read_is_written_again_there) {
  begin(3);
  rig->replicas[1]->spoil(130);
  byte_of(1, 130) = 0xee;
  byte_of(2, 131) ^= 1;  // found in the same range
  ASSERT_EQ(start(*rig), VerifyRefusal::none);
  ASSERT_TRUE(wait_ended(*rig));
  EXPECT_EQ(report_of(*rig).state, VerifyState::done);
  EXPECT_EQ(report_of(*rig).unreadable_granules, 1u);
  EXPECT_EQ(report_of(*rig).different_granules, 1u);
  ASSERT_TRUE(rig->wait_for([&] { return byte_of(1, 130) == byte_of(0, 130); }));
  EXPECT_EQ(rig->record.in_sync.size(), 3u);
  ASSERT_EQ(start(*rig), VerifyRefusal::none);
  ASSERT_TRUE(wait_ended(*rig));
  EXPECT_EQ(report_of(*rig).unreadable_granules, 0u);
}

TEST_F(HeadVerify, what_nobody_can_read_is_counted_and_passed) {
  begin(2);
  for (const auto& replica : rig->replicas) replica->spoil(130);
  ASSERT_EQ(start(*rig), VerifyRefusal::none);
  ASSERT_TRUE(wait_ended(*rig));
  EXPECT_EQ(report_of(*rig).state, VerifyState::done);
  EXPECT_EQ(report_of(*rig).unreadable_granules, 1u);
  EXPECT_EQ(report_of(*rig).done_bytes, report_of(*rig).total_bytes);
}

TEST_F(HeadVerify, one_that_does_not_know_the_command_is_left_out) {
  begin(3);
  rig->replicas[2]->knows_checksums = false;
  byte_of(1, 4) ^= 1;
  ASSERT_EQ(start(*rig), VerifyRefusal::none);
  ASSERT_TRUE(wait_ended(*rig));
  EXPECT_EQ(report_of(*rig).state, VerifyState::done);
  EXPECT_EQ(report_of(*rig).unable, MemberSet::of(2));
  EXPECT_EQ(report_of(*rig).different_granules, 1u);
  rig->replicas[1]->knows_checksums = false;
  ASSERT_EQ(start(*rig), VerifyRefusal::none);
  ASSERT_TRUE(wait_ended(*rig));
  EXPECT_EQ(report_of(*rig).state, VerifyState::failed);
  EXPECT_EQ(rig->record.in_sync.size(), 3u);
}

TEST_F(HeadVerify, waits_for_a_member_that_is_away) {
  begin(2);
  rig->world.on(rig->home, [&] { rig->replicas[1]->be_unreachable(true); });
  ASSERT_EQ(rig->write(0, 1, 1), Status::ok);
  EXPECT_EQ(start(*rig), VerifyRefusal::alone);
  rig->world.on(rig->home, [&] { rig->replicas[1]->be_unreachable(false); });
  ASSERT_TRUE(rig->wait_in_sync());
  ASSERT_EQ(start(*rig), VerifyRefusal::none);
  EXPECT_EQ(start(*rig), VerifyRefusal::running);
  rig->world.on(rig->home, [&] { rig->replicas[1]->be_unreachable(true); });
  rig->world.advance(k_ns_per_s);
  EXPECT_EQ(report_of(*rig).state, VerifyState::running);
  rig->world.on(rig->home, [&] { rig->replicas[1]->be_unreachable(false); });
  ASSERT_TRUE(wait_ended(*rig));
  EXPECT_EQ(report_of(*rig).state, VerifyState::done);
  EXPECT_EQ(report_of(*rig).different_granules, 0u);
}

TEST_F(HeadVerify, is_cancelled_and_can_be_begun_again) {
  begin(2);
  rig->connectors[1]->delay_ns = 5 * k_ms;
  ASSERT_EQ(start(*rig), VerifyRefusal::none);
  rig->world.on(rig->home, [&] { rig->driver->cancel_verify(); });
  EXPECT_EQ(report_of(*rig).state, VerifyState::cancelled);
  ASSERT_TRUE(rig->wait_for([&] { return start(*rig) == VerifyRefusal::none; }));
  ASSERT_TRUE(wait_ended(*rig));
  EXPECT_EQ(report_of(*rig).state, VerifyState::done);
  ASSERT_EQ(start(*rig), VerifyRefusal::none);
  rig->stop_head();  // ends it
}

}  // namespace
}  // namespace ballast::bdev::mirror::test
