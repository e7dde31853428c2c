#include "target/log_page.h"

namespace ballast::target {
namespace {

using nvme::LogPage;

void write_supported_pages(Controller& controller, uint32_t, uint8_t, LogWindow& window) {
  nvme::SupportedLogPagesLog log;
  for (size_t i = 0; i < std::size(log.pages); ++i) {
    const bool has = find_log_page(controller, static_cast<LogPage>(i)) != nullptr;
    if (has) log.pages[i] = nvme::k_log_page_supported;
  }
  window.put(0, bytes_of(log));
}

// "NVMe-MI Commands Supported and Effects": there is no NVMe-MI command, so all of it is 0.
void write_nothing(Controller&, uint32_t, uint8_t, LogWindow&) {}

template <typename Log>
uint64_t size_of(Controller&) {
  return sizeof(Log);
}
uint64_t error_log_bytes(Controller&) { return ErrorLog::k_entries_max * sizeof(nvme::ErrorLogEntry); }
constexpr uint64_t k_management_effects_bytes = 4096;
uint64_t management_effects_bytes(Controller&) { return k_management_effects_bytes; }

constexpr uint8_t k_discovery_specific = 0x7;  // LSP of newer hosts: extended entries, port local, all

constexpr LogPageInfo k_pages[] = {
    // page, on I/O controllers, on discovery, per namespace, LSP
    {LogPage::supported_log_pages, true, true, false, 0, size_of<nvme::SupportedLogPagesLog>,
     write_supported_pages, nullptr},
    {LogPage::error_information, true, true, false, 0, error_log_bytes, write_error_log, nullptr},
    {LogPage::smart, true, false, true, 0, size_of<nvme::SmartLog>, write_smart_log, nullptr},
    {LogPage::firmware_slot, true, false, false, 0, size_of<nvme::FirmwareSlotLog>, write_firmware_log,
     nullptr},
    {LogPage::changed_namespaces, true, false, false, 0, size_of<nvme::ChangedNamespacesLog>,
     write_changed_namespaces, changed_namespaces_were_read},
    {LogPage::command_effects, true, false, false, 0, size_of<nvme::CommandEffectsLog>, write_command_effects,
     nullptr},
    {LogPage::ana, true, false, false, nvme::k_ana_groups_only, ana_log_bytes, write_ana_log,
     ana_log_was_read},
    {LogPage::feature_effects, true, true, false, 0, size_of<nvme::FeatureEffectsLog>, write_feature_effects,
     nullptr},
    {LogPage::management_effects, true, true, false, 0, management_effects_bytes, write_nothing, nullptr},
    {LogPage::discovery, false, true, false, k_discovery_specific, discovery_log_bytes, write_discovery_log,
     discovery_log_was_read},
};

}  // namespace

const LogPageInfo* find_log_page(Controller& controller, LogPage page) {
  const bool is_discovery = controller.subsystem().is_discovery();
  for (const LogPageInfo& info : k_pages) {
    if (info.page == page && (is_discovery ? info.on_discovery : info.on_nvm)) return &info;
  }
  return nullptr;
}

}  // namespace ballast::target
