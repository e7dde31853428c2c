// The journal's writing half: records go into blocks of a ring, and whoever appended them is told when they
// are on stable media. A few writes are in flight at a time, and count in their order; what comes meanwhile
// goes with the next (group commit). Used by the pool's store on the owner reactor. Reading it back is
// replay.h.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "base/intrusive_list.h"
#include "bdev/pool/disk.h"
#include "bdev/pool/journal_record.h"
#include "bdev/pool/layout.h"

namespace ballast::bdev::pool {

inline constexpr uint32_t k_journal_batch_blocks_max = 16;
inline constexpr uint32_t k_journal_batches_max = 4;
inline constexpr uint32_t k_journal_flight_blocks_max = k_journal_batch_blocks_max * k_journal_batches_max;
// Behind the first block that is not there: the first one that was begun when it was durable lies within.
inline constexpr uint32_t k_journal_looks_behind = 2 * k_journal_flight_blocks_max;
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
  // The data that the records name is being written: done() waits for data_ended() too.
  bool has_data = false;

  // The journal's own.
  ListNode node;
  uint32_t records_placed = 0;
  JournalPosition end;
  bool awaits_data = false;
  bool is_void = false;  // its data has failed
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
  // The data of an append that has not been answered is durable; or it is not, then the records must have no
  // effect, which `is_void` says at done(). No block says that those are durable until release_before().
  void data_ended(JournalAppend& append, bool is_durable);
  // Everything before it is in a durable checkpoint: the ring may overwrite those blocks.
  void release_before(JournalPosition position);
  // Blocks that hold what no checkpoint has yet, of blocks_count(). Appends wait when the ring is full.
  uint64_t blocks_used() const { return next_sequence_ - oldest_sequence_; }
  uint64_t blocks_count() const { return layout_.journal_blocks; }
  // True when nothing is queued or in flight.
  bool is_idle() const { return waiting_.empty() && flight_count_ == 0; }
  bool is_full() const { return blocks_free() == 0 && !waiting_.empty(); }
  uint64_t next_sequence() const { return next_sequence_; }

  // A record with data is settled when another block on the disk, or a checkpoint, says that all before it is
  // durable. Until then an opening looks whether the data is there, so it must not be overwritten in place.
  bool is_settled(uint64_t sequence) const { return sequence < settled_sequence_; }
  // The newest block with such a record that was answered; 0 if there is none.
  uint64_t last_data_sequence() const { return last_data_sequence_; }
  // True while what is appended settles nothing, because data has failed: a checkpoint is needed.
  bool is_held() const { return held_first_.has_value(); }

 private:
  // A write of some blocks, and the appends that end in them.
  struct Batch {
    PageBuffer buffer{k_journal_batch_blocks_max * k_page_bytes};
    IntrusiveList<JournalAppend, &JournalAppend::node> placed;
    Journal* journal = nullptr;
    uint64_t first_sequence = 0;
    uint64_t durable_sequence = 0;
    bool is_written = false;
    Errc errc = Errc::ok;
    std::optional<Disk::Operation> operation;
  };

  uint64_t blocks_free() const { return blocks_count() - blocks_used(); }
  uint64_t durable_sequence() const;
  void flush() override;
  void want_write();
  bool start_batch();
  uint32_t fill_blocks(Batch& batch, uint32_t blocks_max);
  void fill_block(Batch& batch, MutableByteSpan block);
  void end_batches();
  bool end_appends(Batch& batch);

  Disk& disk_;
  const MetadataLayout layout_;
  const Uuid pool_uuid_;
  const uint64_t incarnation_;
  uint64_t oldest_sequence_;
  uint64_t next_sequence_;
  uint64_t settled_sequence_;
  uint64_t last_data_sequence_ = 0;
  // Records whose data has failed: block of the first, end of the last.
  std::optional<uint64_t> held_first_;
  JournalPosition held_end_;
  bool poisoned_ = false;
  bool is_ending_ = false;  // appends are being answered
  std::array<Batch, k_journal_batches_max> batches_;
  // Those in flight follow each other in the array, around its end.
  uint32_t first_flight_ = 0;
  uint32_t flight_count_ = 0;
  IntrusiveList<JournalAppend, &JournalAppend::node> waiting_;  // not wholly in blocks yet
};

}  // namespace ballast::bdev::pool
