// The Asymmetric Namespace Access log page of a target, read with suspicion. NVMe Base Specification 2.1,
// "Asymmetric Namespace Access log page". Pure functions, called while a path is brought up and after its
// events.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "nvme/identify.h"
#include "nvme/log_pages.h"

namespace ballast::initiator {

// How one namespace is reached over the controller that told.
struct AnaEntry {
  uint32_t nsid = 0;
  nvme::AnaState state = nvme::AnaState::optimized;
};

// More groups, or more namespaces in all of them together, are refused.
inline constexpr uint32_t k_ana_groups_max = 1024;
inline constexpr uint32_t k_ana_namespaces_max = 1024;

// What to read of the page so that all of it is read that parse_ana_log() takes.
uint32_t ana_log_bytes_max(const nvme::IdentifyController& identify);
uint64_t ana_log_change_count(ByteSpan log);
// Ascending by NSID. Errc::protocol_error: it does not fit what was read, or names an unknown state.
Result<std::vector<AnaEntry>> parse_ana_log(ByteSpan log);

}  // namespace ballast::initiator
