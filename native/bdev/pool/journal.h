// The journal's writing half: records go into blocks of a ring, and whoever appended them is told when they
// are on stable media. One write is in flight at a time; what comes meanwhile goes with the next (group
// commit). Used by the pool's store on the owner reactor. Reading it back is replay.h.
#pragma once

#include <optional>
#include <span>

#include "base/intrusive_list.h"
#include "bdev/pool/disk.h"
#include "bdev/pool/journal_record.h"
#include "bdev/pool/layout.h"

namespace ballast::bdev::pool {

inline constexpr uint32_t k_journal_batch_blocks_max = 32;
// A sixteenth of the smallest ring: a group always fits once a checkpoint has made room.
inline constexpr uint32_t k_journal_group_bytes_max = 512 * 1024;

// Where a record lies; what a checkpoint remembers.
struct JournalPosition {
  uint64_t sequence = 0;
  uint32_t record = 0;  // within the block

  auto operator<=>(const JournalPosition&) const = default;
};

// A group of records that take effect together. Owned by whoever appends, unmoved until done() is called,
// once.
struct JournalAppend {
  std::span<const Record> records;  // `more` is set by the journal
  // The records are durable (ok), or never will be (io_error: the journal is poisoned). Called in the order
  // of appending. `end` is the position behind them.
  void (*done)(JournalAppend& append, Errc errc, JournalPosition end) = nullptr;
  void* context = nullptr;

  // The journal's own.
  ListNode node;
  uint32_t records_placed = 0;
  JournalPosition end;
};

class Journal final : private Flushable {
 public:
  // Appends go to the block `start`, under this incarnation; the ring before it is free. The disk must
  // outlive the journal.
  Journal(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, uint64_t start,
          uint64_t incarnation);
  ~Journal();

  // Queues; the write starts at the end of the reactor's turn, with all that was appended until then, or when
  // the one in flight is done. done() may run within the call when the journal is poisoned. At most
  // k_journal_group_bytes_max.
  void append(JournalAppend& append);
  // Everything before this block is in a durable checkpoint: the ring may overwrite it.
  void release_before(uint64_t sequence);
  // Blocks that hold what no checkpoint has yet, of blocks_count(). Appends wait when the ring is full.
  uint64_t blocks_used() const { return next_sequence_ - oldest_sequence_; }
  uint64_t blocks_count() const { return layout_.journal_blocks; }
  // True when nothing is queued or in flight.
  bool is_idle() const { return waiting_.empty() && placed_.empty() && !writing_; }
  bool is_full() const { return blocks_free() == 0 && !waiting_.empty(); }
  uint64_t next_sequence() const { return next_sequence_; }

 private:
  uint64_t blocks_free() const { return blocks_count() - blocks_used(); }
  void flush() override;
  void want_write();
  uint32_t fill_blocks(uint32_t blocks_max);
  void fill_block(MutableByteSpan block);
  void batch_written(Errc errc);

  Disk& disk_;
  const MetadataLayout layout_;
  const Uuid pool_uuid_;
  const uint64_t incarnation_;
  uint64_t oldest_sequence_;
  uint64_t next_sequence_;
  bool writing_ = false;
  bool poisoned_ = false;
  PageBuffer buffer_;
  IntrusiveList<JournalAppend, &JournalAppend::node> waiting_;  // not wholly in blocks yet
  IntrusiveList<JournalAppend, &JournalAppend::node> placed_;   // wholly in the batch in flight
  std::optional<Disk::Operation> batch_;
};

}  // namespace ballast::bdev::pool
