// The log pages on how the controller fares: errors, SMART, firmware. NVMe Base Specification 2.1, "Error
// Information", "SMART / Health Information", "Firmware Slot Information".
#include <cstring>

#include "nvme/identify.h"
#include "target/log_page.h"

namespace ballast::target {
namespace {

// Data units count thousands of 512 bytes, rounded up.
uint64_t data_units(uint64_t bytes) {
  constexpr uint64_t k_unit_bytes = 512'000;
  return bytes / k_unit_bytes + (bytes % k_unit_bytes != 0 ? 1 : 0);
}

}  // namespace

void write_error_log(Controller& controller, uint32_t, uint8_t, LogWindow& window) {
  for (uint32_t i = 0; i < ErrorLog::k_entries_max; ++i) {
    const nvme::ErrorLogEntry entry = controller.errors().newest(i);
    window.put(i * sizeof(entry), bytes_of(entry));
  }
}

// No sensor and no wear here: temperatures are 0 (not reported), spare is whole. Counters are those of the
// namespace, or of all of the subsystem, since this target started.
void write_smart_log(Controller& controller, uint32_t nsid, uint8_t, LogWindow& window) {
  TargetShard& shard = controller.shard();
  const uint32_t scope = nsid == nvme::k_nsid_broadcast ? 0 : nsid;
  const IoTotals totals = controller.subsystem().totals(scope, shard.shards_count());
  nvme::SmartLog log;
  log.available_spare = 100;
  log.data_units_read.low = data_units(totals.read_bytes);
  log.data_units_written.low = data_units(totals.write_bytes);
  log.host_read_commands.low = totals.reads;
  log.host_write_commands.low = totals.writes;
  log.power_cycles.low = 1;
  const uint64_t up_ns = shard.reactor().clock().now_ns() - shard.context().started_ns;
  log.power_on_hours.low = up_ns / (3600 * k_ns_per_s);
  log.media_errors.low = totals.errors;
  log.error_log_entries.low = controller.errors().total();
  window.put(0, bytes_of(log));
}

void write_firmware_log(Controller& controller, uint32_t, uint8_t, LogWindow& window) {
  nvme::FirmwareSlotLog log;
  const std::string& revision = controller.shard().context().options.firmware_revision;
  std::memset(log.revisions[0], ' ', sizeof(log.revisions[0]));
  std::memcpy(log.revisions[0], revision.data(), std::min(revision.size(), sizeof(log.revisions[0])));
  window.put(0, bytes_of(log));
}

}  // namespace ballast::target
