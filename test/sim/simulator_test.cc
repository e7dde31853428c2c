// The short form of the simulation, under the sanitizers. The long ones: npm run sim.
#include "sim/simulator.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/replays.h"
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

TEST(Simulation, snapshots_are_carried_whatever_goes_wrong) {
  uint64_t carries = 0, carries_failed = 0;
  for (uint64_t seed = 6000; seed < 6040; ++seed) {
    const Report report = run({.seed = seed});
    EXPECT_TRUE(report.ok) << "npm run sim -- --replay " << seed << "\n" << report.failure;
    carries += report.carries;
    carries_failed += report.carries_failed;
  }
  EXPECT_GT(carries, 0u);
  EXPECT_GT(carries_failed, 0u);
}

TEST(Simulation, the_same_seed_is_the_same_run_in_any_order) {
  EXPECT_TRUE(find_irreproducible({}, 1000, 15).empty());
}

TEST(Simulation, of_a_trace_a_block_gets_what_concerns_it) {
  const std::vector<std::string> trace = {"1 node 0 crashes",
                                          "2 head 0 submits to 1 op 3 write of 6 + 2",
                                          "3 head 0 submits to 1 op 3 write of 8 + 2",
                                          "4 head 0 completes 0 op 3",
                                          "5 head 0 answers write of block 7",
                                          "6 head 0 answers read of block 9"};
  EXPECT_EQ(lines_about(trace, 7, 9), (std::vector<std::string>{trace[0], trace[1], trace[4]}));
  EXPECT_EQ(lines_about(trace, 7, 1), (std::vector<std::string>{trace[4]}));
}

// Rows of reference/bad-input.md that are about what the network, disks, clocks and nodes do: whole volumes
// under nothing but the row's faults, all of which take effect, and every history is right.
struct Row {
  const char* name;
  uint32_t faults;
};
class Rows : public testing::TestWithParam<Row> {};

TEST_P(Rows, histories_are_linearizable_and_members_become_equal) {
  Matrix met{};
  for (uint64_t seed = 5000; seed < 5048; ++seed) {
    const Report report = run({.seed = seed, .faults = GetParam().faults});
    EXPECT_TRUE(report.ok) << seed << "\n" << report.failure;
    for (size_t fault = 0; fault < met.size(); ++fault) {
      for (size_t state = 0; state < met[fault].size(); ++state)
        met[fault][state] += report.matrix[fault][state];
    }
  }
  for (uint32_t fault = 0; fault < k_faults_count; ++fault) {
    uint64_t count = 0;
    for (const uint64_t of_state : met[fault]) count += of_state;
    EXPECT_EQ(count > 0, (GetParam().faults >> fault & 1) != 0) << fault_name(fault);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Simulation, Rows,
    testing::Values(
        Row{"D1_D2_nodes_end_at_any_moment_one_or_all", fault_crash},
        Row{"D3_D5_writes_fail", fault_write_error},
        Row{"D4_D8_reads_fail_and_metadata_rots", fault_read_error | fault_rot},
        Row{"D6_no_space", fault_no_space}, Row{"D9_disks_stall", fault_slow_disk},
        Row{"D10_partitions", fault_partition | fault_takeover},
        Row{"D11_late_messages", fault_late | fault_break},
        Row{"D12_D13_ghost_writes_of_a_head_before", fault_late | fault_takeover | fault_pause | fault_break},
        Row{"D14_D15_a_head_stands_still_and_goes_on", fault_pause | fault_takeover},
        Row{"D16_clocks_differ_in_rate", fault_clock_rate | fault_partition | fault_takeover},
        Row{"D21_resync_is_interrupted", fault_crash | fault_break | fault_takeover | fault_slow_disk},
        Row{"D22_all_are_gone_and_come_back_in_any_order", fault_crash | fault_store_outage},
        Row{"D23_disks_are_replaced", fault_replace},
        Row{"D24_writes_in_doubt", fault_crash | fault_takeover},
        Row{"snapshots_are_carried_past_ends_and_partitions",
            fault_snapshot | fault_carry | fault_crash | fault_partition | fault_takeover},
        Row{"snapshots_are_carried_past_late_messages_and_lost_disks",
            fault_snapshot | fault_carry | fault_late | fault_break | fault_replace}),
    [](const testing::TestParamInfo<Row>& row) { return std::string(row.param.name); });

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
