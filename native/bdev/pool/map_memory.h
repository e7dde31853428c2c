// How much memory the maps of a pool may take: where data is, and its checksums. A part of the data that is
// allocated, because a host's memory is bought for its disks; below the floors a small pool would read its
// maps all the time for memory that nobody misses. Or as much as somebody has chosen, who reads at random all
// over a large pool. What is beyond is read again when it is needed.
#pragma once

#include <algorithm>

#include "bdev/pool/slot_cache.h"

namespace ballast::bdev::pool {

// Together below 0.1 %: what a heap takes beside is measured (bench/pool-memory.mjs).
inline constexpr uint64_t k_slots_part = 1400;
inline constexpr uint64_t k_slots_bytes_min = 48 * k_mib;
inline constexpr uint64_t k_clean_pages_part = 6000;
inline constexpr uint64_t k_clean_bytes_min = 16 * k_mib;

// With what the heap and the index of the volume take for each; the pieces of a slot with several extents
// are counted with their sums.
inline constexpr uint64_t k_cached_slot_bytes = sizeof(CachedSlot) + 96;
inline constexpr uint64_t k_block_sums_bytes = sizeof(BlockSums) + 96;

// More pages are never in memory (StoreOptions).
inline constexpr uint64_t k_chosen_clean_bytes_max = 64 * k_mib;
constexpr uint64_t chosen_clean_bytes(uint64_t chosen_bytes) {
  return std::min(k_chosen_clean_bytes_max, chosen_bytes / 4);
}

// `chosen_bytes` is for both together; 0: nobody has chosen.
// For slots of open volumes and the sums they hold.
constexpr uint64_t slots_bytes_max(uint64_t allocated_bytes, uint64_t chosen_bytes = 0) {
  if (chosen_bytes != 0) return chosen_bytes - chosen_clean_bytes(chosen_bytes);
  return std::max(k_slots_bytes_min, allocated_bytes / k_slots_part);
}
// Pages of the tree that could be dropped.
constexpr uint64_t clean_pages_max(uint64_t allocated_bytes, uint64_t chosen_bytes = 0) {
  if (chosen_bytes != 0) return chosen_clean_bytes(chosen_bytes) / k_page_bytes;
  return std::max(k_clean_bytes_min, allocated_bytes / k_clean_pages_part) / k_page_bytes;
}

}  // namespace ballast::bdev::pool
