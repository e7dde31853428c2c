#include "initiator/discovery_log.h"

#include <algorithm>

#include "initiator/interpret.h"
#include "nvme/nqn.h"

namespace ballast::initiator {

namespace {

constexpr uint8_t k_transport_type_fibre_channel = 2;
constexpr uint8_t k_transport_type_loop = 254;
constexpr uint8_t k_address_family_infiniband = 3;
constexpr uint8_t k_address_family_fibre_channel = 4;

const char* transport_text(uint8_t type) {
  switch (type) {
    case nvme::k_transport_type_rdma: return "rdma";
    case k_transport_type_fibre_channel: return "fc";
    case nvme::k_transport_type_tcp: return "tcp";
    case k_transport_type_loop: return "loop";
    default: return nullptr;
  }
}

const char* family_text(uint8_t family) {
  switch (family) {
    case nvme::k_address_family_ipv4: return "ipv4";
    case nvme::k_address_family_ipv6: return "ipv6";
    case k_address_family_infiniband: return "ib";
    case k_address_family_fibre_channel: return "fc";
    default: return "";
  }
}

const char* subsystem_text(uint8_t type) {
  switch (type) {
    case nvme::k_subsystem_type_referral: return "discovery";
    case nvme::k_subsystem_type_nvm: return "nvme";
    case nvme::k_subsystem_type_discovery: return "current discovery";
    default: return nullptr;
  }
}

// Without the padding, NUL or spaces; nullopt if anything else than printable ASCII is in it.
std::optional<std::string> text_of(std::span<const char> field) {
  const auto end = std::find(field.begin(), field.end(), '\0');
  std::string text(field.begin(), end);
  const size_t last = text.find_last_not_of(' ');
  text.resize(last == std::string::npos ? 0 : last + 1);
  const bool is_printable = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (!is_printable) return std::nullopt;
  return text;
}

bool is_tcp_port(const std::string& text) {
  if (text.empty() || text.size() > 5) return false;
  uint32_t port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    port = port * 10 + static_cast<uint32_t>(c - '0');
  }
  return port >= 1 && port <= 65535;
}

}  // namespace

std::optional<DiscoveryEntry> interpret_discovery_entry(const nvme::DiscoveryLogEntry& entry) {
  const char* const transport = transport_text(entry.transport_type);
  const char* const subsystem = subsystem_text(entry.subsystem_type);
  if (transport == nullptr || subsystem == nullptr) return std::nullopt;
  const auto nqn = nvme::parse_nqn_field(entry.subsystem_nqn);
  const auto address = text_of(entry.transport_address);
  const auto port = text_of(entry.service_id);
  if (!nqn || !address || address->empty() || !port) return std::nullopt;
  if (entry.transport_type == nvme::k_transport_type_tcp && !is_tcp_port(*port)) return std::nullopt;
  DiscoveryEntry result;
  result.subsystem_nqn = *nqn;
  result.address = *address;
  result.port = *port;
  result.transport = transport;
  result.address_family = family_text(entry.address_family);
  result.subsystem_type = subsystem;
  result.port_id = entry.port_id;
  result.controller_id = entry.controller_id;
  return result;
}

}  // namespace ballast::initiator
