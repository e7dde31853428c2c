// Whole structures to damage, and helpers to do it.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "bdev/pool/layout.h"

namespace ballast::bdev::pool::test {

inline Uuid uuid_of(uint8_t fill, uint8_t first = 0) {
  Uuid uuid;
  uuid.bytes.fill(fill);
  if (first != 0) uuid.bytes[0] = first;
  return uuid;
}
inline const Uuid k_pool_uuid = uuid_of(0x11);

inline std::vector<uint8_t> sealed(ByteSpan bytes) {
  std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  seal(copy);
  return copy;
}

// A pool of two devices of 64 and 48 MiB, as device `index` says it.
inline Superblock sample_superblock(uint16_t index = 0) {
  Superblock superblock;
  superblock.head = {k_superblock_magic, 0, 0, k_pool_uuid, 7};
  superblock.device_uuid = uuid_of(static_cast<uint8_t>(0x20 + index));
  superblock.device_index = index;
  superblock.devices_count = 2;
  superblock.metadata_offset = k_front_bytes;
  superblock.metadata_bytes = k_metadata_bytes_min;
  const MetadataLayout layout = *MetadataLayout::of(k_metadata_bytes_min);
  superblock.journal_blocks = layout.journal_blocks;
  superblock.free_map_pages = layout.free_map_pages;
  superblock.name = name_bytes("tank");
  superblock.devices[0] = {uuid_of(0x20), 64 * k_mib, 33 * k_mib, 30};
  superblock.devices[1] = {uuid_of(0x21), 48 * k_mib, k_mib, 46};
  return superblock;
}

// Calls `accepts` for every copy of `bytes` with one bit flipped; expects false each time.
template <typename Accepts>
void expect_every_bit_counts(std::vector<uint8_t> bytes, Accepts accepts) {
  ASSERT_TRUE(accepts(ByteSpan(bytes)));
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    ASSERT_FALSE(accepts(ByteSpan(bytes))) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
  }
}

}  // namespace ballast::bdev::pool::test
