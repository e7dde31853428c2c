// The last errors of one controller, for the Error Information log page. NVMe Base Specification 2.1, "Error
// Information".
#pragma once

#include <array>
#include <cstdint>

#include "nvme/limits.h"
#include "nvme/log_pages.h"

namespace ballast::target {

class ErrorLog {
 public:
  static constexpr uint32_t k_entries_max = nvme::k_error_log_entries_max;

  // error_count is filled in: it counts all errors from 1, kept or not.
  void add(nvme::ErrorLogEntry entry) {
    entry.error_count = ++total_;
    entries_[(total_ - 1) % k_entries_max] = entry;
  }
  uint64_t total() const { return total_; }
  // 0 is the newest; all zeroes beyond the oldest that is kept.
  nvme::ErrorLogEntry newest(uint32_t index) const {
    if (index >= k_entries_max || index >= total_) {
      nvme::ErrorLogEntry none;
      none.parameter_location = 0;
      none.version = 0;
      return none;
    }
    return entries_[(total_ - 1 - index) % k_entries_max];
  }

 private:
  std::array<nvme::ErrorLogEntry, k_entries_max> entries_{};
  uint64_t total_ = 0;
};

}  // namespace ballast::target
