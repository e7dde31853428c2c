// The range descriptors that Dataset Management and Copy carry as data. NVM Command Set Specification 1.1,
// "Dataset Management command" and "Copy command". Read by io_dispatch out of the host's data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "bdev/bdev.h"
#include "nvme/status.h"

namespace ballast::target {

struct DatasetRange {
  uint32_t context_attributes = 0;
  uint32_t blocks_count = 0;
  uint64_t lba = 0;
};
static_assert(sizeof(DatasetRange) == 16 && offsetof(DatasetRange, lba) == 8);
inline constexpr uint32_t k_dataset_range_bytes = sizeof(DatasetRange);

// Source Range Entries Copy Descriptor Format 0h.
struct CopyRange {
  uint64_t reserved_0 = 0;
  uint64_t lba = 0;
  uint16_t blocks_count_less_one = 0;
  uint8_t reserved_18[6] = {};
  uint32_t reference_tag = 0;  // of protection information, which no namespace of ours has
  uint16_t application_tag = 0;
  uint16_t application_tag_mask = 0;

  uint32_t blocks_count() const { return blocks_count_less_one + 1u; }
};
static_assert(sizeof(CopyRange) == 32 && offsetof(CopyRange, blocks_count_less_one) == 16 &&
              offsetof(CopyRange, reference_tag) == 24);
inline constexpr uint32_t k_copy_range_bytes = sizeof(CopyRange);

DatasetRange dataset_range(std::span<const uint8_t> data, uint32_t index);
CopyRange copy_range(std::span<const uint8_t> data, uint32_t index);

// Every range, before the first one is acted on: a command with one bad range changes nothing.
nvme::Status check_dataset_ranges(std::span<const uint8_t> data, uint32_t ranges_count,
                                  const bdev::Geometry& geometry);
// Also that everything fits behind `lba`, where it goes.
nvme::Status check_copy_ranges(std::span<const uint8_t> data, uint32_t ranges_count, uint64_t lba,
                               const bdev::Geometry& geometry);

}  // namespace ballast::target
