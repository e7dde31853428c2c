#include "bdev/pool/layout.h"

#include <algorithm>

namespace ballast::bdev::pool {

Result<MetadataLayout> MetadataLayout::of(uint64_t metadata_bytes) {
  if (metadata_bytes < k_metadata_bytes_min || metadata_bytes > k_metadata_bytes_max ||
      metadata_bytes % k_mib != 0) {
    return Error{Errc::invalid_argument, "a pool's metadata takes 32 MiB to 378 GiB, in whole MiB, not " +
                                             std::to_string(metadata_bytes) + " bytes"};
  }
  MetadataLayout layout;
  layout.pages_count = static_cast<uint32_t>(metadata_bytes / k_page_bytes);
  layout.journal_blocks =
      static_cast<uint32_t>(std::min(k_journal_bytes_max, metadata_bytes / 4) / k_page_bytes);
  layout.free_map_first = k_journal_first_page + layout.journal_blocks;
  layout.free_map_pages = (layout.pages_count + k_free_map_bits - 1) / k_free_map_bits;
  BALLAST_ASSERT(layout.free_map_pages <= k_free_map_pages_max);
  layout.tree_first = layout.free_map_first + 2 * layout.free_map_pages;
  return layout;
}

}  // namespace ballast::bdev::pool
