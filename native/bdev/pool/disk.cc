#include "bdev/pool/disk.h"

#include <algorithm>
#include <cerrno>

namespace ballast::bdev::pool {

PageBuffer::PageBuffer(size_t size_bytes)
    : memory_(static_cast<uint8_t*>(std::calloc(size_bytes + k_page_bytes, 1))),  // does not touch new pages
      size_bytes_(size_bytes) {
  BALLAST_ASSERT(memory_ != nullptr);
  const auto address = reinterpret_cast<uintptr_t>(memory_.get());
  base_ = memory_.get() + (k_page_bytes - address % k_page_bytes) % k_page_bytes;
}

Disk::Operation::Operation(Disk& disk, FileOp::Kind kind, uint64_t offset, Segment memory)
    : disk_(disk), memory_(memory), left_(memory), offset_(offset) {
  op_.kind = kind;
}

void Disk::Operation::start() {
  BALLAST_ASSERT(state_ == State::idle);
  BALLAST_ASSERT(disk_.reactor_.is_current());
  if (op_.kind != FileOp::Kind::read && disk_.poisoned_) {
    state_ = State::done;
    errc_ = Errc::io_error;
    return;
  }
  state_ = State::running;
  ++disk_.operations_count_;
  op_.file = disk_.file_->descriptor();
  op_.context = this;
  op_.done = [](FileOp& op, int64_t result) { static_cast<Operation*>(op.context)->moved(result); };
  submit();
}

void Disk::Operation::submit() {
  op_.offset = offset_;
  if (op_.kind == FileOp::Kind::zero_range || op_.kind == FileOp::Kind::punch_hole) {
    op_.length_bytes = left_.size_bytes;
  } else if (op_.kind != FileOp::Kind::sync_data) {
    op_.data = {&left_, 1};
  }
  disk_.reactor_.io().submit(op_);
}

void Disk::Operation::moved(int64_t result) {
  // Zeroes as the file device makes them: keeping the room, or giving it back.
  if (op_.kind == FileOp::Kind::zero_range && (result == -EOPNOTSUPP || result == -ENOSYS)) {
    op_.kind = FileOp::Kind::punch_hole;
    return submit();
  }
  if (result < 0) return finish(errc_from_errno(static_cast<int>(-result)));
  if (op_.kind != FileOp::Kind::read && op_.data.empty()) return finish(Errc::ok);
  // O_DIRECT goes on at a sector; a count that gets nowhere is a file that has become shorter.
  uint64_t count = std::min<uint64_t>(static_cast<uint64_t>(result), left_.size_bytes);
  if (count < left_.size_bytes) count -= count % 512;
  if (count == 0) return finish(Errc::io_error);
  left_.base += count;
  left_.size_bytes -= count;
  offset_ += count;
  if (left_.size_bytes == 0) return finish(Errc::ok);
  submit();
}

void Disk::Operation::finish(Errc errc) {
  // Where the cache is not volatile a plain write stands for a durable one.
  const bool promises = op_.kind == FileOp::Kind::sync_data || op_.kind == FileOp::Kind::write_durable ||
                        (op_.kind == FileOp::Kind::write && !disk_.file_->volatile_write_cache());
  if (errc != Errc::ok && promises) disk_.poisoned_ = true;
  state_ = State::done;
  errc_ = errc;
  --disk_.operations_count_;
  if (done_ != nullptr) return std::exchange(done_, nullptr)(context_, errc);
  if (waiter_) waiter_.resume();
}

}  // namespace ballast::bdev::pool
