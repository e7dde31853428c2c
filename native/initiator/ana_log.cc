#include "initiator/ana_log.h"

#include <algorithm>
#include <string>

namespace ballast::initiator {

namespace {

bool is_known(uint8_t state) {
  switch (static_cast<nvme::AnaState>(state)) {
    case nvme::AnaState::optimized:
    case nvme::AnaState::non_optimized:
    case nvme::AnaState::inaccessible:
    case nvme::AnaState::persistent_loss:
    case nvme::AnaState::change: return true;
  }
  return false;
}

Error nonsense(const std::string& text) { return {Errc::protocol_error, "the ANA log page " + text}; }

}  // namespace

uint32_t ana_log_bytes_max(const nvme::IdentifyController& identify) {
  const uint32_t groups = std::min(identify.nanagrpid, k_ana_groups_max);
  const uint32_t namespaces =
      std::min(identify.mnan != 0 ? identify.mnan : identify.nn, k_ana_namespaces_max);
  return static_cast<uint32_t>(sizeof(nvme::AnaLogHeader) + groups * sizeof(nvme::AnaGroupDescriptor) +
                               namespaces * sizeof(uint32_t));
}

uint64_t ana_log_change_count(ByteSpan log) { return load<nvme::AnaLogHeader>(log).change_count; }

Result<std::vector<AnaEntry>> parse_ana_log(ByteSpan log) {
  std::vector<AnaEntry> entries;
  if (log.size() < sizeof(nvme::AnaLogHeader)) return nonsense("is cut off");
  const uint16_t groups_count = load<nvme::AnaLogHeader>(log).groups_count;
  log = log.subspan(sizeof(nvme::AnaLogHeader));
  for (uint32_t i = 0; i < groups_count; ++i) {
    if (log.size() < sizeof(nvme::AnaGroupDescriptor)) return nonsense("has more groups than were announced");
    const auto group = load<nvme::AnaGroupDescriptor>(log);
    log = log.subspan(sizeof(group));
    if (!is_known(group.state)) {
      return nonsense("has an unknown state, " + std::to_string(group.state) + ", of group " +
                      std::to_string(group.group_id));
    }
    if (group.nsids_count > log.size() / sizeof(uint32_t)) {
      return nonsense("has more namespaces than were announced");
    }
    for (uint32_t n = 0; n < group.nsids_count; ++n, log = log.subspan(sizeof(uint32_t))) {
      entries.push_back({load<uint32_t>(log), static_cast<nvme::AnaState>(group.state)});
    }
  }
  if (entries.size() > k_ana_namespaces_max) return nonsense("has too many namespaces");
  const auto is_before = [](const AnaEntry& a, const AnaEntry& b) { return a.nsid < b.nsid; };
  const auto is_same = [](const AnaEntry& a, const AnaEntry& b) { return a.nsid == b.nsid; };
  std::sort(entries.begin(), entries.end(), is_before);
  if (std::adjacent_find(entries.begin(), entries.end(), is_same) != entries.end()) {
    return nonsense("has a namespace in two groups");
  }
  return entries;
}

}  // namespace ballast::initiator
