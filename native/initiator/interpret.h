// What a target says of itself, read with suspicion: sizes are bounded, shifts are checked, text is made
// printable, and what makes no sense is refused with a sentence. Pure functions, called while a controller is
// brought up. NVMe Base Specification 2.1, "Identify command"; NVM Command Set Specification 1.1.
#pragma once

#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "initiator/initiator.h"
#include "nvme/fabrics.h"
#include "nvme/identify.h"

namespace ballast::initiator {

// We never ask for more in one command, whatever the target allows.
inline constexpr uint32_t k_host_transfer_bytes_max = 1 << 20;
// Namespaces of one controller that we look at; more are ignored with a warning.
inline constexpr uint32_t k_host_namespaces_max = 1024;

// Fills everything of `info` that Identify Controller tells, the oncs-derived flags excepted.
Outcome interpret_controller(const nvme::IdentifyController& identify, const nvme::Capabilities& capabilities,
                             const ControllerOptions& options, ControllerInfo& info);

// Adds the ascending NSIDs of one Active Namespace ID list behind `nsids`. True if the list was full, so that
// another must be asked for. An error if the list is not ascending.
Result<bool> append_active_namespaces(const nvme::NamespaceList& list, std::vector<uint32_t>& nsids);

// Errc::not_found: not active (NSZE 0). Errc::unsupported: a format that we cannot use, or nonsense.
Result<NamespaceInfo> interpret_namespace(uint32_t nsid, const nvme::IdentifyNamespace& identify,
                                          uint16_t oncs);
// UUID and NGUID out of the Namespace Identification Descriptor list; a damaged list ends where it is
// damaged.
void interpret_descriptors(ByteSpan list, NamespaceInfo& info);

// The same namespace as before a reconnect? What identifies it must not have changed, nor its block size.
Outcome check_same_namespace(const NamespaceInfo& before, const NamespaceInfo& now);

// Printable ASCII without the padding; anything else becomes '?'.
std::string printable(std::span<const char> field);

}  // namespace ballast::initiator
