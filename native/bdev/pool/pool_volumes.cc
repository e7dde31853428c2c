// What a pool does to volumes beside their I/O: opening, snapshots at one moment, sizes.
#include "bdev/pool/changes.h"
#include "bdev/pool/planted.h"
#include "bdev/pool/pool.h"
#include "bdev/pool/range_hold.h"
#include "bdev/pool/resolve.h"

namespace ballast::bdev::pool {
namespace {

constexpr uint32_t k_fill_slots_max = 64;

Error io_failed(Errc errc) { return {errc, "the pool could not make the change durable"}; }

}  // namespace

Task<Result<OpenVolume*>> Pool::open_volume(uint32_t volume) {
  const Turns::Turn turn = co_await turns_.take();
  if (open_.contains(volume)) co_return Error{Errc::in_use, "the volume is in use"};
  const Result<VolumeValue> value = co_await volumes_.get(volume);
  if (!value.ok()) co_return value.error();
  const Result<LayerValue> head = co_await volumes_.layer(value->head_layer);
  if (!head.ok()) co_return head.error();
  auto opened = std::make_unique<OpenVolume>(path_, volume, *value, head->parent != 0);
  co_return open_.emplace(volume, std::move(opened)).first->second.get();
}

Task<Errc> Pool::close_volume(uint32_t volume) {
  // Who asks may be a part of the last I/O.
  NextTurn next(reactor_);
  co_await next;
  const Turns::Turn turn = co_await turns_.take();
  open_.erase(volume);
  co_return Errc::ok;
}

OpenVolume* Pool::find_by_head(uint32_t layer) {
  for (const auto& [id, volume] : open_) {
    if (volume->head_layer() == layer) return volume.get();
  }
  return nullptr;
}

Task<Result<uint32_t>> Pool::create_volume(VolumeRequest request) {
  if ((request.flags & k_volume_thick) != 0) co_return co_await create_thick(std::move(request));
  co_return co_await volumes_.create(std::move(request));
}

// --- thick volumes: every slot has an extent of zeroes before the volume, or its new size, is there ---

Task<Outcome> Pool::check_thick(uint64_t size_bytes, uint64_t slots_more) {
  const uint64_t extent_bytes = uint64_t{blocks_per_extent_} * k_page_bytes;
  if (size_bytes % extent_bytes != 0) {
    co_return Error{Errc::invalid_argument,
                    "the size of a thick volume is a multiple of the pool's extent, " +
                        std::to_string(extent_bytes) + " bytes"};
  }
  const Result<Volumes::Totals> totals = co_await volumes_.totals();
  if (!totals.ok()) co_return totals.error();
  const uint64_t free = store_.writable_extents();
  const uint64_t kept = store_.capacity_extents() * totals->policy.reserve_percent / 100;
  if (slots_more + kept > free && slots_more > 0) {
    co_return Error{Errc::no_space, kept == 0 ? "the pool has not so much room"
                                              : "the pool has not so much room beside its reserve"};
  }
  co_return Unit{};
}

// The layer is one to be deleted until the volume is there: a crash before leaves nothing.
Task<Result<uint32_t>> Pool::create_thick(VolumeRequest request) {
  const uint64_t slots_count = request.size_bytes / (uint64_t{blocks_per_extent_} * k_page_bytes);
  Outcome outcome = co_await volumes_.check_request(request);
  if (outcome.ok()) outcome = co_await check_thick(request.size_bytes, slots_count);
  if (!outcome.ok()) co_return outcome.error();
  Result<uint32_t> layer = Errc::io_error;
  {
    // No work on layers in between: it would take this one for a deleted one.
    const Turns::Turn turn = co_await turns_.take();
    layer = co_await volumes_.begin_layer();
    if (!layer.ok()) co_return layer.error();
    layers_in_making_.insert(*layer);
  }
  Result<uint32_t> made = Errc::io_error;
  outcome = co_await fill_slots(*layer, 0, slots_count);
  if (outcome.ok()) {
    made = co_await volumes_.create(std::move(request), *layer);
  } else {
    made = outcome.error();
  }
  layers_in_making_.erase(*layer);
  if (!made.ok()) want_layer_work();
  co_return made;
}

// Slots that nobody uses: of a layer in the making, or beyond the end of a volume.
Task<Outcome> Pool::fill_slots(uint32_t layer, uint64_t first_slot, uint64_t end_slot) {
  const PageBuffer zeroes(k_page_bytes);
  const Segment zero_block{zeroes.data(), k_page_bytes};
  const std::vector<uint32_t> sums(blocks_per_extent_, block_sum({&zero_block, 1}, 0));
  for (uint64_t slot = first_slot; slot < end_slot;) {
    Changes changes(store_);
    std::vector<Extent> taken;
    Outcome outcome = Unit{};
    for (; slot < end_slot && taken.size() < k_fill_slots_max && outcome.ok(); ++slot) {
      // A growth that a crash interrupted has left it there.
      const auto held = co_await changes.read(slot_key(layer, slot));
      if (!held.ok()) outcome = held.error();
      if (!outcome.ok() || held->has_value()) continue;
      const std::optional<Extent> extent = path_.reserve();
      if (!extent.has_value()) {
        outcome = Error{Errc::no_space, "the pool has not so much room"};
        break;
      }
      taken.push_back(*extent);
      const SlotMap map{layer, 0, static_cast<uint16_t>(blocks_per_extent_), slot, *extent};
      changes.add(RecordType::slot_map, bytes_of(map));
      if (!path_.keeps_checksums) continue;
      changes.put(checksums_key(*extent), {reinterpret_cast<const uint8_t*>(sums.data()), sums.size() * 4});
      changes.remove(dirty_key(*extent));
    }
    if (outcome.ok() && !planted(Planted::thick_not_zeroed)) {
      const Errc erased = co_await erase(taken);
      if (erased != Errc::ok) outcome = io_failed(erased);
    }
    if (outcome.ok()) {
      const Errc errc = co_await changes.commit(false);
      if (errc != Errc::ok) outcome = io_failed(errc);
    }
    if (outcome.ok()) continue;
    for (const Extent extent : taken) path_.unreserve(extent);
    co_return outcome.error();
  }
  co_return Unit{};
}

// All volumes stand still between two I/Os for as long as one group takes to be durable.
Task<Result<std::vector<uint32_t>>> Pool::snapshot(std::vector<SnapshotRequest> requests, uint64_t now_s) {
  const Turns::Turn turn = co_await turns_.take();
  std::map<uint32_t, std::unique_ptr<RangeHold>> holds;
  for (const SnapshotRequest& request : requests) {
    const auto found = open_.find(request.volume);
    if (found == open_.end() || holds.contains(request.volume)) continue;
    if (planted(Planted::snapshot_without_hold)) continue;
    holds.emplace(request.volume, std::make_unique<RangeHold>(found->second->gate(), 0, UINT64_MAX / 2));
  }
  path_.set_freeing(false);
  for (const auto& [volume, hold] : holds) co_await hold->take();
  auto made = co_await volumes_.snapshot(std::move(requests), now_s);
  Outcome outcome = Unit{};
  for (const auto& [volume, hold] : holds) {
    if (made.ok()) {
      const Result<VolumeValue> value = co_await volumes_.get(volume);
      if (value.ok()) {
        if (!planted(Planted::head_not_told))
          open_.at(volume)->set_head(value->head_layer, !planted(Planted::parent_not_told));
      } else {
        outcome = value.error();
      }
    }
    // It would write into the snapshot: better that it does not write at all.
    if (!outcome.ok()) devices_.front().disk->poison();
    co_await hold->give_back();
  }
  if (!outcome.ok()) co_return outcome.error();
  co_return made;
}

Task<Outcome> Pool::resize(uint32_t volume, uint64_t size_bytes) {
  const Turns::Turn turn = co_await turns_.take();
  const Result<VolumeValue> value = co_await volumes_.get(volume);
  if (!value.ok()) co_return value.error();
  const auto found = open_.find(volume);
  OpenVolume* const opened = found == open_.end() ? nullptr : found->second.get();
  std::unique_ptr<RangeHold> hold;
  if (opened != nullptr && size_bytes < value->size_bytes) {
    hold = std::make_unique<RangeHold>(opened->gate(), size_bytes / k_page_bytes, UINT64_MAX / 2);
    path_.set_freeing(false);
    co_await hold->take();
  }
  const bool is_thick = (value->flags & k_volume_thick) != 0;
  const uint64_t extent_bytes = uint64_t{blocks_per_extent_} * k_page_bytes;
  Outcome outcome = Unit{};
  if (is_thick && size_bytes < value->size_bytes) {
    outcome = Error{Errc::invalid_argument, "a thick volume is not made smaller: all of it holds data"};
  } else if (is_thick) {
    const uint64_t more = size_bytes > value->size_bytes ? size_bytes - value->size_bytes : 0;
    outcome = co_await check_thick(size_bytes, more / extent_bytes);
  }
  if (outcome.ok() && size_bytes < value->size_bytes) {
    outcome = co_await check_shrink(value->head_layer, size_bytes);
  } else if (outcome.ok() && is_thick) {
    outcome =
        co_await fill_slots(value->head_layer, value->size_bytes / extent_bytes, size_bytes / extent_bytes);
  }
  if (outcome.ok()) outcome = co_await volumes_.resize(volume, size_bytes);
  if (outcome.ok() && opened != nullptr) opened->set_blocks_count(size_bytes / k_page_bytes);
  if (hold != nullptr) co_await hold->give_back();
  co_return outcome;
}

Task<Outcome> Pool::check_shrink(uint32_t head_layer, uint64_t size_bytes) {
  const Result<Ranges> beyond = co_await ranges(head_layer, std::nullopt, k_volume_bytes_max, size_bytes, 1);
  if (!beyond.ok()) co_return beyond.error();
  if (beyond->ranges.empty() || planted(Planted::shrink_unchecked)) co_return Unit{};
  co_return Error{Errc::invalid_argument, "there is data at byte " +
                                              std::to_string(beyond->ranges.front().offset_bytes) +
                                              ", beyond the new size: trim it first"};
}

Task<Outcome> Pool::revert(uint32_t volume, uint32_t snapshot, uint64_t now_s) {
  const Turns::Turn turn = co_await turns_.take();
  if (open_.contains(volume)) co_return Error{Errc::in_use, "the volume is in use"};
  Outcome outcome = co_await volumes_.revert(volume, snapshot, now_s);
  if (outcome.ok()) stop_receiving(volume);
  want_layer_work();
  co_return outcome;
}

Task<Outcome> Pool::remove(uint32_t volume, bool erase) {
  const Turns::Turn turn = co_await turns_.take();
  if (open_.contains(volume)) co_return Error{Errc::in_use, "the volume is in use"};
  Outcome outcome = co_await volumes_.remove(volume, erase);
  if (outcome.ok()) stop_receiving(volume);
  want_layer_work();
  co_return outcome;
}

Task<Outcome> Pool::remove_snapshot(uint32_t snapshot) {
  const Turns::Turn turn = co_await turns_.take();
  // One that was not finished is in the state of a deleted one already.
  Outcome outcome = Unit{};
  if (receiving_.erase(snapshot) == 0) outcome = co_await volumes_.remove_snapshot(snapshot);
  want_layer_work();
  co_return outcome;
}

}  // namespace ballast::bdev::pool
