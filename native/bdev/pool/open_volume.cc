#include "bdev/pool/open_volume.h"

#include <new>

#include "bdev/check.h"
#include "bdev/pool/complex_io.h"
#include "bdev/pool/planted.h"
#include "bdev/pool/resolve.h"
#include "bdev/pool/volume_io.h"

namespace ballast::bdev::pool {
namespace {

bool is_change(IoType type) {
  return type != IoType::read && type != IoType::compare && type != IoType::verify && type != IoType::flush &&
         type != IoType::read_allocation;
}

bool is_simple(IoType type) { return type == IoType::read || type == IoType::write; }

}  // namespace

OpenVolume::OpenVolume(DataPath& path, uint32_t id, const VolumeValue& value, bool has_parent)
    : path_(path),
      id_(id),
      head_layer_(value.head_layer),
      has_parent_(has_parent),
      blocks_count_(value.size_bytes / k_page_bytes),
      is_thick_((value.flags & k_volume_thick) != 0),
      is_read_only_((value.flags & k_volume_read_only) != 0),
      range_lock_(RangeLock::create()),
      gate_(range_lock_->shard(path.reactor)),
      chain_(path.chains) {}

OpenVolume::~OpenVolume() {
  BALLAST_ASSERT(complex_count_ == 0 && background_.is_idle());
  while (!slots_.empty()) drop(*slots_.begin()->second);
}

// --- I/O ---

void OpenVolume::submit(Io& io) {
  BALLAST_ASSERT_ON_REACTOR(path_.reactor);
  VolumeScratch::of(io).volume = this;
  Status status = check_io({k_page_bytes, blocks_count_}, io);
  if (status == Status::ok && is_read_only_ && is_change(io.type)) status = Status::read_only;
  // What was acknowledged is durable.
  if (status != Status::ok || io.type == IoType::flush) return io.done(io, status);
  if (!is_simple(io.type)) return start_complex(io);
  if (gate_.try_enter(io, enter)) enter(io);
}

void OpenVolume::enter(Io& io) {
  VolumeScratch& scratch = VolumeScratch::of(io);
  OpenVolume& self = *scratch.volume;
  if (!is_simple(io.type)) return self.background_.start(self.work_on(io));
  // The volume may have been made smaller while it waited at the gate.
  if (!self.holds(io)) return left(io, Status::out_of_range);
  VolumeIo* const work = self.path_.take();
  if (work != nullptr) return work->start(self, io, left);
  scratch.waiter.context = &io;
  scratch.waiter.wake = [](Waiter& waiter) { enter(*static_cast<Io*>(waiter.context)); };
  self.path_.line.add(scratch.waiter);
}

void OpenVolume::left(Io& io, Status status) {
  VolumeScratch::of(io).volume->gate_.leave(io);
  io.done(io, status);  // last: the submitter may close the volume
}

void OpenVolume::submit_inside(Io& io) {
  VolumeScratch& scratch = VolumeScratch::of(io);
  scratch.volume = this;
  VolumeIo* const work = path_.take();
  if (work != nullptr)
    return work->start(*this, io, [](Io& ended, Status status) { ended.done(ended, status); });
  scratch.waiter.context = &io;
  scratch.waiter.wake = [](Waiter& waiter) {
    Io& waited = *static_cast<Io*>(waiter.context);
    VolumeScratch::of(waited).volume->submit_inside(waited);
  };
  path_.line.add(scratch.waiter);
}

// The places first and then the gate: who is in the gate needs nothing more that a lock could be waiting for.
void OpenVolume::start_complex(Io& io) {
  if (complex_count_ == k_complex_max) {
    VolumeScratch& scratch = VolumeScratch::of(io);
    scratch.waiter.context = &io;
    scratch.waiter.wake = [](Waiter& waiter) {
      Io& waited = *static_cast<Io*>(waiter.context);
      VolumeScratch::of(waited).volume->start_complex(waited);
    };
    return complex_line_.add(scratch.waiter);
  }
  ++complex_count_;
  if (io.type == IoType::compare_and_write || gate_.try_enter(io, enter)) enter(io);
}

Task<Errc> OpenVolume::work_on(Io& io) {
  Status status = Status::out_of_range;
  if (holds(io)) status = co_await do_complex(*this, io);
  if (io.type != IoType::compare_and_write) gate_.leave(io);
  --complex_count_;
  if (!complex_line_.empty()) complex_line_.wake_one();
  io.done(io, status);
  co_return Errc::ok;
}

// --- slots ---

CachedSlot* OpenVolume::find(uint64_t slot) {
  const auto found = slots_.find(slot);
  return found == slots_.end() ? nullptr : found->second.get();
}

CachedSlot& OpenVolume::pin(uint64_t number) {
  std::unique_ptr<CachedSlot>& place = slots_[number];
  if (place == nullptr) {
    place = std::make_unique<CachedSlot>(*this, number);
    path_.ages.add(*place);
    ++place->pins_count;
    CachedSlot& made = *place;
    // Two, so that fewer are kept when less is allocated.
    for (int dropped = 0; dropped < 2; ++dropped) {
      CachedSlot* const old = path_.slot_to_drop();
      if (old == nullptr) break;
      old->volume.drop(*old);
    }
    start_look_up(made);
    return made;
  }
  CachedSlot& slot = *place;
  ++slot.pins_count;
  path_.ages.touch(slot);
  if (slot.state == CachedSlot::State::ready && slot.head_layer != head_layer_) {
    if (!planted(Planted::slot_not_frozen)) slot.freeze();
    slot.head_layer = head_layer_;
  }
  return slot;
}

void OpenVolume::unpin(CachedSlot& slot) {
  path_.ages.count(slot);
  if (--slot.pins_count > 0 || slot.state == CachedSlot::State::loading) return;
  if (slot.is_stale && !slot.waiters.empty()) return start_look_up(slot);
  if (slot.waiters.empty() && (slot.is_stale || slot.state == CachedSlot::State::failed)) drop(slot);
}

void OpenVolume::zeroed(const SlotZero& zero) {
  CachedSlot* const slot = find(zero.slot);
  if (slot == nullptr) return;
  if (slot->state == CachedSlot::State::ready && !slot->is_stale && slot->head_layer == zero.layer) {
    return slot->unmap(zero.first, zero.count, has_parent_);
  }
  forget(zero.slot, zero.slot);
}

void OpenVolume::drop(CachedSlot& slot) {
  BALLAST_ASSERT(slot.pins_count == 0 && slot.state != CachedSlot::State::loading && !slot.pending);
  release_sums(slot);
  path_.ages.remove(slot);
  slots_.erase(slot.slot);
}

void OpenVolume::release_sums(CachedSlot& slot) {
  std::vector<BlockSumsPointer> held;
  held.swap(slot.sums);
  for (BlockSumsPointer& sums : held) {
    const Extent extent = sums->extent;
    sums.reset();
    path_.sums.drop_if_unused(extent);
  }
}

void OpenVolume::start_look_up(CachedSlot& slot) {
  slot.state = CachedSlot::State::loading;
  slot.is_stale = false;
  slot.head_layer = head_layer_;
  slot.head = {};
  slot.below.clear();
  // What is not settled of it is not known here.
  slot.unsettled = {};
  slot.unsettled.set(0, path_.blocks_per_extent);
  slot.unsettled_sequence = path_.store.last_data_sequence();
  release_sums(slot);
  background_.start(look_up(slot));
}

Task<Errc> OpenVolume::look_up(CachedSlot& slot) {
  Result<ResolvedSlot> resolved = co_await resolve(path_.store, slot.head_layer, slot.slot, &chain_);
  Errc errc = resolved.errc();
  if (resolved.ok()) {
    slot.head = resolved->head;
    slot.below = std::move(resolved->below);
  }
  std::vector<Extent> extents;
  for (uint32_t i = 0; i < slot.head.fragments_count; ++i) extents.push_back(slot.head.fragments[i].extent);
  for (const Fragment& fragment : slot.below) extents.push_back(fragment.extent);
  for (size_t i = 0; i < extents.size() && errc == Errc::ok && path_.keeps_checksums; ++i) {
    Result<BlockSumsPointer> sums = co_await path_.load_sums(extents[i]);
    errc = sums.errc();
    if (sums.ok()) slot.sums.push_back(std::move(*sums));
  }
  slot.state = errc == Errc::ok ? CachedSlot::State::ready : CachedSlot::State::failed;
  // Those that wait pin it again; without any it is as if it had been read ahead.
  ++slot.pins_count;
  slot.waiters.wake_all();
  unpin(slot);
  co_return errc;
}

// --- for the control path ---

void OpenVolume::set_head(uint32_t head_layer, bool has_parent) {
  head_layer_ = head_layer;
  has_parent_ = has_parent;
}

void OpenVolume::forget(uint64_t first_slot, uint64_t last_slot) {
  if (planted(Planted::stale_slots_after_work)) return;
  std::vector<CachedSlot*> found;
  if (last_slot - first_slot < slots_.size()) {
    for (uint64_t slot = first_slot; slot <= last_slot; ++slot) {
      if (CachedSlot* const held = find(slot)) found.push_back(held);
    }
  } else {
    for (const auto& [slot, held] : slots_) {
      if (slot >= first_slot && slot <= last_slot) found.push_back(held.get());
    }
  }
  for (CachedSlot* const slot : found) {
    slot->is_stale = true;
    ++slot->pins_count;
    unpin(*slot);
  }
}

}  // namespace ballast::bdev::pool
