// One run of bytes between memory and the file, however many file operations it takes: short counts go on
// where they stopped. Used by file_channel (an Io as it is) and file_task (a step of one).
#pragma once

#include <cstdint>
#include <span>

#include "bdev/bdev.h"
#include "reactor/io_backend.h"

namespace ballast::bdev {

// Points `op` at the data from `skip_bytes` on: as many segments as one operation takes, or, when that is
// in the middle of a segment, at the rest of this segment, through `slice`.
void aim(FileOp& op, Segment& slice, std::span<const Segment> data, uint64_t skip_bytes);

struct Progress {
  Status status = Status::ok;
  uint64_t moved_bytes = 0;  // since the start of the run
};
// After `op` ended with `result`: how far the run is, which had `moved_bytes` before. A short count ends at a
// block; one that moves no whole block is an error, so a run takes at most one operation per block.
Progress progress_of(const FileOp& op, int64_t result, uint64_t moved_bytes, uint32_t block_size_bytes);

}  // namespace ballast::bdev
