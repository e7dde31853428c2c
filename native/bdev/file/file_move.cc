#include "bdev/file/file_move.h"

#include <algorithm>

#include "base/assert.h"
#include "bdev/check.h"
#include "bdev/status_from_errno.h"

namespace ballast::bdev {

void aim(FileOp& op, Segment& slice, std::span<const Segment> data, uint64_t skip_bytes) {
  size_t index = 0;
  while (index < data.size() && skip_bytes >= data[index].size_bytes) {
    skip_bytes -= data[index].size_bytes;
    ++index;
  }
  BALLAST_ASSERT(index < data.size());
  if (skip_bytes == 0) {
    op.data = data.subspan(index, std::min(data.size() - index, k_file_segments_max));
    return;
  }
  slice = {data[index].base + skip_bytes, data[index].size_bytes - skip_bytes};
  op.data = {&slice, 1};
}

Progress progress_of(const FileOp& op, int64_t result, uint64_t moved_bytes, uint32_t block_size_bytes) {
  const bool is_read = op.kind == FileOp::Kind::read;
  if (result < 0) return {status_from_errno(static_cast<int>(-result), is_read), moved_bytes};
  const uint64_t asked_bytes = total_bytes(op.data);
  const uint64_t got_bytes = std::min(static_cast<uint64_t>(result), asked_bytes);
  uint64_t moved_now = moved_bytes + got_bytes;
  if (got_bytes < asked_bytes) {
    moved_now -= moved_now % block_size_bytes;
    // The file has become shorter, or the device gives pieces of blocks.
    if (moved_now <= moved_bytes) return {is_read ? Status::media_error : Status::io_error, moved_bytes};
  }
  return {Status::ok, moved_now};
}

}  // namespace ballast::bdev
