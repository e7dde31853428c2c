// Random histories of few blocks, small enough for the search over all orders, and a large one. Times are
// small, so that many are equal.
#pragma once

#include <vector>

#include "base/prng.h"
#include "history/operation.h"

namespace ballast::history::test {

using History = std::vector<Operation>;

inline constexpr uint64_t k_small_operations_per_block_max = 8;
inline constexpr uint64_t k_small_blocks_max = 3;

// What a register does: operations that took effect one after another, each at a moment within its time.
History legal_history(Prng& prng);
// One of these with one to five changes: values, times, outcomes, a write that is missing.
History mutated_history(Prng& prng);
// No register at all: times and values as they come.
History wild_history(Prng& prng);
// Two or three writes in flight all the time, and reads one after another that see any of them.
History contended_history(Prng& prng);

// Legal, with many operations in flight at a time, spread over blocks.
History large_history(Prng& prng, uint64_t operations_count, uint64_t blocks_count);

}  // namespace ballast::history::test
