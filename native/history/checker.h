// Judges whether each block of a history behaved as a linearizable register: every operation took effect at
// one moment between its invocation and its answer, and every read returned what the last write before it
// put there. Because each write of a block carries a value of its own, this is decided in O(m log m) for m
// operations, after Gibbons and Korach, "Testing Shared Memories" (SIAM J. Comput. 26, 1997).
//
// All operations of one value form a cluster, which a linearization holds together: the write, then its
// reads. Its zone spans from the first answer to the last invocation. Where the answer comes first (a forward
// zone) the value was in the block for all of that time; else (a backward zone) at some moment between. So:
//   * a value that is read was written, and no read of it ended before its write was invoked;
//   * no two forward zones overlap, and no backward zone lies inside a forward zone.
// The initial zeroes are a value written and answered before everything. A write in doubt has no answer,
// ever. If nobody read it, its zone does not end, so it lies inside no other: the write can always have come
// never. If somebody did, it took effect, and its zone ends with the first read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "history/operation.h"

namespace ballast::history {

enum class ViolationKind : uint8_t {
  value_never_written,    // a read returned what nobody wrote
  read_before_write,      // a read ended before the write of its value was invoked
  forward_zones_overlap,  // two values were there at the same time
  backward_zone_inside    // a value was there while another was, all the time
};

// "value never written" and so on. Never null.
const char* violation_text(ViolationKind kind) noexcept;

struct Violation {
  ViolationKind kind = ViolationKind::value_never_written;
  uint64_t block = 0;
  // At most six operations, by time of invocation, that are a violation of this kind by themselves; without
  // any of them they are none. (A write leaves together with the reads of its value, whose origin it is.)
  std::vector<Operation> witness;
  // When the last operation of the witness was answered (a write in doubt: invoked). It could be known then.
  uint64_t evident_ns = 0;
  std::string text;  // for people: what is wrong, then a line per operation of the witness
};

struct Verdict {
  uint64_t blocks_count = 0;  // that an operation tells something about
  uint64_t blocks_violated_count = 0;
  std::optional<Violation> first;  // of all blocks, the one that was evident first

  bool ok() const { return !first.has_value(); }
};

// The operations may be in any order. invalid_argument: an operation does not pass validate(), or two writes
// of a block carry the same value, so that there is no history to judge.
Result<Verdict> check(std::span<const Operation> history);

}  // namespace ballast::history
