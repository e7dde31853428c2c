// How much metadata a pool needs for the extents it has, whatever the order in which they are written and
// freed (docs/formats/pool.md, "How large the metadata is"). Sums of sizes, nothing else.
#pragma once

#include <span>

#include "bdev/pool/layout.h"

namespace ballast::bdev::pool {

// Changed pages of the tree after which a checkpoint starts, at most; and the part of the tree's pages.
inline constexpr uint32_t k_changed_pages_max = 4096;
inline constexpr uint32_t k_changed_pages_part = 8;
// For volumes, snapshots, names and what else does not grow with the data: 4 MiB.
inline constexpr uint32_t k_other_pages = 1024;

struct ExtentNeeds {
  uint32_t blocks_per_extent = 256;
  bool keeps_checksums = true;

  // Pages of the tree that so many extents never need more of.
  uint64_t pages_for(uint64_t extents_count) const;
  // Of a region with so many pages for the tree: how many extents' places and checksums it is sure to hold.
  uint64_t extents_within(uint32_t tree_pages) const;
};

// Pages that only what frees something may use: two checkpoints of changes.
constexpr uint32_t reserve_pages(uint32_t changed_max) { return 2 * changed_max + 64; }

// The metadata region of a new pool whose devices have these sizes (U of the format), on the first of them:
// for all of them, or for `grows_to_bytes` if that is more.
uint64_t default_metadata_bytes(std::span<const uint64_t> usable, const ExtentNeeds& needs,
                                uint64_t grows_to_bytes = 0);

}  // namespace ballast::bdev::pool
