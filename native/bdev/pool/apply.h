// What a durable record does to the metadata in memory: the tree and the map of extents. The same code runs
// after an acknowledgement, at replay and in a check. Every record may be applied twice: the end is the same.
#pragma once

#include <map>

#include "bdev/pool/extent_map.h"
#include "bdev/pool/journal_record.h"
#include "bdev/pool/key_values.h"
#include "bdev/pool/slot.h"

namespace ballast::bdev::pool {

// Told what has just taken effect on layers, before anybody else can see it.
class LayersListener {
 public:
  // The layer is there, with this parent; 0: none.
  virtual void layer_put(uint32_t layer, uint32_t parent) = 0;
  virtual void layer_removed(uint32_t layer) = 0;
  virtual void slot_merged(const SlotMerge& merge) = 0;

 protected:
  ~LayersListener() = default;
};

class Applier {
 public:
  // All must outlive the applier. `keeps_checksums`: extents that are written to become dirty.
  Applier(KeyValues& metadata, ExtentMap& extents, uint32_t blocks_per_extent, bool keeps_checksums)
      : metadata_(metadata),
        extents_(extents),
        blocks_per_extent_(blocks_per_extent),
        keeps_checksums_(keeps_checksums) {}

  // no_space: the metadata has no room for now, apply again after a checkpoint. io_error: a page cannot be
  // read, or the record contradicts the metadata.
  Task<Errc> apply(const Record& record);
  // Counts what has moved blocks between layers: who walks through layers over several steps looks whether it
  // has changed.
  uint64_t layers_changes() const { return layers_changes_; }
  // By how many extents what layers hold has changed, since it was noted for each: exactly as the tree has,
  // whatever was applied twice or only in part.
  const std::map<uint32_t, int64_t>& allocation_changes() const { return allocation_changes_; }
  void note_allocation(uint32_t layer) { allocation_changes_.erase(layer); }
  // At most one; it must outlive the applier.
  void set_listener(LayersListener& listener) { listener_ = &listener; }

 private:
  Task<Errc> apply_put(Record record);
  Task<Errc> apply_remove(Key key);
  Task<Errc> apply_map(SlotMap map);
  Task<Errc> apply_zero(SlotZero zero);
  Task<Errc> apply_merge(SlotMerge merge);
  Task<Errc> has_parent(uint32_t layer, bool& result);
  Task<Errc> load_slot(Key key, Slot& slot);
  Task<Errc> store_slot(Key key, uint32_t held_before, const Slot& slot);
  Task<Errc> remove_slot(Key key, uint32_t held_before);
  void count_allocation(Key slot, uint32_t held_before, uint32_t held);
  Task<Errc> apply_dirty(Record record);
  Task<Errc> set_dirty(Extent extent);
  Task<Errc> clean(const std::vector<Extent>& freed);
  void free(const std::vector<Extent>& freed);

  KeyValues& metadata_;
  ExtentMap& extents_;
  const uint32_t blocks_per_extent_;
  const bool keeps_checksums_;
  uint64_t layers_changes_ = 0;
  std::map<uint32_t, int64_t> allocation_changes_;
  LayersListener* listener_ = nullptr;
};

inline Key slot_key(uint32_t layer, uint64_t slot) { return Key::of(KeyType::slot, layer, slot); }
inline Key dirty_key(Extent extent) { return Key::of(KeyType::dirty, extent.packed); }
inline Key allocation_key(uint32_t layer) { return Key::of(KeyType::allocation, layer); }
inline Key checksums_key(Extent extent) { return Key::of(KeyType::checksums, extent.packed); }

}  // namespace ballast::bdev::pool
