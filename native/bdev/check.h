// Checks and sums that every device makes: options when it is opened, range and data of an Io when it is
// submitted.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "bdev/bdev.h"

namespace ballast::bdev {

// A block size we serve, and a size that is a whole number of blocks, at least one.
Outcome check_size(uint64_t size_bytes, uint32_t block_size_bytes);

inline uint64_t total_bytes(std::span<const Segment> data) {
  uint64_t bytes = 0;
  for (const Segment& segment : data) bytes += segment.size_bytes;
  return bytes;
}

// What must hold of every Io that reaches a device: out_of_range for what a resize can cause; the length of
// the data is the submitter's duty and asserted.
Status check_io(const Geometry& geometry, const Io& io);

// Walks data from `skip_bytes` on: compares or copies `bytes` of it with contiguous memory.
bool equals(std::span<const Segment> data, uint64_t skip_bytes, const uint8_t* memory, uint64_t bytes);
// Goes around the cache.
void copy_out(std::span<const Segment> data, uint64_t skip_bytes, uint8_t* memory, uint64_t bytes);
void copy_in(std::span<const Segment> data, uint64_t skip_bytes, const uint8_t* memory, uint64_t bytes);

}  // namespace ballast::bdev
