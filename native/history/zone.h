// The zone of one value of one block: from the first answer to the last invocation of the operations on it.
// See checker.h for what it means. Used by checker.cc and witness.cc.
#pragma once

#include <cstdint>

#include "history/operation.h"

namespace ballast::history {

// Times of operations are between these two.
inline constexpr int64_t k_before_everything = -1;
inline constexpr int64_t k_never = INT64_MAX;

inline int64_t invocation_of(const Operation& operation) {
  return static_cast<int64_t>(operation.invoked_ns);
}
inline int64_t response_of(const Operation& operation) {
  return operation.is_in_doubt() ? k_never : static_cast<int64_t>(*operation.responded_ns);
}

struct Zone {
  uint64_t value = 0;
  int64_t first_response = k_never;
  int64_t last_invocation = k_before_everything;
  // Null: the write of the initial zeroes, which is no operation.
  const Operation* write = nullptr;
  const Operation* first_responded = nullptr;
  const Operation* last_invoked = nullptr;

  explicit Zone(uint64_t value_of_all) : value(value_of_all) {
    if (value == k_value_zeroes) first_response = k_before_everything;
  }

  // A write, or a read that is ok, of this value.
  void add(const Operation& operation) {
    if (operation.is_write()) write = &operation;
    if (response_of(operation) < first_response) {
      first_response = response_of(operation);
      first_responded = &operation;
    }
    if (invocation_of(operation) > last_invocation) {
      last_invocation = invocation_of(operation);
      last_invoked = &operation;
    }
  }

  bool is_forward() const { return first_response < last_invocation; }
};

// An operation of each precedes one of the other, so that neither value can have come first. At least one of
// the two is forward then, and a backward one lies inside it. Zones that only touch are no conflict: equal
// times overlap.
inline bool conflict(const Zone& a, const Zone& b) {
  return a.first_response < b.last_invocation && b.first_response < a.last_invocation;
}

}  // namespace ballast::history
