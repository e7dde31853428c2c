#include "history/witness.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

namespace ballast::history {
namespace {

using Operations = std::vector<const Operation*>;

// The same order for the same operations, whatever the order of the history.
void sort_by_invocation(Operations& operations) {
  std::sort(operations.begin(), operations.end(), [](const Operation* left, const Operation* right) {
    return std::tuple(left->invoked_ns, left->value, left->is_read(), response_of(*left)) <
           std::tuple(right->invoked_ns, right->value, right->is_read(), response_of(*right));
  });
}

void add_once(Operations& operations, const Operation* operation) {
  if (operation == nullptr) return;
  if (std::find(operations.begin(), operations.end(), operation) == operations.end()) {
    operations.push_back(operation);
  }
}

Zone zone_of(uint64_t value, const Operations& operations) {
  Zone zone(value);
  for (const Operation* operation : operations) {
    if (operation->value == value) zone.add(*operation);
  }
  return zone;
}

bool conflict_of(uint64_t value_a, uint64_t value_b, const Operations& operations) {
  return conflict(zone_of(value_a, operations), zone_of(value_b, operations));
}

// Fewer operations make a zone tighter, never a conflict that was not there: one pass leaves nothing that
// could go. Writes stay, a read of a value that nobody wrote would be another violation.
void drop_needless_reads(uint64_t value_a, uint64_t value_b, Operations& operations) {
  const Operations all = operations;
  for (const Operation* operation : all) {
    if (operation->is_write()) continue;
    Operations fewer = operations;
    std::erase(fewer, operation);
    if (conflict_of(value_a, value_b, fewer)) operations = std::move(fewer);
  }
}

std::string claim_of(const Zone& zone) {
  const std::string value = describe_value(zone.value);
  const std::string first_response = std::to_string(zone.first_response);
  const std::string last_invocation = std::to_string(zone.last_invocation);
  if (zone.value == k_value_zeroes) return value + " were there until " + last_invocation;
  if (!zone.is_forward()) {
    return value + " was there at some time from " + last_invocation + " to " + first_response;
  }
  return value + " was there all the time from " + first_response + " to " + last_invocation;
}

}  // namespace

Witness Witness::of_read_without_write(const Operation& read) {
  Witness witness({&read});
  witness.kind_ = ViolationKind::value_never_written;
  witness.claim_ = describe_value(read.value) + " was read, which nobody wrote";
  return witness;
}

Witness Witness::of_read_before_write(const Operation& write, const Operation& read) {
  Witness witness({&read, &write});
  witness.kind_ = ViolationKind::read_before_write;
  witness.claim_ = describe_value(write.value) + " was read by " + std::to_string(response_of(read)) +
                   ", but its write began at " + std::to_string(invocation_of(write));
  return witness;
}

Witness Witness::of_conflict(const Zone& a, const Zone& b) {
  Operations operations;
  for (const Zone* zone : {&a, &b}) {
    add_once(operations, zone->write);
    add_once(operations, zone->first_responded);
    add_once(operations, zone->last_invoked);
  }
  drop_needless_reads(a.value, b.value, operations);
  sort_by_invocation(operations);
  Zone stays = zone_of(a.value, operations);
  Zone other = zone_of(b.value, operations);
  const bool is_other_first = std::tuple(!other.is_forward(), other.first_response, other.value) <
                              std::tuple(!stays.is_forward(), stays.first_response, stays.value);
  if (is_other_first) std::swap(stays, other);
  Witness witness(std::move(operations));
  witness.kind_ =
      other.is_forward() ? ViolationKind::forward_zones_overlap : ViolationKind::backward_zone_inside;
  witness.claim_ = claim_of(stays) + ", but " + claim_of(other);
  return witness;
}

uint64_t Witness::evident_ns() const {
  uint64_t latest = 0;
  for (const Operation* operation : operations_) {
    latest = std::max(latest, operation->is_in_doubt() ? operation->invoked_ns : *operation->responded_ns);
  }
  return latest;
}

Violation Witness::violation() const {
  Violation violation;
  violation.kind = kind_;
  violation.block = operations_.front()->block;
  violation.evident_ns = evident_ns();
  violation.text = "block " + std::to_string(violation.block) + ": " + violation_text(kind_) + ": " + claim_;
  for (const Operation* operation : operations_) {
    violation.witness.push_back(*operation);
    violation.text += "\n  " + describe(*operation);
  }
  return violation;
}

}  // namespace ballast::history
