#include "target/io_command.h"

#include "nvme/limits.h"
#include "target/io_limits.h"
#include "target/io_ranges.h"

namespace ballast::target {
namespace {

using nvme::NvmOpcode;
namespace status = nvme::status;

bool is_served(uint8_t opcode) {
  switch (static_cast<NvmOpcode>(opcode)) {
    case NvmOpcode::flush:
    case NvmOpcode::write:
    case NvmOpcode::read:
    case NvmOpcode::compare:
    case NvmOpcode::write_zeroes:
    case NvmOpcode::dataset_management:
    case NvmOpcode::verify:
    case NvmOpcode::copy: return true;
    case NvmOpcode::write_uncorrectable: return false;
  }
  return false;
}

// Only Compare and Write can be fused (Base 2.1, "Fused Operations"; FUSES bit 0).
nvme::Status check_fuse(const nvme::Command& command) {
  switch (command.fuse()) {
    case nvme::k_fuse_none: return status::success;
    case nvme::k_fuse_first:
      return command.opcode == static_cast<uint8_t>(NvmOpcode::compare) ? status::success
                                                                        : status::invalid_opcode.with_dnr();
    case nvme::k_fuse_second:
      return command.opcode == static_cast<uint8_t>(NvmOpcode::write) ? status::success
                                                                      : status::invalid_opcode.with_dnr();
    default: return status::invalid_field.with_dnr();
  }
}

void decode_blocks(const nvme::Command& command, IoCommand& decoded) {
  decoded.lba = uint64_t{command.cdw11} << 32 | command.cdw10;
  decoded.blocks_count = (command.cdw12 & 0xffff) + 1;
}

IoCommand decode(const nvme::Command& command) {
  IoCommand decoded;
  decoded.opcode = static_cast<NvmOpcode>(command.opcode);
  decoded.nsid = command.nsid;
  switch (decoded.opcode) {
    case NvmOpcode::read:
    case NvmOpcode::write:
    case NvmOpcode::compare:
    case NvmOpcode::verify:
    case NvmOpcode::write_zeroes:
      decode_blocks(command, decoded);
      decoded.fua = (command.cdw12 >> 30 & 1) != 0;
      decoded.deallocate = decoded.opcode == NvmOpcode::write_zeroes && (command.cdw12 >> 25 & 1) != 0;
      break;
    case NvmOpcode::dataset_management:
      decoded.ranges_count = (command.cdw10 & 0xff) + 1;
      decoded.deallocate = (command.cdw11 >> 2 & 1) != 0;
      decoded.data_bytes = decoded.ranges_count * k_dataset_range_bytes;
      break;
    case NvmOpcode::copy:
      decoded.lba = uint64_t{command.cdw11} << 32 | command.cdw10;
      decoded.ranges_count = (command.cdw12 & 0xff) + 1;
      decoded.fua = (command.cdw12 >> 30 & 1) != 0;
      decoded.data_bytes = decoded.ranges_count * k_copy_range_bytes;
      break;
    case NvmOpcode::flush:
    case NvmOpcode::write_uncorrectable: break;
  }
  return decoded;
}

nvme::Status check_capability(const nvme::Command& command, const IoCommand& decoded,
                              const bdev::Capabilities& capabilities) {
  const nvme::Status missing = status::invalid_opcode.with_dnr();
  switch (decoded.opcode) {
    case NvmOpcode::compare: return capabilities.compare ? status::success : missing;
    case NvmOpcode::verify: return capabilities.verify ? status::success : missing;
    case NvmOpcode::write_zeroes:
      if (!capabilities.write_zeroes) return missing;
      return decoded.deallocate && !capabilities.unmap ? status::invalid_field.with_dnr() : status::success;
    case NvmOpcode::copy:
      if (!capabilities.copy) return missing;
      // Source Range Descriptor Format, bits 11:8.
      if ((command.cdw12 >> 8 & 15) != 0) return status::invalid_field.with_dnr();
      return decoded.ranges_count > k_copy_source_ranges_max ? k_command_size_limit_exceeded.with_dnr()
                                                             : status::success;
    case NvmOpcode::flush:
    case NvmOpcode::write:
    case NvmOpcode::read:
    case NvmOpcode::dataset_management:
    case NvmOpcode::write_uncorrectable: return status::success;
  }
  return missing;
}

bool moves_blocks(NvmOpcode opcode) {
  return opcode == NvmOpcode::read || opcode == NvmOpcode::write || opcode == NvmOpcode::compare;
}

}  // namespace

bool IoCommand::changes_medium() const {
  switch (opcode) {
    case NvmOpcode::write:
    case NvmOpcode::write_zeroes:
    case NvmOpcode::copy: return true;
    case NvmOpcode::dataset_management: return deallocate;
    case NvmOpcode::flush:
    case NvmOpcode::read:
    case NvmOpcode::compare:
    case NvmOpcode::verify:
    case NvmOpcode::write_uncorrectable: return false;
  }
  return false;
}

nvme::Status check_namespace_state(const IoCommand& command, const NamespaceShard& shard) {
  if (!shard.path_status().ok()) [[unlikely]]
    return shard.path_status();
  if (command.changes_medium() && shard.read_only()) return status::namespace_write_protected.with_dnr();
  if (command.blocks_count > 0 && !shard.geometry().contains(command.lba, command.blocks_count)) {
    return status::lba_out_of_range.with_dnr();
  }
  return status::success;
}

nvme::Status check_io_command(const nvme::Command& command, uint32_t sgl_length_bytes,
                              NamespaceTable& namespaces, IoCommand& decoded) {
  if (!is_served(command.opcode)) return status::invalid_opcode.with_dnr();
  if (command.psdt() != nvme::k_psdt_sgl) return status::invalid_field.with_dnr();
  if (const nvme::Status fuse = check_fuse(command); !fuse.ok()) return fuse;
  decoded = decode(command);

  if (decoded.opcode == NvmOpcode::flush && decoded.nsid == k_nsid_all)
    return namespaces.path_status_of_all();
  NamespaceShard* const shard = namespaces.find(decoded.nsid);
  if (shard == nullptr) return status::invalid_namespace_or_format.with_dnr();
  if (const nvme::Status served = check_capability(command, decoded, shard->capabilities()); !served.ok()) {
    return served;
  }
  if (const nvme::Status state = check_namespace_state(decoded, *shard); !state.ok()) return state;

  // At most 65,536 blocks of 4 KiB: no overflow.
  if (moves_blocks(decoded.opcode)) {
    decoded.data_bytes = decoded.blocks_count * shard->geometry().block_size_bytes;
  }
  if (decoded.data_bytes > sgl_length_bytes) return status::data_sgl_length_invalid.with_dnr();
  if (decoded.data_bytes > nvme::k_transfer_bytes_max) return status::invalid_field.with_dnr();
  return status::success;
}

}  // namespace ballast::target
