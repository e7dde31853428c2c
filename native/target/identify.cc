// Identify: which structure, and for which namespace. The controller's is in identify_controller.cc. NVMe
// Base Specification 2.1, "Identify command"; NVM Command Set Specification 1.1, "Identify Command". Row N22.
#include "nvme/identify.h"

#include <bit>
#include <cstring>

#include "nvme/limits.h"
#include "target/admin_commands.h"
#include "target/identify_controller.h"
#include "target/io_limits.h"

namespace ballast::target {
namespace {

using nvme::Cns;
constexpr nvme::Status k_invalid_field = nvme::status::invalid_field.with_dnr();
constexpr nvme::Status k_invalid_namespace = nvme::status::invalid_namespace_or_format.with_dnr();

uint8_t csi_of(const nvme::Command& command) { return static_cast<uint8_t>(command.cdw11 >> 24); }

bool is_valid_nsid(uint32_t nsid) { return nsid > 0 && nsid <= nvme::k_namespaces_per_subsystem_max; }

uint8_t namespace_attributes(const NamespaceShard& shard) {
  return shard.read_only() ? nvme::k_nsattr_write_protected : 0;
}

// "ANA effects on Command Processing": what is used of a namespace is not told by who cannot reach it. Its
// size is: hosts take a namespace of size 0 for gone.
bool is_utilization_known(const NamespaceShard& shard) {
  return shard.ana_state() != nvme::AnaState::inaccessible &&
         shard.ana_state() != nvme::AnaState::persistent_loss;
}

// A valid NSID without a namespace answers zeroes, as for all structures of inactive namespaces.
nvme::Status fill_namespace(Controller& controller, const nvme::Command& command, MutableByteSpan data) {
  if (!is_valid_nsid(command.nsid)) return k_invalid_namespace;
  const NamespaceShard* const shard = controller.subsystem().visible(command.nsid);
  if (shard == nullptr) return nvme::status::success;
  nvme::IdentifyNamespace identify;
  identify.nsze = identify.ncap = shard->geometry().blocks_count;
  if (is_utilization_known(*shard)) identify.nuse = shard->geometry().blocks_count;
  identify.nsfeat = nvme::k_nsfeat_ids_not_reused;
  identify.nmic = nvme::k_nmic_shared;
  if (shard->capabilities().unmap) identify.dlfeat = k_dlfeat;
  if (shard->capabilities().copy) {
    identify.mssrl = k_copy_source_range_blocks_max;
    identify.mcl = k_copy_blocks_max;
    identify.msrc = k_copy_source_ranges_max - 1;
  }
  identify.anagrpid = shard->nsid();
  identify.nsattr = namespace_attributes(*shard);
  std::memcpy(identify.nguid, shard->uuid().bytes.data(), sizeof(identify.nguid));
  identify.lba_formats[0].data_size_log2 =
      static_cast<uint8_t>(std::countr_zero(shard->geometry().block_size_bytes));
  store(data, identify);
  return nvme::status::success;
}

// The NSIDs above the command's, ascending; CNS 02h, 07h and 10h differ in nothing here.
nvme::Status fill_namespace_list(Controller& controller, const nvme::Command& command, MutableByteSpan data) {
  if (command.nsid >= nvme::k_nsid_broadcast - 1) return k_invalid_namespace;
  nvme::NamespaceList list;
  size_t count = 0;
  NamespaceShard* shard = controller.subsystem().next_visible(command.nsid);
  while (shard != nullptr && count < nvme::k_namespace_list_entries) {
    list.nsids[count++] = shard->nsid();
    shard = controller.subsystem().next_visible(shard->nsid());
  }
  store(data, list);
  return nvme::status::success;
}

nvme::Status fill_descriptors(Controller& controller, const nvme::Command& command, MutableByteSpan data) {
  NamespaceShard* const shard = controller.subsystem().visible(command.nsid);
  if (shard == nullptr) return k_invalid_namespace;
  const auto put = [&data](nvme::NamespaceIdType type, ByteSpan id) {
    nvme::NamespaceIdHeader header;
    header.type = static_cast<uint8_t>(type);
    header.length_bytes = static_cast<uint8_t>(id.size());
    store(data, header);
    std::memcpy(data.data() + sizeof(header), id.data(), id.size());
    data = data.subspan(sizeof(header) + id.size());
  };
  put(nvme::NamespaceIdType::nguid, shard->uuid().bytes);
  put(nvme::NamespaceIdType::uuid, shard->uuid().bytes);
  put(nvme::NamespaceIdType::command_set, bytes_of(nvme::k_csi_nvm));
  return nvme::status::success;
}

// One format without metadata: every field is 0.
nvme::Status fill_nvm_namespace(Controller&, const nvme::Command& command, MutableByteSpan) {
  return is_valid_nsid(command.nsid) ? nvme::status::success : k_invalid_namespace;
}

// All zeroes: no limits but those that the commands' own fields have.
nvme::Status fill_nvm_controller(Controller&, const nvme::Command&, MutableByteSpan) {
  return nvme::status::success;
}

nvme::Status fill_independent(Controller& controller, const nvme::Command& command, MutableByteSpan data) {
  if (!is_valid_nsid(command.nsid)) return k_invalid_namespace;
  const NamespaceShard* const shard = controller.subsystem().visible(command.nsid);
  if (shard == nullptr) return nvme::status::success;
  nvme::IdentifyIndependentNamespace identify;
  identify.nsfeat = nvme::k_nsfeat_ids_not_reused;
  identify.nmic = nvme::k_nmic_shared;
  identify.anagrpid = shard->nsid();
  identify.nsattr = namespace_attributes(*shard);
  identify.nstat = nvme::k_nstat_ready;
  store(data, identify);
  return nvme::status::success;
}

nvme::Status fill_command_sets(Controller& controller, const nvme::Command& command, MutableByteSpan data) {
  const uint16_t controller_id = static_cast<uint16_t>(command.cdw10 >> 16);
  if (controller_id != nvme::k_controller_id_dynamic && controller_id != controller.id()) {
    return k_invalid_field;
  }
  nvme::IdentifyCommandSets sets;
  sets.vectors[0] = 1u << nvme::k_csi_nvm;
  store(data, sets);
  return nvme::status::success;
}

struct Structure {
  Cns cns;
  Controller::Fill fill;
  bool of_command_set;  // CSI must name the NVM Command Set
};
constexpr Structure k_structures[] = {
    {Cns::name_space, fill_namespace, false},
    {Cns::controller, fill_identify_controller, false},
    {Cns::active_namespaces, fill_namespace_list, false},
    {Cns::namespace_descriptors, fill_descriptors, false},
    {Cns::command_set_namespace, fill_nvm_namespace, true},
    {Cns::command_set_controller, fill_nvm_controller, true},
    {Cns::command_set_active_namespaces, fill_namespace_list, true},
    {Cns::independent_namespace, fill_independent, false},
    {Cns::allocated_namespaces, fill_namespace_list, false},
    {Cns::allocated_namespace, fill_namespace, false},
    {Cns::command_sets, fill_command_sets, false},
};

}  // namespace

void identify(Controller& controller, transport::Request& request) {
  const Cns cns = static_cast<Cns>(request.command.cdw10 & 0xff);
  const bool allowed = !controller.subsystem().is_discovery() || cns == Cns::controller;
  for (const Structure& structure : k_structures) {
    if (structure.cns != cns || !allowed) continue;
    if (structure.of_command_set && csi_of(request.command) != nvme::k_csi_nvm) break;
    return controller.reply_with_data(request, nvme::k_identify_bytes, structure.fill);
  }
  controller.reply(request, k_invalid_field);
}

}  // namespace ballast::target
