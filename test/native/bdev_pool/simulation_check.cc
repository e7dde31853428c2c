// What a simulation compares: lists, contents, ranges.
#include <algorithm>

#include "native/bdev_pool/simulation_flight.h"

namespace ballast::bdev::pool::test {
namespace {

std::string name_in(const NameBytes& name) { return std::string(name_text(name)); }

}  // namespace

Simulation::Listing Simulation::list() {
  Listing listing;
  const auto volumes = stage_->run([&] { return pool_->volumes().list(0, 1000); });
  if (!volumes.ok()) {
    if (!is_expected(volumes.errc())) fail("list: " + volumes.error().text);
    return listing;
  }
  for (const VolumeListing& volume : *volumes) {
    listing.volumes[volume.id] = volume.value;
    const auto snapshots = stage_->run([&] { return pool_->volumes().snapshots(volume.id, 0, 1000); });
    if (!snapshots.ok()) {
      if (!is_expected(snapshots.errc())) fail("list: " + snapshots.error().text);
      return listing;
    }
    for (const SnapshotListing& one : *snapshots) listing.snapshots[volume.id][one.layer] = one.value;
  }
  return listing;
}

// Whether what was going on when the pool was lost has happened.
void Simulation::resolve_doubts() {
  if (power_is_off()) return;
  const std::vector<Doubt> doubts = std::exchange(doubts_, {});
  for (const Doubt& doubt : doubts) doubt();
}

void Simulation::check_listing() {
  if (has_failed() || power_is_off()) return;
  const Listing found = list();
  if (has_failed() || power_is_off() || may_fail_) return;
  for (const auto& [id, value] : found.volumes) {
    if (!volumes_.contains(id)) return fail("volume " + name_in(value.name) + " is there and should not");
  }
  for (const auto& [id, volume] : volumes_) {
    const auto held = found.volumes.find(id);
    if (held == found.volumes.end()) return fail("volume " + volume.name + " is not there");
    if (name_in(held->second.name) != volume.name) {
      return fail("volume " + volume.name + " is called " + name_in(held->second.name));
    }
    if (held->second.size_bytes != volume.size_blocks * k_page_bytes) {
      return fail("volume " + volume.name + " has " + std::to_string(held->second.size_bytes) + " bytes");
    }
    const auto listed = found.snapshots.find(id);
    const size_t count = listed == found.snapshots.end() ? 0 : listed->second.size();
    if (count != volume.snapshots.size()) {
      return fail("volume " + volume.name + " has " + std::to_string(count) + " snapshots instead of " +
                  std::to_string(volume.snapshots.size()));
    }
    for (const ModelSnapshot& snapshot : volume.snapshots) {
      const auto one = listed->second.find(snapshot.layer);
      if (one == listed->second.end()) return fail("snapshot " + snapshot.name + " is not there");
      if (name_in(one->second.name) != snapshot.name ||
          one->second.size_bytes != snapshot.size_blocks * k_page_bytes) {
        return fail("snapshot " + snapshot.name + " has another name or size");
      }
    }
  }
}

// --- contents ---

void Simulation::check_volume(uint32_t volume) {
  if (!is_served(volume)) serve(volume);
  if (!is_served(volume) || has_failed()) return;
  const uint64_t blocks = volumes_.at(volume).size_blocks;
  for (uint64_t lba = 0; lba < blocks;) {
    const uint64_t count = std::min<uint64_t>(blocks - lba, 1 + prng_.below(200));
    read(volume, lba, static_cast<uint32_t>(count), static_cast<uint32_t>(prng_.below(2)));
    lba += count;
  }
  finish();
}

void Simulation::check_snapshot(uint32_t volume, uint32_t layer) {
  finish();
  if (has_failed() || find_snapshot(volume, layer) == nullptr) return;
  std::set<uint32_t> before;
  for (const auto& [id, held] : volumes_) before.insert(id);
  start_clone(volume, layer);
  finish();
  if (has_failed() || power_is_off() || may_fail_) return;
  const auto made = std::find_if(volumes_.begin(), volumes_.end(),
                                 [&](const auto& held) { return !before.contains(held.first); });
  if (made == volumes_.end()) return fail("a clone is not there");
  const uint32_t clone = made->first;
  check_volume(clone);
  if (has_failed() || power_is_off() || is_broken()) return;
  ModelSnapshot& snapshot = *find_snapshot(volume, layer);
  for (size_t lba = 0; lba < snapshot.cells.size(); ++lba) {
    // What is known of the clone by now is known of the snapshot.
    const Cell& read = made->second.cells[lba];
    Cell& cell = snapshot.cells[lba];
    if (read.is_torn) continue;
    if (cell.find(read.entries.front().value) == nullptr) {
      cell = read;
    } else if (std::all_of(read.entries.begin(), read.entries.end(),
                           [&](const Entry& entry) { return entry.value == read.entries.front().value; })) {
      cell.settle(read.entries.front().value);
    }
  }
  if (prng_.chance(1, 3)) check_ranges(clone);
  stop_serving(clone);
  if (has_failed() || power_is_off()) return;
  start_remove(clone, prng_.chance(1, 4));
  finish();
}

// All blocks of snapshots that were made together are of one moment: there is a time at which each held what
// was found in it.
void Simulation::check_group(uint64_t group) {
  uint64_t latest_start = 0, first_end = k_never;
  std::string late, early;
  for (auto& [id, volume] : volumes_) {
    for (ModelSnapshot& snapshot : volume.snapshots) {
      if (snapshot.group != group) continue;
      snapshot.group = 0;
      for (size_t lba = 0; lba < snapshot.cells.size(); ++lba) {
        const Cell& cell = snapshot.cells[lba];
        uint64_t started = k_never, superseded = 0;
        bool is_known = !cell.is_torn;
        for (const Entry& entry : cell.entries) {
          is_known = is_known && entry.value == cell.entries.front().value;
          started = std::min(started, entry.started);
          superseded = std::max(superseded, entry.superseded);
        }
        if (!is_known) continue;
        if (started > latest_start) {
          latest_start = started;
          late = "block " + std::to_string(lba) + " of snapshot " + snapshot.name;
        }
        if (superseded < first_end) {
          first_end = superseded;
          early = "block " + std::to_string(lba) + " of snapshot " + snapshot.name;
        }
      }
    }
  }
  if (latest_start > first_end) fail(late + " is younger than " + early + ", of one group");
}

void Simulation::check_all(bool with_snapshots) {
  std::vector<uint32_t> ids;
  for (const auto& [id, volume] : volumes_) ids.push_back(id);
  for (const uint32_t id : ids) {
    if (has_failed() || power_is_off()) return;
    check_volume(id);
    if (has_failed() || power_is_off()) return;
    check_ranges(id);
    if (!with_snapshots) continue;
    std::vector<uint32_t> layers;
    for (const ModelSnapshot& snapshot : volumes_.at(id).snapshots) layers.push_back(snapshot.layer);
    for (const uint32_t layer : layers) {
      if (has_failed() || power_is_off()) return;
      check_snapshot(id, layer);
    }
  }
  if (!with_snapshots || has_failed() || power_is_off() || may_fail_) return;
  std::set<uint64_t> groups;
  for (const auto& [id, volume] : volumes_) {
    for (const ModelSnapshot& snapshot : volume.snapshots) {
      if (snapshot.group != 0) groups.insert(snapshot.group);
    }
  }
  for (const uint64_t group : groups) check_group(group);
}

// --- ranges ---

// Without I/O of this volume in flight.
void Simulation::check_ranges(uint32_t id) {
  const ModelVolume& volume = volumes_.at(id);
  const auto held = stage_->run([&] { return pool_->volumes().get(id); });
  if (!held.ok()) {
    if (!is_expected(held.errc())) fail("a volume cannot be read: " + held.error().text);
    return;
  }
  // A snapshot below it that is still there.
  const ModelSnapshot* since = nullptr;
  if (prng_.chance(1, 2) && !volume.chain.empty()) {
    const uint32_t layer = volume.chain[prng_.below(volume.chain.size())];
    for (const auto& [other, one] : volumes_) {
      for (const ModelSnapshot& snapshot : one.snapshots) {
        if (snapshot.layer == layer) since = &snapshot;
      }
    }
  }
  std::optional<uint32_t> since_layer;
  if (since != nullptr) since_layer = since->layer;
  std::vector<bool> shown(volume.size_blocks);
  const auto count_max = static_cast<uint32_t>(1 + prng_.below(20));
  for (uint64_t offset = 0;;) {
    const auto found = stage_->run([&] {
      return pool_->ranges(held->head_layer, since_layer, volume.size_blocks * k_page_bytes, offset,
                           count_max);
    });
    if (!found.ok()) {
      if (!is_expected(found.errc())) fail("ranges: " + found.error().text);
      return;
    }
    if (found->ranges.size() > count_max) return fail("more ranges than were asked for");
    for (const ByteRange& range : found->ranges) {
      const uint64_t first = range.offset_bytes / k_page_bytes;
      for (uint64_t i = 0; i < range.length_bytes / k_page_bytes; ++i) {
        if (first + i >= shown.size() || shown[first + i]) return fail("ranges overlap or go beyond the end");
        shown[first + i] = true;
      }
    }
    if (!found->next_offset_bytes.has_value()) break;
    if (*found->next_offset_bytes <= offset) return fail("ranges do not get on");
    offset = *found->next_offset_bytes;
  }
  const Cell empty;
  for (uint64_t lba = 0; lba < volume.size_blocks; ++lba) {
    const Cell& cell = volume.cells[lba];
    const std::string where = "block " + std::to_string(lba) + " of volume " + volume.name;
    if (since == nullptr) {
      const auto is_data = [](const Entry& entry) { return entry.is_data; };
      const bool is_sure = std::all_of(cell.entries.begin(), cell.entries.end(), is_data) ||
                           std::none_of(cell.entries.begin(), cell.entries.end(), is_data);
      if (is_sure && lba < volume.room_from_block && shown[lba] != cell.entries.front().is_data) {
        return fail(where +
                    (shown[lba] ? " is shown as allocated and is not" : " is not shown as allocated"));
      }
      continue;
    }
    const Cell& before = lba < since->cells.size() ? since->cells[lba] : empty;
    if (!cell.is_sure() || !before.is_sure() || cell.is_torn || before.is_torn) continue;
    const Entry &now = cell.entries.front(), &then = before.entries.front();
    if (now.value != then.value && !shown[lba]) return fail(where + " differs and is not shown");
    if (now.write == then.write && shown[lba] && lba < since->cells.size() && !received_lbas_.contains(lba))
      return fail(where + " is shown and does not differ from snapshot " + since->name + ": write " +
                  std::to_string(now.write));
  }
}

}  // namespace ballast::bdev::pool::test
