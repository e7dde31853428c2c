#include "bdev/pool/apply.h"

#include "bdev/pool/planted.h"
#include "bdev/pool/value.h"

namespace ballast::bdev::pool {
namespace {

bool holds(const Slot& slot, Extent extent) {
  for (uint32_t i = 0; i < slot.fragments_count; ++i) {
    if (slot.fragments[i].extent == extent) return true;
  }
  return false;
}

}  // namespace

// A record that has to be tried again must not free an extent twice: it may have been given out in between.
// So extents become free at the very end, when nothing can fail any more.
Task<Errc> Applier::apply(const Record& record) {
  switch (record.type) {
    case RecordType::put: co_return co_await apply_put(record);
    case RecordType::remove: co_return co_await apply_remove(record.key());
    case RecordType::slot_map:
    case RecordType::slot_map_sums: co_return co_await apply_map(load<SlotMap>(record.payload));
    case RecordType::slot_zero: co_return co_await apply_zero(load<SlotZero>(record.payload));
    case RecordType::slot_merge: co_return co_await apply_merge(load<SlotMerge>(record.payload));
    case RecordType::dirty: co_return co_await apply_dirty(record);
    case RecordType::extent_free: {
      std::vector<Extent> freed;
      for (uint32_t i = 0; i < record.extents_count(); ++i) freed.push_back(record.extent(i));
      const Errc cleaned = co_await clean(freed);
      if (cleaned == Errc::ok) free(freed);
      co_return cleaned;
    }
    case RecordType::nothing: co_return Errc::ok;
  }
  co_return Errc::io_error;
}

Task<Errc> Applier::apply_put(Record record) {
  const Key key = record.key();
  if (key.type() == static_cast<uint8_t>(KeyType::checksums)) {
    // The extent may have been freed by a record in between.
    const Extent extent{key.id()};
    if (!extents_.is_known(extent)) co_return Errc::io_error;
    if (!extents_.is_used(extent)) co_return Errc::ok;
  }
  LayerValue layer;
  const bool is_layer = key.type() == static_cast<uint8_t>(KeyType::layer);
  const bool is_whole = is_layer && decode_value(record.value(), layer);
  const Errc errc = co_await metadata_.put(key, record.value());
  if (errc != Errc::ok || !is_layer) co_return errc;
  ++layers_changes_;
  const auto id = static_cast<uint32_t>(key.id());
  if (listener_ == nullptr) co_return Errc::ok;
  is_whole ? listener_->layer_put(id, layer.parent) : listener_->layer_removed(id);
  co_return Errc::ok;
}

Task<Errc> Applier::apply_remove(Key key) {
  if (key.type() == static_cast<uint8_t>(KeyType::slot)) {
    Slot slot;
    const Errc loaded = co_await load_slot(key, slot);
    if (loaded != Errc::ok) co_return loaded;
    co_return co_await remove_slot(key, slot.fragments_count);
  }
  const Errc errc = co_await metadata_.remove(key);
  if (errc != Errc::ok || key.type() != static_cast<uint8_t>(KeyType::layer)) co_return errc;
  ++layers_changes_;
  if (listener_ != nullptr) listener_->layer_removed(static_cast<uint32_t>(key.id()));
  co_return Errc::ok;
}

Task<Errc> Applier::apply_map(SlotMap map) {
  if (!extents_.is_known(map.extent) || uint32_t{map.first} + map.count > blocks_per_extent_) {
    co_return Errc::io_error;
  }
  const Key key = slot_key(map.layer, map.slot);
  Slot slot;
  Errc errc = co_await load_slot(key, slot);
  if (errc != Errc::ok) co_return errc;
  const uint32_t held_before = slot.fragments_count;
  std::vector<Extent> freed;
  if (!slot.map(map.first, map.count, map.extent, freed)) co_return Errc::io_error;
  if (keeps_checksums_) errc = co_await set_dirty(map.extent);
  if (errc == Errc::ok) errc = co_await clean(freed);
  if (errc == Errc::ok) errc = co_await store_slot(key, held_before, slot);
  if (errc != Errc::ok) co_return errc;
  extents_.mark_used(map.extent);
  if (!planted(Planted::map_keeps_replaced)) free(freed);
  co_return Errc::ok;
}

Task<Errc> Applier::apply_dirty(Record record) {
  for (uint32_t i = 0; i < record.extents_count(); ++i) {
    if (!extents_.is_known(record.extent(i))) co_return Errc::io_error;
    if (planted(Planted::dirty_not_applied)) continue;
    if (!extents_.is_used(record.extent(i))) continue;  // freed by a record in between
    const Errc marked = co_await set_dirty(record.extent(i));
    if (marked != Errc::ok) co_return marked;
  }
  co_return Errc::ok;
}

Task<Errc> Applier::apply_zero(SlotZero zero) {
  if (uint32_t{zero.first} + zero.count > blocks_per_extent_) co_return Errc::io_error;
  bool hides = false;
  Errc errc = co_await has_parent(zero.layer, hides);
  if (errc != Errc::ok) co_return errc;
  const Key key = slot_key(zero.layer, zero.slot);
  Slot slot;
  errc = co_await load_slot(key, slot);
  if (errc != Errc::ok) co_return errc;
  const uint32_t held_before = slot.fragments_count;
  std::vector<Extent> freed;
  slot.unmap(zero.first, zero.count, hides, freed);
  errc = co_await clean(freed);
  if (errc == Errc::ok) errc = co_await store_slot(key, held_before, slot);
  if (errc == Errc::ok) free(freed);
  co_return errc;
}

// The slot above is stored first: should the removal of the one below have to be tried again, what it still
// names is known above, and in no need of being freed.
Task<Errc> Applier::apply_merge(SlotMerge merge) {
  bool hides = false;
  Errc errc = co_await has_parent(merge.from, hides);
  if (errc != Errc::ok) co_return errc;
  const Key below_key = slot_key(merge.from, merge.slot), above_key = slot_key(merge.to, merge.slot);
  Slot below, above;
  errc = co_await load_slot(below_key, below);
  if (errc == Errc::ok) errc = co_await load_slot(above_key, above);
  if (errc != Errc::ok || below.is_empty()) co_return errc;
  const uint32_t held_above = above.fragments_count;
  std::vector<Extent> freed;
  if (!above.merge(below, hides, freed)) co_return Errc::ok;
  std::erase_if(freed, [&](Extent extent) { return holds(above, extent); });
  errc = co_await clean(freed);
  if (errc == Errc::ok) errc = co_await store_slot(above_key, held_above, above);
  if (errc == Errc::ok) errc = co_await remove_slot(below_key, below.fragments_count);
  if (errc != Errc::ok) co_return errc;
  ++layers_changes_;
  if (listener_ != nullptr) listener_->slot_merged(merge);
  free(freed);
  co_return Errc::ok;
}

Task<Errc> Applier::has_parent(uint32_t layer, bool& result) {
  const Key key = Key::of(KeyType::layer, layer);
  const auto found = co_await metadata_.seek(key);
  if (!found.ok()) co_return found.errc();
  LayerValue value;
  if (!found->has_value() || (*found)->key != key || !decode_value((*found)->value, value)) {
    co_return Errc::io_error;
  }
  result = value.parent != 0;
  co_return Errc::ok;
}

Task<Errc> Applier::load_slot(Key key, Slot& slot) {
  const auto found = co_await metadata_.seek(key);
  if (!found.ok()) co_return found.errc();
  slot = {};
  if (!found->has_value() || (*found)->key != key) co_return Errc::ok;
  co_return decode((*found)->value, slot) ? Errc::ok : Errc::io_error;
}

Task<Errc> Applier::store_slot(Key key, uint32_t held_before, const Slot& slot) {
  if (slot.is_empty()) co_return co_await remove_slot(key, held_before);
  std::array<uint8_t, k_slot_bytes_max> bytes;
  const uint32_t size = encode(slot, bytes);
  const Errc put = co_await metadata_.put(key, ByteSpan(bytes).first(size));
  if (put == Errc::ok) count_allocation(key, held_before, slot.fragments_count);
  co_return put;
}

Task<Errc> Applier::remove_slot(Key key, uint32_t held_before) {
  const Errc removed = co_await metadata_.remove(key);
  if (removed == Errc::ok && !planted(Planted::gone_slots_counted)) count_allocation(key, held_before, 0);
  co_return removed;
}

// Right after the tree has changed, and by what it held: a record that is tried again finds what is done
// already.
void Applier::count_allocation(Key slot, uint32_t held_before, uint32_t held) {
  if (held == held_before) return;
  const auto layer = static_cast<uint32_t>(slot.id());
  int64_t& change = allocation_changes_[layer];
  change += int64_t{held} - int64_t{held_before};
  if (change == 0) allocation_changes_.erase(layer);
}

Task<Errc> Applier::set_dirty(Extent extent) {
  const Key key = dirty_key(extent);
  const auto found = co_await metadata_.seek(key);
  if (!found.ok()) co_return found.errc();
  if (found->has_value() && (*found)->key == key) co_return Errc::ok;
  co_return co_await metadata_.put(key, {});
}

// What a free extent held is nobody's: no mark, no checksums.
Task<Errc> Applier::clean(const std::vector<Extent>& freed) {
  for (const Extent extent : freed) {
    if (!extents_.is_known(extent)) co_return Errc::io_error;
    Errc removed = co_await metadata_.remove(dirty_key(extent));
    if (removed == Errc::ok && keeps_checksums_) removed = co_await metadata_.remove(checksums_key(extent));
    if (removed != Errc::ok) co_return removed;
  }
  co_return Errc::ok;
}

void Applier::free(const std::vector<Extent>& freed) {
  for (const Extent extent : freed) extents_.mark_free(extent);
}

}  // namespace ballast::bdev::pool
