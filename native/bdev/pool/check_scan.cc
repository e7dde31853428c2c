#include "bdev/pool/check_scan.h"

#include <algorithm>

#include "bdev/pool/apply.h"
#include "bdev/pool/check_text.h"
#include "bdev/pool/volumes.h"

namespace ballast::bdev::pool {
namespace {

bool is_name(const NameBytes& name) {
  const std::string_view text = name_text(name);
  return !text.empty() && std::all_of(name.begin() + static_cast<long>(text.size()), name.end(),
                                      [](char c) { return c == 0; });
}

constexpr auto k_key_type_max = static_cast<uint32_t>(KeyType::allocation);

bool is_id(uint64_t id) { return id > 0 && id <= UINT32_MAX; }

template <typename Facts>
const Facts* find(const std::vector<Facts>& facts, uint64_t id) {
  const auto found = std::lower_bound(facts.begin(), facts.end(), id,
                                      [](const Facts& one, uint64_t wanted) { return one.id < wanted; });
  return found != facts.end() && found->id == id ? &*found : nullptr;
}

std::string extent_text(Extent extent) {
  return "extent " + std::to_string(extent.number()) + " of device " + std::to_string(extent.device());
}

}  // namespace

void CheckFix::add(RecordType type, ByteSpan payload) {
  records.emplace_back(type, std::vector<uint8_t>(payload.begin(), payload.end()));
}

void CheckFix::put(Key key, ByteSpan value) {
  std::vector<uint8_t> payload(sizeof(Key) + value.size());
  store(payload, key);
  std::copy(value.begin(), value.end(), payload.begin() + sizeof(Key));
  records.emplace_back(RecordType::put, std::move(payload));
}

CheckScan::CheckScan(const CheckView& view, const ExtentMap& extents, ScanTerms terms, CheckReport& report)
    : view_(view),
      extents_(extents),
      terms_(std::move(terms)),
      report_(report),
      next_change_(view.changes().begin()) {
  for (const uint64_t count : terms_.extents_counts) found_.emplace_back(count, false);
}

// --- the journal over the tree ---

void CheckScan::on_entry(Key key, ByteSpan value) {
  take_changes_before(&key);
  if (next_change_ != view_.changes().end() && next_change_->first == key) {
    const CheckView::Value& changed = next_change_->second;
    if (changed) entry(key, *changed);
    ++next_change_;
    return;
  }
  entry(key, value);
}

void CheckScan::take_changes_before(const Key* end) {
  for (; next_change_ != view_.changes().end(); ++next_change_) {
    if (end != nullptr && next_change_->first >= *end) return;
    if (next_change_->second) entry(next_change_->first, *next_change_->second);
  }
}

void CheckScan::finish() {
  take_changes_before(nullptr);
  if (terms_.keeps_allocations && is_whole()) check_allocations();
}

void CheckScan::on_lost(const LostPage& page) { lost.push_back(page); }

const LayerFacts* CheckScan::layer(uint64_t id) const { return find(layers, id); }
const VolumeFacts* CheckScan::volume(uint64_t id) const { return find(volumes, id); }

std::string CheckScan::layer_name(uint32_t id) const {
  const LayerFacts* const known = layer(id);
  const VolumeFacts* const of = known == nullptr ? nullptr : volume(known->volume);
  if (of == nullptr) return "layer " + std::to_string(id);
  if (of->head_layer == id) return "volume " + of->name;
  const char* const what =
      known->state == LayerState::snapshot ? "a snapshot of volume " : "a layer under volume ";
  return what + of->name + " (layer " + std::to_string(id) + ")";
}

// --- values ---

void CheckScan::bad(Key key, const char* why) {
  ++bad_values_count;
  report_.add(CheckSeverity::error, CheckRepair::impossible,
              std::string("key of ") + key_type_text(key.type()) + ", " + std::to_string(key.id()) + ", " +
                  std::to_string(key.low),
              why);
}

void CheckScan::entry(Key key, ByteSpan value) {
  ++report_.counters.keys;
  switch (static_cast<KeyType>(key.type())) {
    case KeyType::pool:
      has_pool = key.id() == 0 && key.low == 0 && decode_value(value, pool);
      if (!has_pool) bad(key, "is not of the form of the format");
      return;
    case KeyType::volume: return take_volume(key, value);
    case KeyType::name: return take_names(key, value);
    case KeyType::layer: return take_layer(key, value);
    case KeyType::snapshot:
    case KeyType::child: {
      if (!is_id(key.id()) || !is_id(key.low) || !value.empty())
        return bad(key, "is not of the form of the format");
      const IdPair pair{static_cast<uint32_t>(key.id()), static_cast<uint32_t>(key.low)};
      (key.type() == static_cast<uint8_t>(KeyType::child) ? children : snapshots).push_back(pair);
      return;
    }
    case KeyType::slot: return take_slot(key, value);
    case KeyType::extents: return;  // CheckView::load_extents() has looked at these
    case KeyType::checksums:
    case KeyType::dirty: return take_sums(key, value);
    case KeyType::wrapped_key:
      if (!is_id(key.id()) || key.low != 0 || value.size() > k_wrapped_key_bytes_max) {
        return bad(key, "is not of the form of the format");
      }
      return keyed.push_back(static_cast<uint32_t>(key.id()));
    case KeyType::allocation: return take_allocation(key, value);
  }
  report_.add(CheckSeverity::note, CheckRepair::not_needed, "key of type " + std::to_string(key.type()),
              "is of a later program");
}

void CheckScan::take_volume(Key key, ByteSpan value) {
  VolumeValue volume_value;
  if (!is_id(key.id()) || key.low != 0 || !decode_value(value, volume_value)) {
    return bad(key, "is not of the form of the format");
  }
  if (volume_value.size_bytes == 0 || volume_value.size_bytes % k_page_bytes != 0 ||
      volume_value.size_bytes > k_volume_bytes_max || !is_name(volume_value.name)) {
    return bad(key, "has a size or a name that no volume has");
  }
  ++report_.counters.volumes;
  volumes.push_back({static_cast<uint32_t>(key.id()), volume_value.head_layer, volume_value.flags,
                     volume_value.size_bytes, std::string(name_text(volume_value.name))});
}

void CheckScan::take_layer(Key key, ByteSpan value) {
  LayerValue layer_value;
  if (!is_id(key.id()) || key.low != 0 || !decode_value(value, layer_value)) {
    return bad(key, "is not of the form of the format");
  }
  if (layer_value.state < LayerState::head || layer_value.state > LayerState::deleting) {
    return bad(key, "has a state that no layer has");
  }
  if (layer_value.state == LayerState::snapshot && !is_name(layer_value.name)) {
    return bad(key, "is a snapshot without a name");
  }
  ++report_.counters.layers;
  layers.push_back({static_cast<uint32_t>(key.id()), layer_value.parent, layer_value.volume,
                    layer_value.children_count, layer_value.state, name_hash(name_text(layer_value.name))});
}

void CheckScan::take_names(Key key, ByteSpan value) {
  if (value.empty() || value.size() % sizeof(uint32_t) != 0)
    return bad(key, "is not of the form of the format");
  for (size_t at = 0; at < value.size(); at += sizeof(uint32_t)) {
    names.push_back({key.id(), key.low, load<uint32_t>(value.subspan(at))});
  }
}

void CheckScan::take_slot(Key key, ByteSpan value) {
  ++report_.counters.slots;
  Slot slot;
  if (!decode(value, slot)) return bad(key, "is not of the form of the format");
  BlockMask beyond = slot.known();
  beyond.clear(0, terms_.blocks_per_extent);
  if (!beyond.is_empty()) return bad(key, "has blocks beyond the end of an extent");
  if (lost.empty() && layer(key.id()) == nullptr) {
    report_.add(CheckSeverity::error, CheckRepair::impossible, "slot " + std::to_string(key.low),
                "is of layer " + std::to_string(key.id()) + ", which is not there");
  }
  allocations_[static_cast<uint32_t>(key.id())].found += slot.fragments_count;
  for (uint32_t i = 0; i < slot.fragments_count; ++i) take_fragment(key, slot.fragments[i]);
}

void CheckScan::take_fragment(Key key, const Fragment& fragment) {
  if (!extents_.is_known(fragment.extent)) return bad(key, "names an extent that no device has");
  const auto of = [&] {
    return extent_text(fragment.extent) + ", which " + layer_name(static_cast<uint32_t>(key.id())) +
           " has at slot " + std::to_string(key.low);
  };
  std::vector<bool>& found = found_[fragment.extent.device()];
  if (found[fragment.extent.number()]) {
    report_.add(CheckSeverity::error, CheckRepair::impossible, of(), "is another slot's, too");
    return;
  }
  found[fragment.extent.number()] = true;
  ++report_.counters.extents_used;
  if (extents_.is_used(fragment.extent) || !terms_.is_map_known) return;
  report_.add(CheckSeverity::error, CheckRepair::safe, of(), "is marked free, and would be overwritten");
  // The record of what is so already: it marks the extent. Its checksums are made anew.
  uint32_t first = 0;
  while (!fragment.mask.test(first)) ++first;
  const SlotMap map{static_cast<uint32_t>(key.id()), static_cast<uint16_t>(first), 1, key.low,
                    fragment.extent};
  fixes.emplace_back();
  fixes.back().add(RecordType::slot_map, bytes_of(map));
}

void CheckScan::take_sums(Key key, ByteSpan value) {
  const Extent extent{key.id()};
  const bool is_sums = key.type() == static_cast<uint8_t>(KeyType::checksums);
  if (key.low != 0 || !extents_.is_known(extent) ||
      (is_sums && value.size() != size_t{terms_.blocks_per_extent} * sizeof(uint32_t))) {
    return bad(key, "is not of the form of the format");
  }
  if (found_[extent.device()][extent.number()] || extents_.is_used(extent) || !lost.empty() ||
      !terms_.is_map_known) {
    return;
  }
  report_.add(CheckSeverity::warning, CheckRepair::safe, extent_text(extent),
              is_sums ? "is free and has checksums" : "is free and marked as being written");
  fixes.emplace_back();
  fixes.back().remove(key);
}

void CheckScan::take_allocation(Key key, ByteSpan value) {
  if (!is_id(key.id()) || key.low != 0 || value.size() != sizeof(uint64_t)) {
    return bad(key, "is not of the form of the format");
  }
  allocations_[static_cast<uint32_t>(key.id())].said = load<uint64_t>(value);
}

// The fixes come before all others, which change what slots hold: what they change is counted on top.
void CheckScan::check_allocations() {
  for (const auto& [layer, change] : view_.allocation_changes()) {
    allocations_[layer].said += static_cast<uint64_t>(change);
  }
  std::vector<CheckFix> counts;
  for (const auto& [layer, allocation] : allocations_) {
    if (allocation.found == allocation.said) continue;
    report_.add(CheckSeverity::warning, CheckRepair::safe, layer_name(layer),
                "has " + std::to_string(allocation.found) + " extents, and counts " +
                    std::to_string(allocation.said));
    counts.emplace_back();
    if (allocation.found == 0) {
      counts.back().remove(allocation_key(layer));
    } else {
      counts.back().put(allocation_key(layer), bytes_of(allocation.found));
    }
  }
  fixes.insert(fixes.begin(), std::make_move_iterator(counts.begin()), std::make_move_iterator(counts.end()));
}

// --- what is lost ---

void report_lost(const LostPage& lost, const CheckScan& scan, uint64_t extent_bytes, CheckReport& report) {
  const std::string where = "tree page " + std::to_string(lost.ref.page);
  report.add(CheckSeverity::error, CheckRepair::discards, where,
             lost.why + (lost.ref.level == 0 ? "" : "; with all below it"));
  const auto slots_type = static_cast<uint8_t>(KeyType::slot);
  for (uint32_t type = lost.from.type(); type <= std::min<uint32_t>(lost.to.type(), k_key_type_max); ++type) {
    const Key begin = Key::of(static_cast<KeyType>(type), 0);
    if (type == 0 || lost.to <= begin) continue;
    if (type != slots_type) {
      report.add(CheckSeverity::error, CheckRepair::discards, where,
                 std::string("holds ") + key_type_text(static_cast<uint8_t>(type)));
      continue;
    }
    // Each layer with slots between the two keys.
    for (const LayerFacts& layer : scan.layers) {
      const Key first = slot_key(layer.id, 0), last = slot_key(layer.id, UINT64_MAX);
      if (last < lost.from || first >= lost.to) continue;
      const uint64_t from_slot = lost.from > first ? lost.from.low : 0;
      std::string range = "from byte " + std::to_string(from_slot * extent_bytes);
      if (lost.to <= last) {
        if (lost.to.low == from_slot) continue;
        range += " to " + std::to_string(lost.to.low * extent_bytes - 1);
      } else {
        range += " to its end";
      }
      report.add(CheckSeverity::error, CheckRepair::discards, scan.layer_name(layer.id),
                 "data is lost " + range + ", as far as it was written");
    }
  }
}

}  // namespace ballast::bdev::pool
