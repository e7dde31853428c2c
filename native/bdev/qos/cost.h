// What an I/O counts for. Used by Channel for each I/O of a volume that is governed.
//
//   read, write     a unit for each unit_bytes begun; their bytes
//   compare         as a read: the device reads as much
//   verify          as a read, though nothing comes up
//   compare_and_write, copy
//                   as a write of twice the blocks: the device reads and writes them
//   write_zeroes, unmap
//                   writes; a unit for each 64 * unit_bytes begun (1 MiB), no bytes: what they change below
//                   is mostly metadata, but a flood of them must not pass for nothing
//   flush           free, and never waits: it promises something of writes that were answered before
#pragma once

#include <cstdint>

#include "bdev/bdev.h"

namespace ballast::bdev::qos {

enum class Direction : uint8_t { read, write };
inline constexpr uint32_t k_directions_count = 2;

inline constexpr uint32_t k_zeroes_shift = 6;

struct Cost {
  uint64_t bytes = 0;
  uint32_t units = 0;  // 0: free
  Direction direction = Direction::read;
};

inline Cost cost_of_transfer(uint64_t bytes, Direction direction, uint32_t unit_shift) {
  const uint64_t unit_bytes = uint64_t{1} << unit_shift;
  return {bytes, static_cast<uint32_t>((bytes + unit_bytes - 1) >> unit_shift), direction};
}

// `unit_shift`: log2 of unit_bytes. What is out of range is free: the device below refuses it.
inline Cost cost_of(const Io& io, const Geometry& geometry, uint32_t unit_shift) {
  if (io.type == IoType::flush || !geometry.contains(io.lba, io.blocks_count)) return {};
  const uint64_t bytes = uint64_t{io.blocks_count} * geometry.block_size_bytes;
  switch (io.type) {
    case IoType::read:
    case IoType::compare:
    case IoType::verify: return cost_of_transfer(bytes, Direction::read, unit_shift);
    case IoType::write: return cost_of_transfer(bytes, Direction::write, unit_shift);
    case IoType::compare_and_write:
    case IoType::copy: return cost_of_transfer(2 * bytes, Direction::write, unit_shift);
    case IoType::write_zeroes:
    case IoType::unmap: {
      Cost cost = cost_of_transfer(bytes, Direction::write, unit_shift + k_zeroes_shift);
      cost.bytes = 0;
      return cost;
    }
    case IoType::read_allocation:  // nobody but a head of a mirror asks for it, and not of a governed volume
    case IoType::flush: break;
  }
  return {};
}

}  // namespace ballast::bdev::qos
