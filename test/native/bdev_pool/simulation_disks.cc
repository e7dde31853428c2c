// What lies on the disks of a simulated pool that nobody has open: extents, layers, checksums and pages of
// the tree must agree with each other.
#include <algorithm>

#include "bdev/pool/apply.h"
#include "native/bdev_pool/simulation_flight.h"

namespace ballast::bdev::pool::test {
namespace {

struct Content {
  std::map<uint32_t, LayerValue> layers;
  std::map<uint32_t, VolumeValue> volumes;
  std::map<std::pair<uint32_t, uint64_t>, Slot> slots;
  std::map<Extent, const Slot*> extents;  // of slots
  std::map<uint32_t, std::set<uint32_t>> children;
  std::set<std::pair<uint32_t, uint32_t>> snapshots;  // volume, layer
  std::map<Extent, std::vector<uint8_t>> sums;
  std::set<Extent> dirty;
  std::map<uint32_t, uint64_t> allocations;  // by layer
  std::set<Extent> erased;                   // of layers that are being deleted: zeroes, perhaps
  PoolValue pool;
};

std::string name_of(Extent extent) {
  return "extent " + std::to_string(extent.number()) + " of device " + std::to_string(extent.device());
}

// Empty if all is well.
std::string check_layers(const Content& content) {
  for (const auto& [id, layer] : content.layers) {
    const std::string name = "layer " + std::to_string(id);
    if (layer.parent != 0 && !content.layers.contains(layer.parent)) return name + " has lost its parent";
    const auto children = content.children.find(id);
    const size_t count = children == content.children.end() ? 0 : children->second.size();
    if (count != layer.children_count) return name + " has another number of children";
    if (layer.parent != 0) {
      const auto siblings = content.children.find(layer.parent);
      if (siblings == content.children.end() || !siblings->second.contains(id))
        return name + " is not a child";
    }
    if (layer.state == LayerState::snapshot && !content.snapshots.contains({layer.volume, id})) {
      return name + " is a snapshot that is not listed";
    }
    if (layer.state == LayerState::hidden && count < 2) return name + " is hidden for nobody";
    if (layer.state == LayerState::merging && count != 1) return name + " is merged into nobody";
    if (layer.state == LayerState::head) {
      const auto volume = content.volumes.find(layer.volume);
      if (volume == content.volumes.end() || volume->second.head_layer != id) return name + " is no head";
    }
  }
  for (const auto& [layer, children] : content.children) {
    for (const uint32_t child : children) {
      const auto found = content.layers.find(child);
      if (found == content.layers.end() || found->second.parent != layer) return "a child is none";
    }
  }
  for (const auto& [id, volume] : content.volumes) {
    const auto head = content.layers.find(volume.head_layer);
    if (head == content.layers.end() || head->second.state != LayerState::head) return "a volume has no head";
  }
  for (const auto& [volume, layer] : content.snapshots) {
    const auto found = content.layers.find(layer);
    if (found == content.layers.end() || found->second.state != LayerState::snapshot) return "no snapshot";
  }
  for (const auto& [key, slot] : content.slots) {
    if (!content.layers.contains(key.first)) return "a slot is of no layer";
  }
  if (content.pool.volumes_count != content.volumes.size()) return "the number of volumes is wrong";
  if (content.pool.layers_count != content.layers.size())
    return "there are " + std::to_string(content.layers.size()) + " layers, the pool counts " +
           std::to_string(content.pool.layers_count);
  return {};
}

std::string check_extents(const Content& content, const ExtentMap& map, std::span<const uint64_t> counts) {
  for (uint16_t device = 0; device < counts.size(); ++device) {
    for (uint64_t number = 0; number < counts[device]; ++number) {
      const Extent extent = Extent::of(device, number);
      const bool is_named = content.extents.contains(extent);
      if (map.is_used(extent) && !is_named) return name_of(extent) + " is used by nobody";
      if (!map.is_used(extent) && is_named) return name_of(extent) + " is in a slot and free";
      if (!is_named && content.dirty.contains(extent)) return name_of(extent) + " is free and dirty";
      if (!is_named && content.sums.contains(extent)) return name_of(extent) + " is free and has checksums";
    }
  }
  return {};
}

// Everything has been counted when a store is open and has applied nothing since.
std::string check_allocations(const Content& content) {
  std::map<uint32_t, uint64_t> held;
  for (const auto& [key, slot] : content.slots) {
    if (slot.fragments_count > 0) held[key.first] += slot.fragments_count;
  }
  if (held == content.allocations) return {};
  for (const auto& [layer, count] : content.allocations) {
    if (held[layer] == count) continue;
    return "layer " + std::to_string(layer) + " has " + std::to_string(held[layer]) + " extents and counts " +
           std::to_string(count);
  }
  return "a layer has extents and no count";
}

// Text if something is wrong; takes what is there into `content`.
std::string take(Content& content, const TreeEntry& entry) {
  const Key key = entry.key;
  const auto id = static_cast<uint32_t>(key.id());
  switch (static_cast<KeyType>(key.type())) {
    case KeyType::pool: return decode_value(entry.value, content.pool) ? "" : "the pool's value is damaged";
    case KeyType::volume: return decode_value(entry.value, content.volumes[id]) ? "" : "a volume is damaged";
    case KeyType::layer: return decode_value(entry.value, content.layers[id]) ? "" : "a layer is damaged";
    case KeyType::snapshot: content.snapshots.insert({id, static_cast<uint32_t>(key.low)}); return {};
    case KeyType::child: content.children[id].insert(static_cast<uint32_t>(key.low)); return {};
    case KeyType::checksums:
      content.sums[Extent{key.id()}].assign(entry.value.begin(), entry.value.end());
      return {};
    case KeyType::dirty: content.dirty.insert(Extent{key.id()}); return {};
    case KeyType::name:
    case KeyType::extents:
    case KeyType::wrapped_key: return {};
    case KeyType::allocation:
      if (entry.value.size() != sizeof(uint64_t)) return "the count of a layer is damaged";
      content.allocations[id] = load<uint64_t>(entry.value);
      return {};
    case KeyType::slot: break;
  }
  Slot& slot = content.slots[{id, key.low}];
  if (!decode(entry.value, slot)) return "a slot is damaged";
  for (uint32_t i = 0; i < slot.fragments_count; ++i) {
    if (!content.extents.emplace(slot.fragments[i].extent, &slot).second) {
      return name_of(slot.fragments[i].extent) + " is in two slots";
    }
  }
  return {};
}

}  // namespace

void Simulation::check_disks(bool is_closed) {
  const bool held = may_fail_;
  world().shuffle_file_operations(false);
  std::vector<std::unique_ptr<Disk>> disks;
  for (const std::string& path : paths_) {
    disks.push_back(std::make_unique<Disk>(stage_->reactor, file(path).file));
  }
  const Result<FoundSuperblock> found = stage_->run([&] { return read_superblocks(*disks.front()); });
  if (!found.ok()) return fail("the first device has no superblock: " + found.error().text);
  const Superblock& superblock = found->superblock;
  std::optional<Store> store;
  world().on(stage_->reactor, [&] { store.emplace(*disks.front(), superblock, StoreOptions{128}); });
  const Outcome opened = stage_->run([&] { return store->open(); });
  if (!opened.ok()) return fail("the metadata cannot be opened: " + opened.error().text);
  Content content;
  std::string wrong;
  for (Key from{}; wrong.empty();) {
    const auto entry = stage_->run([&] { return store->seek(from); });
    if (!entry.ok()) return fail("the metadata cannot be read");
    if (!entry->has_value()) break;
    wrong = take(content, **entry);
    const Key key = (*entry)->key;
    from = key.low == UINT64_MAX ? Key{key.high + 1, 0} : Key{key.high, key.low + 1};
  }
  std::vector<uint64_t> counts;
  for (uint32_t i = 0; i < superblock.devices_count; ++i) {
    counts.push_back(superblock.devices[i].extents_count);
  }
  if (wrong.empty()) wrong = check_layers(content);
  if (wrong.empty()) wrong = check_allocations(content);
  if (wrong.empty()) wrong = check_extents(content, store->extents(), counts);
  if (wrong.empty() && is_closed && !held && options_.keeps_checksums && !content.dirty.empty()) {
    wrong = name_of(*content.dirty.begin()) + " is dirty after the pool was closed";
  }
  // What is not dirty has the checksums of what lies there.
  const uint32_t blocks = (1u << superblock.extent_size_log2) / k_page_bytes;
  const PageBuffer buffer(size_t{blocks} * k_page_bytes);
  for (const auto& [key, slot] : content.slots) {
    const auto layer = content.layers.find(key.first);
    if (layer == content.layers.end() || layer->second.state != LayerState::deleting) continue;
    for (uint32_t i = 0; i < slot.fragments_count; ++i) content.erased.insert(slot.fragments[i].extent);
  }
  for (const auto& [extent, slot] : content.extents) {
    if (!wrong.empty() || !options_.keeps_checksums || may_rot_) break;
    if (content.dirty.contains(extent) || content.erased.contains(extent)) continue;
    const auto sums = content.sums.find(extent);
    if (sums == content.sums.end()) {
      wrong = name_of(extent) + " is not dirty and has no checksums";
      break;
    }
    if (extent.device() >= disks.size()) continue;  // of a device that has just joined
    const uint64_t offset =
        superblock.devices[extent.device()].data_offset + extent.number() * uint64_t{blocks} * k_page_bytes;
    if (stage_->read(*disks[extent.device()], offset, buffer) != Errc::ok) return fail("data cannot be read");
    for (uint32_t i = 0; i < slot->fragments_count; ++i) {
      if (slot->fragments[i].extent != extent) continue;
      for (uint32_t block = 0; block < blocks; ++block) {
        if (!slot->fragments[i].mask.test(block)) continue;
        const Segment data{buffer.data() + size_t{block} * k_page_bytes, k_page_bytes};
        if (block_sum({&data, 1}, 0) == load<uint32_t>(ByteSpan(sums->second).subspan(size_t{block} * 4))) {
          continue;
        }
        wrong = "block " + std::to_string(block) + " of " + name_of(extent) + " has a wrong checksum";
      }
    }
  }
  if (wrong.empty() && prng_.chance(1, 2)) {
    const Errc closed = stage_->run([&] { return store->close(); });
    if (closed != Errc::ok) wrong = "the metadata cannot be closed";
  }
  if (wrong.empty()) wrong = check_pages(*disks.front(), store->metadata().root(), superblock);
  world().on(stage_->reactor, [&] { store.reset(); });
  disks.clear();
  world().shuffle_file_operations(options_.shuffles);
  if (!wrong.empty()) fail(wrong);
}

// Every page that the root counts is in the tree.
std::string Simulation::check_pages(Disk& disk, const Root& root, const Superblock& superblock) {
  struct Branch {
    uint32_t page, crc;
    uint8_t level;
  };
  std::vector<Branch> left;
  if (root.tree_levels > 0)
    left.push_back({root.tree_page, root.tree_crc, static_cast<uint8_t>(root.tree_levels - 1)});
  uint32_t pages = 0;
  const PageBuffer buffer(k_page_bytes);
  while (!left.empty()) {
    const Branch next = left.back();
    left.pop_back();
    const uint64_t address = MetadataLayout::address(next.page);
    if (stage_->read(disk, address, buffer) != Errc::ok) return "a page cannot be read";
    if (!check_tree_page(buffer.bytes(), address, superblock.head.pool_uuid, next.page, next.crc,
                         next.level)) {
      return "a page of the tree is not what its parent says";
    }
    ++pages;
    const TreePage page(buffer.data());
    for (uint32_t i = 0; i < page.entries_count() && !page.is_leaf(); ++i) {
      left.push_back({page.child(i).page, page.child(i).crc, static_cast<uint8_t>(next.level - 1)});
    }
  }
  if (pages == root.pages_used) return {};
  return "the tree has " + std::to_string(pages) + " pages, the root counts " +
         std::to_string(root.pages_used);
}

}  // namespace ballast::bdev::pool::test
