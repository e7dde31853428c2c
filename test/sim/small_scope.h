// All there is of little: every sequence of up to three I/Os of a host, with every set of nodes failing after
// every step, and everything that may be left of what was not on stable media; the real heads and members.
// What chance finds seldom it finds for certain.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ballast::sim {

struct SmallScope {
  uint32_t operations_max = 3;  // of a sequence
  uint32_t members_max = 3;     // 2 to this
  uint32_t crashes_max = 2;     // 2: only of sequences of one I/O
  uint32_t slow_lanes_max = 1;  // so many at a time
  uint64_t runs_max = UINT64_MAX;
};

// Of `npm test`.
inline constexpr SmallScope k_small_scope_short{
    .operations_max = 2, .members_max = 2, .crashes_max = 1, .slow_lanes_max = 0};

struct SmallScopeReport {
  uint64_t sequences = 0;     // with what else differs before anything fails
  uint64_t crash_points = 0;  // step and nodes
  uint64_t runs = 0;          // of these, with all that may be left on the disks
  uint64_t events = 0;
  bool is_complete = true;         // nothing was left out for a bound
  std::string failure;             // of the first that fails, with the case
  std::vector<std::string> trace;  // of that run
};

SmallScopeReport run_small_scope(const SmallScope& scope);

}  // namespace ballast::sim
