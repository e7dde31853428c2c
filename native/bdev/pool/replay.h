// The journal's reading half: the groups of records that were acknowledged since a root was written, in
// order. Called once, at open, before anything is appended.
#pragma once

#include <deque>
#include <vector>

#include "bdev/pool/disk.h"
#include "bdev/pool/journal.h"
#include "bdev/pool/journal_record.h"
#include "bdev/pool/layout.h"
#include "bdev/pool/task.h"

namespace ballast::bdev::pool {

// Where the extents of device 0 are: a slot_map_sums record counts for the blocks whose data is there.
struct ReplayData {
  uint64_t offset = 0;
  uint64_t extents_count = 0;
  uint32_t blocks_per_extent = 0;

  static ReplayData of(const Superblock& superblock) {
    return {superblock.devices[0].data_offset, superblock.devices[0].extents_count,
            (1u << superblock.extent_size_log2) / k_page_bytes};
  }
};

class Replay {
 public:
  // Root is one that has been checked. The disk must outlive the replay.
  Replay(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, const Root& root,
         const ReplayData& data);

  // The next group into group(); false at the end of the journal. An error if a block cannot be read that may
  // have been acknowledged, or if one that was is not there any more. Behind the end blocks may be
  // unreadable.
  Task<Result<bool>> next();
  // Valid until the next call.
  const std::vector<Record>& group() const { return group_; }
  // Behind that group: where replay may start when all up to here is in a checkpoint.
  JournalPosition position() const { return {sequence_, taken_records_}; }
  // After the end: the block that is written next.
  uint64_t end_sequence() const { return sequence_; }

 private:
  Task<Errc> look_ahead();
  Task<Errc> load_block();
  Task<Errc> read_chunk();
  bool take_group();
  bool is_expected_block() const;
  Task<Errc> compare_data();
  Task<Errc> compare_data(const Record& record);
  Task<Outcome> look_behind_the_end();
  ByteSpan block() const { return chunk_.bytes().subspan(chunk_index_ * size_t{k_page_bytes}, k_page_bytes); }
  uint64_t address(uint64_t sequence) const {
    return MetadataLayout::address(layout_.journal_page(sequence));
  }

  Disk& disk_;
  const MetadataLayout layout_;
  const Uuid pool_uuid_;
  const uint64_t incarnation_;
  const uint64_t first_sequence_;
  const ReplayData data_;
  bool has_looked_ahead_ = false;
  uint64_t durable_sequence_ = 0;  // all before it was durable, with its data, and may have been overwritten
  uint64_t sequence_;              // of the block that is looked at
  uint32_t skip_records_;          // of that block, which the tree holds already
  uint32_t taken_records_ = 0;     // of that block
  bool in_block_ = false;          // rest_ is of block sequence_
  ByteSpan rest_;                  // of that block
  PageBuffer chunk_;               // blocks from chunk_sequence_ on
  uint64_t chunk_sequence_ = 0;
  uint32_t chunk_blocks_ = 0;
  uint32_t chunk_index_ = 0;
  uint64_t one_by_one_end_ = 0;  // up to this block a chunk is one: they could not be read together
  std::vector<uint8_t> bytes_;   // of the group so far: a group may lie across blocks and chunks
  std::vector<Record> group_;
  std::deque<SlotMap> compared_;  // payloads of group_: what is left of a slot_map_sums
};

}  // namespace ballast::bdev::pool
