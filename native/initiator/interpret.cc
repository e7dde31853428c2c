#include "initiator/interpret.h"

#include <algorithm>
#include <cstring>

#include "nvme/limits.h"
#include "nvme/nqn.h"

namespace ballast::initiator {

namespace {

constexpr uint32_t k_sqe_bytes = 64;
constexpr uint8_t k_lbads_min = 9;   // 512 bytes
constexpr uint8_t k_lbads_max = 16;  // 64 KiB
// "Namespace Identification Descriptor": NIDT, and the bytes of NID that belong to it.
constexpr uint8_t k_nidt_nguid = 2;
constexpr uint8_t k_nidt_uuid = 3;
constexpr size_t k_descriptor_header_bytes = 4;

// "Maximum Data Transfer Size (MDTS)": a power of two of the smallest memory page, 0: no limit.
uint32_t transfer_bytes_max(uint8_t mdts, uint8_t mpsmin) {
  const uint32_t shift = 12u + mpsmin + mdts;
  if (mdts == 0 || shift >= 32) return k_host_transfer_bytes_max;
  return std::min(uint32_t{1} << shift, k_host_transfer_bytes_max);
}

// "I/O Queue Command Capsule Supported Size (IOCCSZ)" counts the command too, in 16 bytes.
uint32_t in_capsule_bytes(uint32_t ioccsz) {
  const uint64_t capsule_bytes = uint64_t{ioccsz} * 16;
  if (capsule_bytes <= k_sqe_bytes) return 0;
  return static_cast<uint32_t>(std::min<uint64_t>(capsule_bytes - k_sqe_bytes, k_host_transfer_bytes_max));
}

// "Formatted LBA Size (FLBAS)": bits 3:0, and 6:5 above them when there are more than 16 formats.
uint8_t format_index(const nvme::IdentifyNamespace& identify) {
  const uint8_t low = identify.flbas & 0x0f;
  if (identify.nlbaf < 16) return low;
  return static_cast<uint8_t>((identify.flbas >> 5 & 3) << 4 | low);
}

}  // namespace

std::string printable(std::span<const char> field) {
  std::string text;
  for (const char c : field) {
    if (c == '\0') break;
    text += c >= ' ' && c <= '~' ? c : '?';
  }
  const size_t end = text.find_last_not_of(' ');
  text.resize(end == std::string::npos ? 0 : end + 1);
  return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

Outcome interpret_controller(const nvme::IdentifyController& identify, const nvme::Capabilities& capabilities,
                             const ControllerOptions& options, ControllerInfo& info) {
  const bool is_discovery = options.io_queues_count == 0;
  // Over TCP every command has an SGL, and in-capsule data starts right behind the command.
  if (!is_discovery && (identify.sgls & 3) == 0) {
    return Error{Errc::unsupported, "the controller does not support SGLs"};
  }
  if (identify.icdoff != 0)
    return Error{Errc::protocol_error, "the controller asks for an in-capsule data offset"};
  info.serial_number = printable(identify.serial_number);
  info.model_number = printable(identify.model_number);
  info.firmware_revision = printable(identify.firmware_revision);
  const auto nqn = nvme::parse_nqn_field(identify.subsystem_nqn);
  info.subsystem_nqn = nqn ? std::string(*nqn) : options.subsystem_nqn;
  info.transfer_bytes_max = transfer_bytes_max(identify.mdts, capabilities.mpsmin());
  info.in_capsule_bytes = in_capsule_bytes(identify.ioccsz);
  uint32_t entries = std::min<uint32_t>(options.queue_entries, uint32_t{capabilities.mqes()} + 1);
  if (identify.maxcmd >= 2) entries = std::min<uint32_t>(entries, identify.maxcmd);
  if (entries < 2 && !is_discovery)
    return Error{Errc::protocol_error, "the controller offers queues of one entry"};
  info.queue_entries = static_cast<uint16_t>(entries);
  const ByteSpan bytes = bytes_of(identify);
  info.identify_controller.assign(bytes.begin(), bytes.end());
  return Unit{};
}

Result<bool> append_active_namespaces(const nvme::NamespaceList& list, std::vector<uint32_t>& nsids) {
  for (const uint32_t nsid : list.nsids) {
    if (nsid == 0) return false;
    if (nsid == nvme::k_nsid_broadcast || (!nsids.empty() && nsid <= nsids.back())) {
      return Error{Errc::protocol_error, "the list of active namespaces is not ascending"};
    }
    if (nsids.size() == k_host_namespaces_max) return false;
    nsids.push_back(nsid);
  }
  return nsids.size() < k_host_namespaces_max;
}

Result<NamespaceInfo> interpret_namespace(uint32_t nsid, const nvme::IdentifyNamespace& identify,
                                          uint16_t oncs) {
  if (identify.nsze == 0) return Error{Errc::not_found, "the namespace is not active"};
  const nvme::LbaFormat& format = identify.lba_formats[format_index(identify)];
  if (format.data_size_log2 < k_lbads_min || format.data_size_log2 > k_lbads_max) {
    return Error{Errc::unsupported, "block size of 2^" + std::to_string(format.data_size_log2) + " bytes"};
  }
  if (format.metadata_bytes != 0) return Error{Errc::unsupported, "blocks with metadata"};
  if (identify.nsze > UINT64_MAX >> format.data_size_log2) {
    return Error{Errc::unsupported, "more than 2^64 bytes"};
  }
  NamespaceInfo info;
  info.nsid = nsid;
  info.block_size_bytes = uint32_t{1} << format.data_size_log2;
  info.blocks_count = identify.nsze;
  std::copy_n(identify.nguid, info.nguid.size(), info.nguid.begin());
  info.deallocated_reads_zeroes = (identify.dlfeat & 7) == nvme::k_dlfeat_reads_zeroes;
  info.supports_write_zeroes = (oncs & nvme::k_oncs_write_zeroes) != 0;
  info.supports_deallocate = (oncs & nvme::k_oncs_dataset_management) != 0;
  info.supports_compare = (oncs & nvme::k_oncs_compare) != 0;
  return info;
}

void interpret_descriptors(ByteSpan list, NamespaceInfo& info) {
  while (list.size() > k_descriptor_header_bytes) {
    const uint8_t type = list[0];
    const size_t id_bytes = list[1];
    if (id_bytes == 0 || list.size() < k_descriptor_header_bytes + id_bytes) return;
    const ByteSpan id = list.subspan(k_descriptor_header_bytes, id_bytes);
    if (type == k_nidt_uuid && id_bytes == info.uuid.bytes.size()) {
      std::copy(id.begin(), id.end(), info.uuid.bytes.begin());
    } else if (type == k_nidt_nguid && id_bytes == info.nguid.size()) {
      std::copy(id.begin(), id.end(), info.nguid.begin());
    }
    list = list.subspan(k_descriptor_header_bytes + id_bytes);
  }
}

Outcome check_same_namespace(const NamespaceInfo& before, const NamespaceInfo& now) {
  const std::string name = "namespace " + std::to_string(before.nsid);
  if (before.uuid != now.uuid) {
    return Error{Errc::not_found, name + " is another volume now: its UUID was " + before.uuid.text() +
                                      " and is " + now.uuid.text()};
  }
  if (before.nguid != now.nguid)
    return Error{Errc::not_found, name + " is another volume now: its NGUID changed"};
  if (before.block_size_bytes != now.block_size_bytes) {
    return Error{Errc::not_found, name + " has another block size now"};
  }
  return Unit{};
}

}  // namespace ballast::initiator
