// Takes down a history while I/O runs: begin() when an operation is issued, end() when it is answered. Memory
// for all of it is taken at construction, but for names of paths above 15 bytes. Of one thread; where many
// issue I/O, each has its own with the same clock, and what they took down is checked together.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/clock.h"
#include "history/operation.h"

namespace ballast::history {

class Recorder {
 public:
  // The clock outlives the recorder.
  Recorder(const Clock& clock, size_t operations_max) : clock_(clock), operations_max_(operations_max) {
    operations_.reserve(operations_max);
  }

  // Before the operation is issued: block, kind, path, and the value of a write are the caller's, the rest is
  // filled in. The id is for end(). Nothing: no room; the operation must not be issued then, because a write
  // that is not in the history makes violations of the reads that find it.
  std::optional<size_t> begin(Operation operation) {
    if (operations_.size() == operations_max_) return std::nullopt;
    operation.invoked_ns = clock_.now_ns();
    operation.responded_ns.reset();
    operation.outcome = OperationOutcome::unknown;
    operations_.push_back(std::move(operation));
    return operations_.size() - 1;
  }

  // After the answer, once for each id. `value` is what a read returned; a write keeps its own.
  void end(size_t id, OperationOutcome outcome, uint64_t value = 0) {
    BALLAST_ASSERT(id < operations_.size());
    Operation& operation = operations_[id];
    BALLAST_ASSERT(!operation.responded_ns.has_value());
    operation.responded_ns = clock_.now_ns();
    operation.outcome = outcome;
    if (operation.is_read()) operation.value = outcome == OperationOutcome::ok ? value : 0;
  }

  // In the order of begin(); what was not ended is of unknown outcome. Valid until the next begin().
  std::span<const Operation> operations() const { return operations_; }
  size_t operations_max() const { return operations_max_; }
  void clear() { operations_.clear(); }

 private:
  const Clock& clock_;
  size_t operations_max_;
  std::vector<Operation> operations_;
};

}  // namespace ballast::history
