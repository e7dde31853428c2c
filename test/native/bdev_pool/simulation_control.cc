// Operations of the control path of a simulation: what they do to the model when they have ended, and what is
// looked at after a crash if they had not.
#include <algorithm>

#include "native/bdev_pool/simulation_start.h"

namespace ballast::bdev::pool::test {
namespace {

uint64_t bytes_of_blocks(uint64_t blocks) { return blocks * k_page_bytes; }

// They begin anew in another volume.
void forget_times(std::vector<Cell>& cells) {
  for (Cell& cell : cells) {
    for (Entry& entry : cell.entries) entry.superseded = k_never;
  }
}

std::string name_in(const NameBytes& name) { return std::string(name_text(name)); }

}  // namespace

bool Simulation::is_expected(Errc) const { return may_fail_ || stage_->world.power_is_off(); }

void Simulation::end_controls() {
  for (size_t i = 0; i < controls_.size();) {
    if (!controls_[i]->is_done()) {
      ++i;
      continue;
    }
    const std::unique_ptr<Control> control = std::move(controls_[i]);
    controls_.erase(controls_.begin() + static_cast<ptrdiff_t>(i));
    control->end();
  }
}

// --- model ---

void Simulation::add_volume(uint32_t id, const std::string& name, uint64_t size_blocks, bool is_thick) {
  ModelVolume volume;
  volume.id = id;
  volume.name = name;
  volume.size_blocks = size_blocks;
  volume.is_thick = volume.has_room = is_thick;
  Cell cell;
  cell.entries.front().is_data = is_thick;
  volume.cells.assign(size_blocks, cell);
  if (!volumes_.emplace(id, std::move(volume)).second)
    fail("volume " + std::to_string(id) + " was there already");
}

ModelSnapshot* Simulation::find_snapshot(uint32_t volume, uint32_t layer) {
  for (ModelSnapshot& snapshot : volumes_.at(volume).snapshots) {
    if (snapshot.layer == layer) return &snapshot;
  }
  return nullptr;
}

void Simulation::add_snapshots(uint64_t group, const std::vector<Capture>& captures,
                               const std::vector<std::string>& names, const std::vector<uint32_t>& layers,
                               const std::vector<uint64_t>& sizes) {
  for (size_t i = 0; i < captures.size(); ++i) {
    ModelVolume& volume = volumes_.at(captures[i].volume);
    ModelSnapshot snapshot;
    snapshot.layer = layers[i];
    snapshot.name = names[i];
    snapshot.size_blocks = sizes[i];
    snapshot.room_from_block = volume.is_thick ? sizes[i] : volume.room_from_block;
    snapshot.cells = captures[i].cells;
    for (Cell& cell : snapshot.cells) {
      for (Entry& entry : cell.entries) entry.ended = std::min(entry.ended, now_);
    }
    snapshot.chain = volume.chain;
    snapshot.group = group;
    volume.chain.insert(volume.chain.begin(), layers[i]);
    volume.has_room = false;
    volume.snapshots.push_back(std::move(snapshot));
  }
}

void Simulation::revert_model(uint32_t id, uint32_t layer) {
  ModelVolume& volume = volumes_.at(id);
  const ModelSnapshot& snapshot = *find_snapshot(id, layer);
  volume.cells = snapshot.cells;
  forget_times(volume.cells);
  volume.size_blocks = snapshot.size_blocks;
  volume.room_from_block = std::min(volume.room_from_block, snapshot.room_from_block);
  volume.chain = snapshot.chain;
  volume.chain.insert(volume.chain.begin(), layer);
  volume.has_room = false;
}

void Simulation::resize_model(uint32_t id, uint64_t size_blocks) {
  ModelVolume& volume = volumes_.at(id);
  volume.size_blocks = size_blocks;
  // Beyond an older end may be marks of what was unmapped there.
  Cell cell;
  cell.entries.front().write = next_write_++;
  cell.entries.front().is_data = volume.is_thick;
  volume.cells.resize(size_blocks, cell);
}

// --- volumes ---

void Simulation::start_create_volume(uint64_t size_blocks, bool is_thick) {
  trace("create, " + std::to_string(size_blocks) + " blocks" + (is_thick ? ", thick" : ""));
  VolumeRequest request;
  request.name = "v" + std::to_string(next_name_++);
  request.uuid = uuid_of(static_cast<uint8_t>(next_name_), static_cast<uint8_t>(next_name_ >> 8 | 0x80));
  request.size_bytes = bytes_of_blocks(size_blocks);
  request.flags = is_thick ? k_volume_thick : 0;
  const std::string name = request.name;
  start(
      {}, [&] { return pool_->create_volume(request); },
      [this, name, size_blocks, is_thick](const Result<uint32_t>& made) {
        if (made.ok()) return add_volume(*made, name, size_blocks, is_thick);
        if (made.errc() != Errc::no_space || !is_thick) fail("create " + name + ": " + made.error().text);
      },
      [this, name, size_blocks, is_thick] {
        for (const auto& [id, value] : listing_.volumes) {
          if (name_in(value.name) != name) continue;
          return add_volume(id, name, size_blocks, is_thick);
        }
      });
}

void Simulation::start_rename(uint32_t volume) {
  trace("rename " + std::to_string(volume));
  const std::string name = "v" + std::to_string(next_name_++);
  start(
      {volume}, [&] { return pool_->volumes().rename(volume, name); },
      [this, volume, name](const Outcome& outcome) {
        if (!outcome.ok()) return fail("rename: " + outcome.error().text);
        volumes_.at(volume).name = name;
      },
      [this, volume, name] {
        const auto found = listing_.volumes.find(volume);
        if (found != listing_.volumes.end() && name_in(found->second.name) == name) {
          volumes_.at(volume).name = name;
        }
      });
}

// What is beyond the new size must not be data; what is being written there may end either way.
void Simulation::start_resize(uint32_t volume, uint64_t size_blocks) {
  trace("resize " + std::to_string(volume) + " to " + std::to_string(size_blocks));
  bool had_data = false;
  for (size_t lba = size_blocks; lba < volumes_.at(volume).cells.size(); ++lba) {
    for (const Entry& entry : volumes_.at(volume).cells[lba].entries) had_data |= entry.is_data;
  }
  start(
      {volume}, [&] { return pool_->resize(volume, bytes_of_blocks(size_blocks)); },
      [this, volume, size_blocks, had_data](const Outcome& outcome) {
        const std::vector<Cell>& cells = volumes_.at(volume).cells;
        bool must_refuse = false, may_refuse = had_data;
        for (size_t lba = size_blocks; lba < cells.size(); ++lba) {
          const auto& entries = cells[lba].entries;
          must_refuse |=
              std::all_of(entries.begin(), entries.end(), [](const Entry& e) { return e.is_data; });
          may_refuse |= std::any_of(entries.begin(), entries.end(), [](const Entry& e) { return e.is_data; });
        }
        if (outcome.ok()) {
          if (must_refuse) fail("a volume was made smaller than its data");
          return resize_model(volume, size_blocks);
        }
        if (volumes_.at(volume).is_thick && outcome.errc() == Errc::no_space) return;
        // All of a thick one holds data, and it has whole extents.
        may_refuse |= volumes_.at(volume).is_thick;
        if (outcome.errc() != Errc::invalid_argument || !may_refuse) fail("resize: " + outcome.error().text);
      },
      [this, volume, size_blocks] {
        const auto found = listing_.volumes.find(volume);
        if (found != listing_.volumes.end() && found->second.size_bytes == bytes_of_blocks(size_blocks)) {
          resize_model(volume, size_blocks);
        }
      });
}

void Simulation::start_remove(uint32_t volume, bool erase) {
  trace("remove " + std::to_string(volume) + (erase ? " with erasure" : ""));
  start(
      {volume}, [&] { return pool_->remove(volume, erase); },
      [this, volume](const Outcome& outcome) {
        if (!outcome.ok()) return fail("remove: " + outcome.error().text);
        forget_received(volume);
        volumes_.erase(volume);
      },
      [this, volume] {
        if (!listing_.volumes.contains(volume)) volumes_.erase(volume);
      });
}

// --- snapshots ---

void Simulation::start_snapshot(const std::vector<uint32_t>& volumes) {
  const uint64_t group = next_group_++;
  auto captures = std::make_shared<std::vector<Capture>>();
  std::vector<SnapshotRequest> requests;
  std::vector<std::string> names;
  std::vector<uint64_t> sizes;
  for (const uint32_t volume : volumes) {
    SnapshotRequest request;
    request.volume = volume;
    request.name = "s" + std::to_string(next_name_++);
    request.uuid = uuid_of(static_cast<uint8_t>(next_name_), static_cast<uint8_t>(next_name_ >> 8 | 0x40));
    requests.push_back(request);
    names.push_back(request.name);
    sizes.push_back(volumes_.at(volume).size_blocks);
    trace("snapshot of " + std::to_string(volume));
    captures->push_back({volume, volumes_.at(volume).cells});
  }
  captures_[group] = captures.get();
  start(
      volumes, [&] { return pool_->snapshot(requests, 1); },
      [this, group, captures, names, sizes](const Result<std::vector<uint32_t>>& made) {
        captures_.erase(group);
        if (!made.ok()) return fail("snapshot: " + made.error().text);
        add_snapshots(group, *captures, names, *made, sizes);
      },
      [this, group, captures, names, sizes] {
        captures_.erase(group);
        std::vector<uint32_t> layers;
        for (size_t i = 0; i < names.size(); ++i) {
          for (const auto& [layer, value] : listing_.snapshots[(*captures)[i].volume]) {
            if (name_in(value.name) == names[i]) layers.push_back(layer);
          }
        }
        if (layers.empty()) return;
        if (layers.size() != names.size()) return fail("a part of a group of snapshots is there");
        add_snapshots(group, *captures, names, layers, sizes);
      });
}

void Simulation::start_clone(uint32_t volume, uint32_t layer) {
  trace("clone layer " + std::to_string(layer));
  VolumeRequest request;
  request.name = "c" + std::to_string(next_name_++);
  request.uuid = uuid_of(static_cast<uint8_t>(next_name_), static_cast<uint8_t>(next_name_ >> 8 | 0x80));
  const ModelSnapshot& origin = *find_snapshot(volume, layer);
  uint64_t size_blocks = origin.size_blocks;
  if (prng_.chance(1, 4)) size_blocks += prng_.below(100);
  request.size_bytes = bytes_of_blocks(size_blocks);
  const std::string name = request.name;
  // The snapshot stays as it is meanwhile: its volume is busy.
  const auto add = [this, name, volume, layer, size_blocks](uint32_t id) {
    const ModelSnapshot snapshot = *find_snapshot(volume, layer);
    add_volume(id, name, size_blocks, false);
    ModelVolume& made = volumes_.at(id);
    std::copy(snapshot.cells.begin(), snapshot.cells.end(), made.cells.begin());
    forget_times(made.cells);
    for (size_t lba = snapshot.cells.size(); lba < made.cells.size(); ++lba) {
      made.cells[lba].entries.front().write = next_write_++;
    }
    made.room_from_block = snapshot.room_from_block;
    made.chain = snapshot.chain;
    made.chain.insert(made.chain.begin(), layer);
    made.is_clone = true;
  };
  start(
      {volume}, [&] { return pool_->volumes().clone(layer, request); },
      [this, add](const Result<uint32_t>& made) {
        if (!made.ok()) return fail("clone: " + made.error().text);
        add(*made);
      },
      [this, add, name] {
        for (const auto& [id, value] : listing_.volumes) {
          if (name_in(value.name) == name) return add(id);
        }
      });
}

void Simulation::start_revert(uint32_t volume, uint32_t layer) {
  trace("revert " + std::to_string(volume) + " to " + std::to_string(layer));
  const auto held = stage_->run([&] { return pool_->volumes().get(volume); });
  if (!held.ok()) {
    if (!is_expected(held.errc())) fail("a volume cannot be read: " + held.error().text);
    return;
  }
  const uint32_t old_head = held->head_layer;
  start(
      {volume}, [&] { return pool_->revert(volume, layer, 1); },
      [this, volume, layer](const Outcome& outcome) {
        if (!outcome.ok()) return fail("revert: " + outcome.error().text);
        forget_received(volume);
        revert_model(volume, layer);
      },
      [this, volume, layer, old_head] {
        const auto found = listing_.volumes.find(volume);
        if (found != listing_.volumes.end() && found->second.head_layer != old_head) {
          revert_model(volume, layer);
        }
      });
}

void Simulation::start_remove_snapshot(uint32_t volume, uint32_t layer) {
  trace("remove layer " + std::to_string(layer) + " of " + std::to_string(volume));
  const auto forget = [this, volume, layer] {
    std::erase_if(volumes_.at(volume).snapshots,
                  [layer](const ModelSnapshot& snapshot) { return snapshot.layer == layer; });
  };
  start(
      {volume}, [&] { return pool_->remove_snapshot(layer); },
      [this, forget](const Outcome& outcome) {
        if (!outcome.ok()) return fail("remove snapshot: " + outcome.error().text);
        forget();
      },
      [this, volume, layer, forget] {
        if (!listing_.snapshots[volume].contains(layer)) forget();
      });
}

// --- the pool ---

void Simulation::start_add_device(uint64_t size_bytes) {
  trace("add device");
  if (!joining_.empty()) return;
  joining_ = "device" + std::to_string(next_name_++);
  const Uuid uuid = uuid_of(static_cast<uint8_t>(0x60 + paths_.size()), static_cast<uint8_t>(next_name_));
  start(
      {}, [&] { return pool_->add_device(file(joining_, size_bytes), uuid); },
      [this](const Outcome& outcome) {
        if (!outcome.ok()) return fail("add device: " + outcome.error().text);
        paths_.push_back(joining_);
        joining_.clear();
      },
      [] {});
}

void Simulation::start_scrub() {
  trace("scrub");
  if (!options_.keeps_checksums || pool_->facts().scrub.is_running) return;
  const uint64_t bytes_per_second = prng_.chance(1, 2) ? 0 : 64 * k_mib;
  world().on(stage_->reactor, [&] { static_cast<void>(pool_->start_scrub(bytes_per_second)); });
}

}  // namespace ballast::bdev::pool::test
