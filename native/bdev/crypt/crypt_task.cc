#include "bdev/crypt/crypt_task.h"

#include <algorithm>

#include "base/assert.h"
#include "bdev/crypt/crypt_channel.h"

namespace ballast::bdev {

CryptTask::CryptTask() : go_on_([](Message& message) { static_cast<GoOn&>(message).task->next_piece(); }) {
  go_on_.task = this;
}

void CryptTask::bind(CryptChannel& channel, uint8_t* buffer) {
  channel_ = &channel;
  buffer_ = buffer;
  below_.done = below_done;
  below_.context = this;
  lock_.context = this;
  lock_.granted = [](RangeLockRequest& lock) { static_cast<CryptTask*>(lock.context)->on_locked(); };
  lock_.unlocked = [](RangeLockRequest& lock) {
    CryptTask& self = *static_cast<CryptTask*>(lock.context);
    self.stage_ = Stage::idle;
    self.channel_->finish_task(*self.io_, self.status_after_unlock_);
  };
}

uint32_t CryptTask::block() const { return channel_->device_.below->geometry().block_size_bytes; }

uint64_t CryptTask::total() const { return uint64_t{io_->blocks_count} * block(); }

// A copy to behind its source goes from the end to the start, as memmove does.
uint64_t CryptTask::piece_skip() const {
  const bool backwards = io_->type == IoType::copy && io_->lba > io_->copy_source_lba;
  return backwards ? total() - done_bytes_ - piece_bytes_ : done_bytes_;
}

void CryptTask::start(Io& io) {
  BALLAST_ASSERT(stage_ == Stage::idle);
  io_ = &io;
  done_bytes_ = 0;
  is_comparing_ = false;
  switch (io.type) {
    case IoType::compare_and_write:
      stage_ = Stage::locking;
      lock_.lba = io.lba;
      lock_.blocks_count = io.blocks_count;
      return channel_->gate_.lock(lock_);
    case IoType::read: return run_whole(io.data);
    case IoType::write_zeroes:
    case IoType::unmap: return run_whole({});
    case IoType::write:
    case IoType::compare:
    case IoType::copy: return next_piece();
    case IoType::flush:
    case IoType::verify:
    case IoType::read_allocation: break;  // CryptChannel passes these on
  }
  BALLAST_ASSERT(false);
}

void CryptTask::on_locked() {
  is_comparing_ = 2 * total() > k_piece_bytes;
  if (is_comparing_) return next_piece();
  XtsCipher& cipher = *channel_->cipher_;
  cipher.encrypt(io_->data, 0, buffer_, io_->lba, io_->blocks_count);
  cipher.encrypt(io_->data, total(), buffer_ + total(), io_->lba, io_->blocks_count);
  buffer_segment_ = {buffer_, 2 * total()};
  run_whole({&buffer_segment_, 1});
}

void CryptTask::run_whole(std::span<const Segment> data) {
  submit(Stage::whole, io_->type, io_->lba, total(), data);
}

// ---- pieces ----

void CryptTask::next_piece() {
  piece_bytes_ = std::min(total() - done_bytes_, k_piece_bytes);
  buffer_segment_ = {buffer_, piece_bytes_};
  if (io_->type == IoType::copy) {
    return submit(Stage::reading, IoType::read, io_->copy_source_lba + piece_skip() / block(), piece_bytes_,
                  {&buffer_segment_, 1});
  }
  if (io_->type == IoType::compare || is_comparing_) return encrypt_piece(Stage::comparing, done_bytes_);
  // The second half of a compare_and_write's data is what it writes.
  encrypt_piece(Stage::writing, io_->type == IoType::compare_and_write ? total() + done_bytes_ : done_bytes_);
}

void CryptTask::encrypt_piece(Stage stage, uint64_t data_skip_bytes) {
  const uint64_t lba = io_->lba + done_bytes_ / block();
  channel_->cipher_->encrypt(io_->data, data_skip_bytes, buffer_, lba, piece_bytes_ / block());
  submit(stage, stage == Stage::writing ? IoType::write : IoType::compare, lba, piece_bytes_,
         {&buffer_segment_, 1});
}

void CryptTask::write_copied() {
  const uint64_t skip_blocks = piece_skip() / block(), blocks_count = piece_bytes_ / block();
  const std::span<const Segment> piece{&buffer_segment_, 1};
  XtsCipher& cipher = *channel_->cipher_;
  cipher.decrypt(piece, io_->copy_source_lba + skip_blocks, blocks_count);
  cipher.encrypt(piece, 0, buffer_, io_->lba + skip_blocks, blocks_count);
  submit(Stage::writing, IoType::write, io_->lba + skip_blocks, piece_bytes_, piece);
}

void CryptTask::piece_done() {
  done_bytes_ += piece_bytes_;
  if (done_bytes_ < total()) return go_on();
  if (!is_comparing_) return end(Status::ok);
  is_comparing_ = false;
  done_bytes_ = 0;
  go_on();
}

void CryptTask::go_on() {
  if (answered_in_submit_) return channel_->reactor_.send(go_on_);
  next_piece();
}

// ---- the device below ----

void CryptTask::submit(Stage stage, IoType type, uint64_t lba, uint64_t bytes,
                       std::span<const Segment> data) {
  stage_ = stage;
  below_.type = type;
  below_.fua = io_->fua;
  below_.lba = lba;
  below_.blocks_count = static_cast<uint32_t>(bytes / block());
  below_.data = data;
  bool answered = false;
  answered_ = &answered;
  channel_->below_->submit(below_);
  if (!answered) answered_ = nullptr;  // else the answer may have ended this task and its channel
}

void CryptTask::below_done(Io& below, Status status) {
  static_cast<CryptTask*>(below.context)->advance(status);
}

// The one place that moves a task on: the device below has ended its part.
void CryptTask::advance(Status status) {
  answered_in_submit_ = answered_ != nullptr;
  if (answered_in_submit_) *answered_ = true;
  answered_ = nullptr;
  if (status != Status::ok) return end(status);
  switch (stage_) {
    case Stage::whole:
      if (io_->type == IoType::read) channel_->cipher_->decrypt(io_->data, io_->lba, io_->blocks_count);
      return end(Status::ok);
    case Stage::reading: return write_copied();
    case Stage::comparing:
    case Stage::writing: return piece_done();
    case Stage::idle:
    case Stage::locking:
    case Stage::unlocking: break;  // nothing is below
  }
  BALLAST_ASSERT(false);
}

void CryptTask::end(Status status) {
  if (io_->type != IoType::compare_and_write) {
    stage_ = Stage::idle;
    return channel_->finish_task(*io_, status);
  }
  stage_ = Stage::unlocking;
  status_after_unlock_ = status;
  channel_->gate_.unlock(lock_);
}

}  // namespace ballast::bdev
