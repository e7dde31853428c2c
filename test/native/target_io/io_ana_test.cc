// I/O over paths of every ANA state. Row N26 of the bad-input table.
#include "native/target_io/io_fixture.h"

namespace ballast::target::test {
namespace {

using nvme::AnaState;

constexpr AnaState k_open_states[] = {AnaState::optimized, AnaState::non_optimized};
constexpr AnaState k_closed_states[] = {AnaState::inaccessible, AnaState::persistent_loss, AnaState::change};

class IoAnaTest : public IoFixture {
 protected:
  void set_state(AnaState state, uint32_t nsid = 1) {
    ASSERT_TRUE(namespaces_.set_ana_state(nsid, state).ok());
  }
  void expect_refused(const FakeCommand& command, AnaState state) {
    const auto expected = static_cast<uint8_t>(state == AnaState::persistent_loss ? 1
                                               : state == AnaState::inaccessible  ? 2
                                                                                  : 3);
    expect_status(command, 3, expected, false);
  }
  struct Sent {
    nvme::Command command;
    std::vector<uint8_t> data;
  };
  // Each command that there is, as a host that does nothing wrong sends it.
  std::vector<Sent> commands() {
    return {{read_command(1, 0, 1, k_block), {}},
            {write_command(1, 0, 1), blocks(1, 0xee)},
            {compare_command(1, 0, 1), blocks(1, 0x11)},
            {block_command(nvme::NvmOpcode::write_zeroes, 1, 0, 1), {}},
            {block_command(nvme::NvmOpcode::verify, 1, 0, 1), {}},
            {command_of(nvme::NvmOpcode::flush, 1), {}},
            {command_of(nvme::NvmOpcode::flush, 0xffff'ffff), {}},
            {dataset_command(1, 1), dataset_data({{0, 1}})},
            {copy_command(1, 8, 1), copy_data({{0, 1}})}};
  }
};

TEST_F(IoAnaTest, N26_every_command_is_refused_with_the_status_of_the_state_and_nothing_is_executed) {
  write(0, 1, 0x11);
  for (const AnaState state : k_closed_states) {
    set_state(state);
    const size_t before = device().seen.size();
    for (const Sent& sent : commands()) expect_refused(send(sent.command, sent.data), state);
    EXPECT_EQ(device().seen.size(), before);
    set_state(AnaState::optimized);
    EXPECT_EQ(read(0, 1), blocks(1, 0x11));
  }
}

TEST_F(IoAnaTest, every_command_is_executed_over_an_optimized_and_a_non_optimized_path) {
  for (const AnaState state : k_open_states) {
    set_state(state);
    write(0, 1, 0x11);
    for (const Sent& sent : commands()) {
      FakeCommand& command = send(sent.command, sent.data);
      const bool differs = command.status().is(status::compare_failure);  // after the write of something else
      EXPECT_TRUE(command.status().ok() || differs) << nvme::status_name(command.status());
    }
  }
}

TEST_F(IoAnaTest, N26_a_write_whose_data_comes_after_the_path_was_closed_changes_nothing) {
  write(0, 1, 0x11);
  qpair().hold_fetches = true;
  FakeCommand& late = send(write_command(1, 0, 1), blocks(1, 0xee));
  set_state(AnaState::inaccessible);
  qpair().finish_fetch(late);
  expect_refused(late, AnaState::inaccessible);
  qpair().hold_fetches = false;
  set_state(AnaState::optimized);
  EXPECT_EQ(read(0, 1), blocks(1, 0x11));
}

TEST_F(IoAnaTest, N26_a_fused_pair_is_refused_as_a_whole) {
  write(0, 1, 0x11);
  set_state(AnaState::change);
  FakeCommand& first = send(fused(compare_command(1, 0, 1), nvme::k_fuse_first), blocks(1, 0x11));
  FakeCommand& second = send(fused(write_command(1, 0, 1), nvme::k_fuse_second), blocks(1, 0xee));
  expect_refused(first, AnaState::change);
  EXPECT_TRUE(second.status().is(status::aborted_failed_fused));
  set_state(AnaState::optimized);
  EXPECT_EQ(read(0, 1), blocks(1, 0x11));
}

TEST_F(IoAnaTest, another_namespace_is_not_concerned) {
  add(2, k_blocks * k_block, k_block);
  set_state(AnaState::inaccessible, 2);
  write(0, 1, 0x22);
  FakeCommand& other = send(write_command(2, 0, 1), blocks(1, 0xee));
  expect_refused(other, AnaState::inaccessible);
  expect_refused(send(command_of(nvme::NvmOpcode::flush, 0xffff'ffff)), AnaState::inaccessible);
}

TEST_F(IoAnaTest, a_closed_path_is_idle_when_its_last_io_has_left_and_an_open_one_is_not_waited_for) {
  device().hold = true;
  FakeCommand& held = send(write_command(1, 0, 1), blocks(1, 0x33));
  bool idle = false;
  namespaces_.when_path_idle(1, [&idle] { idle = true; });
  EXPECT_TRUE(idle) << "the path is open";
  idle = false;
  set_state(AnaState::inaccessible);
  namespaces_.when_path_idle(1, [&idle] { idle = true; });
  world_.settle();
  EXPECT_FALSE(idle);
  device().release_one();
  world_.settle();
  EXPECT_TRUE(idle);
  EXPECT_TRUE(held.status().ok()) << "it had reached the device before";
}

TEST_F(IoAnaTest, who_waits_for_an_idle_path_is_told_when_it_opens_again) {
  device().hold = true;
  send(write_command(1, 0, 1), blocks(1, 0x33));
  set_state(AnaState::change);
  bool told = false;
  namespaces_.when_path_idle(1, [&told] { told = true; });
  set_state(AnaState::optimized);
  world_.settle();
  EXPECT_TRUE(told);
  device().release_one();
}

TEST_F(IoAnaTest, setting_a_state_again_is_no_news) {
  EXPECT_FALSE(*namespaces_.set_ana_state(1, AnaState::optimized));
  EXPECT_TRUE(*namespaces_.set_ana_state(1, AnaState::change));
  EXPECT_EQ(namespaces_.set_ana_state(7, AnaState::change).errc(), Errc::not_found);
}

}  // namespace
}  // namespace ballast::target::test
