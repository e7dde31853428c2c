// The pool's metadata as one durable thing: groups of records are committed through the journal, take effect
// on the tree and the extent map in order, and reach the tree on disk by checkpoints, which start by
// themselves. Opening is the newest root and the journal since. Belongs to the owner reactor; volumes build
// on it.
#pragma once

#include <memory>

#include "bdev/pool/apply.h"
#include "bdev/pool/background.h"
#include "bdev/pool/metadata.h"
#include "bdev/pool/replay.h"
#include "bdev/pool/signal.h"
#include "bdev/pool/sizing.h"
#include "bdev/pool/wait_list.h"

namespace ballast::bdev::pool {

class Store;

// Owned by whoever commits, unmoved until done() is called, once. The records take effect together.
struct Commit {
  std::span<const Record> records;
  // Deletes and what else gives room back: goes on when the metadata is nearly full.
  bool uses_reserve = false;
  // ok: durable, and seen by seek(). no_space: refused, nothing has changed. io_error: the store is broken;
  // the commit may be there or not after the next open. May come within commit().
  void (*done)(Commit& commit, Errc errc) = nullptr;
  void* context = nullptr;
  // One slot_map_sums record, whose data is being written: done() waits for data_ended() too.
  bool has_data = false;

  // The store's own.
  JournalAppend append;  // its `end` is right after done()
  Store* store = nullptr;
  uint64_t freezes_count = 0;  // when it was found void
  ListNode node;
};

struct StoreOptions {
  uint32_t frames_count = 16384;  // pages of the tree in memory: 64 MiB
  uint64_t map_bytes = 0;         // see DataPathOptions
};

class Store {
 public:
  // `superblock` is checked, and that of device 0, whose disk this is. Must outlive the store.
  Store(Disk& disk, const Superblock& superblock, const StoreOptions& options);
  ~Store();

  // One of them first. After an error only destruction.
  Task<Outcome> create();
  Task<Outcome> open();
  // A last checkpoint. Every commit has been answered, and nothing is committed any more.
  Task<Errc> close();

  void commit(Commit& commit);
  // The data of a commit that has not been answered is durable, or has failed: then the commit has no effect,
  // and is answered io_error when it cannot have one after a crash either.
  void data_ended(Commit& commit, bool is_durable) { journal_->data_ended(commit.append, is_durable); }
  // See Journal.
  bool is_settled(uint64_t sequence) const { return journal_->is_settled(sequence); }
  uint64_t last_data_sequence() const { return journal_ == nullptr ? 0 : journal_->last_data_sequence(); }
  // Woken when something more is settled, or the store is broken: look again. May come from inside.
  void settle(Waiter& waiter);
  // The first entry whose key is at least this. The value is valid until the next call of the store.
  Task<Result<std::optional<TreeEntry>>> seek(Key key) { return metadata_.seek(key); }
  ExtentMap& extents() { return extents_; }
  const ExtentMap& extents() const { return extents_; }
  // Extents that the metadata is sure to hold with their checksums, or as many as are used already: data
  // beyond is not promised to anybody.
  uint64_t capacity_extents() const;
  // Of these, neither used nor reserved; 0 while writes that need a place are refused.
  uint64_t writable_extents() const;
  uint64_t allocated_bytes() const {
    return (extents_.extents_count() - extents_.free_count()) << extent_size_log2_;
  }
  // Extents that the slots of a layer hold, as of what has taken effect. Nothing: the pool keeps no such
  // counts.
  Task<Result<std::optional<uint64_t>>> layer_extents(uint32_t layer);
  uint64_t layers_changes() const { return applier_.layers_changes(); }
  void set_layers_listener(LayersListener& listener) { applier_.set_listener(listener); }
  // A checkpoint of what has taken effect by now.
  Task<Errc> checkpoint();

  // Nothing is changed any more until the pool is opened again.
  bool is_broken() const { return is_broken_ || disk_.is_poisoned(); }
  const Metadata& metadata() const { return metadata_; }

 private:
  Task<Outcome> load_extents();
  Task<Outcome> replay();
  Task<Outcome> start_journal();
  static void appended(JournalAppend& append, Errc errc, JournalPosition end);
  void want_settled();
  void answer_voided();
  void start_applying();
  Task<Errc> apply_committed();
  Task<Errc> apply_group(std::span<const Record> records);
  Task<Errc> make_room();
  bool wants_checkpoint() const;
  bool is_nearly_full() const;
  Task<Result<uint64_t>> read_allocation(uint32_t layer);
  Task<Errc> put_allocations();
  Task<Errc> freeze(bool starts_incarnation, bool closed);
  Task<Errc> write_checkpoint();
  Task<Errc> checkpoint_now(bool starts_incarnation, bool closed);

  Disk& disk_;
  const MetadataLayout layout_;
  const Uuid pool_uuid_;
  Metadata metadata_;
  ExtentMap extents_;
  Applier applier_;
  const uint8_t extent_size_log2_;
  const bool keeps_allocations_;
  const uint64_t map_bytes_;
  const uint64_t extents_promised_;  // what the metadata is sure to hold
  const uint32_t changed_max_;       // pages after which a checkpoint starts
  const uint32_t reserve_pages_;     // what only deletes may use
  const ReplayData data_;
  std::unique_ptr<Journal> journal_;
  JournalPosition applied_;       // all before it has taken effect
  uint64_t records_applied_ = 0;  // since the last freeze
  uint64_t freezes_count_ = 0;
  uint64_t written_count_ = 0;
  IntrusiveList<Commit, &Commit::node> durable_;  // wait for their effect
  IntrusiveList<Commit, &Commit::node> voided_;   // must not have one: wait for a checkpoint without it
  WaitList settlers_;
  JournalAppend settling_;
  bool is_settling_ = false;
  bool is_checkpoint_wanted_ = false;
  bool is_applying_ = false;
  bool is_writing_ = false;
  bool is_broken_ = false;
  Signal written_;  // a checkpoint has ended, one way or the other
  Signal rested_;   // applying or writing has ended
  Background background_;
};

}  // namespace ballast::bdev::pool
