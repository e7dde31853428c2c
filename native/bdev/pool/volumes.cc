#include "bdev/pool/volumes.h"

#include <algorithm>

#include "bdev/pool/planted.h"

namespace ballast::bdev::pool {
namespace {

constexpr uint32_t k_layers_max = 1'000'000;
constexpr uint32_t k_snapshots_per_group_max = 128;

Key volume_key(uint32_t id) { return Key::of(KeyType::volume, id); }
Key layer_key(uint32_t id) { return Key::of(KeyType::layer, id); }
Key name_key(uint64_t scope, const std::string& name) {
  return Key::of(KeyType::name, scope, name_hash(name));
}
Key snapshot_key(uint32_t volume, uint32_t layer) { return Key::of(KeyType::snapshot, volume, layer); }
Key child_key(uint32_t layer, uint32_t child) { return Key::of(KeyType::child, layer, child); }
Key wrapped_key_key(uint32_t volume) { return Key::of(KeyType::wrapped_key, volume); }
constexpr Key k_pool_key = Key::of(KeyType::pool, 0);

Error damaged(const std::string& what) { return {Errc::io_error, "the pool's metadata is damaged: " + what}; }

Outcome check_name(const std::string& name) {
  if (name.empty() || name.size() > k_name_bytes_max || name.find('\0') != std::string::npos) {
    return Error{Errc::invalid_argument, "a name has 1 to 64 bytes, none of them zero"};
  }
  return Unit{};
}

Outcome check_size(uint64_t size_bytes) {
  if (size_bytes == 0 || size_bytes % k_page_bytes != 0 || size_bytes > k_volume_bytes_max) {
    return Error{Errc::invalid_argument, "a volume has 4 KiB to 64 PiB, in whole blocks of 4 KiB, not " +
                                             std::to_string(size_bytes) + " bytes"};
  }
  return Unit{};
}

Outcome check_wrapped_key(const std::vector<uint8_t>& key) {
  if (key.size() > k_wrapped_key_bytes_max) {
    return Error{Errc::invalid_argument, "a wrapped key has at most 1,024 bytes"};
  }
  return Unit{};
}

Outcome outcome_of(Errc errc) {
  if (errc == Errc::ok) return Unit{};
  if (errc == Errc::no_space) return Error{errc, "the pool's metadata is full"};
  return Error{errc, "the pool could not make the change durable"};
}

// A value of the store as this struct.
template <typename Value>
Task<Result<Value>> load_value(Changes& changes, Key key, const char* what) {
  const auto bytes = co_await changes.read(key);
  if (!bytes.ok()) co_return bytes.error();
  if (!bytes->has_value()) {
    co_return Error{Errc::not_found, std::string("there is no ") + what + " " + std::to_string(key.id())};
  }
  Value value;
  if (!decode_value(**bytes, value)) co_return damaged(what);
  co_return value;
}

Task<Result<PoolValue>> load_pool(Changes& changes) {
  const auto bytes = co_await changes.read(k_pool_key);
  if (!bytes.ok()) co_return bytes.error();
  PoolValue pool;
  if (bytes->has_value() && !decode_value(**bytes, pool)) co_return damaged("pool");
  co_return pool;
}

// The ids under a name's hash.
Task<Result<std::vector<uint32_t>>> load_ids(Changes& changes, Key key) {
  const auto bytes = co_await changes.read(key);
  if (!bytes.ok()) co_return bytes.error();
  std::vector<uint32_t> ids;
  if (!bytes->has_value()) co_return ids;
  const ByteSpan value = **bytes;
  if (value.size() % sizeof(uint32_t) != 0) co_return damaged("name");
  for (size_t at = 0; at < value.size(); at += sizeof(uint32_t))
    ids.push_back(load<uint32_t>(value.subspan(at)));
  co_return ids;
}

void put_ids(Changes& changes, Key key, const std::vector<uint32_t>& ids) {
  if (ids.empty()) return changes.remove(key);
  changes.put(key, {reinterpret_cast<const uint8_t*>(ids.data()), ids.size() * sizeof(uint32_t)});
}

// The layer under `child` has a child more.
Task<Outcome> add_child(Changes& changes, uint32_t layer, uint32_t child) {
  Result<LayerValue> parent = co_await load_value<LayerValue>(changes, layer_key(layer), "layer");
  if (!parent.ok()) co_return parent.error();
  ++parent->children_count;
  changes.put(layer_key(layer), bytes_of(*parent));
  changes.put(child_key(layer, child), {});
  co_return Unit{};
}

}  // namespace

template <typename Value>
Task<Result<Value>> Volumes::read(KeyType type, uint32_t id, const char* what) {
  Changes none(store_);
  co_return co_await load_value<Value>(none, Key::of(type, id), what);
}
template Task<Result<VolumeValue>> Volumes::read(KeyType, uint32_t, const char*);
template Task<Result<LayerValue>> Volumes::read(KeyType, uint32_t, const char*);

// --- names: volumes in scope 0, snapshots in that of their volume ---

Task<Result<std::string>> Volumes::name_of(uint64_t scope, uint32_t id) {
  if (scope == 0) {
    const Result<VolumeValue> volume = co_await get(id);
    if (!volume.ok()) co_return volume.error();
    co_return std::string(name_text(volume->name));
  }
  const Result<LayerValue> snapshot = co_await layer(id);
  if (!snapshot.ok()) co_return snapshot.error();
  co_return std::string(name_text(snapshot->name));
}

Task<Result<uint32_t>> Volumes::find_name(uint64_t scope, std::string name) {
  Changes none(store_);
  const Result<std::vector<uint32_t>> ids = co_await load_ids(none, name_key(scope, name));
  if (!ids.ok()) co_return ids.error();
  for (const uint32_t id : *ids) {
    const Result<std::string> held = co_await name_of(scope, id);
    if (!held.ok()) co_return held.error();
    if (*held == name) co_return id;
  }
  co_return Error{Errc::not_found, "there is no " + name};
}

Task<Result<uint32_t>> Volumes::find(std::string name) { return find_name(0, std::move(name)); }

Task<Outcome> Volumes::check_new_name(uint64_t scope, const std::string& name) {
  const Outcome checked = check_name(name);
  if (!checked.ok()) co_return checked.error();
  const Result<uint32_t> found = co_await find_name(scope, name);
  if (found.ok()) co_return Error{Errc::already_exists, name + " exists already"};
  if (found.errc() != Errc::not_found) co_return found.error();
  co_return Unit{};
}

Task<Outcome> Volumes::add_name(Changes& changes, uint64_t scope, std::string name, uint32_t id) {
  const Key key = name_key(scope, name);
  Result<std::vector<uint32_t>> ids = co_await load_ids(changes, key);
  if (!ids.ok()) co_return ids.error();
  if (ids->size() >= k_value_bytes_max / sizeof(uint32_t))
    co_return Error{Errc::too_many, "names of one hash"};
  ids->push_back(id);
  put_ids(changes, key, *ids);
  co_return Unit{};
}

Task<Outcome> Volumes::remove_name(Changes& changes, uint64_t scope, std::string name, uint32_t id) {
  const Key key = name_key(scope, name);
  Result<std::vector<uint32_t>> ids = co_await load_ids(changes, key);
  if (!ids.ok()) co_return ids.error();
  std::erase(*ids, id);
  put_ids(changes, key, *ids);
  co_return Unit{};
}

// --- volumes ---

Task<Result<uint32_t>> Volumes::create(VolumeRequest request, uint32_t head) {
  const Turns::Turn turn = co_await turns_.take();
  const Result<uint32_t> made = co_await make(std::move(request), 0, head);
  co_return made;
}

Task<Outcome> Volumes::check_request(VolumeRequest request) {
  Outcome outcome = co_await check_new_name(0, request.name);
  if (outcome.ok()) outcome = check_size(request.size_bytes);
  if (outcome.ok()) outcome = check_wrapped_key(request.wrapped_key);
  co_return outcome;
}

Task<Result<uint32_t>> Volumes::begin_layer() {
  const Turns::Turn turn = co_await turns_.take();
  Changes changes(store_);
  Result<PoolValue> pool = co_await load_pool(changes);
  if (!pool.ok()) co_return pool.error();
  if (pool->layers_count >= k_layers_max) co_return Error{Errc::too_many, "the pool has a million layers"};
  const uint32_t id = pool->next_layer++;
  ++pool->layers_count;
  changes.put(k_pool_key, bytes_of(*pool));
  LayerValue layer;
  layer.state = LayerState::deleting;
  changes.put(layer_key(id), bytes_of(layer));
  const Errc errc = co_await changes.commit(false);
  if (errc != Errc::ok) co_return outcome_of(errc).error();
  co_return id;
}

Task<Outcome> Volumes::set_policy(PoolPolicy policy) {
  const Turns::Turn turn = co_await turns_.take();
  const Outcome checked = check_policy(policy);
  if (!checked.ok()) co_return checked.error();
  Changes changes(store_);
  Result<PoolValue> pool = co_await load_pool(changes);
  if (!pool.ok()) co_return pool.error();
  pool->policy = policy;
  changes.put(k_pool_key, bytes_of(*pool));
  const Errc errc = co_await changes.commit(true);
  co_return outcome_of(errc);
}

Outcome Volumes::check_room(const PoolValue& pool, uint64_t more_bytes) const {
  const uint64_t extents_count = store_.capacity_extents();
  const uint64_t capacity = extents_count * extent_bytes_;
  const uint32_t overcommit = pool.policy.overcommit_percent, reserve = pool.policy.reserve_percent;
  // Sizes are below 2^56 each; a product may be larger than 64 bits.
  if (overcommit > 0 && more_bytes > 0 &&
      static_cast<double>(pool.provisioned_bytes) + static_cast<double>(more_bytes) >
          static_cast<double>(capacity) / 100 * overcommit) {
    return Error{Errc::no_space, "the volumes would be larger together than the pool's policy allows: " +
                                     std::to_string(overcommit) + " % of its capacity"};
  }
  if (reserve > 0 && store_.writable_extents() * 100 < extents_count * reserve) {
    return Error{Errc::no_space, "less than the pool's reserve is free, " + std::to_string(reserve) +
                                     " % of its capacity: only volumes that are there may use it"};
  }
  return Unit{};
}

Task<Result<uint32_t>> Volumes::clone(uint32_t snapshot, VolumeRequest request) {
  const Turns::Turn turn = co_await turns_.take();
  const Result<LayerValue> origin = co_await layer(snapshot);
  if (!origin.ok()) co_return origin.error();
  if (origin->state != LayerState::snapshot) co_return Error{Errc::not_found, "that is no snapshot"};
  if (request.size_bytes == 0) request.size_bytes = origin->size_bytes;
  if (request.size_bytes < origin->size_bytes) {
    co_return Error{Errc::invalid_argument, "a clone is not smaller than its snapshot"};
  }
  Changes none(store_);
  const auto key = co_await none.read(wrapped_key_key(origin->volume));
  if (!key.ok()) co_return key.error();
  if (key->has_value()) {
    if ((*key)->empty()) co_return Error{Errc::permission_denied, "the key of its origin was discarded"};
    request.wrapped_key = **key;
  }
  const Result<uint32_t> made = co_await make(std::move(request), snapshot, 0);
  co_return made;
}

Task<Result<uint32_t>> Volumes::make(VolumeRequest request, uint32_t parent, uint32_t filled) {
  Outcome outcome = co_await check_request(request);
  if (!outcome.ok()) co_return outcome.error();
  Changes changes(store_);
  Result<PoolValue> pool = co_await load_pool(changes);
  if (!pool.ok()) co_return pool.error();
  if (pool->layers_count >= k_layers_max) co_return Error{Errc::too_many, "the pool has a million layers"};
  outcome = check_room(*pool, request.size_bytes);
  if (!outcome.ok()) co_return outcome.error();
  const uint32_t id = pool->next_volume++;
  const uint32_t head = filled != 0 ? filled : pool->next_layer++;
  ++pool->volumes_count;
  if (filled == 0) ++pool->layers_count;
  pool->provisioned_bytes += request.size_bytes;
  changes.put(k_pool_key, bytes_of(*pool));
  VolumeValue volume;
  volume.uuid = request.uuid;
  volume.size_bytes = request.size_bytes;
  volume.head_layer = head;
  volume.flags = request.flags;
  if (!request.wrapped_key.empty()) {
    volume.flags |= k_volume_encrypted;
    changes.put(wrapped_key_key(id), request.wrapped_key);
  }
  volume.created_at_s = request.now_s;
  volume.origin_layer = parent;
  volume.name = name_bytes(request.name);
  changes.put(volume_key(id), bytes_of(volume));
  LayerValue layer;
  layer.parent = parent;
  layer.volume = id;
  layer.created_at_s = request.now_s;
  changes.put(layer_key(head), bytes_of(layer));
  outcome = co_await add_name(changes, 0, request.name, id);
  if (outcome.ok() && parent != 0) outcome = co_await add_child(changes, parent, head);
  if (!outcome.ok()) co_return outcome.error();
  const Errc errc = co_await changes.commit(false);
  if (errc != Errc::ok) co_return outcome_of(errc).error();
  co_return id;
}

Task<Outcome> Volumes::rename(uint32_t volume, std::string name) {
  const Turns::Turn turn = co_await turns_.take();
  Outcome outcome = co_await check_new_name(0, name);
  if (!outcome.ok()) co_return outcome;
  Changes changes(store_);
  Result<VolumeValue> value = co_await load_value<VolumeValue>(changes, volume_key(volume), "volume");
  if (!value.ok()) co_return value.error();
  outcome = co_await remove_name(changes, 0, std::string(name_text(value->name)), volume);
  if (outcome.ok()) outcome = co_await add_name(changes, 0, name, volume);
  if (!outcome.ok()) co_return outcome;
  value->name = name_bytes(name);
  changes.put(volume_key(volume), bytes_of(*value));
  const Errc errc = co_await changes.commit(true);
  co_return outcome_of(errc);
}

Task<Outcome> Volumes::resize(uint32_t volume, uint64_t size_bytes) {
  const Turns::Turn turn = co_await turns_.take();
  const Outcome checked = check_size(size_bytes);
  if (!checked.ok()) co_return checked.error();
  Changes changes(store_);
  Result<VolumeValue> value = co_await load_value<VolumeValue>(changes, volume_key(volume), "volume");
  if (!value.ok()) co_return value.error();
  Result<PoolValue> pool = co_await load_pool(changes);
  if (!pool.ok()) co_return pool.error();
  if (size_bytes > value->size_bytes) {
    const Outcome allowed = check_room(*pool, size_bytes - value->size_bytes);
    if (!allowed.ok()) co_return allowed.error();
  }
  pool->provisioned_bytes += size_bytes - value->size_bytes;
  changes.put(k_pool_key, bytes_of(*pool));
  value->size_bytes = size_bytes;
  changes.put(volume_key(volume), bytes_of(*value));
  const Errc errc = co_await changes.commit(true);
  co_return outcome_of(errc);
}

Task<Outcome> Volumes::remove(uint32_t volume, bool erase) {
  const Turns::Turn turn = co_await turns_.take();
  const auto held = co_await snapshots(volume, 0, 1);
  if (!held.ok()) co_return held.error();
  if (!held->empty()) co_return Error{Errc::in_use, "the volume has snapshots: delete them first"};
  Changes changes(store_);
  const Result<VolumeValue> value = co_await load_value<VolumeValue>(changes, volume_key(volume), "volume");
  if (!value.ok()) co_return value.error();
  Result<LayerValue> head = co_await load_value<LayerValue>(changes, layer_key(value->head_layer), "layer");
  if (!head.ok()) co_return head.error();
  Result<PoolValue> pool = co_await load_pool(changes);
  if (!pool.ok()) co_return pool.error();
  const Outcome unnamed = co_await remove_name(changes, 0, std::string(name_text(value->name)), volume);
  if (!unnamed.ok()) co_return unnamed.error();
  --pool->volumes_count;
  pool->provisioned_bytes -= value->size_bytes;
  changes.put(k_pool_key, bytes_of(*pool));
  head->state = LayerState::deleting;
  if (erase) head->flags |= k_layer_erase;
  changes.put(layer_key(value->head_layer), bytes_of(*head));
  changes.remove(volume_key(volume));
  if ((value->flags & k_volume_encrypted) != 0) changes.remove(wrapped_key_key(volume));
  const Errc errc = co_await changes.commit(true);
  co_return outcome_of(errc);
}

Task<Outcome> Volumes::set_wrapped_key(uint32_t volume, std::vector<uint8_t> wrapped_key) {
  const Turns::Turn turn = co_await turns_.take();
  const Outcome checked = check_wrapped_key(wrapped_key);
  if (!checked.ok()) co_return checked.error();
  Changes changes(store_);
  const Result<VolumeValue> value = co_await load_value<VolumeValue>(changes, volume_key(volume), "volume");
  if (!value.ok()) co_return value.error();
  if ((value->flags & k_volume_encrypted) == 0) {
    co_return Error{Errc::invalid_argument, "the volume is not encrypted"};
  }
  changes.put(wrapped_key_key(volume), wrapped_key);
  const Errc errc = co_await changes.commit(true);
  co_return outcome_of(errc);
}

Task<Result<std::vector<uint8_t>>> Volumes::wrapped_key(uint32_t volume) {
  Changes none(store_);
  const auto key = co_await none.read(wrapped_key_key(volume));
  if (!key.ok()) co_return key.error();
  co_return key->has_value() ? **key : std::vector<uint8_t>{};
}

// --- snapshots ---

Task<Result<std::vector<uint32_t>>> Volumes::snapshot(std::vector<SnapshotRequest> requests, uint64_t now_s) {
  const Turns::Turn turn = co_await turns_.take();
  if (requests.empty() || requests.size() > k_snapshots_per_group_max) {
    co_return Error{Errc::invalid_argument, "a group has 1 to 128 volumes"};
  }
  Changes changes(store_);
  Result<PoolValue> pool = co_await load_pool(changes);
  if (!pool.ok()) co_return pool.error();
  const Outcome allowed = check_room(*pool, 0);
  if (!allowed.ok()) co_return allowed.error();
  std::vector<uint32_t> made;
  for (const SnapshotRequest& request : requests) {
    Outcome outcome = co_await check_new_name(request.volume, request.name);
    if (!outcome.ok()) co_return outcome.error();
    Result<VolumeValue> volume =
        co_await load_value<VolumeValue>(changes, volume_key(request.volume), "volume");
    if (!volume.ok()) co_return volume.error();
    const uint32_t frozen = volume->head_layer, head = pool->next_layer++;
    if (pool->layers_count >= k_layers_max) co_return Error{Errc::too_many, "the pool has a million layers"};
    const auto same = [&](const SnapshotRequest& other) { return other.volume == request.volume; };
    if (std::count_if(requests.begin(), requests.end(), same) > 1) {
      co_return Error{Errc::invalid_argument, "a volume is in a group once"};
    }
    ++pool->layers_count;
    Result<LayerValue> layer = co_await load_value<LayerValue>(changes, layer_key(frozen), "layer");
    if (!layer.ok()) co_return layer.error();
    layer->state = LayerState::snapshot;
    layer->created_at_s = now_s;
    layer->size_bytes = volume->size_bytes;
    layer->snapshot_uuid = request.uuid;
    layer->name = name_bytes(request.name);
    changes.put(layer_key(frozen), bytes_of(*layer));
    LayerValue above;
    above.parent = frozen;
    above.volume = request.volume;
    above.created_at_s = now_s;
    changes.put(layer_key(head), bytes_of(above));
    volume->head_layer = head;
    changes.put(volume_key(request.volume), bytes_of(*volume));
    changes.put(snapshot_key(request.volume, frozen), {});
    outcome = co_await add_child(changes, frozen, head);
    if (outcome.ok()) outcome = co_await add_name(changes, request.volume, request.name, frozen);
    if (!outcome.ok()) co_return outcome.error();
    made.push_back(frozen);
  }
  changes.put(k_pool_key, bytes_of(*pool));
  const Errc errc = co_await changes.commit(false);
  if (errc != Errc::ok) co_return outcome_of(errc).error();
  co_return made;
}

Task<Outcome> Volumes::revert(uint32_t volume, uint32_t snapshot, uint64_t now_s) {
  const Turns::Turn turn = co_await turns_.take();
  Changes changes(store_);
  Result<VolumeValue> value = co_await load_value<VolumeValue>(changes, volume_key(volume), "volume");
  if (!value.ok()) co_return value.error();
  const Result<LayerValue> target = co_await load_value<LayerValue>(changes, layer_key(snapshot), "snapshot");
  if (!target.ok()) co_return target.error();
  if (target->state != LayerState::snapshot || target->volume != volume) {
    co_return Error{Errc::not_found, "the volume has no such snapshot"};
  }
  Result<LayerValue> old_head =
      co_await load_value<LayerValue>(changes, layer_key(value->head_layer), "layer");
  if (!old_head.ok()) co_return old_head.error();
  Result<PoolValue> pool = co_await load_pool(changes);
  if (!pool.ok()) co_return pool.error();
  old_head->state = LayerState::deleting;
  changes.put(layer_key(value->head_layer), bytes_of(*old_head));
  const uint32_t head = pool->next_layer++;
  ++pool->layers_count;
  pool->provisioned_bytes += target->size_bytes - value->size_bytes;
  changes.put(k_pool_key, bytes_of(*pool));
  LayerValue above;
  above.parent = snapshot;
  above.volume = volume;
  above.created_at_s = now_s;
  changes.put(layer_key(head), bytes_of(above));
  value->head_layer = head;
  value->size_bytes = target->size_bytes;
  changes.put(volume_key(volume), bytes_of(*value));
  const Outcome linked = co_await add_child(changes, snapshot, head);
  if (!linked.ok()) co_return linked.error();
  const Errc errc = co_await changes.commit(false);
  co_return outcome_of(errc);
}

Task<Outcome> Volumes::remove_snapshot(uint32_t snapshot) {
  const Turns::Turn turn = co_await turns_.take();
  Changes changes(store_);
  Result<LayerValue> layer = co_await load_value<LayerValue>(changes, layer_key(snapshot), "snapshot");
  if (!layer.ok()) co_return layer.error();
  if (layer->state != LayerState::snapshot) co_return Error{Errc::not_found, "that is no snapshot"};
  const Outcome unnamed =
      co_await remove_name(changes, layer->volume, std::string(name_text(layer->name)), snapshot);
  if (!unnamed.ok()) co_return unnamed.error();
  layer->state = layer->children_count == 0   ? LayerState::deleting
                 : layer->children_count == 1 ? LayerState::merging
                                              : LayerState::hidden;
  layer->name = {};
  changes.put(layer_key(snapshot), bytes_of(*layer));
  changes.remove(snapshot_key(layer->volume, snapshot));
  const Errc errc = co_await changes.commit(true);
  co_return outcome_of(errc);
}

// --- a snapshot that is received ---

Task<Result<uint32_t>> Volumes::find_above(uint32_t volume, uint32_t after) {
  const Result<VolumeValue> value = co_await get(volume);
  if (!value.ok()) co_return value.error();
  uint32_t above = value->head_layer;
  for (uint32_t depth = 0; depth < k_layers_max; ++depth) {
    const Result<LayerValue> held = co_await layer(above);
    if (!held.ok()) co_return held.error();
    if (after != 0 && held->parent == after) co_return above;
    if (held->parent == 0) break;
    const Result<LayerValue> below = co_await layer(held->parent);
    if (!below.ok()) co_return below.error();
    // A clone stands on a snapshot of another volume.
    if (below->volume != volume) break;
    above = held->parent;
  }
  if (after == 0) co_return above;
  co_return Error{Errc::invalid_argument, "the volume does not stand on such a snapshot"};
}

Task<Outcome> Volumes::check_receive(ReceiveRequest request) {
  const Result<VolumeValue> volume = co_await get(request.volume);
  if (!volume.ok()) co_return volume.error();
  Outcome outcome = check_size(request.size_bytes);
  if (outcome.ok()) outcome = co_await check_new_name(request.volume, request.name);
  if (!outcome.ok()) co_return outcome;
  if ((volume->flags & k_volume_thick) != 0 && request.size_bytes > volume->size_bytes) {
    // What it would cover beyond the end is room that the volume has not when it grows.
    co_return Error{Errc::invalid_argument, "a thick volume has no snapshot that is larger than itself"};
  }
  if (request.after != 0) {
    const Result<LayerValue> below = co_await layer(request.after);
    if (!below.ok() && below.errc() != Errc::not_found) co_return below.error();
    if (!below.ok() || below->state != LayerState::snapshot || below->volume != request.volume) {
      co_return Error{Errc::invalid_argument, "the volume has no such snapshot to put another one above"};
    }
  }
  constexpr uint32_t k_snapshots_per_look = 128;
  for (uint32_t from = 0;;) {
    const auto listed = co_await snapshots(request.volume, from, k_snapshots_per_look);
    if (!listed.ok()) co_return listed.error();
    for (const SnapshotListing& one : *listed) {
      if (one.value.snapshot_uuid == request.uuid) {
        co_return Error{Errc::already_exists, "the volume has a snapshot of this UUID"};
      }
    }
    if (listed->size() < k_snapshots_per_look) co_return Unit{};
    from = listed->back().layer + 1;
  }
}

Task<Result<uint32_t>> Volumes::begin_receive(ReceiveRequest request, uint32_t above) {
  const Turns::Turn turn = co_await turns_.take();
  Changes changes(store_);
  Result<PoolValue> pool = co_await load_pool(changes);
  if (!pool.ok()) co_return pool.error();
  const Outcome allowed = check_room(*pool, 0);
  if (!allowed.ok()) co_return allowed.error();
  if (pool->layers_count >= k_layers_max) co_return Error{Errc::too_many, "the pool has a million layers"};
  Result<LayerValue> over = co_await load_value<LayerValue>(changes, layer_key(above), "layer");
  if (!over.ok()) co_return over.error();
  const uint32_t id = pool->next_layer++;
  ++pool->layers_count;
  LayerValue received;
  received.parent = over->parent;
  received.volume = request.volume;
  received.children_count = 1;
  received.state = LayerState::merging;
  received.created_at_s = request.created_at_s;
  received.size_bytes = request.size_bytes;
  // Before the layer above names it: who looks between two records finds all that is below.
  changes.put_first(layer_key(id), bytes_of(received));
  changes.put(k_pool_key, bytes_of(*pool));
  if (received.parent != 0) {
    changes.remove(child_key(received.parent, above));
    changes.put(child_key(received.parent, id), {});
  }
  over->parent = id;
  changes.put(layer_key(above), bytes_of(*over));
  changes.put(child_key(id, above), {});
  if (planted(Planted::received_kept)) {
    Outcome named = co_await name_received(changes, id, received, request);
    if (!named.ok()) co_return named.error();
  }
  const Errc errc = co_await changes.commit(false);
  if (errc != Errc::ok) co_return outcome_of(errc).error();
  co_return id;
}

Task<Outcome> Volumes::name_received(Changes& changes, uint32_t id, LayerValue received,
                                     ReceiveRequest request) {
  received.state = LayerState::snapshot;
  received.snapshot_uuid = request.uuid;
  received.name = name_bytes(request.name);
  changes.put(layer_key(id), bytes_of(received));
  changes.put(snapshot_key(request.volume, id), {});
  co_return co_await add_name(changes, request.volume, request.name, id);
}

Task<Outcome> Volumes::finish_receive(uint32_t id, ReceiveRequest request) {
  const Turns::Turn turn = co_await turns_.take();
  if (planted(Planted::received_kept)) co_return Unit{};
  Changes changes(store_);
  const Result<LayerValue> received = co_await load_value<LayerValue>(changes, layer_key(id), "layer");
  if (!received.ok()) co_return received.error();
  Outcome outcome = co_await check_new_name(request.volume, request.name);
  if (outcome.ok()) outcome = co_await name_received(changes, id, *received, request);
  if (!outcome.ok()) co_return outcome;
  const Errc errc = co_await changes.commit(false);
  co_return outcome_of(errc);
}

Task<Result<uint32_t>> Volumes::only_child(uint32_t layer) {
  const Key key = child_key(layer, 0);
  const auto found = co_await store_.seek(key);
  if (!found.ok()) co_return Error{found.errc(), "the pool's metadata cannot be read"};
  if (!found->has_value() || (*found)->key.high != key.high) co_return damaged("child");
  co_return static_cast<uint32_t>((*found)->key.low);
}

// --- lists ---

Task<Result<Volumes::Totals>> Volumes::totals() {
  Changes none(store_);
  const Result<PoolValue> pool = co_await load_pool(none);
  if (!pool.ok()) co_return pool.error();
  co_return Totals{pool->volumes_count, pool->layers_count, pool->provisioned_bytes, pool->policy};
}

Task<Result<std::optional<uint64_t>>> Volumes::allocated_extents(uint32_t volume) {
  const Result<VolumeValue> value = co_await get(volume);
  if (!value.ok()) co_return value.error();
  Result<std::optional<uint64_t>> sum = co_await store_.layer_extents(value->head_layer);
  for (Key key = snapshot_key(volume, 0); sum.ok() && sum->has_value();) {
    const auto found = co_await store_.seek(key);
    if (!found.ok()) co_return Error{found.errc(), "the pool's metadata cannot be read"};
    if (!found->has_value() || (*found)->key.high != key.high) break;
    const auto layer = static_cast<uint32_t>((*found)->key.low);
    key.low = uint64_t{layer} + 1;
    const Result<std::optional<uint64_t>> held = co_await store_.layer_extents(layer);
    if (!held.ok()) co_return held.error();
    **sum += held->value_or(0);
  }
  co_return sum;
}

Task<Result<std::vector<VolumeListing>>> Volumes::list(uint32_t from, uint32_t count_max) {
  std::vector<VolumeListing> listed;
  for (Key key = volume_key(from); listed.size() < count_max;) {
    const auto found = co_await store_.seek(key);
    if (!found.ok()) co_return Error{found.errc(), "the pool's metadata cannot be read"};
    if (!found->has_value() || (*found)->key.type() != static_cast<uint8_t>(KeyType::volume)) break;
    VolumeListing listing;
    listing.id = static_cast<uint32_t>((*found)->key.id());
    if (!decode_value((*found)->value, listing.value)) co_return damaged("volume");
    listed.push_back(listing);
    key = {(*found)->key.high + 1, 0};
  }
  co_return listed;
}

Task<Result<std::vector<SnapshotListing>>> Volumes::snapshots(uint32_t volume, uint32_t from,
                                                              uint32_t count_max) {
  std::vector<SnapshotListing> listed;
  for (Key key = snapshot_key(volume, from); listed.size() < count_max;) {
    const auto found = co_await store_.seek(key);
    if (!found.ok()) co_return Error{found.errc(), "the pool's metadata cannot be read"};
    if (!found->has_value() || (*found)->key.high != key.high) break;
    SnapshotListing listing;
    listing.layer = static_cast<uint32_t>((*found)->key.low);
    key = {key.high, (*found)->key.low + 1};
    const Result<LayerValue> value = co_await layer(listing.layer);
    if (!value.ok()) co_return value.error();
    listing.value = *value;
    listed.push_back(listing);
  }
  co_return listed;
}

// Layers that are merged meanwhile go: then it is looked at again.
Task<Result<std::vector<SnapshotListing>>> Volumes::snapshots_below(uint32_t volume) {
  constexpr int k_tries_max = 1000;
  for (int tries = 0; tries < k_tries_max; ++tries) {
    const uint64_t changes = store_.layers_changes();
    auto listed = co_await walk_snapshots(volume);
    if (changes == store_.layers_changes()) co_return listed;
  }
  co_return Error{Errc::timed_out, "the layers of a volume do not come to rest"};
}

Task<Result<std::vector<SnapshotListing>>> Volumes::walk_snapshots(uint32_t volume) {
  const Result<VolumeValue> value = co_await get(volume);
  if (!value.ok()) co_return value.error();
  std::vector<SnapshotListing> listed;
  uint32_t id = value->head_layer;
  for (uint32_t depth = 0; id != 0 && depth < k_layers_max; ++depth) {
    const Result<LayerValue> held = co_await layer(id);
    if (!held.ok()) co_return held.error();
    if (held->volume != volume) break;  // a clone stands on a snapshot of another volume
    if (held->state == LayerState::snapshot) listed.push_back({id, *held});
    id = held->parent;
  }
  co_return listed;
}

}  // namespace ballast::bdev::pool
