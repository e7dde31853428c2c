// The few operations that show a violation, and its text. Made by checker.cc, of operations that belong to
// the history and outlive it.
#pragma once

#include <cstdint>
#include <vector>

#include "history/checker.h"
#include "history/zone.h"

namespace ballast::history {

class Witness {
 public:
  static Witness of_read_without_write(const Operation& read);
  static Witness of_read_before_write(const Operation& write, const Operation& read);
  // Of two zones in conflict: the operations at their ends and the writes, less what is not needed.
  static Witness of_conflict(const Zone& a, const Zone& b);

  uint64_t evident_ns() const;
  // With the operations copied.
  Violation violation() const;

 private:
  explicit Witness(std::vector<const Operation*> operations) : operations_(std::move(operations)) {}

  std::vector<const Operation*> operations_;  // in the order in which they were invoked
  ViolationKind kind_ = ViolationKind::value_never_written;
  std::string claim_;
};

}  // namespace ballast::history
