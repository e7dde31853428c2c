#include "bdev/pool/data_run.h"

#include <algorithm>

#include "bdev/pool/planted.h"
#include "bdev/status_from_errno.h"

namespace ballast::bdev::pool {

uint32_t DataRun::start(DataDisk& disk, Kind kind, uint64_t offset, uint32_t blocks_wanted,
                        std::span<const Segment> data, uint64_t skip_bytes, Done done) {
  disk_ = &disk;
  kind_ = kind;
  offset_ = offset;
  data_skip_bytes = skip_bytes;
  done_ = done;
  segments_first_ = segments_end_ = 0;
  left_bytes_ = 0;
  const uint64_t wanted = uint64_t{blocks_wanted} * k_page_bytes;
  for (const Segment& segment : data) {
    if (skip_bytes >= segment.size_bytes) {
      skip_bytes -= segment.size_bytes;
      continue;
    }
    if (left_bytes_ == wanted || segments_end_ == k_segments_max) break;
    const uint64_t piece = std::min<uint64_t>(segment.size_bytes - skip_bytes, wanted - left_bytes_);
    segments_[segments_end_++] = {segment.base + skip_bytes, piece};
    left_bytes_ += piece;
    skip_bytes = 0;
  }
  // What is over a whole block goes with the next run.
  for (uint64_t over = left_bytes_ % k_page_bytes; over > 0;) {
    Segment& last = segments_[segments_end_ - 1];
    const uint64_t cut = std::min<uint64_t>(over, last.size_bytes);
    last.size_bytes -= cut;
    if (last.size_bytes == 0) --segments_end_;
    left_bytes_ -= cut;
    over -= cut;
  }
  blocks = static_cast<uint32_t>(left_bytes_ / k_page_bytes);
  BALLAST_ASSERT(blocks > 0);
  // Each write is durable by itself: the kernel puts the flushes of those that are in flight together, and
  // keeps more than one going.
  op_.kind = kind == Kind::read ? FileOp::Kind::read : disk.disk.durable_write_kind();
  op_.file = disk.disk.descriptor();
  op_.context = this;
  op_.done = [](FileOp& op, int64_t result) { static_cast<DataRun*>(op.context)->moved(result); };
  if (kind != Kind::read && planted(Planted::data_not_durable)) op_.kind = FileOp::Kind::write;
  submit();
  return blocks;
}

void DataRun::submit() {
  op_.offset = offset_;
  op_.data = {segments_.data() + segments_first_, segments_end_ - segments_first_};
  disk_->disk.reactor().io().submit(op_);
}

void DataRun::moved(int64_t result) {
  if (result < 0) return done_(*this, status_from_errno(static_cast<int>(-result), kind_ == Kind::read));
  // O_DIRECT goes on at a sector; a count that gets nowhere is a disk that has become shorter.
  uint64_t count = std::min<uint64_t>(static_cast<uint64_t>(result), left_bytes_);
  if (count < left_bytes_) count -= count % 512;
  if (count == 0) return done_(*this, kind_ == Kind::read ? Status::media_error : Status::io_error);
  offset_ += count;
  left_bytes_ -= count;
  while (count > 0) {
    Segment& segment = segments_[segments_first_];
    const uint64_t piece = std::min<uint64_t>(count, segment.size_bytes);
    segment.base += piece;
    segment.size_bytes -= piece;
    count -= piece;
    if (segment.size_bytes == 0) ++segments_first_;
  }
  if (left_bytes_ > 0) return submit();
  done_(*this, Status::ok);
}

}  // namespace ballast::bdev::pool
