// The checksums of data blocks in memory: CRC32C per 4 KiB, kept by extent. Those of extents that may be
// overwritten (dirty) are here and nowhere else, until the cleaner puts them into the tree; the others can be
// dropped and read again. Used by volume I/O, the cleaner and the scrubber, on the owner reactor.
#pragma once

#include <memory>
#include <span>
#include <unordered_map>

#include "base/segment.h"
#include "bdev/pool/slot.h"
#include "bdev/pool/wait_list.h"

namespace ballast::bdev::pool {

struct BlockSums {
  explicit BlockSums(Extent of) : extent(of) {}

  const Extent extent;
  // Durable, or in the journal behind what makes the extent used. Only then may a block be overwritten.
  bool is_dirty = false;
  bool is_marking = false;      // the record that makes it dirty is on its way
  uint64_t failures_count = 0;  // of writes to it: what they left is not known
  uint64_t touched_ns = 0;      // when a write to it ended
  uint64_t ended_count = 0;     // writes to it that have ended
  uint32_t writes_count = 0;    // in flight
  BlockMask known;              // blocks whose sum is in `sums`; the others are not verified
  std::array<uint32_t, k_slot_blocks_max> sums{};
  WaitList marked;  // wait until is_marking has ended, one way or the other

  void set(uint32_t block, uint32_t sum) {
    sums[block] = sum;
    known.set(block, 1);
  }
};

using BlockSumsPointer = std::shared_ptr<BlockSums>;

class SumTable {
 public:
  // Null if it is not in memory.
  BlockSumsPointer find(Extent extent) const {
    const auto found = table_.find(extent.packed);
    return found == table_.end() ? nullptr : found->second;
  }
  // For an extent of which there is none.
  const BlockSumsPointer& add(Extent extent);
  // Those of an extent that was forgotten and is used again; who loaded others meanwhile has none of its
  // writes.
  void keep(const BlockSumsPointer& sums) { table_[sums->extent.packed] = sums; }
  // The extent is free: whoever still has the sums has those of what it was.
  void forget(Extent extent) { table_.erase(extent.packed); }
  // Nobody but the table needs it any more, perhaps: a clean one goes.
  void drop_if_unused(Extent extent);
  size_t size() const { return table_.size(); }
  auto begin() const { return table_.begin(); }
  auto end() const { return table_.end(); }

 private:
  std::unordered_map<uint64_t, BlockSumsPointer> table_;
};

// CRC32C of the 4 KiB of data that start `skip_bytes` in.
uint32_t block_sum(std::span<const Segment> data, uint64_t skip_bytes);

}  // namespace ballast::bdev::pool
