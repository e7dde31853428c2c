// What is left to do after a volume or snapshot was deleted: its extents become free, or what its only child
// still needs of it moves there. In bounded steps, each a group in the journal; a crash goes on where it was.
#pragma once

#include "bdev/pool/changes.h"

namespace ballast::bdev::pool {

// What must be still while slots of a layer change under it: the I/O of the volume whose head it is.
class LayerGuard {
 public:
  virtual Task<Errc> hold(uint32_t layer, uint64_t first_slot, uint64_t last_slot) = 0;
  // What was known of those slots is looked up again.
  virtual Task<Errc> release() = 0;
  // The layer has another parent; 0: none.
  virtual void parent_changed(uint32_t layer, uint32_t parent) = 0;
  // Somebody is filling it, a volume or a snapshot that is received: it is no work yet.
  virtual bool is_being_made(uint32_t layer) const = 0;
  // Nothing of what is in these extents is to be found on the disk any more.
  virtual Task<Errc> erase(std::span<const Extent> extents) = 0;

 protected:
  ~LayerGuard() = default;
};

class LayerWork {
 public:
  // All must outlive this; the turns are shared with Volumes. Without a guard: no volume is served.
  LayerWork(Store& store, Turns& turns, LayerGuard* guard = nullptr)
      : store_(store), turns_(turns), guard_(guard) {}

  enum class Progress : uint8_t {
    some,     // ask again
    none,     // nothing to do
    blocked,  // only slots are left that would get more than four fragments: their blocks must be copied
              // first
  };
  // One step, of at most 64 slots.
  Task<Result<Progress>> step();
  // After `blocked`: a slot that `from` cannot give to `to`.
  const SlotMerge& blocked() const { return blocked_; }

 private:
  struct Found {
    uint32_t layer = 0;  // 0: none
    LayerValue value;
  };
  Task<Result<Found>> find_work(uint32_t from);
  Task<Result<LayerValue>> read_layer(Changes& changes, uint32_t layer);
  Task<Result<Progress>> delete_step(uint32_t layer, LayerValue value);
  Task<Result<Progress>> merge_step(uint32_t layer, LayerValue value);
  Task<Result<Progress>> merge_slots(uint32_t layer, const LayerValue& value, uint32_t child,
                                     const std::vector<uint64_t>& slots);
  Task<Result<std::vector<uint64_t>>> first_slots(uint32_t layer);
  Task<Result<Progress>> finish_delete(uint32_t layer, LayerValue value);
  Task<Result<Progress>> finish_merge(uint32_t layer, LayerValue value, uint32_t child);
  Task<Result<uint32_t>> only_child(uint32_t layer);
  Task<Errc> drop_layer(Changes& changes, uint32_t layer);

  Store& store_;
  Turns& turns_;
  LayerGuard* const guard_;
  SlotMerge blocked_;
  uint32_t next_layer_ = 0;  // where the search goes on
};

}  // namespace ballast::bdev::pool
