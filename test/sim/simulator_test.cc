// The short form of the simulation, under the sanitizers. The long ones: npm run sim.
#include "sim/simulator.h"

#include <gtest/gtest.h>

#include "sim/small_scope.h"

namespace ballast::sim {
namespace {

TEST(Simulation, what_hosts_see_is_linearizable_and_members_become_equal) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    const Report report = run({.seed = seed});
    EXPECT_TRUE(report.ok) << "npm run sim -- --replay " << seed << "\n" << report.failure;
    EXPECT_GT(report.history.size(), 300u);
  }
}

TEST(Simulation, the_same_seed_is_the_same_run) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const Report first = run({.seed = seed}), second = run({.seed = seed, .trace = true});
    EXPECT_EQ(first.hash, second.hash) << seed;
    EXPECT_EQ(first.events, second.events) << seed;
    EXPECT_EQ(first.history, second.history) << seed;
  }
  EXPECT_NE(run({.seed = 1}).hash, run({.seed = 2}).hash);
}

TEST(Simulation, only_the_faults_that_are_asked_for_are_drawn) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(run({.seed = seed, .faults = 0}).faults, 0u);
    EXPECT_EQ(run({.seed = seed, .faults = fault_pause}).faults & ~uint32_t{fault_pause}, 0u);
  }
}

TEST(SmallScope, one_io_survives_every_crash_whatever_is_left_on_the_disks) {
  const SmallScopeReport report =
      run_small_scope({.operations_max = 1, .members_max = 2, .crashes_max = 1, .slow_lanes_max = 0});
  EXPECT_EQ(report.failure, "");
  EXPECT_TRUE(report.is_complete);
  EXPECT_EQ(report.sequences, 8u);
  // After each of some steps: both nodes or one, away or not.
  EXPECT_GT(report.crash_points, 400u);
  EXPECT_GT(report.runs, report.crash_points);
}

TEST(SmallScope, says_when_it_was_cut_short) {
  const SmallScopeReport report = run_small_scope({.operations_max = 1, .runs_max = 20});
  EXPECT_FALSE(report.is_complete);
  EXPECT_EQ(report.runs, 20u);
}

}  // namespace
}  // namespace ballast::sim
