// What a check of a pool has found. Made by check(), shown by `ballast pool check`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/uuid.h"

namespace ballast::bdev::pool {

enum class CheckSeverity : uint8_t {
  note,     // what a crash leaves; the next opening sees to it
  warning,  // nothing is lost: a copy, some room, a shortcut
  error,    // the pool cannot be opened, or would answer with errors or wrong
};

enum class CheckRepair : uint8_t {
  not_needed,
  safe,        // loses nothing
  discards,    // only by giving up what the finding names
  impossible,  // not by this program
};

struct CheckFinding {
  CheckSeverity severity = CheckSeverity::error;
  CheckRepair repair = CheckRepair::impossible;
  bool is_repaired = false;
  std::string where;  // "device 1, superblock copy 2", "volume db (3)"
  std::string what;
  bool operator==(const CheckFinding&) const = default;
};

struct CheckCounters {
  uint32_t devices = 0;
  uint32_t superblock_copies = 0;  // whole and of the newest generation
  uint64_t tree_pages = 0;
  uint64_t keys = 0;
  uint64_t journal_groups = 0;  // acknowledged since the last checkpoint
  uint64_t journal_records = 0;
  uint64_t volumes = 0;
  uint64_t layers = 0;
  uint64_t slots = 0;
  uint64_t extents_used = 0;  // by slots
  uint64_t extents_leaked = 0;
  uint64_t pages_leaked = 0;
};

struct CheckReport {
  static constexpr size_t k_findings_max = 1000;

  std::string pool_name;  // empty: no pool was found
  Uuid pool_uuid;
  std::vector<CheckFinding> findings;
  uint64_t findings_left_out = 0;  // beyond k_findings_max
  CheckCounters counters;

  void add(CheckSeverity severity, CheckRepair repair, std::string where, std::string what);
  // Errors that are there and have not been repaired.
  uint64_t errors_count() const;
  bool is_clean() const { return findings.empty() && findings_left_out == 0; }
};

}  // namespace ballast::bdev::pool
