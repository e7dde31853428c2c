#include "bdev/pool/check_view.h"

#include "bdev/pool/apply.h"
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

CheckView::CheckView(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, const TreeRoot& root,
                     ExtentMap& extents, const Terms& terms)
    : terms_(terms),
      extents_(extents),
      free_map_(layout),
      cache_(disk, layout, pool_uuid, terms.frames_count),
      tree_(cache_, free_map_) {
  tree_.set_root(root);
}

Task<Result<std::optional<TreeEntry>>> CheckView::seek(Key key) {
  std::optional<TreeEntry> entry;
  while (tree_.seek(key, entry) == TreeStep::missing) {
    const Errc loaded = co_await cache_.load(tree_.missing());
    if (loaded != Errc::ok) co_return Error{loaded, {}};
  }
  // A page whose keys are not its parent's would send a walk through the keys in circles.
  if (entry && entry->key < key) co_return Error{Errc::io_error, {}};
  co_return entry;
}

Task<Result<CheckView::Value>> CheckView::read(Key key) {
  const auto changed = changes_.find(key);
  if (changed != changes_.end()) co_return changed->second;
  const auto found = co_await seek(key);
  if (!found.ok()) co_return found.error();
  if (!found->has_value() || (*found)->key != key) co_return Value{};
  const ByteSpan value = (*found)->value;
  co_return Value(std::vector<uint8_t>(value.begin(), value.end()));
}

Task<Result<std::optional<Key>>> CheckView::load_extents() {
  for (Key from = Key::of(KeyType::extents, 0);;) {
    const auto found = co_await seek(from);
    if (!found.ok()) co_return found.error();
    if (!found->has_value() || (*found)->key.type() != static_cast<uint8_t>(KeyType::extents)) break;
    const TreeEntry entry = **found;
    const bool is_device = entry.key.id() < k_devices_max;
    if (!is_device || !extents_.load({static_cast<uint16_t>(entry.key.id()), entry.key.low}, entry.value)) {
      co_return std::optional<Key>(entry.key);
    }
    from = {entry.key.high, entry.key.low + 1};
  }
  co_return std::optional<Key>{};
}

// As Applier::apply(): whoever changes one changes the other.
Task<Errc> CheckView::apply(const Record& record) {
  Errc errc = Errc::ok;
  switch (record.type) {
    case RecordType::put: {
      const Extent extent{record.key().id()};
      if (record.key().type() == static_cast<uint8_t>(KeyType::checksums)) {
        if (!extents_.is_known(extent)) co_return Errc::io_error;
        if (!extents_.is_used(extent)) co_return Errc::ok;
      }
      put(record.key(), record.value());
      co_return Errc::ok;
    }
    case RecordType::remove: remove(record.key()); co_return Errc::ok;
    case RecordType::slot_map: errc = co_await apply_map(load<SlotMap>(record.payload)); break;
    case RecordType::slot_zero: errc = co_await apply_zero(load<SlotZero>(record.payload)); break;
    case RecordType::slot_merge: errc = co_await apply_merge(load<SlotMerge>(record.payload)); break;
    case RecordType::dirty:
    case RecordType::extent_free: errc = co_await apply_extents(record); break;
  }
  co_return errc;
}

Task<Errc> CheckView::apply_map(SlotMap map) {
  if (!extents_.is_known(map.extent) || uint32_t{map.first} + map.count > terms_.blocks_per_extent) {
    co_return Errc::io_error;
  }
  Slot slot;
  const Errc errc = co_await read_slot(slot_key(map.layer, map.slot), slot);
  if (errc != Errc::ok) co_return errc;
  std::vector<Extent> freed;
  if (!slot.map(map.first, map.count, map.extent, freed)) co_return Errc::io_error;
  if (terms_.keeps_checksums) put(dirty_key(map.extent), {});
  if (!free(freed)) co_return Errc::io_error;
  put_slot(slot_key(map.layer, map.slot), slot);
  extents_.mark_used(map.extent);
  co_return Errc::ok;
}

Task<Errc> CheckView::apply_zero(SlotZero zero) {
  if (uint32_t{zero.first} + zero.count > terms_.blocks_per_extent) co_return Errc::io_error;
  bool hides = false;
  Errc errc = co_await has_parent(zero.layer, hides);
  Slot slot;
  if (errc == Errc::ok) errc = co_await read_slot(slot_key(zero.layer, zero.slot), slot);
  if (errc != Errc::ok) co_return errc;
  std::vector<Extent> freed;
  slot.unmap(zero.first, zero.count, hides, freed);
  if (!free(freed)) co_return Errc::io_error;
  put_slot(slot_key(zero.layer, zero.slot), slot);
  co_return Errc::ok;
}

Task<Errc> CheckView::apply_merge(SlotMerge merge) {
  bool hides = false;
  Errc errc = co_await has_parent(merge.from, hides);
  Slot below, above;
  if (errc == Errc::ok) errc = co_await read_slot(slot_key(merge.from, merge.slot), below);
  if (errc == Errc::ok) errc = co_await read_slot(slot_key(merge.to, merge.slot), above);
  if (errc != Errc::ok || below.is_empty()) co_return errc;
  std::vector<Extent> freed;
  if (!above.merge(below, hides, freed)) co_return Errc::ok;
  std::erase_if(freed, [&](Extent extent) { return holds(above, extent); });
  if (!free(freed)) co_return Errc::io_error;
  put_slot(slot_key(merge.to, merge.slot), above);
  remove(slot_key(merge.from, merge.slot));
  co_return Errc::ok;
}

Task<Errc> CheckView::apply_extents(Record record) {
  std::vector<Extent> extents;
  for (uint32_t i = 0; i < record.extents_count(); ++i) {
    if (!extents_.is_known(record.extent(i))) co_return Errc::io_error;
    extents.push_back(record.extent(i));
  }
  if (record.type == RecordType::extent_free) co_return free(extents) ? Errc::ok : Errc::io_error;
  for (const Extent extent : extents) {
    if (extents_.is_used(extent)) put(dirty_key(extent), {});
  }
  co_return Errc::ok;
}

Task<Errc> CheckView::has_parent(uint32_t layer, bool& result) {
  const Result<Value> bytes = co_await read(Key::of(KeyType::layer, layer));
  if (!bytes.ok()) co_return bytes.errc();
  LayerValue value;
  if (!bytes->has_value() || !decode_value(**bytes, value)) co_return Errc::io_error;
  result = value.parent != 0;
  co_return Errc::ok;
}

Task<Errc> CheckView::read_slot(Key key, Slot& slot) {
  slot = {};
  const Result<Value> bytes = co_await read(key);
  if (!bytes.ok()) co_return bytes.errc();
  if (!bytes->has_value()) co_return Errc::ok;
  co_return decode(**bytes, slot) ? Errc::ok : Errc::io_error;
}

void CheckView::put_slot(Key key, const Slot& slot) {
  if (slot.is_empty()) return remove(key);
  std::array<uint8_t, k_slot_bytes_max> bytes;
  const uint32_t size = encode(slot, bytes);
  put(key, ByteSpan(bytes).first(size));
}

bool CheckView::free(const std::vector<Extent>& freed) {
  for (const Extent extent : freed) {
    if (!extents_.is_known(extent)) return false;
    remove(dirty_key(extent));
    if (terms_.keeps_checksums) remove(checksums_key(extent));
    extents_.mark_free(extent);
  }
  return true;
}

}  // namespace ballast::bdev::pool
