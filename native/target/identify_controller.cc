#include "target/identify_controller.h"

#include <algorithm>
#include <cstring>

#include "nvme/identify.h"
#include "nvme/limits.h"
#include "nvme/nqn.h"
#include "target/feature_table.h"
#include "target/io_limits.h"

namespace ballast::target {
namespace {

// ANATT: how long hosts wait for the end of a transition before they take a path for lost.
constexpr uint8_t k_ana_transition_s_max = 10;

// "ASCII strings" are padded with spaces.
void store_text(std::span<char> field, std::string_view text) {
  std::fill(field.begin(), field.end(), ' ');
  std::memcpy(field.data(), text.data(), std::min(text.size(), field.size()));
}

}  // namespace

// What an optional command needs of a device. A subsystem without namespaces may get any.
uint16_t optional_commands(SubsystemShard& subsystem) {
  if (subsystem.visible_count() == 0) return k_oncs;
  uint16_t oncs = 0;
  for (NamespaceShard* shard = subsystem.next_visible(0); shard != nullptr;
       shard = subsystem.next_visible(shard->nsid())) {
    const bdev::Capabilities& can = shard->capabilities();
    if (can.compare) oncs |= nvme::k_oncs_compare;
    if (can.unmap) oncs |= nvme::k_oncs_dataset_management;
    if (can.write_zeroes) oncs |= nvme::k_oncs_write_zeroes;
    if (can.verify) oncs |= nvme::k_oncs_verify;
    if (can.copy) oncs |= nvme::k_oncs_copy;
  }
  return oncs & k_oncs;
}

namespace {

// What discovery controllers have too.
void fill_common(nvme::IdentifyController& identify, Controller& controller) {
  const SubsystemConfig& config = controller.subsystem().config();
  const TargetOptions& options = controller.shard().context().options;
  store_text(identify.serial_number, config.serial_number);
  store_text(identify.model_number, config.model_number);
  store_text(identify.firmware_revision, options.firmware_revision);
  identify.mdts = nvme::k_mdts;
  identify.controller_id = controller.id();
  identify.version = nvme::k_version_2_0;
  identify.oaes = events_supported(controller);
  identify.ctratt = nvme::k_ctratt_host_id_128;
  identify.acl = nvme::k_abort_commands_max - 1;
  identify.aerl = nvme::k_async_event_requests_max - 1;
  identify.lpa = nvme::k_lpa_extended_data | nvme::k_lpa_supported_pages;
  identify.elpe = nvme::k_error_log_entries_max - 1;
  identify.kas = nvme::k_keep_alive_granularity_ms / 100;
  identify.sgls = nvme::k_sgls_supported | nvme::k_sgls_offset_address | nvme::k_sgls_transport_data_block;
  identify.maxcmd = nvme::k_queue_entries_max;
  nvme::store_nqn_field(identify.subsystem_nqn, config.nqn);
}

void fill_io_controller(nvme::IdentifyController& identify, Controller& controller) {
  SubsystemShard& subsystem = controller.subsystem();
  identify.controller_type = nvme::k_controller_type_io;
  identify.cmic = nvme::k_cmic_ports | nvme::k_cmic_controllers | nvme::k_cmic_ana;
  identify.frmw = nvme::k_frmw_one_read_only_slot;
  identify.lpa |= nvme::k_lpa_smart_per_namespace | nvme::k_lpa_command_effects;
  identify.anatt = k_ana_transition_s_max;
  identify.anacap = nvme::k_anacap_all_states | nvme::k_anacap_group_fixed;
  identify.anagrpmax = nvme::k_namespaces_per_subsystem_max;
  identify.nanagrpid = nvme::k_namespaces_per_subsystem_max;
  identify.sqes = 6 << 4 | 6;
  identify.cqes = 4 << 4 | 4;
  identify.nn = nvme::k_namespaces_per_subsystem_max;
  identify.mnan = nvme::k_namespaces_per_subsystem_max;
  identify.oncs = optional_commands(subsystem);
  const bool copies = (identify.oncs & nvme::k_oncs_copy) != 0;
  const bool compares = (identify.oncs & nvme::k_oncs_compare) != 0;
  identify.oncs |= nvme::k_oncs_save_and_select;
  identify.fuses = compares ? k_fuses : 0;
  identify.acwu = compares ? k_acwu : 0;
  identify.ocfs = copies ? k_copy_formats : 0;
  identify.awun = k_awun;
  identify.awupf = k_awupf;
  identify.vwc = k_vwc_flush_all;
  if (subsystem.namespaces().has_volatile_write_cache()) identify.vwc |= nvme::k_vwc_present;
  const uint32_t command_bytes = sizeof(nvme::Command);
  identify.ioccsz = (command_bytes + controller.shard().context().options.in_capsule_bytes) / 16;
  identify.iorcsz = sizeof(nvme::Completion) / 16;
  identify.msdbd = 1;
  identify.ofcs = nvme::k_ofcs_disconnect;
}

}  // namespace

nvme::Status fill_identify_controller(Controller& controller, const nvme::Command&, MutableByteSpan data) {
  nvme::IdentifyController identify;
  fill_common(identify, controller);
  if (controller.subsystem().is_discovery())
    identify.controller_type = nvme::k_controller_type_discovery;
  else
    fill_io_controller(identify, controller);
  store(data, identify);
  return nvme::status::success;
}

}  // namespace ballast::target
