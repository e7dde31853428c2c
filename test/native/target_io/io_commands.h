// I/O commands as a host builds them. NVM Command Set Specification 1.1, "NVM Commands".
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "nvme/command.h"

namespace ballast::target::test {

inline nvme::Command command_of(nvme::NvmOpcode opcode, uint32_t nsid) {
  nvme::Command command;
  command.opcode = static_cast<uint8_t>(opcode);
  command.flags = nvme::k_psdt_sgl << 6;
  command.nsid = nsid;
  return command;
}

// `blocks_count` is 1 .. 65,536.
inline nvme::Command block_command(nvme::NvmOpcode opcode, uint32_t nsid, uint64_t lba, uint32_t blocks_count,
                                   uint32_t sgl_bytes = 0) {
  nvme::Command command = command_of(opcode, nsid);
  command.cdw10 = static_cast<uint32_t>(lba);
  command.cdw11 = static_cast<uint32_t>(lba >> 32);
  command.cdw12 = blocks_count - 1;
  command.sgl.length_bytes = sgl_bytes;
  return command;
}

inline nvme::Command read_command(uint32_t nsid, uint64_t lba, uint32_t blocks_count, uint32_t sgl_bytes) {
  return block_command(nvme::NvmOpcode::read, nsid, lba, blocks_count, sgl_bytes);
}
inline nvme::Command write_command(uint32_t nsid, uint64_t lba, uint32_t blocks_count) {
  return block_command(nvme::NvmOpcode::write, nsid, lba, blocks_count);
}
inline nvme::Command compare_command(uint32_t nsid, uint64_t lba, uint32_t blocks_count) {
  return block_command(nvme::NvmOpcode::compare, nsid, lba, blocks_count);
}
inline nvme::Command fused(nvme::Command command, uint8_t fuse) {
  command.flags = static_cast<uint8_t>((command.flags & ~3) | fuse);
  return command;
}
inline nvme::Command with_fua(nvme::Command command) {
  command.cdw12 |= 1u << 30;
  return command;
}

struct Range {
  uint64_t lba;
  uint32_t blocks_count;
};

inline nvme::Command dataset_command(uint32_t nsid, uint32_t ranges_count, bool deallocate = true) {
  nvme::Command command = command_of(nvme::NvmOpcode::dataset_management, nsid);
  command.cdw10 = ranges_count - 1;
  command.cdw11 = deallocate ? 1u << 2 : 0;
  return command;
}
inline std::vector<uint8_t> dataset_data(const std::vector<Range>& ranges) {
  std::vector<uint8_t> data(ranges.size() * 16);
  for (size_t i = 0; i < ranges.size(); ++i) {
    std::memcpy(data.data() + i * 16 + 4, &ranges[i].blocks_count, 4);
    std::memcpy(data.data() + i * 16 + 8, &ranges[i].lba, 8);
  }
  return data;
}

inline nvme::Command copy_command(uint32_t nsid, uint64_t to, uint32_t ranges_count, uint32_t format = 0) {
  nvme::Command command = command_of(nvme::NvmOpcode::copy, nsid);
  command.cdw10 = static_cast<uint32_t>(to);
  command.cdw11 = static_cast<uint32_t>(to >> 32);
  command.cdw12 = (ranges_count - 1) | format << 8;
  return command;
}
inline std::vector<uint8_t> copy_data(const std::vector<Range>& ranges) {
  std::vector<uint8_t> data(ranges.size() * 32);
  for (size_t i = 0; i < ranges.size(); ++i) {
    const uint16_t count_less_one = static_cast<uint16_t>(ranges[i].blocks_count - 1);
    std::memcpy(data.data() + i * 32 + 8, &ranges[i].lba, 8);
    std::memcpy(data.data() + i * 32 + 16, &count_less_one, 2);
  }
  return data;
}

}  // namespace ballast::target::test
