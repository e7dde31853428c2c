#include "history/operation.h"

#include <algorithm>

namespace ballast::history {
namespace {

Error invalid(const char* text) { return Error{Errc::invalid_argument, text}; }

bool is_printable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char byte) { return byte >= 0x20 && byte <= 0x7e; });
}

}  // namespace

Outcome validate(const Operation& operation) {
  if (operation.is_write() && operation.value == k_value_zeroes) {
    return invalid("a write may not carry value 0, which means the initial zeroes");
  }
  if (operation.is_write() && operation.value == k_value_mixed) {
    return invalid("a write may not carry the largest value, which means a mix of values");
  }
  if (operation.outcome != OperationOutcome::unknown && !operation.responded_ns.has_value()) {
    return invalid("an operation that was answered has no time of its answer");
  }
  if (operation.invoked_ns > k_moment_max || operation.responded_ns.value_or(0) > k_moment_max) {
    return invalid("a time is above 2^63 - 2 ns");
  }
  if (operation.responded_ns.value_or(operation.invoked_ns) < operation.invoked_ns) {
    return invalid("an operation was answered before it was invoked");
  }
  if (operation.path.size() > k_path_bytes_max) return invalid("the name of a path is above 255 bytes");
  if (!is_printable(operation.path)) return invalid("the name of a path is not printable ASCII");
  return Unit{};
}

std::string describe_value(uint64_t value) {
  if (value == k_value_zeroes) return "the initial zeroes";
  if (value == k_value_mixed) return "a mix of values";
  return "value " + std::to_string(value);
}

std::string describe(const Operation& operation) {
  std::string text = operation.is_read() ? "read" : "write";
  if (operation.is_write() || operation.outcome == OperationOutcome::ok) {
    text += " of " + describe_value(operation.value);
  }
  text += " invoked at " + std::to_string(operation.invoked_ns);
  switch (operation.outcome) {
    case OperationOutcome::ok: text += ", ok"; break;
    case OperationOutcome::failed: text += ", failed"; break;
    case OperationOutcome::unknown: text += operation.responded_ns ? ", given up" : ", no answer"; break;
  }
  if (operation.responded_ns) text += " at " + std::to_string(*operation.responded_ns);
  if (operation.is_in_doubt()) text += " (in doubt)";
  if (!operation.path.empty()) text += ", path " + operation.path;
  return text;
}

}  // namespace ballast::history
