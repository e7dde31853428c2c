// The bugs that the tests of the pool must find; how they are planted: bdev/planted.h.
#pragma once

#include <cstdint>

#include "bdev/planted.h"

namespace ballast::bdev::pool {

enum class Planted : uint8_t {
  none,
  data_not_durable,          // data is acknowledged while it is in the disk's cache
  journal_not_durable,       // so are records
  dirty_not_marked,          // an overwrite begins without its extent being dirty
  dirty_not_applied,         // the record that makes an extent dirty has no effect
  freed_at_once,             // an extent that may still be read is given out again
  freed_while_used,          // an extent that was used again is given back
  snapshot_without_hold,     // writes go on while a snapshot is made
  head_not_told,             // after a snapshot a volume writes into the layer that was frozen
  slot_not_frozen,           // what is cached of a slot is written in place after a snapshot
  parent_not_told,           // zeroing does not hide what the new snapshot holds
  zero_mask_ignored,         // blocks that were zeroed show those of the snapshot below
  merge_drops_zeroes,        // deleting a snapshot brings zeroed blocks back
  merge_keeps_hidden,        // the extents that a merge leaves without a block are not freed
  gone_slots_counted,        // what a slot had that is gone stays in the count of its layer
  map_keeps_replaced,        // nor those that a record of new places does
  checkpoint_before_sync,    // a root names pages that are in the disk's cache
  root_not_alternating,      // a torn root has no older one beside it
  checkpoint_too_far,        // a checkpoint skips records that have not taken effect
  opening_without_sync,      // an opening goes on from a root that is in the disk's cache
  pages_free_too_early,      // pages that the durable root names are given out again
  group_in_parts,            // replay takes the records of a group that is not whole
  stale_slots_after_work,    // volumes go on with places from before a merge
  sums_of_neighbours,        // the checksum of another block is noted
  sums_kept_on_failure,      // a write that failed leaves its block's old checksum
  cleaner_ignores_writes,    // an extent is clean while it is written
  cleaner_ignores_unknown,   // an extent is clean with checksums that nobody has computed
  cleaner_without_sync,      // checksums are computed from what is in the disk's cache
  checksum_not_verified,     // reads do not look
  block_locks_ignored,       // two writes of one block at a time
  thick_not_zeroed,          // a thick volume shows what was there
  layer_in_making_deleted,   // work on layers takes a thick volume that is being made for a deleted one
  copy_only_forwards,        // a copy to behind its source overwrites what it has to read
  shrink_unchecked,          // data beyond the new end is cut off
  gate_unchecked,            // I/O that waited while a volume was made smaller goes on
  joining_not_written,       // a device is named before it says who it is
  superblocks_at_once,       // all copies are written before any is durable
  unsettled_overwritten,     // a block is overwritten while an opening would look for what it was
  record_sums_ignored,       // an opening takes records whose data is not there
  settled_not_believed,      // an opening compares sums of what may have been overwritten
  void_not_held,             // a record whose data has failed counts after a crash
  chain_not_told,            // what a merge moves to a layer is not looked for there
  chain_not_extended,        // nor what a new snapshot holds
  received_uncovered,        // a snapshot gets blocks where what is above has nothing of its own
  received_moved_different,  // what a volume holds becomes that of a snapshot that is not the same
  received_kept,             // a snapshot of which a part was received is there after a crash
  received_not_told,         // zeroing does not hide what a volume's first snapshot holds that is received
  received_in_place,         // what is read through a snapshot that is received is overwritten
  received_unannounced,      // who looks up what it holds is not told that it changes
  received_unproven,         // what is in a disk's cache counts as held already
  count                      // how many there are
};

}  // namespace ballast::bdev::pool
