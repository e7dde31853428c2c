// The entries of a discovery log, read with suspicion. Pure functions, called by discover(). NVMe Base
// Specification 2.1, "Discovery Log Page"; NVMe/TCP Transport Specification 1.0, "Transport Service
// Identifier".
#pragma once

#include <optional>

#include "initiator/initiator.h"
#include "nvme/log_pages.h"

namespace ballast::initiator {

// A log may say that it has any number of records: more than this are not read.
inline constexpr uint64_t k_discovery_records_max = 16384;

// Nullopt for an entry that a host shall not use: a port that is not a decimal number, an NQN or an address
// without an end, values that are reserved.
std::optional<DiscoveryEntry> interpret_discovery_entry(const nvme::DiscoveryLogEntry& entry);

}  // namespace ballast::initiator
