#include "bdev/pool/check_links.h"

#include <algorithm>

#include "bdev/pool/check_text.h"

namespace ballast::bdev::pool {
namespace {

std::string volume_text(const VolumeFacts& volume) {
  return "volume " + volume.name + " (" + std::to_string(volume.id) + ")";
}

std::string layer_id_text(uint32_t id) { return "layer " + std::to_string(id); }

// The state of a layer that nobody asks for by name, by how many stand on it.
LayerState hidden_state(uint32_t children_count) {
  if (children_count == 0) return LayerState::deleting;
  return children_count == 1 ? LayerState::merging : LayerState::hidden;
}

// What hidden layers do by themselves: a clone's head that is deleted may have been a parent never.
bool is_unseen(LayerState state) { return state != LayerState::head && state != LayerState::snapshot; }

}  // namespace

Task<Errc> CheckLinks::run() {
  check_volumes();
  check_parents();
  check_circles();
  std::vector<IdPair> children, snapshots;
  for (const LayerFacts& layer : scan_.layers) {
    if (layer.parent != 0) children.emplace_back(layer.parent, layer.id);
    if (layer.state == LayerState::snapshot) snapshots.emplace_back(layer.volume, layer.id);
  }
  check_pairs(std::move(children), scan_.children, KeyType::child, "layers that stand on layer ");
  check_pairs(std::move(snapshots), scan_.snapshots, KeyType::snapshot, "snapshots of volume ");
  check_names();
  check_numbers();
  check_keys();
  Errc errc = co_await check_same_names();
  if (errc == Errc::ok) errc = co_await check_children_counts();
  co_return errc;
}

void CheckLinks::check_volumes() {
  for (const VolumeFacts& volume : scan_.volumes) {
    const LayerFacts* const head = scan_.layer(volume.head_layer);
    if (head == nullptr) {
      error(CheckRepair::impossible, volume_text(volume),
            "has lost its layer " + std::to_string(volume.head_layer));
    } else if (head->state != LayerState::head || head->volume != volume.id) {
      error(CheckRepair::impossible, volume_text(volume),
            "has a layer, " + std::to_string(head->id) + ", that is not the head of it");
    }
  }
}

void CheckLinks::check_parents() {
  for (const LayerFacts& layer : scan_.layers) {
    const VolumeFacts* const volume = scan_.volume(layer.volume);
    if (layer.state == LayerState::head && (volume == nullptr || volume->head_layer != layer.id)) {
      error(CheckRepair::impossible, layer_id_text(layer.id), "is the head of no volume");
    }
    if (layer.state == LayerState::snapshot && volume == nullptr) {
      error(CheckRepair::impossible, layer_id_text(layer.id), "is a snapshot of a volume that is not there");
    }
    if (layer.parent != 0 && scan_.layer(layer.parent) == nullptr) {
      error(CheckRepair::impossible, scan_.layer_name(layer.id),
            "stands on layer " + std::to_string(layer.parent) + ", which is not there");
    }
  }
}

// Each chain of parents ends; a walk stops at what an earlier one has been through.
void CheckLinks::check_circles() {
  enum class Mark : uint8_t { none, now, done };
  std::vector<Mark> marks(scan_.layers.size(), Mark::none);
  for (const LayerFacts& start : scan_.layers) {
    std::vector<size_t> path;
    const LayerFacts* layer = &start;
    while (layer != nullptr && marks[static_cast<size_t>(layer - scan_.layers.data())] == Mark::none) {
      path.push_back(static_cast<size_t>(layer - scan_.layers.data()));
      marks[path.back()] = Mark::now;
      layer = layer->parent == 0 ? nullptr : scan_.layer(layer->parent);
    }
    if (layer != nullptr && marks[static_cast<size_t>(layer - scan_.layers.data())] == Mark::now) {
      error(CheckRepair::impossible, scan_.layer_name(layer->id), "stands on itself, in a circle");
    }
    for (const size_t index : path) marks[index] = Mark::done;
  }
}

void CheckLinks::check_pairs(std::vector<IdPair> wanted, const std::vector<IdPair>& found, KeyType type,
                             const char* of_whom) {
  std::sort(wanted.begin(), wanted.end());
  std::vector<IdPair> missing, excess;
  std::set_difference(wanted.begin(), wanted.end(), found.begin(), found.end(), std::back_inserter(missing));
  std::set_difference(found.begin(), found.end(), wanted.begin(), wanted.end(), std::back_inserter(excess));
  for (const auto& [whose, id] : missing) {
    error(CheckRepair::safe, "the list of " + (of_whom + std::to_string(whose)),
          "lacks layer " + std::to_string(id));
    scan_.fixes.emplace_back();
    scan_.fixes.back().put(Key::of(type, whose, id), {});
  }
  for (const auto& [whose, id] : excess) {
    error(CheckRepair::safe, "the list of " + (of_whom + std::to_string(whose)),
          "has layer " + std::to_string(id) + ", which is none");
    scan_.fixes.emplace_back();
    scan_.fixes.back().remove(Key::of(type, whose, id));
  }
}

void CheckLinks::check_names() {
  std::vector<NameFacts> wanted;
  for (const VolumeFacts& volume : scan_.volumes) wanted.push_back({0, name_hash(volume.name), volume.id});
  for (const LayerFacts& layer : scan_.layers) {
    if (layer.state == LayerState::snapshot) wanted.push_back({layer.volume, layer.name_hash, layer.id});
  }
  std::vector<NameFacts> found = scan_.names;
  std::sort(wanted.begin(), wanted.end());
  std::sort(found.begin(), found.end());
  std::vector<NameFacts> differences;
  std::set_symmetric_difference(wanted.begin(), wanted.end(), found.begin(), found.end(),
                                std::back_inserter(differences));
  for (size_t i = 0; i < differences.size(); ++i) {
    const NameFacts& one = differences[i];
    const bool is_missing = std::binary_search(wanted.begin(), wanted.end(), one);
    const std::string whose =
        one.scope == 0 ? "volume " + std::to_string(one.id)
                       : "snapshot " + std::to_string(one.id) + " of volume " + std::to_string(one.scope);
    error(
        CheckRepair::safe, "the index of names",
        is_missing ? "does not lead to " + whose : "leads to " + whose + " by a name that it does not have");
    const bool is_last = i + 1 == differences.size() || differences[i + 1].scope != one.scope ||
                         differences[i + 1].hash != one.hash;
    if (!is_last) continue;
    std::vector<uint32_t> ids;
    const NameFacts least{one.scope, one.hash, 0};
    for (auto at = std::lower_bound(wanted.begin(), wanted.end(), least);
         at != wanted.end() && at->scope == one.scope && at->hash == one.hash; ++at) {
      ids.push_back(at->id);
    }
    const Key key = Key::of(KeyType::name, one.scope, one.hash);
    scan_.fixes.emplace_back();
    if (ids.empty()) {
      scan_.fixes.back().remove(key);
    } else {
      scan_.fixes.back().put(key,
                             {reinterpret_cast<const uint8_t*>(ids.data()), ids.size() * sizeof(uint32_t)});
    }
  }
}

// Two of one name; the hashes only say where to look.
Task<Errc> CheckLinks::check_same_names() {
  std::map<std::pair<uint64_t, std::string>, uint32_t> volumes;
  for (const VolumeFacts& volume : scan_.volumes) {
    const auto [first, is_new] = volumes.emplace(std::pair{uint64_t{0}, volume.name}, volume.id);
    if (!is_new)
      error(CheckRepair::impossible, volume_text(volume),
            "has the name of volume " + std::to_string(first->second));
  }
  std::vector<NameFacts> snapshots;
  for (const LayerFacts& layer : scan_.layers) {
    if (layer.state == LayerState::snapshot) snapshots.push_back({layer.volume, layer.name_hash, layer.id});
  }
  std::sort(snapshots.begin(), snapshots.end());
  for (size_t i = 1; i < snapshots.size(); ++i) {
    if (snapshots[i - 1].scope != snapshots[i].scope || snapshots[i - 1].hash != snapshots[i].hash) continue;
    const std::string one = co_await layer_text(view_, snapshots[i - 1].id);
    const std::string other = co_await layer_text(view_, snapshots[i].id);
    if (one == other) error(CheckRepair::impossible, one, "is there twice");
  }
  co_return Errc::ok;
}

Task<Errc> CheckLinks::check_children_counts() {
  std::map<uint32_t, uint32_t> counts;
  for (const LayerFacts& layer : scan_.layers) {
    if (layer.parent != 0) ++counts[layer.parent];
  }
  for (const LayerFacts& layer : scan_.layers) {
    const auto counted = counts.find(layer.id);
    const uint32_t children = counted == counts.end() ? 0 : counted->second;
    const LayerState state = is_unseen(layer.state) ? hidden_state(children) : layer.state;
    if (layer.state == LayerState::head && children > 0) {
      error(CheckRepair::impossible, scan_.layer_name(layer.id),
            "is written to, and other layers stand on it");
    }
    if (layer.children_count == children && layer.state == state) continue;
    error(CheckRepair::safe, scan_.layer_name(layer.id),
          layer.children_count != children
              ? "counts " + std::to_string(layer.children_count) + " layers that stand on it, there are " +
                    std::to_string(children)
              : "is about to go in a way that does not fit the " + std::to_string(children) +
                    " layers that stand on it");
    const Key key = Key::of(KeyType::layer, layer.id);
    const Result<CheckView::Value> bytes = co_await view_.read(key);
    LayerValue value;
    if (!bytes.ok() || !bytes->has_value() || !decode_value(**bytes, value)) co_return Errc::io_error;
    value.children_count = children;
    value.state = state;
    scan_.fixes.emplace_back();
    scan_.fixes.back().put(key, bytes_of(value));
  }
  co_return Errc::ok;
}

// Of encrypted volumes; one that was discarded is there, and empty.
void CheckLinks::check_keys() {
  for (const VolumeFacts& volume : scan_.volumes) {
    const bool is_encrypted = (volume.flags & k_volume_encrypted) != 0;
    const bool has_key = std::binary_search(scan_.keyed.begin(), scan_.keyed.end(), volume.id);
    if (is_encrypted == has_key) continue;
    error(CheckRepair::impossible, volume_text(volume),
          is_encrypted ? "is encrypted, and its key is not there" : "is not encrypted, and has a key");
  }
  for (const uint32_t id : scan_.keyed) {
    if (scan_.volume(id) != nullptr) continue;
    report_.add(CheckSeverity::warning, CheckRepair::safe, "the keys of encrypted volumes",
                "have one of volume " + std::to_string(id) + ", which is not there");
    scan_.fixes.emplace_back();
    scan_.fixes.back().remove(Key::of(KeyType::wrapped_key, id));
  }
}

void CheckLinks::check_numbers() {
  const bool is_empty = scan_.volumes.empty() && scan_.layers.empty();
  if (!scan_.has_pool && is_empty) return;  // a new pool
  PoolValue wanted = scan_.pool;
  wanted.volumes_count = static_cast<uint32_t>(scan_.volumes.size());
  wanted.layers_count = static_cast<uint32_t>(scan_.layers.size());
  wanted.provisioned_bytes = 0;
  for (const VolumeFacts& volume : scan_.volumes) wanted.provisioned_bytes += volume.size_bytes;
  if (!scan_.volumes.empty()) wanted.next_volume = std::max(wanted.next_volume, scan_.volumes.back().id + 1);
  for (const LayerFacts& layer : scan_.layers) {
    // A deleted volume's number is not given again while a layer of it is there.
    wanted.next_volume = std::max(wanted.next_volume, layer.volume + 1);
    wanted.next_layer = std::max(wanted.next_layer, layer.id + 1);
  }
  if (scan_.has_pool && std::memcmp(&wanted, &scan_.pool, sizeof wanted) == 0) return;
  error(CheckRepair::safe, "the numbers of the pool",
        "say " + std::to_string(scan_.pool.volumes_count) + " volumes and " +
            std::to_string(scan_.pool.layers_count) + " layers, there are " +
            std::to_string(wanted.volumes_count) + " and " + std::to_string(wanted.layers_count) +
            ", or have another size, or would give a number twice");
  scan_.fixes.emplace_back();
  scan_.fixes.back().put(Key::of(KeyType::pool, 0), bytes_of(wanted));
}

}  // namespace ballast::bdev::pool
