// A run of blocks of one extent between the host's memory and a disk: a read, or a write that is durable when
// it is done. A member of VolumeIo; on the owner reactor.
#pragma once

#include <array>
#include <span>

#include "bdev/bdev.h"
#include "bdev/pool/disk.h"

namespace ballast::bdev::pool {

// Where data of extents goes.
struct DataDisk {
  Disk& disk;
  uint64_t data_offset;  // of extent 0
};

class DataRun {
 public:
  enum class Kind : uint8_t { read, write };
  using Done = void (*)(DataRun& run, Status status);

  // Takes as many of `blocks` as k_segments_max segments of the data hold, from `skip_bytes` on, at least
  // one, and says how many. `done` comes later, never from inside.
  uint32_t start(DataDisk& disk, Kind kind, uint64_t offset, uint32_t blocks, std::span<const Segment> data,
                 uint64_t skip_bytes, Done done);

  // The owner's: what this run is of.
  void* owner = nullptr;
  Extent extent;
  uint32_t first = 0;  // block of the slot
  uint32_t blocks = 0;
  uint64_t data_skip_bytes = 0;

 private:
  static constexpr uint32_t k_segments_max = 8;
  void submit();
  void moved(int64_t result);

  DataDisk* disk_ = nullptr;
  Kind kind_ = Kind::read;
  FileOp op_;
  std::array<Segment, k_segments_max> segments_;
  uint32_t segments_first_ = 0, segments_end_ = 0;
  uint64_t offset_ = 0;
  uint64_t left_bytes_ = 0;
  Done done_ = nullptr;
};

}  // namespace ballast::bdev::pool
