#include "bdev/pool/check_report.h"

#include <algorithm>
#include <utility>

namespace ballast::bdev::pool {

void CheckReport::add(CheckSeverity severity, CheckRepair repair, std::string where, std::string what) {
  if (findings.size() == k_findings_max) {
    ++findings_left_out;
    return;
  }
  findings.push_back({severity, repair, false, std::move(where), std::move(what)});
}

uint64_t CheckReport::errors_count() const {
  return static_cast<uint64_t>(
      std::count_if(findings.begin(), findings.end(), [](const CheckFinding& finding) {
        return finding.severity == CheckSeverity::error && !finding.is_repaired;
      }));
}

}  // namespace ballast::bdev::pool
