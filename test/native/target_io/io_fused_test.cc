// Fused Compare and Write: row N15 of the table of bad inputs, and what a pair does when it is in order.
#include <gtest/gtest.h>

#include "native/target_io/io_fixture.h"

namespace ballast::target::test {
namespace {

using nvme::k_fuse_first;
using nvme::k_fuse_second;

class IoFused : public IoFixture {
 protected:
  IoFused() { write(0, 8, 0x11); }
  FakeCommand& first(uint8_t fill, uint64_t lba = 0, uint32_t count = 1) {
    return send(fused(compare_command(1, lba, count), k_fuse_first), blocks(count, fill));
  }
  FakeCommand& second(uint8_t fill, uint64_t lba = 0, uint32_t count = 1) {
    return send(fused(write_command(1, lba, count), k_fuse_second), blocks(count, fill));
  }
};

TEST_F(IoFused, N15_second_without_first_is_aborted_missing_fused) {
  expect_status(second(0x22), 0, 0x0a, false);
  EXPECT_EQ(read(0, 1), blocks(1, 0x11));
}

TEST_F(IoFused, N15_first_followed_by_an_unfused_command_is_aborted_missing_fused) {
  FakeCommand& held = first(0x11);
  EXPECT_FALSE(held.answered());
  expect_status(send(write_command(1, 4, 1), blocks(1, 0x33)), 0, 0, false);
  expect_status(held, 0, 0x0a, false);
  expect_status(second(0x22), 0, 0x0a, false);
  EXPECT_EQ(read(0, 1), blocks(1, 0x11));
  EXPECT_EQ(read(4, 1), blocks(1, 0x33));
}

TEST_F(IoFused, N15_first_followed_by_first_aborts_the_earlier_and_keeps_the_later) {
  FakeCommand& early = first(0x11);
  FakeCommand& late = first(0x11);
  expect_status(early, 0, 0x0a, false);
  EXPECT_FALSE(late.answered());
  expect_status(second(0x22), 0, 0, false);
  expect_status(late, 0, 0, false);
}

TEST_F(IoFused, N15_first_of_another_opcode_is_invalid_opcode_and_its_second_is_aborted) {
  expect_status(send(fused(read_command(1, 0, 1, k_block), k_fuse_first)), 0, 0x01, true);
  expect_status(second(0x22), 0, 0x09, false);
  expect_status(send(fused(write_command(1, 0, 1), k_fuse_first), blocks(1, 0x22)), 0, 0x01, true);
  EXPECT_EQ(read(0, 1), blocks(1, 0x11));
}

TEST_F(IoFused, N15_second_of_another_opcode_is_invalid_opcode_and_its_first_is_aborted) {
  FakeCommand& held = first(0x11);
  expect_status(send(fused(compare_command(1, 0, 1), k_fuse_second), blocks(1, 0x11)), 0, 0x01, true);
  expect_status(held, 0, 0x0a, false);
}

TEST_F(IoFused, N15_halves_on_two_queues_are_no_pair) {
  Queue other(reactor_, namespaces_, latencies_);
  FakeCommand& held = first(0x11);
  FakeCommand& stray = other.qpair.send(fused(write_command(1, 0, 1), k_fuse_second), blocks(1, 0x22));
  expect_status(stray, 0, 0x0a, false);
  EXPECT_FALSE(held.answered());
  expect_status(second(0x33), 0, 0, false);
  expect_status(held, 0, 0, false);
  EXPECT_EQ(read(0, 1), blocks(1, 0x33));
}

TEST_F(IoFused, N15_failed_compare_fails_the_first_and_aborts_the_second) {
  FakeCommand& held = first(0x12);
  FakeCommand& write = second(0x22);
  expect_status(held, 2, 0x85, true);
  expect_status(write, 0, 0x09, false);
  EXPECT_LT(held.answered_as, write.answered_as);
  EXPECT_EQ(read(0, 1), blocks(1, 0x11));
}

TEST_F(IoFused, N15_first_that_fails_its_checks_aborts_its_second) {
  expect_status(first(0x11, k_blocks), 0, 0x80, true);
  expect_status(second(0x22), 0, 0x09, false);
  expect_status(second(0x22), 0, 0x0a, false);
}

TEST_F(IoFused, N15_second_that_fails_its_checks_aborts_its_first) {
  FakeCommand& held = first(0x11);
  expect_status(second(0x22, k_blocks), 0, 0x80, true);
  expect_status(held, 0, 0x09, false);
}

TEST_F(IoFused, halves_of_different_ranges_are_both_invalid_field) {
  for (const auto& [lba, count] : {std::pair{1u, 1u}, std::pair{0u, 2u}}) {
    FakeCommand& held = first(0x11);
    expect_status(second(0x22, lba, count), 0, 0x02, true);
    expect_status(held, 0, 0x02, true);
  }
  EXPECT_EQ(read(0, 2), blocks(2, 0x11));
}

TEST_F(IoFused, pair_in_order_reaches_the_device_as_one_operation) {
  device().seen.clear();
  FakeCommand& held = first(0x11, 2, 3);
  FakeCommand& write = second(0x22, 2, 3);
  expect_status(held, 0, 0, false);
  expect_status(write, 0, 0, false);
  EXPECT_LT(held.answered_as, write.answered_as);
  ASSERT_EQ(device().seen.size(), 1u);
  EXPECT_EQ(device().seen[0].type, bdev::IoType::compare_and_write);
  EXPECT_EQ(read(2, 3), blocks(3, 0x22));
}

TEST_F(IoFused, pair_waits_for_the_data_of_both_halves_in_either_order) {
  for (const bool second_first : {false, true}) {
    write(0, 1, 0x11);
    qpair().hold_fetches = true;
    FakeCommand& held = first(0x11);
    FakeCommand& write = second(0x22);
    qpair().finish_fetch(second_first ? write : held);
    EXPECT_FALSE(held.answered());
    EXPECT_FALSE(write.answered());
    qpair().finish_fetch(second_first ? held : write);
    qpair().hold_fetches = false;
    expect_status(held, 0, 0, false);
    expect_status(write, 0, 0, false);
    EXPECT_EQ(read(0, 1), blocks(1, 0x22));
  }
}

TEST_F(IoFused, first_whose_data_is_damaged_aborts_its_second) {
  qpair().hold_fetches = true;
  FakeCommand& held = first(0x11);
  FakeCommand& write = second(0x22);
  qpair().finish_fetch(held, status::transient_transport_error);
  expect_status(held, 0, 0x22, false);
  expect_status(write, 0, 0x09, false);
}

TEST_F(IoFused, first_whose_data_is_damaged_before_its_second_came_aborts_it) {
  qpair().hold_fetches = true;
  FakeCommand& held = first(0x11);
  qpair().finish_fetch(held, status::transient_transport_error);
  expect_status(held, 0, 0x22, false);
  expect_status(second(0x22), 0, 0x09, false);
}

TEST_F(IoFused, second_whose_data_is_damaged_aborts_its_first) {
  qpair().hold_fetches = true;
  FakeCommand& held = first(0x11);
  FakeCommand& write = second(0x22);
  qpair().finish_fetch(held);
  qpair().finish_fetch(write, status::transient_transport_error);
  expect_status(write, 0, 0x22, false);
  expect_status(held, 0, 0x09, false);
}

TEST_F(IoFused, half_whose_fetch_cannot_be_taken_back_is_answered_when_it_ends) {
  qpair().hold_fetches = true;
  qpair().refuse_withdraw = true;
  FakeCommand& held = first(0x11);
  FakeCommand& write = second(0x22);
  qpair().finish_fetch(held, status::transient_transport_error);
  EXPECT_FALSE(write.answered());
  qpair().finish_fetch(write);
  expect_status(write, 0, 0x09, false);
}

TEST_F(IoFused, device_error_is_told_to_both_halves) {
  FakeCommand& held = first(0x11);
  device().answer = bdev::Status::no_space;
  FakeCommand& write = second(0x22);
  expect_status(held, 0, 0x81, true);
  expect_status(write, 0, 0x81, true);
}

TEST_F(IoFused, abort_of_a_held_first_aborts_the_second_that_follows) {
  FakeCommand& held = first(0x11);
  EXPECT_TRUE(dispatch().try_abort(held.request));
  expect_status(held, 0, 0x07, false);
  expect_status(second(0x22), 0, 0x09, false);
}

TEST_F(IoFused, close_answers_a_held_first) {
  FakeCommand& held = first(0x11);
  dispatch().close();
  expect_status(held, 0, 0x08, false);
}

TEST_F(IoFused, namespace_removed_between_the_halves_and_their_data_fails_both) {
  qpair().hold_fetches = true;
  FakeCommand& held = first(0x11);
  FakeCommand& write = second(0x22);
  ASSERT_TRUE(namespaces_.remove(1, {}).ok());
  qpair().finish_fetch(held);
  qpair().finish_fetch(write);
  expect_status(held, 0, 0x0b, true);
  expect_status(write, 0, 0x09, false);
}

}  // namespace
}  // namespace ballast::target::test
