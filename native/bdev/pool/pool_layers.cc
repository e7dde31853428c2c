// Work on the layers of deleted volumes and snapshots, beside I/O.
#include <algorithm>

#include "base/log.h"
#include "bdev/pool/changes.h"
#include "bdev/pool/pool.h"
#include "bdev/pool/range_hold.h"
#include "bdev/pool/slot_blocks.h"

namespace ballast::bdev::pool {
namespace {

constexpr uint32_t k_compaction_looks = 256;  // slots, before others come in between

}  // namespace

void Pool::want_layer_work() {
  wants_work_ = true;
  if (!is_working_ && !is_closing_) background_.start(work_on_layers());
}

Task<Errc> Pool::finish_layer_work() {
  while (is_working_) co_await rested_;
  co_return Errc::ok;
}

Task<Errc> Pool::work_on_layers() {
  is_working_ = true;
  Errc errc = Errc::ok;
  while (errc == Errc::ok && !is_closing_) {
    // Others come in between two steps.
    NextTurn next(reactor_);
    co_await next;
    const Turns::Turn turn = co_await turns_.take();
    wants_work_ = false;
    path_.set_freeing(true);
    const Result<LayerWork::Progress> progress = co_await layer_work_.step();
    path_.settle_freed();
    errc = progress.errc();
    if (!progress.ok()) {
      log(LogLevel::error, "bdev/pool", "deleting has stopped: %s",
          log_escape(progress.error().text).c_str());
      break;
    }
    if (*progress == LayerWork::Progress::some) may_have_fragments_ = true;
    if (*progress == LayerWork::Progress::blocked) errc = co_await compact(layer_work_.blocked());
    if (*progress != LayerWork::Progress::none || wants_work_) continue;
    const Result<bool> compacted = co_await compact_next();
    errc = compacted.errc();
    if (compacted.ok() && !*compacted) break;
  }
  path_.set_freeing(false);
  is_working_ = false;
  rested_.fire();
  co_return errc;
}

// --- LayerGuard ---

Task<Errc> Pool::hold(uint32_t layer, uint64_t first_slot, uint64_t last_slot) {
  layer_held_ = find_by_head(layer);
  layer_first_ = first_slot;
  layer_last_ = last_slot;
  if (layer_held_ == nullptr) co_return Errc::ok;
  layer_hold_ = std::make_unique<RangeHold>(layer_held_->gate(), first_slot * blocks_per_extent_,
                                            (last_slot - first_slot + 1) * blocks_per_extent_);
  path_.set_freeing(false);
  co_await layer_hold_->take();
  co_return Errc::ok;
}

Task<Errc> Pool::release() {
  if (layer_held_ == nullptr) co_return Errc::ok;
  layer_held_->forget(layer_first_, layer_last_);
  co_await layer_hold_->give_back();
  layer_hold_.reset();
  layer_held_ = nullptr;
  co_return Errc::ok;
}

void Pool::parent_changed(uint32_t layer, uint32_t parent) {
  if (OpenVolume* const volume = find_by_head(layer)) volume->set_head(layer, parent != 0);
}

Task<Errc> Pool::erase(std::span<const Extent> extents) {
  // Who reads them still may see zeroes: nobody is there who should see anything else.
  std::vector<DataDisk*> touched;
  for (const Extent extent : extents) {
    DataDisk& disk = path_.disk_of(extent);
    const Errc errc =
        co_await disk.disk.zero(path_.offset_of(extent, 0), uint64_t{blocks_per_extent_} * k_page_bytes);
    if (errc != Errc::ok) co_return errc;
    if (std::find(touched.begin(), touched.end(), &disk) == touched.end()) touched.push_back(&disk);
  }
  for (DataDisk* const disk : touched) {
    const Errc errc = co_await disk->disk.sync();
    if (errc != Errc::ok) co_return errc;
  }
  co_return Errc::ok;
}

// --- compaction ---

// Merged slots have up to four extents with holes. While there is room that costs nothing; when it gets short
// they are copied together, in the order of the tree. False: there is room, or nothing to gain.
Task<Result<bool>> Pool::compact_next() {
  if (!may_have_fragments_ || !path_.is_room_short()) co_return false;
  for (uint32_t looked = 0; looked < k_compaction_looks; ++looked) {
    const auto found = co_await store_.seek(next_compaction_);
    if (!found.ok()) co_return found.error();
    if (!found->has_value() || (*found)->key.type() != static_cast<uint8_t>(KeyType::slot)) {
      next_compaction_ = slot_key(0, 0);
      may_have_fragments_ = std::exchange(has_compacted_, false);
      co_return may_have_fragments_;
    }
    const Key key = (*found)->key;
    next_compaction_ = {key.high, key.low + 1};
    Slot slot;
    if (!decode((*found)->value, slot)) co_return Error{Errc::io_error, "a slot is damaged"};
    if (slot.fragments_count < 2) continue;
    has_compacted_ = true;
    const Errc errc = co_await compact({0, static_cast<uint32_t>(key.id()), key.low});
    if (errc != Errc::ok) co_return errc;
    co_return true;
  }
  co_return true;
}

// What the slot above and the one below hold together becomes one extent of the slot above: then the one
// below has nothing that is needed. An extent has a place for every block of its slot, so one of those that
// are there takes the others' blocks.
Task<Errc> Pool::compact(SlotMerge merge) {
  Errc errc = co_await hold(merge.to, merge.slot, merge.slot);
  if (errc != Errc::ok) co_return errc;
  errc = co_await copy_together(merge);
  forget_places(merge.slot);
  path_.settle_freed();
  co_await release();
  co_return errc;
}

// Volumes above a layer know its blocks where they were.
void Pool::forget_places(uint64_t slot) {
  for (const auto& [id, volume] : open_) {
    if (volume.get() != layer_held_) volume->forget(slot, slot);
  }
}

Task<Errc> Pool::copy_together(SlotMerge merge) {
  Changes changes(store_);
  Slot below, above;
  const auto below_bytes = co_await changes.read(slot_key(merge.from, merge.slot));
  const auto above_bytes = co_await changes.read(slot_key(merge.to, merge.slot));
  if (!below_bytes.ok() || !above_bytes.ok()) co_return Errc::io_error;
  if (below_bytes->has_value() && !decode(**below_bytes, below)) co_return Errc::io_error;
  if (above_bytes->has_value() && !decode(**above_bytes, above)) co_return Errc::io_error;
  if (above.fragments_count == 0) co_return Errc::ok;  // zeroed meanwhile
  BlockMask left = above.known();
  std::vector<Fragment> moved(above.fragments.begin() + 1, above.fragments.begin() + above.fragments_count);
  for (uint32_t i = 0; i < below.fragments_count; ++i) {
    Fragment fragment = below.fragments[i];
    fragment.mask.subtract(left);
    if (!fragment.mask.is_empty()) moved.push_back(fragment);
  }
  Result<SlotTarget> target = co_await open_target(path_, above);
  if (!target.ok()) co_return target.errc();
  Errc errc = Errc::ok;
  BlockMask written;
  for (const Fragment& fragment : moved) {
    written.add(fragment.mask);
    if (errc == Errc::ok) errc = co_await copy_blocks(path_, fragment, *target);
    add_maps(changes, merge.to, merge.slot, fragment.mask, target->extent);
  }
  if (errc == Errc::ok) errc = co_await path_.disk_of(target->extent).disk.sync();
  if (errc == Errc::ok) errc = co_await changes.commit(true);
  close_target(path_, *target, written, errc);
  co_return errc;
}

}  // namespace ballast::bdev::pool
