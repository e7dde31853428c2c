#include "bdev/pool/chain_index.h"

#include <algorithm>

#include "bdev/pool/planted.h"
#include "bdev/pool/value.h"

namespace ballast::bdev::pool {
namespace {

constexpr int k_tries_max = 3;
constexpr int64_t k_credit_seeks_max = 100'000;
// Fewer are not worth moving what comes after them.
constexpr size_t k_hidden_min = 4;

}  // namespace

// --- asking ---

ChainRegion* ChainIndex::region_of(uint64_t slot) {
  auto after = regions_.upper_bound(slot);
  if (after == regions_.begin()) return nullptr;
  ChainRegion& region = *std::prev(after)->second;
  return slot < region.end ? &region : nullptr;
}

bool ChainIndex::is_current(uint32_t head, const ChainRegion& region) const {
  if (layers_.empty() || layers_.back().layer != head) return false;
  const uint32_t below = layers_.size() > 1 ? layers_[layers_.size() - 2].rank : 0;
  return region.is_dense || region.newest >= below || planted(Planted::chain_not_extended);
}

uint32_t ChainIndex::rank_of(uint32_t layer) const {
  const auto found = std::ranges::lower_bound(by_number_, layer, {}, &Ranked::layer);
  return found != by_number_.end() && found->layer == layer ? found->rank : 0;
}

uint32_t ChainIndex::layer_of(uint32_t rank) const {
  const auto found = std::ranges::lower_bound(layers_, rank, {}, &Ranked::rank);
  return found != layers_.end() && found->rank == rank ? found->layer : 0;
}

std::vector<ChainIndex::Ranked>::iterator ChainIndex::at_rank(uint32_t rank) {
  return std::ranges::lower_bound(layers_, rank, {}, &Ranked::rank);
}

// Of those that are merged away ranks are not given again.
void ChainIndex::append(const Layers& above) {
  const size_t before = layers_bytes();
  uint32_t rank = layers_.empty() ? 0 : layers_.back().rank;
  for (size_t i = above.size(); i-- > 0;) layers_.push_back({above[i], ++rank});
  by_number_ = layers_;
  std::ranges::sort(by_number_, {}, &Ranked::layer);
  all_.bytes_ += layers_bytes() - before;
}

void ChainIndex::erase_layers(std::vector<Ranked>::iterator first, std::vector<Ranked>::iterator last) {
  std::erase_if(by_number_, [&](const Ranked& one) {
    return first != last && one.rank >= first->rank && one.rank <= std::prev(last)->rank;
  });
  layers_.erase(first, last);
}

std::optional<ChainIndex::Layers> ChainIndex::known(uint32_t head, uint64_t slot) {
  ChainRegion* const region = region_of(slot);
  if (region == nullptr || region->is_dense || !is_current(head, *region)) return std::nullopt;
  if (region->node.is_linked()) {  // otherwise it is being extended
    all_.regions_.remove(*region);
    all_.regions_.push_back(*region);
  }
  const auto offset = static_cast<uint32_t>(slot - region->begin);
  Layers found;
  auto holder = std::lower_bound(region->holders.begin(), region->holders.end(),
                                 ChainRegion::Holder{offset, UINT32_MAX});
  for (; holder != region->holders.end() && holder->slot == offset; ++holder) {
    if (const uint32_t layer = layer_of(holder->rank)) found.push_back(layer);  // else it was merged
  }
  if (layers_.size() > found.size()) earn(2 * (layers_.size() - found.size()));
  return found;
}

Task<std::optional<ChainIndex::Layers>> ChainIndex::find(uint32_t head, uint64_t slot) {
  while (is_working_) co_await rested_;
  if (std::optional<Layers> found = known(head, slot)) co_return found;
  const ChainRegion* const region = region_of(slot);
  if (region != nullptr && region->is_dense && is_current(head, *region)) co_return std::nullopt;
  if (credit_seeks_ < 0) co_return std::nullopt;
  is_working_ = true;
  seeks_count_ = 0;
  const bool is_known = co_await bring_up(head, slot);
  building_.reset();
  is_working_ = false;
  credit_seeks_ -= static_cast<int64_t>(seeks_count_);
  std::optional<Layers> found;
  if (is_known) found = known(head, slot);
  if (regions_.empty()) clear();
  all_.shrink();
  rested_.fire();
  co_return found;
}

void ChainIndex::earn(uint64_t seeks) {
  credit_seeks_ = std::min(k_credit_seeks_max, credit_seeks_ + static_cast<int64_t>(seeks));
}

void ChainIndex::hide(uint64_t slot, std::span<const uint32_t> layers) {
  ChainRegion* const region = region_of(slot);
  if (region == nullptr || layers.size() < k_hidden_min) return;
  const auto offset = static_cast<uint32_t>(slot - region->begin);
  const auto is_of_slot = [&](const ChainRegion::Holder& holder) { return holder.slot == offset; };
  const auto begin = std::lower_bound(region->holders.begin(), region->holders.end(),
                                      ChainRegion::Holder{offset, UINT32_MAX});
  const auto end = std::find_if_not(begin, region->holders.end(), is_of_slot);
  std::vector<uint32_t> ranks;
  for (const uint32_t layer : layers) ranks.push_back(rank_of(layer));
  std::ranges::sort(ranks);
  const auto kept = std::remove_if(begin, end, [&](const ChainRegion::Holder& holder) {
    return std::ranges::binary_search(ranks, holder.rank);
  });
  region->holders.erase(kept, end);
}

// --- finding out: every wait is one for others to change what is known, or to throw it away ---

// False: not now, or it cannot be read.
Task<bool> ChainIndex::bring_up(uint32_t head, uint64_t slot) {
  if (layers_.empty() || layers_.back().layer != head) {
    const bool is_loaded = co_await load_layers(head);
    if (!is_loaded) co_return false;
  }
  if (layers_.size() < 2) co_return false;
  const uint64_t clears_count = clears_count_;
  ChainRegion* const region = region_of(slot);
  if (region != nullptr) {
    // What the youngest layers hold is added; it is not thrown away meanwhile.
    if (is_current(head, *region)) co_return true;
    all_.regions_.remove(*region);
    building_ = Building{region->begin, region->end, {}};
    const bool is_scanned = co_await scan(region->newest, slot);
    if (clears_count != clears_count_) co_return false;
    const bool is_whole = building_->begin == region->begin && building_->end == region->end;
    if (!is_scanned || !is_whole) {
      erase(*region);
      co_return false;  // the next one begins anew
    }
    co_return keep_built();
  }
  begin_building(slot);
  const bool is_scanned = co_await scan(0, slot);
  if (!is_scanned || clears_count != clears_count_) co_return false;
  co_return keep_built();
}

// From the head down to a layer that is known already, or to the last.
Task<bool> ChainIndex::load_layers(uint32_t head) {
  for (int tries = 0; tries < k_tries_max; ++tries) {
    const uint64_t changes = all_.store_.layers_changes();
    Layers above;
    uint32_t layer = head;
    const uint32_t joint = layers_.empty() ? 0 : layers_.back().layer;
    while (layer != 0 && layer != joint) {
      // One that goes in a circle ends here, too.
      if (above.size() * 2 * sizeof(Ranked) > all_.options_.bytes_max / 2) co_return false;
      above.push_back(layer);
      const Key key = Key::of(KeyType::layer, layer);
      const auto found = co_await all_.store_.seek(key);
      LayerValue value;
      if (!found.ok() || !found->has_value() || (*found)->key != key) break;
      if (!decode_value((*found)->value, value)) break;
      layer = value.parent;
      if (++seeks_count_ % k_seeks_per_turn == 0) co_await give_way();
    }
    if (changes != all_.store_.layers_changes()) continue;
    if (layer != 0 && layer != joint) co_return false;
    if (layer == 0) clear();
    append(above);
    if (layers_.size() == above.size()) all_.chains_.push_back(this);
    co_return true;
  }
  co_return false;
}

Task<bool> ChainIndex::give_way() {
  NextTurn next(all_.reactor_);
  co_await next;
  co_return true;
}

// As large a part as no other region has of.
void ChainIndex::begin_building(uint64_t slot) {
  uint64_t slots = all_.options_.region_slots_max;
  for (;; slots /= 2) {
    const uint64_t begin = slot / slots * slots;
    const auto next = regions_.lower_bound(begin);
    const bool is_free_above = next == regions_.end() || next->first >= begin + slots;
    const bool is_free_below = next == regions_.begin() || std::prev(next)->second->end <= begin;
    if (is_free_above && is_free_below) break;
    BALLAST_ASSERT(
        slots >
        all_.options_.region_slots_min);  // regions have at least so many, and begin at multiples of it
  }
  building_ = Building{slot / slots * slots, slot / slots * slots + slots, {}};
}

// Of the layers above `above` and below the head.
Task<bool> ChainIndex::scan(uint32_t above, uint64_t slot) {
  const uint64_t clears_count = clears_count_;
  for (uint32_t rank = above;;) {
    const auto next = at_rank(rank + 1);
    if (next == layers_.end() || next + 1 == layers_.end()) co_return true;
    rank = next->rank;
    const bool is_scanned = co_await scan_layer(*next, slot);
    if (!is_scanned || clears_count != clears_count_) co_return false;
    if (building_->holders.size() > holders_max()) co_return true;  // dense
  }
}

Task<bool> ChainIndex::scan_layer(Ranked of, uint64_t slot) {
  const uint64_t clears_count = clears_count_;
  for (uint64_t next = building_->begin; next < building_->end;) {
    const Key key = slot_key(of.layer, next);
    const auto found = co_await all_.store_.seek(key);
    if (!found.ok() || clears_count != clears_count_) co_return false;
    const bool is_held = found->has_value() && (*found)->key.high == key.high;
    if (!is_held || (*found)->key.low >= building_->end) co_return true;
    const uint64_t held = (*found)->key.low;
    if (held >= building_->begin) {
      building_->holders.push_back({static_cast<uint32_t>(held - building_->begin), of.rank});
    }
    next = held + 1;
    if (++seeks_count_ % k_seeks_per_turn == 0) co_await give_way();
    if (clears_count != clears_count_) co_return false;
    while (building_->holders.size() > holders_max()) {
      if (building_->end - building_->begin == all_.options_.region_slots_min) co_return true;
      narrow(slot);
    }
    next = std::max(next, building_->begin);
  }
  co_return true;
}

// To the half that the slot is in.
void ChainIndex::narrow(uint64_t slot) {
  Building& building = *building_;
  const auto half = static_cast<uint32_t>((building.end - building.begin) / 2);
  const bool is_upper = slot >= building.begin + half;
  std::erase_if(building.holders,
                [&](const ChainRegion::Holder& holder) { return (holder.slot >= half) != is_upper; });
  if (!is_upper) {
    building.end -= half;
    return;
  }
  building.begin += half;
  for (ChainRegion::Holder& holder : building.holders) holder.slot -= half;
}

// False if the region has become too large: it goes, and the next one is smaller.
bool ChainIndex::keep_built() {
  Building& built = *building_;
  const size_t most = holders_max();
  std::unique_ptr<ChainRegion>& place = regions_[built.begin];
  if (place == nullptr) {
    place = std::make_unique<ChainRegion>(*this, built.begin, built.end);
  } else {
    all_.bytes_ -= place->bytes();
  }
  ChainRegion& region = *place;
  region.newest = layers_[layers_.size() - 2].rank;
  region.is_dense = built.holders.size() > most;
  if (region.is_dense) {
    built.holders.clear();
    region.holders.clear();
  }
  region.holders.insert(region.holders.end(), built.holders.begin(), built.holders.end());
  std::sort(region.holders.begin(), region.holders.end());
  region.holders.erase(std::unique(region.holders.begin(), region.holders.end()), region.holders.end());
  region.holders.shrink_to_fit();
  all_.bytes_ += region.bytes();
  all_.regions_.push_back(region);
  const bool is_kept = region.holders.size() <= 2 * most;
  if (!is_kept) erase(region);
  return is_kept;
}

void ChainIndex::erase(ChainRegion& region) {
  all_.bytes_ -= region.bytes();
  if (region.node.is_linked()) all_.regions_.remove(region);
  regions_.erase(region.begin);
}

void ChainIndex::clear() {
  ++clears_count_;
  while (!regions_.empty()) erase(*regions_.begin()->second);
  all_.bytes_ -= layers_bytes();
  layers_ = std::vector<Ranked>();  // without its memory
  by_number_ = std::vector<Ranked>();
  std::erase(all_.chains_, this);
}

// --- what takes effect on layers ---

// A layer between was merged into this one, and is gone.
void ChainIndex::layer_put(uint32_t layer, uint32_t parent) {
  const uint32_t rank = rank_of(layer), rank_below = rank_of(parent);
  if (rank == 0) return;
  const auto place = at_rank(rank);
  if ((place == layers_.begin() ? 0 : std::prev(place)->layer) == parent) return;
  if (parent == 0) return erase_layers(layers_.begin(), place);
  // Or another one has come between: one that is received.
  if (rank_below == 0 || rank_below > rank) return clear();
  erase_layers(at_rank(rank_below) + 1, place);
}

void ChainIndex::slot_merged(const SlotMerge& merge) {
  const uint32_t rank = rank_of(merge.to);
  if (rank == 0 || planted(Planted::chain_not_told)) return;
  if (building_ && merge.slot >= building_->begin && merge.slot < building_->end) {
    building_->holders.push_back({static_cast<uint32_t>(merge.slot - building_->begin), rank});
  }
  ChainRegion* const region = region_of(merge.slot);
  if (region == nullptr || region->is_dense || rank > region->newest) return;
  const ChainRegion::Holder holder{static_cast<uint32_t>(merge.slot - region->begin), rank};
  const auto place = std::lower_bound(region->holders.begin(), region->holders.end(), holder);
  if (place != region->holders.end() && *place == holder) return;
  // The one that it was merged from comes next, if it was known to hold blocks that are seen.
  if (place != region->holders.end() && place->slot == holder.slot && place->rank == rank_of(merge.from)) {
    *place = holder;
    return;
  }
  const size_t before = region->bytes();
  region->holders.insert(place, holder);
  all_.bytes_ += region->bytes() - before;
}

void ChainIndexes::layer_put(uint32_t layer, uint32_t parent) {
  // One that is cleared takes itself away.
  for (size_t i = chains_.size(); i-- > 0;) chains_[i]->layer_put(layer, parent);
}

void ChainIndexes::layer_removed(uint32_t layer) {
  for (size_t i = chains_.size(); i-- > 0;) {
    if (chains_[i]->rank_of(layer) != 0) chains_[i]->clear();
  }
}

void ChainIndexes::slot_merged(const SlotMerge& merge) {
  for (ChainIndex* const chain : chains_) chain->slot_merged(merge);
}

// What was used longest ago goes; the layers of a chain with its last region.
void ChainIndexes::shrink() {
  while (bytes_ > options_.bytes_max) {
    ChainRegion* const oldest = regions_.front();
    if (oldest == nullptr) return;
    ChainIndex& chain = oldest->of;
    chain.erase(*oldest);
    if (chain.regions_.empty() && !chain.is_working_) chain.clear();
  }
}

}  // namespace ballast::bdev::pool
