#include "bdev/pool/sizing.h"

#include <algorithm>
#include <numeric>

#include "bdev/pool/tree_page.h"

namespace ballast::bdev::pool {
namespace {

// Thousandths of a page, so that sums stay whole numbers.
constexpr uint64_t k_unit = 1000;
// A leaf that is joined with no neighbour is at least a quarter full; the largest slot with one fragment has
// both masks.
constexpr uint64_t k_slot_entry_bytes = k_leaf_entry_bytes + 8 + 32 + 40;
constexpr uint64_t k_slot_units = k_unit * k_slot_entry_bytes / k_quarter_bytes + 1;
constexpr uint64_t k_dirty_units = k_unit * k_leaf_entry_bytes / k_quarter_bytes + 1;

uint64_t units_of(const ExtentNeeds& needs) {
  uint64_t units = k_slot_units;
  if (needs.keeps_checksums) {
    // A leaf of checksums is cut in half, so that the keys it may hold are at least this many extents
    // (Tree::split_leaf).
    const uint64_t entry_bytes = k_leaf_entry_bytes + uint64_t{needs.blocks_per_extent} * sizeof(uint32_t);
    const uint64_t extents_per_leaf = (k_body_bytes / entry_bytes + 1) / 2;
    units += k_unit / extents_per_leaf + 1 + k_dirty_units;
  }
  return units + units / 40 + 1;  // branches that are half full
}

uint32_t tree_pages_of(uint64_t metadata_bytes) {
  const Result<MetadataLayout> layout = MetadataLayout::of(metadata_bytes);
  BALLAST_ASSERT(layout.ok());
  return layout->tree_pages();
}

// What is left of the tree's pages for extents.
uint64_t pages_for_extents(uint32_t tree_pages) {
  const uint64_t kept =
      k_other_pages + reserve_pages(std::min(k_changed_pages_max, tree_pages / k_changed_pages_part));
  return tree_pages > kept ? tree_pages - kept : 0;
}

}  // namespace

uint64_t ExtentNeeds::pages_for(uint64_t extents_count) const {
  return (extents_count * units_of(*this) + k_unit - 1) / k_unit;
}

uint64_t ExtentNeeds::extents_within(uint32_t tree_pages) const {
  return pages_for_extents(tree_pages) * k_unit / units_of(*this);
}

uint64_t default_metadata_bytes(std::span<const uint64_t> usable, const ExtentNeeds& needs,
                                uint64_t grows_to_bytes) {
  const uint64_t extent_bytes = uint64_t{needs.blocks_per_extent} * k_page_bytes;
  const uint64_t all_bytes =
      std::max(grows_to_bytes, std::accumulate(usable.begin(), usable.end(), uint64_t{0}));
  const uint64_t wanted = needs.pages_for(all_bytes / extent_bytes);
  // More than half of the first device would leave too little for data where the others are much larger.
  const uint64_t most =
      std::clamp(usable.front() / 2 / k_mib * k_mib, k_metadata_bytes_min, k_metadata_bytes_max);
  // Many snapshots and volumes need room too, with or without checksums.
  uint64_t bytes = std::clamp(usable.front() / 512 / k_mib * k_mib, k_metadata_bytes_min, most);
  for (;;) {
    const uint64_t has = pages_for_extents(tree_pages_of(bytes));
    if (has >= wanted || bytes == most) return bytes;
    bytes = std::min(most, bytes + std::max(k_mib, (wanted - has) * k_page_bytes / k_mib * k_mib));
  }
}

}  // namespace ballast::bdev::pool
