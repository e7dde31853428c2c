// Operations of block 0 in few words, and what every test asks of a violation.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "history/checker.h"
#include "native/history/brute_force.h"
#include "native/history/random_history.h"

namespace ballast::history::test {

inline Operation write(uint64_t value, uint64_t invoked_ns, uint64_t responded_ns) {
  return {0, OperationKind::write, value, invoked_ns, responded_ns, OperationOutcome::ok, {}};
}
inline Operation read(uint64_t value, uint64_t invoked_ns, uint64_t responded_ns) {
  return {0, OperationKind::read, value, invoked_ns, responded_ns, OperationOutcome::ok, {}};
}
inline Operation failed_write(uint64_t value, uint64_t invoked_ns, uint64_t responded_ns) {
  return {0, OperationKind::write, value, invoked_ns, responded_ns, OperationOutcome::failed, {}};
}
inline Operation lost_write(uint64_t value, uint64_t invoked_ns) {
  return {0, OperationKind::write, value, invoked_ns, std::nullopt, OperationOutcome::unknown, {}};
}
inline Operation failed_read(uint64_t invoked_ns, uint64_t responded_ns) {
  return {0, OperationKind::read, 0, invoked_ns, responded_ns, OperationOutcome::failed, {}};
}
inline Operation at_block(uint64_t block, Operation operation) {
  operation.block = block;
  return operation;
}

inline History of_block(const History& history, uint64_t block) {
  History some;
  for (const Operation& operation : history) {
    if (operation.block == block) some.push_back(operation);
  }
  return some;
}

// Without the operation, and where it is a write, without the reads of its value.
inline History without(const History& history, const Operation& left_out) {
  History rest;
  for (const Operation& operation : history) {
    const bool reads_it = left_out.is_write() && operation.is_read() && operation.value == left_out.value;
    if (!(operation == left_out) && !reads_it) rest.push_back(operation);
  }
  return rest;
}

// The witness is of the history, wrong by itself in the way that is said, and nothing of it is needless.
inline void expect_minimal_witness(const Violation& violation, const History& history) {
  const History& witness = violation.witness;
  ASSERT_GE(witness.size(), 1u);
  EXPECT_LE(witness.size(), 6u);
  for (size_t i = 0; i < witness.size(); ++i) {
    EXPECT_NE(std::find(history.begin(), history.end(), witness[i]), history.end());
    EXPECT_EQ(witness[i].block, violation.block);
    if (i > 0) {
      EXPECT_LE(witness[i - 1].invoked_ns, witness[i].invoked_ns);
    }
  }
  EXPECT_FALSE(brute_force(witness));
  const Result<Verdict> again = check(witness);
  ASSERT_TRUE(again.ok());
  ASSERT_FALSE(again->ok());
  EXPECT_EQ(again->first->kind, violation.kind);
  EXPECT_EQ(again->first->text, violation.text);
  for (const Operation& operation : witness) {
    const History fewer = without(witness, operation);
    EXPECT_TRUE(brute_force(fewer)) << "needless: " << describe(operation);
    EXPECT_TRUE(check(fewer)->ok()) << "needless: " << describe(operation);
  }
}

}  // namespace ballast::history::test
