// The blocks of one slot for the control path: read into memory with their checksums looked at, or written
// where nobody reads them. The layers that they are of do not change meanwhile: the caller has the pool's
// turn, and of an open head the range. Used for snapshots that are read and received, and for compaction.
#pragma once

#include <vector>

#include "bdev/pool/changes.h"
#include "bdev/pool/data_path.h"
#include "bdev/pool/resolve.h"

namespace ballast::bdev::pool {

// Each block lies at its own place.
struct SlotBlocks {
  explicit SlotBlocks(uint32_t blocks_count) : buffer(size_t{blocks_count} * k_page_bytes) {}

  MutableByteSpan bytes(uint32_t first, uint32_t count) const {
    return buffer.bytes().subspan(size_t{first} * k_page_bytes, size_t{count} * k_page_bytes);
  }
  bool is_same(const SlotBlocks& other, uint32_t block) const;
  bool is_zero(uint32_t block) const;

  PageBuffer buffer;
  BlockMask damaged;             // their checksums are others
  BlockMask unproven;            // without a checksum: what was read may be in the disk's cache only
  std::vector<DataDisk*> disks;  // that were read
};

// [first, end) of the blocks that follow each other in the mask, one run after another; first == end: no
// more.
struct BlockRun {
  uint32_t first = 0;
  uint32_t end = 0;
};
BlockRun next_run(const BlockMask& mask, uint32_t from, uint32_t blocks_count);

// What `resolved` shows of the wanted blocks; what is nowhere reads zeroes.
Task<Errc> read_blocks(DataPath& path, const ResolvedSlot& resolved, BlockMask wanted, SlotBlocks& into);

// Where blocks of a slot are written: an extent that the slot has, at places that it does not use, or a new
// one.
struct SlotTarget {
  Extent extent;
  BlockSumsPointer sums;  // null where none are kept
  bool is_new = false;    // in no record yet
};
// no_space. Every target is closed.
Task<Result<SlotTarget>> open_target(DataPath& path, const Slot& held);
// The blocks of the fragment go there, each to its own place. Those that are damaged stay so: the checksum
// that they should have goes with them. Durable after a sync, as all that is written here.
Task<Errc> copy_blocks(DataPath& path, Fragment fragment, const SlotTarget& target);
Task<Errc> write_blocks(DataPath& path, const SlotBlocks& blocks, BlockMask written,
                        const SlotTarget& target);
// `written` is durable and in a record, or, with an error, not known.
void close_target(DataPath& path, SlotTarget& target, BlockMask written, Errc errc);

void add_maps(Changes& changes, uint32_t layer, uint64_t slot, const BlockMask& blocks, Extent extent);
void add_zeroes(Changes& changes, uint32_t layer, uint64_t slot, const BlockMask& blocks);

}  // namespace ballast::bdev::pool
