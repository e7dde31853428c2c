// Every kind of violation and every shape that is legal, by hand; each is also put to the search.
#include "history/checker.h"

#include <gtest/gtest.h>

#include <string>

#include "native/history/history_builder.h"

namespace ballast::history::test {
namespace {

void expect_legal(const History& history) {
  const Result<Verdict> verdict = check(history);
  ASSERT_TRUE(verdict.ok()) << verdict.error().text;
  EXPECT_TRUE(verdict->ok()) << verdict->first->text;
  EXPECT_EQ(verdict->blocks_violated_count, 0u);
  EXPECT_TRUE(brute_force(history));
}

// `first_line` of the text, after "block 0: ".
void expect_violation(const History& history, ViolationKind kind, const std::string& first_line,
                      size_t witness_count) {
  const Result<Verdict> verdict = check(history);
  ASSERT_TRUE(verdict.ok()) << verdict.error().text;
  ASSERT_FALSE(verdict->ok());
  EXPECT_FALSE(brute_force(history));
  const Violation& violation = *verdict->first;
  EXPECT_EQ(violation.kind, kind) << violation.text;
  EXPECT_EQ(violation.text.substr(0, violation.text.find('\n')), "block 0: " + first_line);
  EXPECT_EQ(violation.witness.size(), witness_count) << violation.text;
  EXPECT_EQ(verdict->blocks_violated_count, 1u);
  expect_minimal_witness(violation, history);
}

TEST(Checker, nothing_is_legal) {
  expect_legal({});
  EXPECT_EQ(check({})->blocks_count, 0u);
}

TEST(Checker, a_block_is_zeroes_before_its_first_write) {
  expect_legal({read(0, 0, 0)});
  expect_legal({read(0, 0, 5), read(0, 10, 15), write(1, 20, 30), read(1, 40, 50)});
}

TEST(Checker, a_read_during_a_write_sees_either_value) {
  expect_legal({write(1, 0, 10), write(2, 20, 40), read(1, 25, 35)});
  expect_legal({write(1, 0, 10), write(2, 20, 40), read(2, 25, 35)});
  expect_legal({write(1, 20, 40), read(0, 25, 35)});
}

TEST(Checker, writes_at_the_same_time_may_take_either_order) {
  expect_legal({write(1, 0, 30), write(2, 10, 20), read(1, 40, 50)});
  expect_legal({write(1, 0, 30), write(2, 10, 20), read(2, 40, 50)});
}

TEST(Checker, a_value_may_be_read_many_times_before_and_after_its_write_is_answered) {
  expect_legal({write(1, 0, 100), read(0, 10, 15), read(1, 20, 30), read(1, 40, 50), read(1, 200, 210)});
}

TEST(Checker, equal_times_overlap) {
  // Each would be a violation if the times were one apart.
  expect_legal({write(1, 10, 20), read(1, 5, 10)});
  expect_legal({write(1, 0, 10), write(2, 10, 20), read(1, 20, 30)});
  expect_legal({write(1, 0, 10), read(0, 10, 20)});
  expect_legal({write(1, 0, 0), write(2, 0, 0), read(1, 0, 0), read(2, 0, 0), read(0, 0, 0)});
  expect_legal({write(1, 0, 10), write(2, 10, 20), read(1, 20, 30), read(2, 20, 30)});
}

TEST(Checker, a_write_in_doubt_may_have_come_never) {
  expect_legal({write(1, 0, 10), failed_write(2, 20, 30), lost_write(3, 20), read(1, 40, 50)});
  expect_legal({failed_write(1, 0, 10), lost_write(2, 0), read(0, 40, 50)});
}

TEST(Checker, a_write_in_doubt_may_come_at_once_or_after_its_error_answer) {
  expect_legal({write(1, 0, 10), failed_write(2, 20, 30), read(2, 22, 25), read(2, 40, 50)});
  expect_legal({write(1, 0, 10), failed_write(2, 20, 30), read(1, 40, 50), read(2, 60, 70)});
  expect_legal({write(1, 0, 10), lost_write(2, 20), read(1, 40, 50), read(2, 60, 70), read(2, 80, 90)});
  expect_legal({lost_write(1, 0), write(2, 20, 30), read(2, 40, 50), read(1, 60, 70)});
}

TEST(Checker, reads_without_an_answer_say_nothing) {
  Operation lost_read = failed_read(40, 50);
  lost_read.outcome = OperationOutcome::unknown;
  lost_read.responded_ns.reset();
  lost_read.value = 7;
  expect_legal({write(1, 0, 10), failed_read(20, 30), lost_read});
  EXPECT_EQ(check(History{lost_read})->blocks_count, 0u);
}

TEST(Checker, the_time_may_be_as_large_as_it_gets) {
  expect_legal({write(1, 0, k_moment_max), read(1, k_moment_max, k_moment_max)});
  expect_legal({lost_write(1, k_moment_max), read(1, k_moment_max, k_moment_max)});
}

TEST(Checker, finds_a_value_that_nobody_wrote) {
  expect_violation({write(1, 0, 10), read(7, 20, 30)}, ViolationKind::value_never_written,
                   "value never written: value 7 was read, which nobody wrote", 1);
  expect_violation({write(1, 0, 10), read(k_value_mixed, 20, 30)}, ViolationKind::value_never_written,
                   "value never written: a mix of values was read, which nobody wrote", 1);
}

TEST(Checker, finds_the_value_of_another_block) {
  const Result<Verdict> verdict = check(History{write(1, 0, 10), at_block(1, read(1, 20, 30))});
  ASSERT_FALSE(verdict->ok());
  EXPECT_EQ(verdict->first->kind, ViolationKind::value_never_written);
  EXPECT_EQ(verdict->first->block, 1u);
  EXPECT_EQ(verdict->blocks_count, 2u);
}

TEST(Checker, finds_a_read_that_ended_before_the_write_began) {
  expect_violation({write(1, 10, 20), read(1, 5, 9)}, ViolationKind::read_before_write,
                   "read before its write: value 1 was read by 9, but its write began at 10", 2);
  expect_violation({lost_write(1, 10), read(1, 30, 40), read(1, 5, 9)}, ViolationKind::read_before_write,
                   "read before its write: value 1 was read by 9, but its write began at 10", 2);
}

TEST(Checker, finds_a_lost_write) {
  expect_violation({write(1, 0, 10), write(2, 20, 30), read(1, 40, 50)}, ViolationKind::backward_zone_inside,
                   "a value while another stayed: value 1 was there all the time from 10 to 40, but value 2 "
                   "was there at some time from 20 to 30",
                   3);
}

TEST(Checker, finds_zeroes_after_a_write) {
  expect_violation({write(1, 0, 10), read(0, 11, 20)}, ViolationKind::backward_zone_inside,
                   "a value while another stayed: the initial zeroes were there until 11, but value 1 was "
                   "there at some time from 0 to 10",
                   2);
  // In doubt, but it was seen.
  expect_violation({lost_write(1, 0), read(1, 5, 10), read(0, 11, 20)}, ViolationKind::backward_zone_inside,
                   "a value while another stayed: the initial zeroes were there until 11, but value 1 was "
                   "there at some time from 5 to 10",
                   3);
  // Forward: read again later.
  expect_violation({lost_write(1, 0), read(1, 2, 3), read(1, 5, 6), read(0, 5, 6)},
                   ViolationKind::backward_zone_inside,
                   "a value while another stayed: the initial zeroes were there until 5, but value 1 was "
                   "there at some time from 2 to 3",
                   3);
}

TEST(Checker, finds_a_value_that_comes_back) {
  expect_violation({write(1, 0, 100), write(2, 0, 100), read(1, 10, 20), read(2, 30, 40), read(1, 50, 60)},
                   ViolationKind::backward_zone_inside,
                   "a value while another stayed: value 1 was there all the time from 20 to 50, but value 2 "
                   "was there at some time from 30 to 40",
                   5);
}

TEST(Checker, finds_two_values_that_take_turns) {
  expect_violation({write(1, 0, 100), write(2, 0, 100), read(1, 10, 20), read(2, 15, 25), read(1, 30, 40),
                    read(2, 35, 45)},
                   ViolationKind::forward_zones_overlap,
                   "two values at the same time: value 1 was there all the time from 20 to 30, but value 2 "
                   "was there all the time from 25 to 35",
                   6);
}

// A crash: the write in flight was seen, then it was not, then again.
TEST(Checker, finds_a_write_in_doubt_that_flips) {
  const History history = {write(1, 0, 10), lost_write(2, 20), read(1, 30, 40),
                           read(2, 50, 60), read(1, 70, 80),   read(2, 90, 100)};
  const Result<Verdict> verdict = check(history);
  ASSERT_FALSE(verdict->ok());
  EXPECT_FALSE(brute_force(history));
  expect_minimal_witness(*verdict->first, history);
}

TEST(Checker, a_write_in_doubt_that_was_read_is_sure_from_then_on) {
  expect_violation({write(1, 0, 10), failed_write(2, 20, 30), read(2, 40, 50), read(1, 60, 70)},
                   ViolationKind::backward_zone_inside,
                   "a value while another stayed: value 1 was there all the time from 10 to 60, but value 2 "
                   "was there at some time from 40 to 50",
                   4);
}

TEST(Checker, finds_one_backward_zone_among_many_forward_ones) {
  History history;
  for (uint64_t value = 1; value <= 3; ++value) {
    history.push_back(write(value, value * 100, value * 100 + 10));
    history.push_back(read(value, value * 100 + 50, value * 100 + 60));
  }
  history.push_back(write(9, 270, 290));  // between two
  expect_legal(history);
  history.back() = write(9, 220, 240);
  expect_violation(
      history, ViolationKind::backward_zone_inside,
      "a value while another stayed: value 2 was there all the time from 210 to 250, but value 9 "
      "was there at some time from 220 to 240",
      3);
}

TEST(Checker, blocks_are_apart) {
  const History history = {write(1, 0, 10), at_block(UINT64_MAX, write(1, 20, 30)),
                           at_block(UINT64_MAX, read(1, 40, 50)), read(1, 40, 50),
                           at_block(3, read(0, 60, 70))};
  const Result<Verdict> verdict = check(history);
  EXPECT_TRUE(verdict->ok());
  EXPECT_EQ(verdict->blocks_count, 3u);
}

TEST(Checker, tells_the_violation_that_was_evident_first) {
  const History history = {at_block(1, read(7, 80, 90)), at_block(2, read(7, 30, 40)),
                           at_block(3, read(7, 60, 70))};
  const Result<Verdict> verdict = check(history);
  ASSERT_FALSE(verdict->ok());
  EXPECT_EQ(verdict->first->block, 2u);
  EXPECT_EQ(verdict->first->evident_ns, 40u);
  EXPECT_EQ(verdict->blocks_violated_count, 3u);
}

TEST(Checker, the_text_names_the_operations_in_their_order) {
  History history = {read(1, 40, 50), write(2, 20, 30), failed_write(1, 0, 10), read(1, 12, 15)};
  history[1].path = "b";
  EXPECT_EQ(
      check(history)->first->text,
      "block 0: a value while another stayed: value 1 was there all the time from 15 to 40, but value 2 "
      "was there at some time from 20 to 30\n"
      "  write of value 1 invoked at 0, failed at 10 (in doubt)\n"
      "  read of value 1 invoked at 12, ok at 15\n"
      "  write of value 2 invoked at 20, ok at 30, path b\n"
      "  read of value 1 invoked at 40, ok at 50");
}

void expect_refused(const History& history, const std::string& text) {
  const Result<Verdict> verdict = check(history);
  ASSERT_FALSE(verdict.ok());
  EXPECT_EQ(verdict.errc(), Errc::invalid_argument);
  EXPECT_EQ(verdict.error().text, text);
}

TEST(Checker, refuses_what_is_no_history) {
  expect_refused(
      {write(1, 0, 10), at_block(1, write(1, 0, 10)), failed_write(1, 20, 30)},
      "two writes of block 0 carry the same value: write of value 1 invoked at 0, ok at 10; write of "
      "value 1 invoked at 20, failed at 30 (in doubt)");
  expect_refused({write(0, 0, 10)},
                 "a write may not carry value 0, which means the initial zeroes: write of the initial zeroes "
                 "invoked at 0, ok at 10");
  expect_refused({write(k_value_mixed, 0, 10)},
                 "a write may not carry the largest value, which means a mix of values: write of a mix of "
                 "values invoked at 0, ok at 10");
  expect_refused({read(1, 10, 9)},
                 "an operation was answered before it was invoked: read of value 1 invoked at 10, ok at 9");
  Operation unanswered = lost_write(1, 10);
  unanswered.outcome = OperationOutcome::failed;
  expect_refused({unanswered},
                 "an operation that was answered has no time of its answer: write of value 1 invoked at 10, "
                 "failed (in doubt)");
  expect_refused({write(1, 0, k_moment_max + 1)},
                 "a time is above 2^63 - 2 ns: write of value 1 invoked at 0, ok at 9223372036854775807");
  Operation odd_path = write(1, 0, 10);
  odd_path.path = "a\n";
  EXPECT_FALSE(check(History{odd_path}).ok());
  odd_path.path = std::string(k_path_bytes_max + 1, 'a');
  EXPECT_FALSE(check(History{odd_path}).ok());
}

}  // namespace
}  // namespace ballast::history::test
