// Where things lie on a pool's devices: sums of sizes, nothing else. Everything follows from the size of the
// metadata region, which the superblock holds.
#pragma once

#include <array>

#include "bdev/pool/format.h"

namespace ballast::bdev::pool {

inline constexpr uint64_t k_front_bytes = k_mib;  // before the metadata or data: superblock copies 0 and 1
inline constexpr uint64_t k_back_bytes = k_mib;   // at the end: copies 2 and 3
inline constexpr uint64_t k_device_bytes_max = uint64_t{1} << 60;
inline constexpr uint32_t k_superblock_copies = 4;

inline constexpr uint64_t k_metadata_bytes_min = 32 * k_mib;
inline constexpr uint64_t k_metadata_bytes_max = 378 * 1024 * k_mib;
inline constexpr uint64_t k_journal_bytes_max = 64 * k_mib;
inline constexpr uint32_t k_root_slot_pages = 16;  // from one root slot to the next
inline constexpr uint32_t k_journal_first_page = 2 * k_root_slot_pages;

// U of the format.
constexpr uint64_t usable_bytes(uint64_t device_bytes) { return device_bytes / k_mib * k_mib; }

// `usable` is at least k_front_bytes + k_back_bytes.
constexpr std::array<uint64_t, k_superblock_copies> superblock_offsets(uint64_t usable) {
  return {0, k_front_bytes / 2, usable - k_back_bytes, usable - k_back_bytes / 2};
}

// In pages of the metadata region.
struct MetadataLayout {
  uint32_t pages_count = 0;
  uint32_t journal_blocks = 0;
  uint32_t free_map_first = 0;
  uint32_t free_map_pages = 0;  // of one home
  uint32_t tree_first = 0;

  // invalid_argument for a size that no pool has.
  static Result<MetadataLayout> of(uint64_t metadata_bytes);

  static constexpr uint32_t root_page(uint64_t generation) {
    return generation % 2 == 0 ? 0 : k_root_slot_pages;
  }
  uint32_t journal_page(uint64_t sequence) const {
    return k_journal_first_page + static_cast<uint32_t>(sequence % journal_blocks);
  }
  uint32_t free_map_page(uint32_t index, bool home) const {
    return free_map_first + 2 * index + (home ? 1 : 0);
  }
  uint32_t tree_pages() const { return pages_count - tree_first; }
  bool is_tree_page(uint32_t page) const { return page >= tree_first && page < pages_count; }
  // On device 0.
  static constexpr uint64_t address(uint32_t page) { return k_front_bytes + uint64_t{page} * k_page_bytes; }
};

}  // namespace ballast::bdev::pool
