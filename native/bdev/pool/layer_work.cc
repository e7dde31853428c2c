#include "bdev/pool/layer_work.h"

namespace ballast::bdev::pool {
namespace {

constexpr uint32_t k_slots_per_step = 64;

Key layer_key(uint32_t id) { return Key::of(KeyType::layer, id); }
Key child_key(uint32_t layer, uint32_t child) { return Key::of(KeyType::child, layer, child); }

Error unreadable(Errc errc) { return {errc, "the pool's metadata cannot be read"}; }
Error damaged(const char* what) {
  return {Errc::io_error, std::string("the pool's metadata is damaged: ") + what};
}

}  // namespace

Task<Result<LayerWork::Progress>> LayerWork::step() {
  const Turns::Turn turn = co_await turns_.take();
  bool is_blocked = false;
  uint32_t first = 0;
  // Once around all layers that want something, from where the last step was.
  for (uint32_t from = next_layer_;;) {
    Result<Found> found = co_await find_work(from);
    if (!found.ok()) co_return found.error();
    if (found->layer == 0 && from == 0) break;
    if (found->layer == 0) {
      from = 0;
      continue;
    }
    if (found->layer == first) break;
    if (first == 0) first = found->layer;
    const bool deletes = found->value.state == LayerState::deleting;
    Result<Progress> progress = deletes ? Result<Progress>(Progress::none) : Progress::none;
    if (deletes) {
      progress = co_await delete_step(found->layer, found->value);
    } else {
      progress = co_await merge_step(found->layer, found->value);
    }
    if (!progress.ok()) co_return progress.error();
    if (*progress == Progress::some) {
      next_layer_ = found->layer;
      co_return Progress::some;
    }
    if (*progress == Progress::blocked) is_blocked = true;
    from = found->layer + 1;
  }
  co_return is_blocked ? Progress::blocked : Progress::none;
}

Task<Result<LayerWork::Found>> LayerWork::find_work(uint32_t from) {
  for (Key key = layer_key(from);;) {
    const auto found = co_await store_.seek(key);
    if (!found.ok()) co_return unreadable(found.errc());
    Found work;
    if (!found->has_value() || (*found)->key.type() != static_cast<uint8_t>(KeyType::layer)) co_return work;
    if (!decode_value((*found)->value, work.value)) co_return damaged("layer");
    key = (*found)->key;
    const bool is_work = work.value.state == LayerState::deleting || work.value.state == LayerState::merging;
    if (is_work && (guard_ == nullptr || !guard_->is_being_made(static_cast<uint32_t>(key.id())))) {
      work.layer = static_cast<uint32_t>(key.id());
      co_return work;
    }
    key.high += 1;
  }
}

Task<Result<LayerValue>> LayerWork::read_layer(Changes& changes, uint32_t layer) {
  const auto bytes = co_await changes.read(layer_key(layer));
  if (!bytes.ok()) co_return bytes.error();
  LayerValue value;
  if (!bytes->has_value() || !decode_value(**bytes, value)) co_return damaged("layer");
  co_return value;
}

// --- deleting ---

Task<Result<LayerWork::Progress>> LayerWork::delete_step(uint32_t layer, LayerValue value) {
  Changes changes(store_);
  std::vector<Extent> freed;
  uint32_t slots = 0;
  for (Key key = slot_key(layer, 0); slots < k_slots_per_step; ++slots) {
    const auto found = co_await store_.seek(key);
    if (!found.ok()) co_return unreadable(found.errc());
    if (!found->has_value() || (*found)->key.high != key.high) break;
    Slot slot;
    if (!decode((*found)->value, slot)) co_return damaged("slot");
    for (uint32_t i = 0; i < slot.fragments_count; ++i) freed.push_back(slot.fragments[i].extent);
    changes.remove((*found)->key);
    key = {key.high, (*found)->key.low + 1};
  }
  if (slots == 0) {
    Result<Progress> finished = co_await finish_delete(layer, value);
    co_return finished;
  }
  if ((value.flags & k_layer_erase) != 0 && !freed.empty() && guard_ != nullptr) {
    const Errc erased = co_await guard_->erase(freed);
    if (erased != Errc::ok) co_return Error{erased, "a step of erasing has failed"};
  }
  if (!freed.empty()) {
    changes.add(RecordType::extent_free,
                {reinterpret_cast<const uint8_t*>(freed.data()), freed.size() * sizeof(Extent)});
  }
  const Errc errc = co_await changes.commit(true);
  if (errc != Errc::ok) co_return Error{errc, "a step of deleting could not be made durable"};
  co_return Progress::some;
}

Task<Result<LayerWork::Progress>> LayerWork::finish_delete(uint32_t layer, LayerValue value) {
  Changes changes(store_);
  if (value.parent != 0) {
    Result<LayerValue> parent = co_await read_layer(changes, value.parent);
    if (!parent.ok()) co_return parent.error();
    if (parent->children_count == 0) co_return damaged("number of children");
    --parent->children_count;
    const bool is_seen = parent->state == LayerState::snapshot;
    if (!is_seen && parent->children_count == 0) parent->state = LayerState::deleting;
    if (!is_seen && parent->children_count == 1) parent->state = LayerState::merging;
    changes.put(layer_key(value.parent), bytes_of(*parent));
    changes.remove(child_key(value.parent, layer));
  }
  const Errc errc = co_await drop_layer(changes, layer);
  if (errc != Errc::ok) co_return Error{errc, "the end of deleting could not be made durable"};
  co_return Progress::some;
}

// --- merging ---

Task<Result<uint32_t>> LayerWork::only_child(uint32_t layer) {
  const Key key = child_key(layer, 0);
  const auto found = co_await store_.seek(key);
  if (!found.ok()) co_return unreadable(found.errc());
  if (!found->has_value() || (*found)->key.high != key.high) co_return damaged("child");
  co_return static_cast<uint32_t>((*found)->key.low);
}

Task<Result<LayerWork::Progress>> LayerWork::merge_step(uint32_t layer, LayerValue value) {
  Changes changes(store_);
  if (value.parent != 0) {
    // What comes down from above this one comes first, unless it is not known yet when.
    const Result<LayerValue> parent = co_await read_layer(changes, value.parent);
    if (!parent.ok()) co_return parent.error();
    const bool waits = guard_ != nullptr && guard_->is_being_made(value.parent);
    if (parent->state == LayerState::merging && !waits) co_return Progress::none;
  }
  const Result<uint32_t> child = co_await only_child(layer);
  if (!child.ok()) co_return child.error();
  const Result<LayerValue> above = co_await read_layer(changes, *child);
  if (!above.ok()) co_return above.error();
  if (above->state == LayerState::deleting) co_return Progress::none;  // soon there is no child
  Result<std::vector<uint64_t>> slots = co_await first_slots(layer);
  if (!slots.ok()) co_return slots.error();
  if (slots->empty()) {
    Result<Progress> finished = co_await finish_merge(layer, value, *child);
    co_return finished;
  }
  if (guard_ != nullptr) {
    const Errc held = co_await guard_->hold(*child, slots->front(), slots->back());
    if (held != Errc::ok) co_return Error{held, "a step of merging could not begin"};
  }
  Result<Progress> progress = co_await merge_slots(layer, value, *child, *slots);
  if (guard_ != nullptr) co_await guard_->release();
  co_return progress;
}

Task<Result<std::vector<uint64_t>>> LayerWork::first_slots(uint32_t layer) {
  std::vector<uint64_t> slots;
  for (Key key = slot_key(layer, 0); slots.size() < k_slots_per_step; key.low = slots.back() + 1) {
    const auto found = co_await store_.seek(key);
    if (!found.ok()) co_return unreadable(found.errc());
    if (!found->has_value() || (*found)->key.high != key.high) break;
    slots.push_back((*found)->key.low);
  }
  co_return slots;
}

Task<Result<LayerWork::Progress>> LayerWork::merge_slots(uint32_t layer, const LayerValue& value,
                                                         uint32_t child, const std::vector<uint64_t>& slots) {
  Changes changes(store_);
  bool is_blocked = false;
  for (const uint64_t slot : slots) {
    Slot below, over;
    const auto below_bytes = co_await changes.read(slot_key(layer, slot));
    if (!below_bytes.ok()) co_return below_bytes.error();
    if (!below_bytes->has_value() || !decode(**below_bytes, below)) co_return damaged("slot");
    const auto over_bytes = co_await changes.read(slot_key(child, slot));
    if (!over_bytes.ok()) co_return over_bytes.error();
    if (over_bytes->has_value() && !decode(**over_bytes, over)) co_return damaged("slot");
    const SlotMerge merge{layer, child, slot};
    std::vector<Extent> freed;
    if (over.merge(below, value.parent != 0, freed)) {
      changes.add(RecordType::slot_merge, bytes_of(merge));
    } else if (!std::exchange(is_blocked, true)) {
      blocked_ = merge;
    }
  }
  if (changes.records_count() == 0) co_return Progress::blocked;
  const Errc errc = co_await changes.commit(true);
  if (errc != Errc::ok) co_return Error{errc, "a step of merging could not be made durable"};
  co_return Progress::some;
}

Task<Result<LayerWork::Progress>> LayerWork::finish_merge(uint32_t layer, LayerValue value, uint32_t child) {
  Changes changes(store_);
  Result<LayerValue> above = co_await read_layer(changes, child);
  if (!above.ok()) co_return above.error();
  above->parent = value.parent;
  changes.put(layer_key(child), bytes_of(*above));
  changes.remove(child_key(layer, child));
  if (value.parent != 0) {
    changes.remove(child_key(value.parent, layer));
    changes.put(child_key(value.parent, child), {});
  }
  const Errc errc = co_await drop_layer(changes, layer);
  if (errc != Errc::ok) co_return Error{errc, "the end of merging could not be made durable"};
  if (guard_ != nullptr) guard_->parent_changed(child, value.parent);
  co_return Progress::some;
}

Task<Errc> LayerWork::drop_layer(Changes& changes, uint32_t layer) {
  const Key key = Key::of(KeyType::pool, 0);
  const auto bytes = co_await changes.read(key);
  if (!bytes.ok()) co_return bytes.errc();
  PoolValue pool;
  if (!bytes->has_value() || !decode_value(**bytes, pool) || pool.layers_count == 0) co_return Errc::io_error;
  --pool.layers_count;
  changes.put(key, bytes_of(pool));
  changes.remove(layer_key(layer));
  const Errc errc = co_await changes.commit(true);
  co_return errc;
}

}  // namespace ballast::bdev::pool
