// What a client asked of one logical block, when, and what it was told: the line of a history. Written by
// whoever issues I/O (a simulated host, a load of real processes), judged by check() of checker.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace ballast::history {

enum class OperationKind : uint8_t { read, write };

enum class OperationOutcome : uint8_t {
  ok,      // answered with success
  failed,  // answered with an error
  unknown  // no answer, or given up
};

// A block before its first write. No write carries it.
inline constexpr uint64_t k_value_zeroes = 0;
// Recorded for a read that found bytes which are not one value: halves of two, or another block's. No write
// carries it, so such a read is a violation.
inline constexpr uint64_t k_value_mixed = UINT64_MAX;
// The largest moment in ns: the two above it in 63 bits mean "never", and one below 0 "before everything".
inline constexpr uint64_t k_moment_max = INT64_MAX - 1;
// Of the name of a path.
inline constexpr size_t k_path_bytes_max = 255;

// Times order operations: one that was answered before another was invoked precedes it. Equal times overlap.
struct Operation {
  uint64_t block = 0;
  OperationKind kind = OperationKind::read;
  // Written, unique among the writes of its block; or read, and without meaning unless the outcome is ok.
  uint64_t value = 0;
  uint64_t invoked_ns = 0;
  std::optional<uint64_t> responded_ns;  // always there unless the outcome is unknown
  OperationOutcome outcome = OperationOutcome::unknown;
  std::string path;  // whom it went through, for people; printable ASCII, may be empty

  bool is_read() const { return kind == OperationKind::read; }
  bool is_write() const { return kind == OperationKind::write; }
  // May take effect at any time after its invocation, after an error answer as well, or never.
  bool is_in_doubt() const { return is_write() && outcome != OperationOutcome::ok; }

  bool operator==(const Operation&) const = default;
};

// Whether it can have happened at all: times in order and within bounds, a value that a write may carry.
// invalid_argument says what is wrong.
Outcome validate(const Operation& operation);

// For people: "value 34", "the initial zeroes", "a mix of values".
std::string describe_value(uint64_t value);
// One line for people: "write of value 34 invoked at 100, ok at 120, path a".
std::string describe(const Operation& operation);

}  // namespace ballast::history
