// The metadata tree on its disk: opening from the newest root, loading pages that a call needs, and
// checkpoints. Between two checkpoints everything is in memory; what makes that durable is the journal
// (Store). Belongs to the owner reactor.
#pragma once

#include <vector>

#include "bdev/pool/journal.h"
#include "bdev/pool/key_values.h"
#include "bdev/pool/tree.h"

namespace ballast::bdev::pool {

class Metadata final : public KeyValues {
 public:
  // `frames_count` pages of memory. The disk must outlive this.
  Metadata(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, uint32_t frames_count);

  // A new pool: empty, on the disk after the first checkpoint.
  void create();
  // io_error with a text if there is no whole root, or its free map is not whole.
  Task<Outcome> open();

  // Of the tree, loading what has to be read. A value is valid until the next call of anything here. put()
  // and remove(): no_space if no page or frame is free and a checkpoint could help; nothing was changed.
  Task<Result<std::optional<TreeEntry>>> seek(Key key) override;
  Task<Errc> put(Key key, ByteSpan value) override;
  Task<Errc> remove(Key key) override;

  // --- checkpoint: freeze() at a moment when all is applied up to `position`, then write_frozen() ---
  // Not while one is being written. `starts_incarnation`: the journal goes on under the new generation.
  void freeze(JournalPosition position, bool starts_incarnation, bool closed);
  // ok: durable, and root() is the new one. Otherwise the disk is poisoned.
  Task<Errc> write_frozen();
  bool is_frozen() const { return is_frozen_; }

  // See PageCache; not between two calls of which one needs what the other has loaded.
  void set_clean_max(uint64_t pages_count) { cache_.set_clean_max(pages_count); }

  const Root& root() const { return root_; }
  uint32_t clean_count() const { return cache_.clean_count(); }
  uint32_t changed_count() const { return cache_.changed_count(); }
  uint32_t frames_count() const { return frames_count_; }
  const FreeMap& free_map() const { return free_map_; }

 private:
  struct Staged {
    uint64_t address = 0;
    size_t offset = 0;  // in staged_bytes_
  };
  Task<Errc> load_missing();
  Task<bool> read_root(uint64_t slot, Root& root);
  Task<Outcome> load_free_map();
  void stage(uint64_t address, ByteSpan bytes);
  Task<Errc> write_staged();
  Task<Errc> write_root();

  Disk& disk_;
  const MetadataLayout layout_;
  const Uuid pool_uuid_;
  const uint32_t frames_count_;
  FreeMap free_map_;
  PageCache cache_;
  Tree tree_{cache_, free_map_};
  Root root_;       // the durable one
  Root next_root_;  // the frozen one
  bool is_frozen_ = false;
  std::vector<Staged> staged_;
  std::optional<PageBuffer> staged_bytes_;
};

}  // namespace ballast::bdev::pool
