#include "native/history/brute_force.h"

#include <set>
#include <utility>

#include "base/assert.h"

namespace ballast::history::test {
namespace {

class Search {
 public:
  explicit Search(std::span<const Operation> operations) : operations_(operations) {}

  // Some order of those that are not in `done` goes on from a block that holds `value`.
  bool can_finish(uint32_t done, uint64_t value) {
    if (!seen_.insert({done, value}).second) return false;
    bool all_done = true;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (is_in(done, i)) continue;
      const Operation& operation = operations_[i];
      // Those that need not have happened may be left for after the end.
      if (must_happen(operation)) all_done = false;
      if (says_nothing(operation) || !may_be_next(done, i)) continue;
      if (operation.is_read() && operation.value != value) continue;
      if (can_finish(done | 1u << i, operation.value)) return true;
    }
    return all_done;
  }

 private:
  static bool is_in(uint32_t set, size_t index) { return (set >> index & 1u) != 0; }
  static bool must_happen(const Operation& operation) { return operation.outcome == OperationOutcome::ok; }
  static bool says_nothing(const Operation& operation) {
    return operation.is_read() && operation.outcome != OperationOutcome::ok;
  }

  bool may_be_next(uint32_t done, size_t index) const {
    for (size_t other = 0; other < operations_.size(); ++other) {
      if (is_in(done, other) || !must_happen(operations_[other])) continue;
      if (*operations_[other].responded_ns < operations_[index].invoked_ns) return false;
    }
    return true;
  }

  std::span<const Operation> operations_;
  std::set<std::pair<uint32_t, uint64_t>> seen_;
};

}  // namespace

bool brute_force(std::span<const Operation> operations) {
  BALLAST_ASSERT(operations.size() <= k_brute_force_operations_max);
  return Search(operations).can_finish(0, k_value_zeroes);
}

}  // namespace ballast::history::test
