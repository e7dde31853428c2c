// The last errors of one controller, for the Error Information log page. NVMe Base Specification 2.1, "Error
// Information".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "nvme/command.h"
#include "nvme/limits.h"
#include "nvme/log_pages.h"

namespace ballast::target {

// Errors on their way from an I/O queue to the log. A host that causes them as fast as it can costs one
// message at a time; what comes on top of `entries` is counted.
struct ErrorReport {
  std::array<nvme::ErrorLogEntry, 16> entries;  // the oldest first
  size_t entries_count = 0;
  uint64_t lost_count = 0;

  void add(const nvme::ErrorLogEntry& entry) {
    if (entries_count < entries.size()) {
      entries[entries_count++] = entry;
    } else {
      ++lost_count;
    }
  }
};

class ErrorLog {
 public:
  static constexpr uint32_t k_entries_max = nvme::k_error_log_entries_max;

  // error_count is filled in: it counts all errors from 1, kept or not.
  void add(nvme::ErrorLogEntry entry) {
    entry.error_count = ++total_;
    entries_[kept_++ % k_entries_max] = entry;
  }
  void add(const ErrorReport& report) {
    for (size_t i = 0; i < report.entries_count; ++i) add(report.entries[i]);
    total_ += report.lost_count;
  }
  uint64_t total() const { return total_; }
  // 0 is the newest; all zeroes beyond the oldest that is kept.
  nvme::ErrorLogEntry newest(uint32_t index) const {
    if (index >= k_entries_max || index >= kept_) {
      nvme::ErrorLogEntry none;
      none.parameter_location = 0;
      none.version = 0;
      return none;
    }
    return entries_[(kept_ - 1 - index) % k_entries_max];
  }

 private:
  std::array<nvme::ErrorLogEntry, k_entries_max> entries_{};
  uint64_t kept_ = 0;  // added to entries_, overwritten ones included
  uint64_t total_ = 0;
};

// What the log says of a command that was answered `status`. `qid` is 0 for the admin queue.
inline nvme::ErrorLogEntry error_log_entry(const nvme::Command& command, nvme::Status status, uint16_t qid) {
  nvme::ErrorLogEntry entry;
  entry.qid = qid;
  entry.cid = command.cid;
  entry.status = static_cast<uint16_t>(status.value << 1);
  entry.nsid = command.opcode == nvme::k_opcode_fabrics ? 0 : command.nsid;
  entry.transport_type = nvme::k_transport_type_tcp;
  entry.opcode = command.opcode;
  return entry;
}

}  // namespace ballast::target
