// Whether a small history is linearizable, found by trying orders: what the checker is held against. Knows
// nothing of zones.
#pragma once

#include <span>

#include "history/operation.h"

namespace ballast::history::test {

inline constexpr size_t k_brute_force_operations_max = 16;

// Operations of one block. True if they can be put in an order that a single register would give, in which no
// operation comes before another that was answered before it was invoked.
bool brute_force(std::span<const Operation> operations);

}  // namespace ballast::history::test
