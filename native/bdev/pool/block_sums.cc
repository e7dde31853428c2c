#include "bdev/pool/block_sums.h"

#include <algorithm>

#include "base/crc32c.h"

namespace ballast::bdev::pool {

const BlockSumsPointer& SumTable::add(Extent extent) {
  const auto [place, is_new] = table_.emplace(extent.packed, std::make_shared<BlockSums>(extent));
  BALLAST_ASSERT(is_new);
  return place->second;
}

void SumTable::drop_if_unused(Extent extent) {
  const auto found = table_.find(extent.packed);
  if (found == table_.end() || found->second.use_count() > 1) return;
  const BlockSums& sums = *found->second;
  if (!sums.is_dirty && !sums.is_marking) table_.erase(found);
}

uint32_t block_sum(std::span<const Segment> data, uint64_t skip_bytes) {
  uint32_t state = k_crc32c_seed;
  uint64_t left = k_page_bytes;
  for (const Segment& segment : data) {
    if (skip_bytes >= segment.size_bytes) {
      skip_bytes -= segment.size_bytes;
      continue;
    }
    const uint64_t piece = std::min<uint64_t>(segment.size_bytes - skip_bytes, left);
    state = crc32c_update(state, {segment.base + skip_bytes, piece});
    skip_bytes = 0;
    left -= piece;
    if (left == 0) break;
  }
  BALLAST_ASSERT(left == 0);
  return crc32c_finish(state);
}

}  // namespace ballast::bdev::pool
