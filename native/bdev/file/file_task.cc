#include "bdev/file/file_task.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/assert.h"
#include "bdev/check.h"
#include "bdev/file/file_channel.h"
#include "bdev/file/file_move.h"
#include "bdev/status_from_errno.h"
#include "bdev/zero_memory.h"

namespace ballast::bdev {
namespace {

// One file operation writes up to 8 MiB of zeroes: the zero memory again and again.
std::span<const Segment> zero_segments() {
  static const std::array<Segment, k_file_segments_max> segments = [] {
    std::array<Segment, k_file_segments_max> filled;
    filled.fill(zero_memory());
    return filled;
  }();
  return segments;
}

bool is_not_supported(int64_t result) { return result == -EOPNOTSUPP || result == -ENOSYS; }

}  // namespace

void FileTask::bind(FileChannel& channel, uint8_t* buffer) {
  channel_ = &channel;
  buffer_ = buffer;
  op_.file = channel.device_.file->descriptor();
  op_.done = [](FileOp& op, int64_t result) { static_cast<FileTask*>(op.context)->advance(result); };
  op_.context = this;
  lock_.context = this;
  lock_.granted = [](RangeLockRequest& lock) { static_cast<FileTask*>(lock.context)->next_piece(); };
  lock_.unlocked = [](RangeLockRequest& lock) {
    FileTask& self = *static_cast<FileTask*>(lock.context);
    self.stage_ = Stage::idle;
    self.channel_->finish_task(*self.io_, self.status_after_unlock_);
  };
}

uint64_t FileTask::total() const {
  return uint64_t{io_->blocks_count} * channel_->device_.geometry.block_size_bytes;
}

void FileTask::start(Io& io) {
  io_ = &io;
  done_bytes_ = 0;
  switch (io.type) {
    case IoType::compare_and_write:
      stage_ = Stage::locking;
      lock_.lba = io.lba;
      lock_.blocks_count = io.blocks_count;
      return channel_->gate_.lock(lock_);
    case IoType::read: return run_sync(Stage::syncing_first);
    case IoType::write_zeroes: return run_whole(Stage::zeroing, FileOp::Kind::zero_range);
    case IoType::unmap: return run_whole(Stage::punching, FileOp::Kind::punch_hole);
    case IoType::compare:
    case IoType::copy:
    case IoType::verify: return next_piece();
    case IoType::write:
    case IoType::flush:                   // FileChannel does these itself
    case IoType::read_allocation: break;  // not in our capabilities
  }
  BALLAST_ASSERT(false);
}

// The one place that moves a task on: a file operation has ended.
void FileTask::advance(int64_t result) {
  switch (stage_) {
    case Stage::syncing_first:
    case Stage::syncing:
      if (result < 0) {
        channel_->device_.poisoned.store(true, std::memory_order_relaxed);
        return end(Status::io_error);
      }
      if (stage_ == Stage::syncing) return end(Status::ok);
      return move(Stage::reading, FileOp::Kind::read, io_->data, 0, io_->lba, total());
    case Stage::zeroing:
      if (is_not_supported(result)) return run_whole(Stage::punching, FileOp::Kind::punch_hole);
      return result < 0 ? end(status_from_errno(static_cast<int>(-result), false)) : change_done();
    case Stage::punching:
      if (is_not_supported(result)) return fill();
      return result < 0 ? end(status_from_errno(static_cast<int>(-result), false)) : change_done();
    case Stage::reading:
    case Stage::writing:
    case Stage::filling: return advance_move(result);
    case Stage::idle:
    case Stage::locking:
    case Stage::unlocking: break;  // no file operation is in flight
  }
  BALLAST_ASSERT(false);
}

void FileTask::advance_move(int64_t result) {
  const Progress progress =
      progress_of(op_, result, moved_bytes_, channel_->device_.geometry.block_size_bytes);
  if (progress.status != Status::ok) return end(progress.status);
  moved_bytes_ = progress.moved_bytes;
  if (moved_bytes_ < move_bytes_) return submit_move();
  if (stage_ == Stage::reading) return on_read();
  on_written();
}

// ---- pieces ----

// A copy to behind its source goes from the end to the start, as memmove does.
uint64_t FileTask::piece_skip() const {
  const bool backwards = io_->type == IoType::copy && io_->lba > io_->copy_source_lba;
  return backwards ? total() - done_bytes_ - piece_bytes_ : done_bytes_;
}

void FileTask::next_piece() {
  piece_bytes_ = std::min(total() - done_bytes_, k_piece_bytes);
  buffer_segment_ = {buffer_, piece_bytes_};
  const uint64_t lba = io_->type == IoType::copy ? io_->copy_source_lba : io_->lba;
  move(Stage::reading, FileOp::Kind::read, {&buffer_segment_, 1}, piece_skip(), lba, piece_bytes_);
}

void FileTask::on_read() {
  switch (io_->type) {
    case IoType::read: return end(Status::ok);
    case IoType::copy:
      return move(Stage::writing, FileOp::Kind::write, {&buffer_segment_, 1}, piece_skip(), io_->lba,
                  piece_bytes_);
    case IoType::compare:
    case IoType::compare_and_write:
      if (!equals(io_->data, done_bytes_, buffer_, piece_bytes_)) return end(Status::compare_mismatch);
      break;
    case IoType::verify:
    case IoType::write:
    case IoType::flush:
    case IoType::write_zeroes:
    case IoType::unmap:
    case IoType::read_allocation: break;
  }
  done_bytes_ += piece_bytes_;
  if (done_bytes_ < total()) return next_piece();
  if (io_->type != IoType::compare_and_write) return end(Status::ok);
  write_second_half();
}

void FileTask::write_second_half() {
  const bool durable = channel_->device_.must_be_durable(*io_);
  move(Stage::writing, durable ? FileOp::Kind::write_durable : FileOp::Kind::write, io_->data, 0, io_->lba,
       total());
}

void FileTask::on_written() {
  if (stage_ == Stage::filling) return change_done();
  if (io_->type == IoType::compare_and_write) return end(Status::ok);
  done_bytes_ += piece_bytes_;
  if (done_bytes_ < total()) return next_piece();
  change_done();
}

// What has been changed without being durable becomes so, if it must.
void FileTask::change_done() {
  if (!channel_->device_.must_be_durable(*io_)) return end(Status::ok);
  run_sync(Stage::syncing);
}

void FileTask::end(Status status) {
  if (io_->type != IoType::compare_and_write) {
    stage_ = Stage::idle;
    return channel_->finish_task(*io_, status);
  }
  if (status == Status::io_error && stage_ == Stage::writing && channel_->device_.failed_write_poisons()) {
    channel_->device_.poisoned.store(true, std::memory_order_relaxed);
  }
  stage_ = Stage::unlocking;
  status_after_unlock_ = status;
  channel_->gate_.unlock(lock_);
}

// ---- file operations ----

void FileTask::run_whole(Stage stage, FileOp::Kind kind) {
  stage_ = stage;
  op_.kind = kind;
  op_.offset = io_->lba * channel_->device_.geometry.block_size_bytes;
  op_.length_bytes = total();
  op_.data = {};
  channel_->reactor_.io().submit(op_);
}

void FileTask::run_sync(Stage stage) {
  stage_ = stage;
  op_.kind = FileOp::Kind::sync_data;
  op_.data = {};
  channel_->reactor_.io().submit(op_);
}

void FileTask::fill() { move(Stage::filling, FileOp::Kind::write, zero_segments(), 0, io_->lba, total()); }

void FileTask::move(Stage stage, FileOp::Kind kind, std::span<const Segment> data, uint64_t file_skip_bytes,
                    uint64_t lba, uint64_t bytes) {
  stage_ = stage;
  op_.kind = kind;
  move_data_ = data;
  move_offset_ = lba * channel_->device_.geometry.block_size_bytes + file_skip_bytes;
  move_bytes_ = bytes;
  moved_bytes_ = 0;
  submit_move();
}

void FileTask::submit_move() {
  op_.offset = move_offset_ + moved_bytes_;
  if (stage_ == Stage::filling) {
    aim_zeroes();
  } else {
    // The second half of a compare_and_write's data is what it writes.
    const bool second_half = stage_ == Stage::writing && io_->type == IoType::compare_and_write;
    aim(op_, slice_, move_data_, moved_bytes_ + (second_half ? total() : 0));
  }
  channel_->reactor_.io().submit(op_);
}

// As many whole zero segments as are left, or the last part of one.
void FileTask::aim_zeroes() {
  const uint64_t left_bytes = move_bytes_ - moved_bytes_;
  const uint64_t whole_count = std::min<uint64_t>(left_bytes / k_zero_memory_bytes, k_file_segments_max);
  if (whole_count > 0) {
    op_.data = zero_segments().first(whole_count);
    return;
  }
  slice_ = {zero_memory().base, left_bytes};
  op_.data = {&slice_, 1};
}

}  // namespace ballast::bdev
