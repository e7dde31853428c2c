// The log pages on namespaces: which changed, and how they are reached. NVMe Base Specification 2.1, "Changed
// Attached Namespace List", "Asymmetric Namespace Access".
#include "target/log_page.h"

namespace ballast::target {
namespace {

constexpr uint32_t k_group = 1;

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
  return sizeof(nvme::AnaLogHeader) + sizeof(nvme::AnaGroupDescriptor) +
         controller.subsystem().visible_count() * sizeof(uint32_t);
}

// All namespaces are in one group, and every path to it is as good as any other.
void write_ana_log(Controller& controller, uint32_t, uint8_t specific, LogWindow& window) {
  SubsystemShard& subsystem = controller.subsystem();
  nvme::AnaLogHeader header;
  header.change_count = subsystem.ana_change_count();
  header.groups_count = 1;
  window.put(0, bytes_of(header));

  const bool lists_namespaces = (specific & nvme::k_ana_groups_only) == 0;
  nvme::AnaGroupDescriptor group;
  group.group_id = k_group;
  group.nsids_count = lists_namespaces ? subsystem.visible_count() : 0;
  group.change_count = subsystem.ana_change_count();
  group.state = static_cast<uint8_t>(nvme::AnaState::optimized);
  window.put(sizeof(header), bytes_of(group));
  if (!lists_namespaces) return;

  uint64_t position = sizeof(header) + sizeof(group);
  for (NamespaceShard* shard = subsystem.next_visible(0); shard != nullptr;
       shard = subsystem.next_visible(shard->nsid())) {
    const uint32_t nsid = shard->nsid();
    window.put(position, bytes_of(nsid));
    position += sizeof(nsid);
  }
}

}  // namespace ballast::target
