#include "model/takeover_model.h"

#include <gtest/gtest.h>

#include "model/register_monitor.h"

namespace ballast::model {
namespace {

constexpr Bounds k_little{2, 1, 0, 0, 0, 0};

TEST(RegisterMonitor, a_read_may_show_either_side_of_a_write_under_way_and_no_going_back) {
  RegisterMonitor monitor;
  RegisterMonitor::Open open{.writes = 1, .reads = 1};
  const Orders both = monitor.asked(monitor.start(), open);
  open.reads = 0;
  const Orders old = monitor.read(both, open, 0, 0), shown = monitor.read(both, open, 0, 1);
  EXPECT_FALSE(monitor.is_impossible(old));
  EXPECT_FALSE(monitor.is_impossible(shown));
  const Orders again = monitor.asked(shown, {.writes = 1, .reads = 1});
  EXPECT_TRUE(monitor.is_impossible(monitor.read(again, open, 0, 0)));
  EXPECT_TRUE(monitor.is_impossible(monitor.read(both, open, 0, 2)));
}

TEST(RegisterMonitor, what_was_answered_is_read) {
  RegisterMonitor monitor;
  const RegisterMonitor::Open open{.writes = 1, .reads = 0};
  const Orders written = monitor.written(monitor.asked(monitor.start(), open), open, 1);
  const Orders asked = monitor.asked(written, {.writes = 1, .reads = 2});
  EXPECT_TRUE(monitor.is_impossible(monitor.read(asked, open, 1, 0)));
  EXPECT_FALSE(monitor.is_impossible(monitor.read(asked, open, 1, 1)));
  EXPECT_FALSE(monitor.is_impossible(monitor.read_ended(asked, open, 1)));
}

TEST(TakeoverModel, the_rules_hold_and_the_shortest_way_to_a_fault_is_told) {
  const Finding kept = search(k_little, Fault::none, 1'000'000);
  EXPECT_TRUE(kept.steps.empty());
  EXPECT_TRUE(kept.is_complete);
  EXPECT_GT(kept.states, 10'000u);
  EXPECT_GT(kept.transitions, kept.states);

  const Finding found = search(k_little, Fault::no_lease_wait, 1'000'000);
  ASSERT_FALSE(found.steps.empty());
  EXPECT_EQ(found.steps.size(), found.depth + 1u);
  EXPECT_NE(found.steps.back().find("answers the read"), std::string::npos);
}

TEST(TakeoverModel, says_when_it_was_cut_short) {
  EXPECT_FALSE(search(k_little, Fault::none, 100).is_complete);
}

}  // namespace
}  // namespace ballast::model
