// An I/O of a simulation while it is in flight.
#pragma once

#include "native/bdev_pool/simulation.h"

namespace ballast::bdev::pool::test {

struct Flight {
  explicit Flight(size_t memory_bytes) : memory(memory_bytes) {}

  bool is_change() const {
    return io.type != IoType::read && io.type != IoType::compare && io.type != IoType::verify &&
           io.type != IoType::flush;
  }
  // Of its target; a copy has a source, too.
  bool overlaps(uint64_t lba, uint64_t blocks) const {
    return io.lba < lba + blocks && lba < io.lba + io.blocks_count;
  }
  bool overlaps_source(uint64_t lba, uint64_t blocks) const {
    return io.type == IoType::copy && io.copy_source_lba < lba + blocks &&
           lba < io.copy_source_lba + io.blocks_count;
  }

  Io io;
  Simulation* simulation = nullptr;
  uint32_t volume = 0;
  uint64_t started = 0;
  uint64_t write = 0;        // of a change
  bool is_alone = false;     // no change of its blocks may be in flight beside it
  bool is_mismatch = false;  // a comparison that must not hold
  Buffer memory;
  uint8_t* data = nullptr;
  std::vector<Segment> segments;
  std::vector<Cell> allowed;  // of a read, block by block
};

}  // namespace ballast::bdev::pool::test
