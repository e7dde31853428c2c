#include "history/checker.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "base/assert.h"
#include "history/witness.h"
#include "history/zone.h"

namespace ballast::history {
namespace {

// An operation that says something, by what it is grouped. Sorting these is what checking costs.
struct Entry {
  uint64_t block;
  uint64_t value;
  const Operation* operation;

  // The write of a cluster comes before its reads; otherwise as in the history.
  bool operator<(const Entry& other) const {
    return std::tuple(block, value, operation->is_read(), operation) <
           std::tuple(other.block, other.value, other.operation->is_read(), other.operation);
  }
};

// The operations of one value of one block, the write first.
using Cluster = std::span<const Entry>;

template <typename Same>
std::span<const Entry> take_while(std::span<const Entry>& rest, Same same) {
  const auto end = std::find_if_not(rest.begin(), rest.end(), same);
  const auto count = static_cast<size_t>(end - rest.begin());
  const std::span<const Entry> taken = rest.first(count);
  rest = rest.subspan(count);
  return taken;
}

Result<std::vector<Entry>> entries_of(std::span<const Operation> history) {
  std::vector<Entry> entries;
  entries.reserve(history.size());
  for (const Operation& operation : history) {
    const Outcome valid = validate(operation);
    if (!valid.ok()) return Error{valid.errc(), valid.error().text + ": " + describe(operation)};
    const bool says_nothing = operation.is_read() && operation.outcome != OperationOutcome::ok;
    if (!says_nothing) entries.push_back({operation.block, operation.value, &operation});
  }
  std::sort(entries.begin(), entries.end());
  for (size_t i = 1; i < entries.size(); ++i) {
    const Entry& first = entries[i - 1];
    const Entry& second = entries[i];
    if (first.block != second.block || first.value != second.value || second.operation->is_read()) continue;
    return Error{Errc::invalid_argument, "two writes of block " + std::to_string(first.block) +
                                             " carry the same value: " + describe(*first.operation) + "; " +
                                             describe(*second.operation)};
  }
  return entries;
}

class Checker {
 public:
  Verdict check(std::span<const Entry> entries) {
    while (!entries.empty()) {
      const uint64_t block = entries.front().block;
      check_block(take_while(entries, [block](const Entry& entry) { return entry.block == block; }));
    }
    if (first_.has_value()) verdict_.first = first_->violation();
    return std::move(verdict_);
  }

 private:
  void check_block(std::span<const Entry> entries) {
    forward_.clear();
    backward_.clear();
    is_violated_ = false;
    while (!entries.empty()) {
      const uint64_t value = entries.front().value;
      check_cluster(take_while(entries, [value](const Entry& entry) { return entry.value == value; }));
    }
    check_zones();
    verdict_.blocks_count += 1;
    verdict_.blocks_violated_count += is_violated_ ? 1 : 0;
  }

  // A cluster that is sound in itself leaves its zone.
  void check_cluster(Cluster cluster) {
    Zone zone(cluster.front().value);
    const Operation* first_read = nullptr;  // to have been answered
    for (const Entry& entry : cluster) {
      zone.add(*entry.operation);
      if (entry.operation->is_write()) continue;
      if (first_read == nullptr || response_of(*entry.operation) < response_of(*first_read)) {
        first_read = entry.operation;
      }
    }
    if (zone.value == k_value_zeroes) return keep(zone);
    if (zone.write == nullptr) return violated(Witness::of_read_without_write(*first_read));
    if (first_read != nullptr && response_of(*first_read) < invocation_of(*zone.write)) {
      return violated(Witness::of_read_before_write(*zone.write, *first_read));
    }
    keep(zone);
  }

  void keep(const Zone& zone) { (zone.is_forward() ? forward_ : backward_).push_back(zone); }

  void check_zones() {
    std::sort(forward_.begin(), forward_.end(),
              [](const Zone& left, const Zone& right) { return left.first_response < right.first_response; });
    bool are_disjoint = true;
    for (size_t i = 1; i < forward_.size(); ++i) {
      if (!conflict(forward_[i - 1], forward_[i])) continue;
      violated(Witness::of_conflict(forward_[i - 1], forward_[i]));
      are_disjoint = false;
    }
    if (!are_disjoint) return;
    // Of disjoint zones, only the last that begins before a backward one begins can hold it.
    for (const Zone& zone : backward_) {
      const auto next = std::partition_point(forward_.begin(), forward_.end(), [&zone](const Zone& forward) {
        return forward.first_response < zone.last_invocation;
      });
      if (next == forward_.begin()) continue;
      const Zone& around = *std::prev(next);
      if (conflict(around, zone)) violated(Witness::of_conflict(around, zone));
    }
  }

  void violated(Witness witness) {
    is_violated_ = true;
    if (!first_.has_value() || witness.evident_ns() < first_->evident_ns()) first_ = std::move(witness);
  }

  Verdict verdict_;
  std::optional<Witness> first_;
  // Of the present block.
  std::vector<Zone> forward_;
  std::vector<Zone> backward_;
  bool is_violated_ = false;
};

}  // namespace

const char* violation_text(ViolationKind kind) noexcept {
  switch (kind) {
    case ViolationKind::value_never_written: return "value never written";
    case ViolationKind::read_before_write: return "read before its write";
    case ViolationKind::forward_zones_overlap: return "two values at the same time";
    case ViolationKind::backward_zone_inside: return "a value while another stayed";
  }
  return "unknown violation";
}

Result<Verdict> check(std::span<const Operation> history) {
  TRY(const std::vector<Entry> entries, entries_of(history));
  return Checker().check(entries);
}

}  // namespace ballast::history
