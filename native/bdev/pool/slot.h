// The value of a slot key: which blocks of a layer's slot lie in which extent (docs/formats/pool.md, "Slot").
// Pure. Used when records take effect and when a read looks for a block.
#pragma once

#include <vector>

#include "bdev/pool/format.h"

namespace ballast::bdev::pool {

inline constexpr uint32_t k_slot_blocks_max = 256;
inline constexpr uint32_t k_fragments_max = 4;

// A bit for each block of a slot.
struct BlockMask {
  std::array<uint64_t, k_slot_blocks_max / 64> words{};

  bool test(uint32_t block) const { return (words[block / 64] >> (block % 64) & 1) != 0; }
  void set(uint32_t first, uint32_t count);
  void clear(uint32_t first, uint32_t count);
  bool is_empty() const { return *this == BlockMask{}; }
  bool intersects(const BlockMask& other) const;
  void add(const BlockMask& other);
  void subtract(const BlockMask& other);
  bool operator==(const BlockMask&) const = default;
};
static_assert(sizeof(BlockMask) == 32);

struct Fragment {
  Extent extent;
  BlockMask mask;
  bool operator==(const Fragment&) const = default;
};
static_assert(sizeof(Fragment) == 40);

struct Slot {
  BlockMask zero;
  uint32_t fragments_count = 0;
  std::array<Fragment, k_fragments_max> fragments;

  bool is_empty() const { return fragments_count == 0 && zero.is_empty(); }
  // Null if no fragment holds the block.
  const Fragment* find(uint32_t block) const;
  // Blocks are in this extent from now on. False if it would be a fragment too many; nothing is changed then.
  // Extents that lost their last block are added to `freed`.
  [[nodiscard]] bool map(uint32_t first, uint32_t count, Extent extent, std::vector<Extent>& freed);
  // Blocks read zeroes from now on; `hides` a parent's.
  void unmap(uint32_t first, uint32_t count, bool hides, std::vector<Extent>& freed);
  // Takes from `below`, the same slot of the parent layer, the blocks that we have not; `hides`: its zeroes
  // hide what is below that. False if that would be too many fragments; nothing is changed then.
  [[nodiscard]] bool merge(const Slot& below, bool hides, std::vector<Extent>& freed);
  // Every block that a read does not look for further down.
  BlockMask known() const;
  bool operator==(const Slot&) const = default;

 private:
  void clear_fragments(uint32_t first, uint32_t count, Extent except, std::vector<Extent>& freed);
};

inline constexpr uint32_t k_slot_bytes_max = 8 + sizeof(BlockMask) + k_fragments_max * sizeof(Fragment);

// Returns how many bytes of `into` were written.
uint32_t encode(const Slot& slot, std::array<uint8_t, k_slot_bytes_max>& into);
// False if the bytes are not those of a slot.
bool decode(ByteSpan bytes, Slot& slot);

}  // namespace ballast::bdev::pool
