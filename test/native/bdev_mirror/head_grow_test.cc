// A volume that becomes larger while it is served.
#include <gtest/gtest.h>

#include "native/bdev_mirror/driver_rig.h"

namespace ballast::bdev::mirror::test {
namespace {

constexpr uint64_t k_before = DriverRig::k_blocks, k_after = 2 * DriverRig::k_blocks + 3;

const Head& head_of(DriverRig& rig) { return std::as_const(*rig.driver).head(); }

class HeadGrow : public testing::Test {
 protected:
  void begin(uint32_t members_count) {
    rig.emplace(members_count);
    rig->start();
    ASSERT_TRUE(rig->wait_in_sync());
  }
  ChangeRefusal grow(uint64_t blocks_count) {
    ChangeRefusal refusal{};
    rig->world.on(rig->home, [&] { refusal = rig->driver->grow(blocks_count); });
    return refusal;
  }
  bool wait_ended() {
    return rig->wait_for([&] { return !head_of(*rig).is_changing(); });
  }
  std::optional<DriverRig> rig;
};

TEST_F(HeadGrow, new_blocks_are_there_at_all_members_when_the_record_says_so) {
  begin(3);
  ASSERT_EQ(rig->write(k_before - 1, 1, 7), Status::ok);
  EXPECT_EQ(rig->write(k_before, 1, 7), Status::out_of_range);
  ASSERT_EQ(grow(k_after), ChangeRefusal::none);
  EXPECT_EQ(grow(k_after + 1), ChangeRefusal::busy);
  EXPECT_EQ(rig->write(k_before, 1, 7), Status::out_of_range);
  ASSERT_TRUE(wait_ended());
  EXPECT_EQ(rig->record.blocks_count, k_after);
  EXPECT_EQ(rig->record.in_sync.size(), 3u);
  EXPECT_TRUE(head_of(*rig).growth_trouble().member.is_nil());
  EXPECT_EQ(rig->read(k_after - 1, 1), std::vector<uint8_t>(k_block_bytes, 0));
  EXPECT_EQ(rig->write(k_before - 1, 2, 8), Status::ok);
  EXPECT_EQ(rig->write(k_after - 1, 1, 9), Status::ok);
  EXPECT_EQ(rig->write(k_after, 1, 9), Status::out_of_range);
  EXPECT_TRUE(rig->all_equal());
  EXPECT_EQ(grow(k_after), ChangeRefusal::none);  // it is
  EXPECT_EQ(grow(k_after - 1), ChangeRefusal::smaller);
  EXPECT_EQ(grow(UINT64_MAX), ChangeRefusal::too_large);
  // The next head knows it, and what was being written there.
  rig->stop_head(false);
  rig->start();
  ASSERT_TRUE(rig->wait_in_sync());
  EXPECT_EQ(rig->read(k_after - 1, 1), std::vector<uint8_t>(k_block_bytes, 9));
}

TEST_F(HeadGrow, stays_as_it_is_when_a_member_does_not_become_larger) {
  begin(3);
  rig->replicas[1]->growth_status = Status::no_space;
  ASSERT_EQ(grow(k_after), ChangeRefusal::none);
  ASSERT_TRUE(wait_ended());
  EXPECT_EQ(rig->record.blocks_count, k_before);
  EXPECT_EQ(rig->record.in_sync.size(), 3u);
  EXPECT_EQ(head_of(*rig).growth_trouble().member, number_uuid(3, 1));
  EXPECT_EQ(head_of(*rig).growth_trouble().status, Status::no_space);
  EXPECT_EQ(rig->write(k_before, 1, 7), Status::out_of_range);
  rig->replicas[1]->growth_status = Status::ok;
  ASSERT_EQ(grow(k_after), ChangeRefusal::none);
  ASSERT_TRUE(wait_ended());
  EXPECT_EQ(rig->record.blocks_count, k_after);
  EXPECT_EQ(rig->write(k_before, 1, 7), Status::ok);
  EXPECT_TRUE(rig->all_equal());
}

TEST_F(HeadGrow, one_that_is_away_becomes_larger_when_it_joins) {
  begin(3);
  rig->world.on(rig->home, [&] { rig->replicas[2]->be_unreachable(true); });
  ASSERT_EQ(rig->write(3, 1, 1), Status::ok);
  ASSERT_EQ(grow(k_after), ChangeRefusal::none);
  ASSERT_TRUE(wait_ended());
  EXPECT_EQ(rig->record.blocks_count, k_after);
  ASSERT_EQ(rig->write(k_after - 5, 5, 6), Status::ok);
  EXPECT_EQ(rig->replicas[2]->metadata().superblock.blocks_count, k_before);
  // Neither before it can, nor half of it.
  rig->replicas[2]->growth_status = Status::no_space;
  rig->world.on(rig->home, [&] { rig->replicas[2]->be_unreachable(false); });
  rig->world.advance(k_ns_per_s);
  EXPECT_EQ(rig->record.in_sync.size(), 2u);
  rig->replicas[2]->growth_status = Status::ok;
  ASSERT_TRUE(rig->wait_in_sync());
  EXPECT_TRUE(rig->all_equal());
}

TEST_F(HeadGrow, waits_for_the_store_and_io_does_not_wait_for_it) {
  begin(2);
  rig->store = DriverRig::Store::is_down;
  ASSERT_EQ(grow(k_after), ChangeRefusal::none);
  rig->world.advance(k_ns_per_s);
  EXPECT_TRUE(head_of(*rig).is_changing());
  EXPECT_EQ(rig->write(0, 1, 1), Status::ok);
  EXPECT_EQ(rig->write(k_before, 1, 1), Status::out_of_range);
  rig->store = DriverRig::Store::answers;
  ASSERT_TRUE(wait_ended());
  EXPECT_EQ(rig->write(k_before, 1, 1), Status::ok);
}

TEST_F(HeadGrow, one_that_takes_too_long_leaves_the_set) {
  begin(3);
  rig->replicas[1]->holds_growth = true;
  ASSERT_EQ(grow(k_after), ChangeRefusal::none);
  ASSERT_TRUE(wait_ended());
  EXPECT_EQ(rig->record.blocks_count, k_after);
  EXPECT_FALSE(rig->record.in_sync.has(1));
  rig->world.on(rig->home, [&] { rig->replicas[1]->restart(); });
  rig->replicas[1]->holds_growth = false;
  ASSERT_TRUE(rig->wait_in_sync());
  EXPECT_TRUE(rig->all_equal());
}

}  // namespace
}  // namespace ballast::bdev::mirror::test
