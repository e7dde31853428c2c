// The discovery log: every subsystem that this host may connect to, at every listener, and the discovery
// subsystem itself. NVMe Base Specification 2.1, "Discovery Log Page"; NVMe/TCP Transport Specification 1.1,
// "Transport Specific Address Subtype Definition for NVMe/TCP Transport".
#include <cstring>

#include "nvme/limits.h"
#include "nvme/nqn.h"
#include "target/log_page.h"

namespace ballast::target {
namespace {

bool is_wildcard(const std::string& host) { return host.empty() || host == "0.0.0.0" || host == "::"; }

void store_padded(std::span<char> field, const std::string& text) {
  std::memcpy(field.data(), text.data(), std::min(text.size(), field.size()));
}

nvme::DiscoveryLogEntry make_entry(Controller& controller, const SubsystemShard& subsystem,
                                   const ListenerConfig& listener) {
  // A listener on every address is reached at the one that this host came to.
  const std::string host =
      is_wildcard(listener.address.host) ? controller.admin().local_address().host : listener.address.host;
  nvme::DiscoveryLogEntry entry;
  entry.transport_type = nvme::k_transport_type_tcp;
  entry.address_family =
      host.find(':') == std::string::npos ? nvme::k_address_family_ipv4 : nvme::k_address_family_ipv6;
  entry.subsystem_type =
      subsystem.is_discovery() ? nvme::k_subsystem_type_discovery : nvme::k_subsystem_type_nvm;
  entry.transport_requirements = nvme::k_treq_secure_channel_not_required | nvme::k_treq_flow_control_disable;
  entry.port_id = listener.port_id;
  entry.admin_queue_entries_max = nvme::k_admin_queue_entries_max;
  if (subsystem.is_discovery()) entry.flags = nvme::k_eflags_explicit_persistent;
  store_padded(entry.service_id, std::to_string(listener.address.port));
  nvme::store_nqn_field(entry.subsystem_nqn, subsystem.config().nqn);
  store_padded(entry.transport_address, host);
  return entry;
}

bool is_listed(Controller& controller, const SubsystemShard& subsystem) {
  return !subsystem.closing && subsystem.allows(controller.host_nqn());
}

uint64_t records_count(Controller& controller) {
  uint64_t count = 0;
  for (const auto& [nqn, subsystem] : controller.shard().subsystems()) {
    if (is_listed(controller, *subsystem)) count += controller.shard().listeners().size();
  }
  return count;
}

}  // namespace

uint64_t discovery_log_bytes(Controller& controller) {
  return sizeof(nvme::DiscoveryLogHeader) + records_count(controller) * sizeof(nvme::DiscoveryLogEntry);
}

void write_discovery_log(Controller& controller, uint32_t, uint8_t, LogWindow& window) {
  nvme::DiscoveryLogHeader header;
  header.generation = controller.shard().discovery_generation();
  header.records_count = records_count(controller);
  window.put(0, bytes_of(header));
  uint64_t position = sizeof(header);
  for (const auto& [nqn, subsystem] : controller.shard().subsystems()) {
    if (!is_listed(controller, *subsystem)) continue;
    for (const ListenerConfig& listener : controller.shard().listeners()) {
      if (window.overlaps(position, sizeof(nvme::DiscoveryLogEntry))) {
        window.put(position, bytes_of(make_entry(controller, *subsystem, listener)));
      }
      position += sizeof(nvme::DiscoveryLogEntry);
    }
  }
}

void discovery_log_was_read(Controller& controller) {
  controller.events().log_was_read(Event::discovery_change);
}

}  // namespace ballast::target
