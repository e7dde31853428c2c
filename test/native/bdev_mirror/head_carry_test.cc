// A snapshot that gets from one member to another, while their volume is served.
#include <gtest/gtest.h>

#include "native/bdev_mirror/driver_rig.h"

namespace ballast::bdev::mirror::test {
namespace {

constexpr uint32_t k_kind = 9;
constexpr size_t k_bytes = DriverRig::k_blocks * k_block_bytes;

class HeadCarry : public testing::Test {
 protected:
  void begin(uint64_t bytes_per_s = 0) {
    rig.emplace(2);
    rig->options.head.resync_bytes_per_s = bytes_per_s;
    rig->start();
    ASSERT_TRUE(rig->wait_in_sync());
  }
  static Uuid uuid_of(uint32_t number) { return number_uuid(k_kind, number); }
  Uuid member(uint32_t index) { return rig->record.members[index]; }
  std::map<Uuid, std::vector<uint8_t>>& snapshots(uint32_t index) { return rig->replicas[index]->snapshots; }
  // Of which these blocks are `value`.
  static std::vector<uint8_t> content(const std::vector<uint64_t>& blocks, uint8_t value,
                                      std::vector<uint8_t> below = std::vector<uint8_t>(k_bytes)) {
    for (const uint64_t block : blocks) {
      const auto at = below.begin() + static_cast<int64_t>(block * k_block_bytes);
      std::fill_n(at, k_block_bytes, value);
    }
    return below;
  }
  CarryRefusal carry(uint32_t number, uint32_t from = 0, uint32_t to = 1) {
    return carry(uuid_of(number), member(from), member(to));
  }
  CarryRefusal carry(const Uuid& snapshot, const Uuid& from, const Uuid& to) {
    CarryRefusal refusal{};
    rig->world.on(rig->home, [&] { refusal = rig->driver->carry_snapshot(snapshot, from, to, bases); });
    return refusal;
  }
  const CarryReport& report() { return std::as_const(*rig->driver).carry_report(); }
  bool wait(CarryState state) {
    return rig->wait_for([&] { return report().state == state; });
  }
  bool wait_moved(uint64_t bytes) {
    return rig->wait_for([&] { return report().moved_bytes >= bytes; });
  }
  std::optional<DriverRig> rig;
  std::vector<Uuid> bases = {uuid_of(1), uuid_of(2), uuid_of(3), uuid_of(4), uuid_of(5)};
};

// What the target holds behind the end of the smaller volume would be in it.
TEST_F(HeadCarry, is_not_put_above_one_of_another_size) {
  begin();
  snapshots(0)[uuid_of(1)] = content({0, 5}, 1);
  snapshots(1)[uuid_of(1)] = content({0, 5, 700}, 1);
  snapshots(0)[uuid_of(2)] = content({6}, 2, snapshots(0)[uuid_of(1)]);
  bases = {uuid_of(3)};
  ASSERT_EQ(carry(2), CarryRefusal::none);
  ASSERT_TRUE(wait(CarryState::done));
  EXPECT_EQ(snapshots(1)[uuid_of(2)], snapshots(0)[uuid_of(2)]);
  EXPECT_EQ(report().moved_bytes, 3 * k_block_bytes);
}

TEST_F(HeadCarry, a_member_says_what_it_has) {
  begin();
  for (const uint32_t number : {1, 2, 3}) snapshots(1)[uuid_of(number)] = content({number}, 1);
  std::optional<Result<std::optional<std::vector<SnapshotEntry>>>> said;
  const auto ask = [&](const Uuid& of) {
    CarryRefusal refusal{};
    said.reset();
    rig->world.on(rig->home, [&] {
      refusal = rig->driver->list_snapshots(of, [&](auto found) { said = std::move(found); });
    });
    return refusal;
  };
  ASSERT_EQ(ask(member(1)), CarryRefusal::none);
  ASSERT_TRUE(rig->wait_for([&] { return said.has_value(); }));
  ASSERT_TRUE(said->ok()) << said->error().text;
  ASSERT_TRUE((*said)->has_value());
  ASSERT_EQ((**said)->size(), 3u);
  for (const uint32_t number : {1, 2, 3}) EXPECT_EQ((***said)[number - 1].uuid, uuid_of(number));
  ASSERT_EQ(ask(member(0)), CarryRefusal::none);
  ASSERT_TRUE(rig->wait_for([&] { return said.has_value(); }));
  EXPECT_TRUE(said->ok() && (*said)->has_value() && (**said)->empty());
  EXPECT_EQ(ask(uuid_of(9)), CarryRefusal::away);
}

TEST_F(HeadCarry, moves_what_differs_from_the_next_older_one_that_both_have) {
  begin();
  snapshots(0)[uuid_of(1)] = content({0, 5, 700}, 1);
  snapshots(1)[uuid_of(1)] = snapshots(0)[uuid_of(1)];
  snapshots(0)[uuid_of(2)] = content({6}, 2, snapshots(0)[uuid_of(1)]);
  snapshots(0)[uuid_of(3)] = content({31, 32, DriverRig::k_blocks - 1}, 3, snapshots(0)[uuid_of(2)]);
  ASSERT_EQ(carry(3), CarryRefusal::none);
  ASSERT_TRUE(wait(CarryState::done));
  EXPECT_EQ(snapshots(1)[uuid_of(3)], snapshots(0)[uuid_of(3)]);
  EXPECT_EQ(report().moved_bytes, 4 * k_block_bytes);
  EXPECT_EQ(report().total_bytes, k_bytes);
  EXPECT_EQ(report().done_bytes, k_bytes);
  ASSERT_EQ(carry(2), CarryRefusal::none);
  ASSERT_TRUE(rig->wait_for([&] { return snapshots(1).contains(uuid_of(2)); }));
  EXPECT_EQ(snapshots(1)[uuid_of(2)], snapshots(0)[uuid_of(2)]);
  EXPECT_EQ(report().moved_bytes, k_block_bytes);
  rig->stop();
}

TEST_F(HeadCarry, all_of_the_oldest_moves_and_one_that_is_there_is_done) {
  begin();
  snapshots(0)[uuid_of(1)] = content({0, 255, 256, 784}, 1);
  ASSERT_EQ(carry(1), CarryRefusal::none);
  EXPECT_EQ(carry(1), CarryRefusal::busy);
  ASSERT_TRUE(wait(CarryState::done));
  EXPECT_EQ(snapshots(1)[uuid_of(1)], snapshots(0)[uuid_of(1)]);
  ASSERT_EQ(carry(1), CarryRefusal::none);
  ASSERT_TRUE(wait(CarryState::done));
  EXPECT_EQ(report().moved_bytes, 0u);
  rig->stop();
}

TEST_F(HeadCarry, finds_it_among_more_than_one_answer_lists) {
  begin();
  for (uint32_t i = 1; i <= 100; ++i) snapshots(0)[uuid_of(i)] = content({i}, static_cast<uint8_t>(i));
  for (uint32_t i = 1; i <= 90; ++i) snapshots(1)[uuid_of(i)] = snapshots(0)[uuid_of(i)];
  ASSERT_EQ(carry(95), CarryRefusal::none);
  ASSERT_TRUE(wait(CarryState::done));
  EXPECT_EQ(snapshots(1)[uuid_of(95)], snapshots(0)[uuid_of(95)]);
  EXPECT_EQ(report().moved_bytes, 2 * k_block_bytes);  // of 90 and of 95
  rig->stop();
}

TEST_F(HeadCarry, is_refused_between_who_cannot) {
  begin();
  snapshots(0)[uuid_of(1)] = content({1}, 1);
  EXPECT_EQ(carry(1, 0, 0), CarryRefusal::unknown);
  EXPECT_EQ(carry(uuid_of(1), member(0), uuid_of(7)), CarryRefusal::unknown);
  EXPECT_EQ(carry(uuid_of(1), Uuid{}, member(1)), CarryRefusal::unknown);
  ASSERT_EQ(carry(1, 1, 0), CarryRefusal::none);
  ASSERT_TRUE(wait(CarryState::failed));
  EXPECT_EQ(report().trouble, "member " + member(1).text() + " does not have it");
  rig->replicas[1]->be_unreachable(true);
  ASSERT_EQ(rig->write(1, 1, 1), Status::ok);
  EXPECT_EQ(carry(1), CarryRefusal::away);
  rig->stop();
}

TEST_F(HeadCarry, what_cannot_be_read_or_stored_ends_it_and_nothing_is_left) {
  begin();
  snapshots(0)[uuid_of(1)] = content({1, 400}, 1);
  rig->replicas[0]->carry_read_status = Status::media_error;
  ASSERT_EQ(carry(1), CarryRefusal::none);
  ASSERT_TRUE(wait(CarryState::failed));
  EXPECT_TRUE(report().trouble.starts_with("member " + member(0).text() + " cannot read it: "));
  EXPECT_FALSE(rig->replicas[1]->receiving);
  EXPECT_TRUE(snapshots(1).empty());
  rig->replicas[0]->carry_read_status = Status::ok;
  rig->replicas[1]->carry_receive_status = Status::no_space;
  ASSERT_EQ(carry(1), CarryRefusal::none);
  ASSERT_TRUE(wait(CarryState::failed));
  EXPECT_TRUE(report().trouble.starts_with("member " + member(1).text() + " cannot store it: "));
  EXPECT_FALSE(rig->replicas[1]->receiving);
  EXPECT_TRUE(snapshots(1).empty());
  // Neither has anything to do with what they are to hosts.
  EXPECT_EQ(rig->write(1, 1, 1), Status::ok);
  EXPECT_TRUE(rig->wait_in_sync());
  rig->stop();
}

TEST_F(HeadCarry, an_older_member_is_told_by_name) {
  begin();
  snapshots(0)[uuid_of(1)] = content({1}, 1);
  rig->replicas[1]->knows_carrying = false;
  ASSERT_EQ(carry(1), CarryRefusal::none);
  ASSERT_TRUE(wait(CarryState::failed));
  EXPECT_TRUE(report().trouble.starts_with("member " + member(1).text() + " carries no snapshots"));
  rig->stop();
}

TEST_F(HeadCarry, takes_its_time_and_can_be_cancelled) {
  constexpr uint64_t k_rate = 1 << 20;
  begin(k_rate);
  std::vector<uint64_t> blocks(512);
  for (uint64_t i = 0; i < blocks.size(); ++i) blocks[i] = i;
  snapshots(0)[uuid_of(1)] = content(blocks, 1);
  const uint64_t begun_ns = rig->home.clock().now_ns();
  ASSERT_EQ(carry(1), CarryRefusal::none);
  ASSERT_TRUE(wait_moved(k_rate));
  // The last piece is one that nothing waits for.
  EXPECT_GE(rig->home.clock().now_ns() - begun_ns, k_ns_per_s - 125 * k_ms);
  EXPECT_TRUE(rig->replicas[1]->receiving);
  ASSERT_EQ(rig->write(1, 1, 1), Status::ok);
  rig->world.on(rig->home, [&] { rig->driver->cancel_carry(); });
  ASSERT_TRUE(wait(CarryState::cancelled));
  EXPECT_FALSE(rig->replicas[1]->receiving);
  EXPECT_TRUE(snapshots(1).empty());
  ASSERT_EQ(carry(1), CarryRefusal::none);
  ASSERT_TRUE(wait(CarryState::done));
  EXPECT_EQ(snapshots(1)[uuid_of(1)], snapshots(0)[uuid_of(1)]);
  rig->stop();
}

TEST_F(HeadCarry, ends_with_either_session_and_begins_anew_with_the_next) {
  for (const uint32_t lost : {0u, 1u}) {
    begin(1 << 20);
    std::vector<uint64_t> blocks(300);
    for (uint64_t i = 0; i < blocks.size(); ++i) blocks[i] = 2 * i;
    snapshots(0)[uuid_of(1)] = content(blocks, 7);
    ASSERT_EQ(carry(1), CarryRefusal::none);
    ASSERT_TRUE(wait_moved(200'000));
    rig->replicas[lost]->be_unreachable(true);
    ASSERT_TRUE(wait(CarryState::failed));
    rig->replicas[lost]->be_unreachable(false);
    ASSERT_TRUE(rig->wait_in_sync());
    EXPECT_FALSE(rig->replicas[1]->receiving);
    EXPECT_TRUE(snapshots(1).empty());
    ASSERT_EQ(carry(1), CarryRefusal::none);
    ASSERT_TRUE(wait(CarryState::done));
    EXPECT_EQ(snapshots(1)[uuid_of(1)], snapshots(0)[uuid_of(1)]);
    rig->stop();
  }
}

TEST_F(HeadCarry, ends_with_the_head) {
  begin(1 << 20);
  snapshots(0)[uuid_of(1)] = content({0, 100, 200, 300, 400, 500, 600, 700}, 7);
  ASSERT_EQ(carry(1), CarryRefusal::none);
  ASSERT_TRUE(wait_moved(k_block_bytes));
  rig->stop();
  EXPECT_FALSE(rig->replicas[1]->receiving);
  EXPECT_TRUE(snapshots(1).empty());
}

}  // namespace
}  // namespace ballast::bdev::mirror::test
