// Fields and data of NVM commands. NVM Command Set Specification 1.1, "Read command", "Write command",
// "Write Zeroes command", "Dataset Management command", "Copy command".
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/command.h"

namespace ballast::nvme {

inline constexpr uint64_t starting_lba(const Command& command) {
  return uint64_t{command.cdw11} << 32 | command.cdw10;
}
// NLB counts from 0.
inline constexpr uint32_t blocks_count(const Command& command) { return (command.cdw12 & 0xffff) + 1; }
inline constexpr void set_blocks(Command& command, uint64_t lba, uint32_t count) {
  command.cdw10 = static_cast<uint32_t>(lba);
  command.cdw11 = static_cast<uint32_t>(lba >> 32);
  command.cdw12 = (command.cdw12 & ~0xffffu) | (count - 1);
}

// CDW12 of Read, Write, Compare, Write Zeroes, Verify.
inline constexpr uint32_t k_cdw12_limited_retry = 1u << 31;
inline constexpr uint32_t k_cdw12_force_unit_access = 1u << 30;
inline constexpr uint32_t k_cdw12_protection_mask = 15u << 26;  // PRINFO
inline constexpr uint32_t k_cdw12_deallocate = 1u << 25;        // DEAC, Write Zeroes only
inline constexpr uint32_t k_cdw12_storage_tag_check = 1u << 24;
inline constexpr uint32_t k_cdw12_directive_mask = 15u << 20;  // DTYPE, Write only

// Dataset Management: NR counts from 0 in CDW10 bits 7:0; attributes in CDW11.
inline constexpr uint32_t k_dataset_ranges_max = 256;
inline constexpr uint32_t k_dataset_deallocate = 1u << 2;  // AD
struct DatasetRange {
  uint32_t context_attributes = 0;
  uint32_t blocks_count = 0;
  uint64_t lba = 0;
};
static_assert(sizeof(DatasetRange) == 16 && offsetof(DatasetRange, lba) == 8);

// Copy: SDLBA in CDW10 and CDW11; NR counts from 0 in CDW12 bits 7:0, the descriptor format in 11:8.
inline constexpr uint32_t k_copy_ranges_max = 256;
inline constexpr uint8_t copy_descriptor_format(const Command& command) { return command.cdw12 >> 8 & 15; }
// "Copy - Source Range Entries Copy Descriptor Format 0h".
struct CopyRange {
  uint64_t reserved_0 = 0;  // snsid and attributes in formats 2h and 3h
  uint64_t lba = 0;
  uint16_t blocks_count_minus_1 = 0;  // NLB counts from 0
  uint8_t reserved_18[6] = {};
  uint32_t expected_reference_tag = 0;
  uint16_t expected_application_tag = 0;
  uint16_t expected_application_tag_mask = 0;
};
static_assert(sizeof(CopyRange) == 32 && offsetof(CopyRange, lba) == 8);
static_assert(offsetof(CopyRange, blocks_count_minus_1) == 16);

}  // namespace ballast::nvme
