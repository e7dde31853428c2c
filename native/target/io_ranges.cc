#include "target/io_ranges.h"

#include "base/bytes.h"
#include "target/io_limits.h"

namespace ballast::target {

DatasetRange dataset_range(std::span<const uint8_t> data, uint32_t index) {
  return load<DatasetRange>(data.subspan(size_t{index} * k_dataset_range_bytes));
}

CopyRange copy_range(std::span<const uint8_t> data, uint32_t index) {
  return load<CopyRange>(data.subspan(size_t{index} * k_copy_range_bytes));
}

nvme::Status check_dataset_ranges(std::span<const uint8_t> data, uint32_t ranges_count,
                                  const bdev::Geometry& geometry) {
  for (uint32_t i = 0; i < ranges_count; ++i) {
    const DatasetRange range = dataset_range(data, i);
    if (!geometry.contains(range.lba, range.blocks_count)) {
      return nvme::status::lba_out_of_range.with_dnr();
    }
  }
  return nvme::status::success;
}

nvme::Status check_copy_ranges(std::span<const uint8_t> data, uint32_t ranges_count, uint64_t lba,
                               const bdev::Geometry& geometry) {
  uint32_t blocks_sum = 0;  // at most 128 ranges of 65,536
  for (uint32_t i = 0; i < ranges_count; ++i) {
    const CopyRange range = copy_range(data, i);
    if (range.blocks_count() > k_copy_source_range_blocks_max) {
      return k_command_size_limit_exceeded.with_dnr();
    }
    blocks_sum += range.blocks_count();
  }
  if (blocks_sum > k_copy_blocks_max) return k_command_size_limit_exceeded.with_dnr();
  for (uint32_t i = 0; i < ranges_count; ++i) {
    const CopyRange range = copy_range(data, i);
    if (!geometry.contains(range.lba, range.blocks_count())) {
      return nvme::status::lba_out_of_range.with_dnr();
    }
  }
  if (!geometry.contains(lba, blocks_sum)) return nvme::status::lba_out_of_range.with_dnr();
  return nvme::status::success;
}

}  // namespace ballast::target
