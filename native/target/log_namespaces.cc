// The log pages on namespaces: which changed, and how they are reached. NVMe Base Specification 2.1, "Changed
// Attached Namespace List", "Asymmetric Namespace Access".
#include "target/log_page.h"

namespace ballast::target {
namespace {

constexpr uint64_t k_ana_group_bytes = sizeof(nvme::AnaGroupDescriptor) + sizeof(uint32_t);  // and its NSID

}  // namespace

void write_changed_namespaces(Controller& controller, uint32_t, uint8_t, LogWindow& window) {
  nvme::ChangedNamespacesLog log;
  static_assert(std::size(log.nsids) >= nvme::k_namespaces_per_subsystem_max);
  size_t count = 0;
  for (const uint32_t nsid : controller.changed_namespaces()) log.nsids[count++] = nsid;
  window.put(0, bytes_of(log));
}

void changed_namespaces_were_read(Controller& controller) {
  controller.changed_namespaces().clear();
  controller.events().log_was_read(Event::namespace_attribute);
}

uint64_t ana_log_bytes(Controller& controller) {
  return sizeof(nvme::AnaLogHeader) + controller.subsystem().visible_count() * k_ana_group_bytes;
}

// A group for each namespace, in ascending order.
void write_ana_log(Controller& controller, uint32_t, uint8_t specific, LogWindow& window) {
  SubsystemShard& subsystem = controller.subsystem();
  const bool lists_namespaces = (specific & nvme::k_ana_groups_only) == 0;
  nvme::AnaLogHeader header;
  header.change_count = subsystem.ana_change_count();
  header.groups_count = static_cast<uint16_t>(subsystem.visible_count());
  window.put(0, bytes_of(header));

  uint64_t position = sizeof(header);
  for (NamespaceShard* shard = subsystem.next_visible(0); shard != nullptr;
       shard = subsystem.next_visible(shard->nsid())) {
    const uint32_t nsid = shard->nsid();
    nvme::AnaGroupDescriptor group;
    group.group_id = nsid;
    group.nsids_count = lists_namespaces ? 1 : 0;
    group.change_count = subsystem.ana_change_count(nsid);
    group.state = static_cast<uint8_t>(shard->ana_state());
    window.put(position, bytes_of(group));
    position += sizeof(group);
    if (!lists_namespaces) continue;
    window.put(position, bytes_of(nsid));
    position += sizeof(nsid);
  }
}

void ana_log_was_read(Controller& controller) { controller.events().log_was_read(Event::ana_change); }

}  // namespace ballast::target
