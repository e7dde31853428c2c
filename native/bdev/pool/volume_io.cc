#include "bdev/pool/volume_io.h"

#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cstring>

#include "base/log.h"
#include "bdev/pool/open_volume.h"
#include "bdev/pool/planted.h"

namespace ballast::bdev::pool {
namespace {

// A mark that fails while the store is not broken is tried again.
constexpr uint32_t k_marks_max = 8;

void fill_zeroes(std::span<const Segment> data, uint64_t skip_bytes, uint64_t bytes) {
  for (const Segment& segment : data) {
    if (skip_bytes >= segment.size_bytes) {
      skip_bytes -= segment.size_bytes;
      continue;
    }
    const uint64_t piece = std::min<uint64_t>(segment.size_bytes - skip_bytes, bytes);
    std::memset(segment.base + skip_bytes, 0, piece);
    skip_bytes = 0;
    bytes -= piece;
    if (bytes == 0) return;
  }
}

}  // namespace

void VolumeIo::start(OpenVolume& volume, Io& io, Finished finished) {
  volume_ = &volume;
  path_ = &volume.path();
  io_ = &io;
  finished_ = finished;
  status_ = Status::ok;
  blocks_done_ = 0;
  path_->grace.enter(grace_);
  next_piece();
}

void VolumeIo::wait_in(WaitList& list, void (VolumeIo::*then)()) {
  then_ = then;
  waiter_.context = this;
  waiter_.wake = [](Waiter& waiter) {
    VolumeIo& self = *static_cast<VolumeIo*>(waiter.context);
    (self.*self.then_)();
  };
  list.add(waiter_);
}

void VolumeIo::end(Status status) {
  DataPath& path = *path_;
  Io& io = *io_;
  path.grace.leave(grace_);
  const Finished finished = finished_;
  path.give_back(*this);
  if (!path.grace.is_empty()) path.settle_freed();
  finished(io, status);
}

// --- pieces ---

void VolumeIo::next_piece() {
  if (status_ != Status::ok || blocks_done_ == io_->blocks_count) return end(status_);
  const uint64_t lba = io_->lba + blocks_done_;
  first_ = static_cast<uint32_t>(lba % path_->blocks_per_extent);
  count_ = std::min(io_->blocks_count - blocks_done_, path_->blocks_per_extent - first_);
  started_ = 0;
  has_wrong_sum_ = false;
  slot_ = &volume_->pin(lba / path_->blocks_per_extent);
  if (slot_->state == CachedSlot::State::loading || slot_->is_stale) {
    wait_in(slot_->waiters, &VolumeIo::next_piece);
    return volume_->unpin(*slot_);
  }
  if (slot_->state == CachedSlot::State::failed) {
    status_ = Status::media_error;
    volume_->unpin(*slot_);
    return next_piece();
  }
  is_write() ? write_piece() : read_piece();
}

// It has waited, and work on layers took extents out of the slot meanwhile.
void VolumeIo::look_up_again() {
  volume_->unpin(*slot_);
  next_piece();
}

void VolumeIo::leave_piece() {
  unlock_blocks();
  volume_->unpin(*slot_);
  blocks_done_ += count_;
  next_piece();
}

BlockMask VolumeIo::piece_mask() const {
  BlockMask mask;
  mask.set(first_, count_);
  return mask;
}

void VolumeIo::lock_blocks() {
  slot_->writing.set(first_, count_);
  has_lock_ = true;
}

void VolumeIo::unlock_blocks() {
  if (!has_lock_) return;
  has_lock_ = false;
  slot_->writing.clear(first_, count_);
  slot_->waiters.wake_all();  // the slot is pinned by us
}

// --- runs ---

void VolumeIo::start_runs() {
  is_starting_ = true;
  while (started_ < count_ && status_ == Status::ok && std::popcount(runs_busy_) < int{k_runs_max})
    start_run();
  is_starting_ = false;
  if (runs_busy_ == 0) is_write() ? writes_ended() : reads_ended();
}

void VolumeIo::start_run() {
  const uint32_t block = first_ + started_;
  const uint64_t skip_bytes = uint64_t{blocks_done_ + started_} * k_page_bytes;
  const std::optional<Extent> extent = target_.has_value() ? target_ : slot_->find(block);
  uint32_t blocks = target_.has_value() ? count_ - started_ : 1;
  while (started_ + blocks < count_ && slot_->find(block + blocks) == extent) ++blocks;
  if (!extent.has_value()) {
    fill_zeroes(io_->data, skip_bytes, uint64_t{blocks} * k_page_bytes);
    started_ += blocks;
    return;
  }
  DataDisk& disk = path_->disk_of(*extent);
  DataRun::Kind kind = DataRun::Kind::read;
  if (is_write()) {
    if (disk.disk.is_poisoned()) {
      status_ = Status::io_error;
      return;
    }
    kind = DataRun::Kind::write;
  }
  const int place = std::countr_one(runs_busy_);
  DataRun& run = runs_[static_cast<size_t>(place)];
  runs_busy_ |= 1u << place;
  run.owner = this;
  run.extent = *extent;
  run.first = block;
  started_ += run.start(
      disk, kind, path_->offset_of(*extent, block), blocks, io_->data, skip_bytes,
      [](DataRun& ended, Status status) { static_cast<VolumeIo*>(ended.owner)->run_ended(ended, status); });
}

void VolumeIo::run_ended(DataRun& run, Status status) {
  runs_busy_ &= ~(1u << (&run - runs_.data()));
  if (status != Status::ok) {
    if (status_ == Status::ok) status_ = status;
  } else if (!is_write()) {
    verify(run);
  }
  if (!is_starting_) start_runs();
}

// --- reading ---

void VolumeIo::read_piece() {
  started_ = 0;
  has_wrong_sum_ = false;
  has_lost_sums_ = false;
  start_runs();
}

void VolumeIo::verify(const DataRun& run) {
  if (!path_->keeps_checksums || planted(Planted::checksum_not_verified)) return;
  const BlockSums* const sums = slot_->sums_of(run.extent);
  if (sums == nullptr) {
    // Zeroed meanwhile: nothing says that this is what was there.
    (slot_->find(run.first) == run.extent ? has_wrong_sum_ : has_lost_sums_) = true;
    return;
  }
  for (uint32_t i = 0; i < run.blocks; ++i) {
    const uint32_t block = run.first + i;
    if (!sums->known.test(block)) continue;
    const uint32_t sum = block_sum(io_->data, run.data_skip_bytes + uint64_t{i} * k_page_bytes);
    if (sum == sums->sums[block]) continue;
    has_wrong_sum_ = true;
    if (!has_lock_) return;
    log(LogLevel::error, "bdev/pool", "block %" PRIu64 " of volume %u has a wrong checksum",
        slot_->slot * path_->blocks_per_extent + block, volume_->id());
  }
}

void VolumeIo::reads_ended() {
  if (has_lost_sums_ && status_ == Status::ok) return read_piece();
  if (has_wrong_sum_ && status_ == Status::ok) {
    if (!has_lock_) return read_again();
    status_ = Status::media_error;
  }
  leave_piece();
}

// A write of these blocks may have been in flight: then data and sum are not of one moment.
void VolumeIo::read_again() {
  if (slot_->is_stale) return look_up_again();
  if (slot_->writing.intersects(piece_mask())) return wait_in(slot_->waiters, &VolumeIo::read_again);
  lock_blocks();
  read_piece();
}

// --- writing ---

void VolumeIo::write_piece() {
  if (slot_->is_stale) return look_up_again();
  if (path_->store.is_broken()) {
    status_ = Status::io_error;
    return leave_piece();
  }
  // Two writes of one block at a time would leave it open which of their sums is right.
  const bool is_taken = slot_->writing.intersects(piece_mask()) && !planted(Planted::block_locks_ignored);
  if (is_taken) return wait_in(slot_->waiters, &VolumeIo::write_piece);
  if (must_be_settled()) return wait_settled();
  lock_blocks();
  marks_count_ = 0;
  is_together_ = is_committing_ = has_written_ = false;
  if (choose_place()) mark_places();
}

// What the head holds is overwritten in place, and an opening must not look for what it was before.
bool VolumeIo::must_be_settled() const {
  return !path_->store.is_settled(slot_->unsettled_sequence) && slot_->unsettled.intersects(piece_mask()) &&
         slot_->head_holds(piece_mask()) && !planted(Planted::unsettled_overwritten);
}

void VolumeIo::wait_settled() {
  waiter_.context = this;
  waiter_.wake = [](Waiter& waiter) { static_cast<VolumeIo*>(waiter.context)->write_piece(); };
  path_->store.settle(waiter_);
}

// False if the piece waits, or has ended.
bool VolumeIo::choose_place() {
  touched_count_ = 0;
  target_.reset();
  target_is_pending_ = false;
  BlockMask missing = piece_mask();
  for (uint32_t i = 0; i < slot_->head.fragments_count; ++i) missing.subtract(slot_->head.fragments[i].mask);
  if (!missing.is_empty()) return choose_target();
  for (uint32_t i = 0; i < slot_->head.fragments_count; ++i) {
    const Fragment& fragment = slot_->head.fragments[i];
    if (fragment.mask.intersects(piece_mask())) touch(fragment.extent);
  }
  return true;
}

// An extent of the head has a place for every block of the slot: a new extent is taken only if there is none.
bool VolumeIo::choose_target() {
  if (slot_->head.fragments_count > 0) {
    target_ = slot_->head.fragments[0].extent;
  } else {
    if (!slot_->pending.has_value()) {
      slot_->pending = path_->reserve();
      if (!slot_->pending.has_value()) {
        unlock_blocks();
        if (path_->may_get_room()) {
          path_->grace.leave(grace_);
          path_->grace.enter(grace_);  // what is freed meanwhile need not wait for us
          wait_in(path_->waiting_for_room, &VolumeIo::write_piece);
          path_->settle_freed();
          return false;
        }
        status_ = Status::no_space;
        leave_piece();
        return false;
      }
      BALLAST_ASSERT(slot_->sums_of(*slot_->pending) == nullptr);
      if (path_->keeps_checksums) slot_->sums.push_back(path_->new_sums(*slot_->pending));
    }
    target_ = slot_->pending;
    target_is_pending_ = true;
    ++slot_->pending_writes_count;
  }
  touch(*target_);
  return true;
}

void VolumeIo::touch(Extent extent) {
  if (!path_->keeps_checksums) return;
  for (const BlockSumsPointer& held : slot_->sums) {
    if (held->extent != extent) continue;
    ++held->writes_count;
    touched_[touched_count_++] = held;
    return;
  }
}

void VolumeIo::mark_places() {
  for (uint32_t i = 0; i < touched_count_; ++i) {
    if (touched_[i]->is_dirty) continue;
    if (marks_count_++ == k_marks_max || path_->store.is_broken()) {
      status_ = Status::io_error;
      leave_target(false);
      return leave_write();
    }
    waiter_.context = this;
    waiter_.wake = [](Waiter& waiter) { static_cast<VolumeIo*>(waiter.context)->mark_places(); };
    if (!path_->mark_dirty(touched_[i], waiter_)) return;
  }
  write_data();
}

// Data that goes where nobody reads needs its record, which may be written meanwhile: with the sums of the
// data, so that it counts only if that is there. Both are on one disk: neither waits for the other for long.
void VolumeIo::write_data() {
  is_together_ = path_->writes_together && target_.has_value() && target_->device() == 0 &&
                 count_ <= k_sums_per_record_max && !slot_->head_holds(piece_mask());
  if (!is_together_) return start_runs();
  map_.map = {volume_->head_layer(), static_cast<uint16_t>(first_), static_cast<uint16_t>(count_),
              slot_->slot, *target_};
  for (uint32_t i = 0; i < count_; ++i) {
    map_.sums[i] = block_sum(io_->data, uint64_t{blocks_done_ + i} * k_page_bytes);
  }
  commit({RecordType::slot_map_sums, false, map_.payload()});
  if (is_committing_) return start_runs();
  leave_target(false);
  leave_write();
}

void VolumeIo::commit(const Record& record) {
  record_ = record;
  commit_.records = {&record_, 1};
  commit_.has_data = is_together_;
  commit_.context = this;
  commit_.done = [](Commit& commit, Errc errc) { static_cast<VolumeIo*>(commit.context)->mapped(errc); };
  is_committing_ = true;
  path_->store.commit(commit_);
}

void VolumeIo::writes_ended() {
  has_written_ = true;
  if (status_ != Status::ok) {
    // What of it has reached the disk is not known.
    for (uint32_t i = 0; i < touched_count_; ++i) {
      if (planted(Planted::sums_kept_on_failure)) continue;
      touched_[i]->known.clear(first_, count_);
      ++touched_[i]->failures_count;
    }
    if (is_together_) path_->writes_together = false;
  }
  if (is_together_ && is_committing_) return path_->store.data_ended(commit_, status_ == Status::ok);
  if (status_ != Status::ok) {
    leave_target(false);
    return leave_write();
  }
  if (!target_.has_value()) {
    note_sums();
    return leave_write();
  }
  map_.map = {volume_->head_layer(), static_cast<uint16_t>(first_), static_cast<uint16_t>(count_),
              slot_->slot, *target_};
  commit({RecordType::slot_map, false, bytes_of(map_.map)});
}

// Without an error the data has ended too; with one it may be on its way, or not begun.
void VolumeIo::mapped(Errc errc) {
  is_committing_ = false;
  if (errc != Errc::ok) {
    if (status_ == Status::ok) status_ = errc == Errc::no_space ? Status::no_space : Status::io_error;
    if (is_together_ && !has_written_) return;
    leave_target(false);
    return leave_write();
  }
  slot_->map(first_, count_, *target_);
  if (is_together_) {
    if (path_->store.is_settled(slot_->unsettled_sequence)) slot_->unsettled = {};
    slot_->unsettled.set(first_, count_);
    slot_->unsettled_sequence = commit_.append.end.sequence;
  }
  keep_target_sums();
  leave_target(true);
  note_sums();
  leave_write();
}

// Zeroing all that was in the extent may have made it free, and its sums those of nobody, before we mapped it
// again. Whoever else writes to it counts on the same sums.
void VolumeIo::keep_target_sums() {
  path_->settle_freed();
  if (touched_count_ == 0 || !path_->store.extents().is_used(*target_)) return;
  const BlockSumsPointer& held = touched_[0];
  held->is_dirty = true;
  path_->sums.keep(held);
  if (slot_->sums_of(*target_) == nullptr) slot_->sums.push_back(held);
}

void VolumeIo::leave_target(bool is_mapped) {
  if (!target_is_pending_) return;
  target_is_pending_ = false;
  --slot_->pending_writes_count;
  if (slot_->pending != target_) return;  // another has mapped it
  if (is_mapped) {
    slot_->pending.reset();
  } else if (slot_->pending_writes_count == 0) {
    slot_->pending.reset();
    std::erase_if(slot_->sums, [this](const BlockSumsPointer& held) { return held->extent == *target_; });
    path_->unreserve(*target_);
  }
}

void VolumeIo::note_sums() {
  if (!path_->keeps_checksums) return;
  for (uint32_t i = 0; i < count_; ++i) {
    const uint32_t block = first_ + i - (i > 0 && planted(Planted::sums_of_neighbours) ? 1 : 0);
    const Fragment* const fragment = slot_->head.find(block);
    if (fragment == nullptr) {  // zeroed meanwhile
      for (uint32_t held = 0; held < touched_count_; ++held) touched_[held]->known.clear(block, 1);
      continue;
    }
    BlockSums* const sums = slot_->sums_of(fragment->extent);
    if (sums != nullptr) sums->set(block, block_sum(io_->data, uint64_t{blocks_done_ + i} * k_page_bytes));
  }
}

void VolumeIo::leave_write() {
  for (uint32_t i = 0; i < touched_count_; ++i) {
    --touched_[i]->writes_count;
    ++touched_[i]->ended_count;
    touched_[i]->touched_ns = path_->reactor.now_ns();
    touched_[i].reset();
  }
  touched_count_ = 0;
  target_.reset();
  leave_piece();
}

}  // namespace ballast::bdev::pool
