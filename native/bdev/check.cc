#include "bdev/check.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "bdev/stream_copy.h"

namespace ballast::bdev {
namespace {

// Calls visit(piece, memory offset, bytes) for every contiguous piece; stops when it answers false.
template <typename Visit>
bool for_each_piece(std::span<const Segment> data, uint64_t skip_bytes, uint64_t bytes, Visit visit) {
  uint64_t offset = 0;
  for (const Segment& segment : data) {
    if (offset == bytes) break;
    if (skip_bytes >= segment.size_bytes) {
      skip_bytes -= segment.size_bytes;
      continue;
    }
    const uint64_t piece_bytes = std::min<uint64_t>(segment.size_bytes - skip_bytes, bytes - offset);
    if (!visit(segment.base + skip_bytes, offset, piece_bytes)) return false;
    offset += piece_bytes;
    skip_bytes = 0;
  }
  BALLAST_ASSERT(offset == bytes);
  return true;
}

}  // namespace

Outcome check_size(uint64_t size_bytes, uint32_t block_size_bytes) {
  if (block_size_bytes != 512 && block_size_bytes != 4096) {
    return Error{Errc::invalid_argument,
                 "block size is 512 or 4096 bytes, not " + std::to_string(block_size_bytes)};
  }
  if (size_bytes == 0) return Error{Errc::invalid_argument, "size is 0"};
  if (size_bytes % block_size_bytes != 0) {
    return Error{Errc::invalid_argument, "size of " + std::to_string(size_bytes) +
                                             " bytes is not a multiple of the block size of " +
                                             std::to_string(block_size_bytes) + " bytes"};
  }
  return Unit{};
}

Status check_io(const Geometry& geometry, const Io& io) {
  BALLAST_ASSERT(io.done != nullptr);
  if (io.type == IoType::flush) return Status::ok;
  BALLAST_ASSERT(io.blocks_count > 0);
  if (!geometry.contains(io.lba, io.blocks_count)) return Status::out_of_range;
  const uint64_t bytes = uint64_t{io.blocks_count} * geometry.block_size_bytes;
  switch (io.type) {
    case IoType::read:
    case IoType::write:
    case IoType::compare: BALLAST_ASSERT(total_bytes(io.data) == bytes); return Status::ok;
    case IoType::compare_and_write: BALLAST_ASSERT(total_bytes(io.data) == 2 * bytes); return Status::ok;
    case IoType::copy:
      return geometry.contains(io.copy_source_lba, io.blocks_count) ? Status::ok : Status::out_of_range;
    case IoType::read_allocation:
      BALLAST_ASSERT(io.data.size() == 1 && io.data[0].size_bytes == allocation_bytes(bytes));
      return Status::ok;
    case IoType::flush:
    case IoType::write_zeroes:
    case IoType::unmap:
    case IoType::verify: return Status::ok;
  }
  return Status::unsupported;
}

bool equals(std::span<const Segment> data, uint64_t skip_bytes, const uint8_t* memory, uint64_t bytes) {
  return for_each_piece(data, skip_bytes, bytes, [memory](uint8_t* piece, uint64_t offset, uint64_t size) {
    return std::memcmp(piece, memory + offset, size) == 0;
  });
}

void copy_out(std::span<const Segment> data, uint64_t skip_bytes, uint8_t* memory, uint64_t bytes) {
  for_each_piece(data, skip_bytes, bytes, [memory](uint8_t* piece, uint64_t offset, uint64_t size) {
    stream_copy(memory + offset, piece, size);
    return true;
  });
}

void copy_in(std::span<const Segment> data, uint64_t skip_bytes, const uint8_t* memory, uint64_t bytes) {
  for_each_piece(data, skip_bytes, bytes, [memory](uint8_t* piece, uint64_t offset, uint64_t size) {
    std::memcpy(piece, memory + offset, size);
    return true;
  });
}

}  // namespace ballast::bdev
