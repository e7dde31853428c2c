// Get Log Page: which page, and the window of it. The pages are in log_*.cc. NVMe Base Specification 2.1,
// "Get Log Page command". Row N21.
#include "nvme/identify.h"
#include "target/admin_commands.h"
#include "target/log_page.h"

namespace ballast::target {
namespace {

using nvme::GetLogPage;
using nvme::LogPage;

nvme::Status fill_log_page(Controller& controller, const nvme::Command& command, MutableByteSpan data) {
  const GetLogPage fields = GetLogPage::parse(command);
  const LogPageInfo* const info = find_log_page(controller, fields.page);
  LogWindow window(data, fields.offset_bytes);
  info->write(controller, command.nsid, fields.specific, window);
  if (!fields.retain_event && info->was_read != nullptr) info->was_read(controller);
  return nvme::status::success;
}

bool is_valid_scope(Controller& controller, const LogPageInfo& info, uint32_t nsid) {
  if (nsid == 0 || nsid == nvme::k_nsid_broadcast) return true;
  return info.per_namespace && controller.subsystem().visible(nsid) != nullptr;
}

}  // namespace

void get_log_page(Controller& controller, transport::Request& request) {
  const GetLogPage fields = GetLogPage::parse(request.command);
  const LogPageInfo* const info = find_log_page(controller, fields.page);
  if (info == nullptr) return controller.reply(request, nvme::status::invalid_log_page.with_dnr());
  const bool is_valid =
      fields.offset_bytes % 4 == 0 && !fields.offset_is_index &&
      fields.offset_bytes <= info->size_bytes(controller) && (fields.specific & ~info->specific_mask) == 0 &&
      fields.command_set == nvme::k_csi_nvm && is_valid_scope(controller, *info, request.command.nsid);
  if (!is_valid) return controller.reply(request, nvme::status::invalid_field.with_dnr());
  controller.reply_with_data(request, fields.length_bytes, fill_log_page);
}

}  // namespace ballast::target
