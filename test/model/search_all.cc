#include "model/search_all.h"

#include <array>
#include <chrono>
#include <cstdio>

#include "model/takeover_model.h"

namespace ballast::model {
namespace {

constexpr uint64_t k_states_max = 40'000'000;

struct Row {
  Fault fault;
  Bounds bounds;
  bool is_long;
  // Of the rules: as many states as there are in these bounds, or something is not searched any more.
  uint64_t states_least, states_most;
};

constexpr Bounds k_crashes{2, 1, 1, 1, 0, 0}, k_doubt{2, 1, 0, 0, 0, 1}, k_leaves{2, 1, 0, 0, 1, 0},
    k_leaves_in_doubt{2, 1, 0, 0, 1, 1}, k_three{3, 1, 0, 0, 0, 0};
constexpr std::array k_rows = {Row{Fault::none, k_crashes, false, 600'000, 1'200'000},
                               Row{Fault::none, k_doubt, false, 250'000, 600'000},
                               Row{Fault::none, k_leaves, true, 2'000'000, 4'000'000},
                               Row{Fault::none, k_leaves_in_doubt, true, 4'000'000, k_states_max},
                               Row{Fault::none, k_three, true, 1'000'000, k_states_max},
                               Row{Fault::no_lease_wait, k_doubt, false, 0, 0},
                               Row{Fault::lease_from_answer, k_doubt, false, 0, 0},
                               Row{Fault::lease_ignored, k_doubt, false, 0, 0},
                               Row{Fault::lease_without_joiner, k_leaves, true, 0, 0},
                               Row{Fault::acknowledged_early, k_leaves, false, 0, 0},
                               Row{Fault::session_not_raised, k_leaves, false, 0, 0},
                               Row{Fault::epoch_unchecked, k_doubt, false, 0, 0},
                               Row{Fault::doubt_taken_for_yes, k_leaves_in_doubt, false, 0, 0},
                               Row{Fault::not_reconciled, k_doubt, false, 0, 0},
                               Row{Fault::reads_pass_writes, k_doubt, false, 0, 0},
                               Row{Fault::joined_uncopied, k_doubt, false, 0, 0}};

bool try_row(const Row& row) {
  const auto begin = std::chrono::steady_clock::now();
  const Finding found = search(row.bounds, row.fault, k_states_max);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  const Bounds& b = row.bounds;
  std::printf(
      "%-20s %u members, %u takeovers, crashes of %u heads and %u members, %u drops, %u lost answers: ",
      fault_text(row.fault), b.members, b.takeovers, b.head_crashes, b.member_crashes, b.drops,
      b.lost_answers);
  std::printf("%lu states, %lu transitions, depth %u, %.1f s: %s\n", found.states, found.transitions,
              found.depth, seconds.count(),
              !found.steps.empty() ? "violated"
              : found.is_complete  ? "kept"
                                   : "not searched to the end");
  if (row.fault != Fault::none) return !found.steps.empty();
  for (const std::string& step : found.steps) std::printf("  %s\n", step.c_str());
  const bool as_many = row.states_least <= found.states && found.states <= row.states_most;
  if (!as_many) std::printf("  expected are %lu to %lu states\n", row.states_least, row.states_most);
  return found.steps.empty() && found.is_complete && as_many;
}

}  // namespace

bool search_all(bool is_long) {
  uint32_t failed = 0, passed = 0;
  for (const Row& row : k_rows) {
    if (row.is_long && !is_long) continue;
    ++(try_row(row) ? passed : failed);
    std::fflush(stdout);
  }
  std::printf("%u passed, %u failed\n", passed, failed);
  return failed == 0;
}

}  // namespace ballast::model
