// The one block-device interface. Devices and layers implement it; target/ and other layers use it.
// A Bdev is opened once and may be used from every reactor, each through a Channel of its own, which never
// leaves it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/assert.h"
#include "base/segment.h"
#include "base/uuid.h"

namespace ballast {
class Reactor;
}

namespace ballast::bdev {

enum class IoType : uint8_t {
  read,
  write,
  flush,
  write_zeroes,
  unmap,
  compare,
  compare_and_write,
  copy,
  verify,
  read_allocation
};

// What can happen to an I/O, in words of the device world. Only target/ knows NVMe status codes, in one
// table.
enum class Status : uint8_t {
  ok,
  out_of_range,  // beyond the last block, possibly after a resize
  invalid,       // the device cannot do this with these arguments
  unsupported,   // not in Capabilities
  read_only,
  compare_mismatch,  // compare, compare_and_write: the data differs; nothing was written
  media_error,       // this data cannot be read, or failed its checksum
  io_error,          // the device failed; what is on it is unknown
  no_space,          // thin device full
  aborted,           // withdrawn before it took effect
  fenced,            // a newer epoch owns the device
  busy,              // try again
};
const char* status_text(Status status);

struct Geometry {
  uint32_t block_size_bytes = 4096;  // 512 or 4096
  uint64_t blocks_count = 0;

  // No overflow, whatever the numbers.
  bool contains(uint64_t lba, uint64_t count) const {
    return count <= blocks_count && lba <= blocks_count - count;
  }
};

struct Capabilities {
  bool unmap = false;  // unmapped blocks read zeroes afterwards, always
  bool write_zeroes = false;
  bool compare = false;  // compare and compare_and_write, the latter atomic against every other I/O
  bool copy = false;
  bool verify = false;
  bool allocation = false;            // read_allocation: it knows what was never written, or was unmapped
  bool volatile_write_cache = false;  // writes are durable only after flush; otherwise when done
  bool persistent = false;            // survives a restart of the process
};

// What read_allocation fills has a bit for each so many bytes of the device, in whole words of 64 bits.
inline constexpr uint32_t k_allocation_unit_bytes = 4096;
inline uint64_t allocation_bytes(uint64_t bytes) {
  const uint64_t units = (bytes + k_allocation_unit_bytes - 1) / k_allocation_unit_bytes;
  return (units + 63) / 64 * 8;
}

struct Io;
using IoDone = void (*)(Io& io, Status status);

// From the submitter's pool; owned by the submitter until done() is called, exactly once, on the submitting
// reactor; possibly from inside submit().
struct Io {
  IoType type = IoType::read;
  bool fua = false;  // durable when done even if the device has a volatile cache
  // Set by a device that ends it with `fenced`: why, in numbers of its own (bdev/mirror: Refusal).
  uint8_t refusal = 0;
  uint64_t lba = 0;
  uint32_t blocks_count = 0;  // flush: 0, everything
  uint64_t copy_source_lba =
      0;  // copy: moves blocks_count blocks from here to lba; overlapping ranges as memmove
  // read: filled. write, compare: given. compare_and_write: first half compares, second half writes.
  // Total bytes are blocks_count * block_size (twice that for compare_and_write). read_allocation: one
  // segment of allocation_bytes() is filled; bit i of it, counted from the lowest of the first byte, is set
  // where the i-th unit behind lba may read as anything but zeroes, as of some moment between submit() and
  // done(). Bits behind the range are zero; the range begins at a unit, and ends at one or at the end of the
  // device. Memory of the reactor's BufferArena is fastest; any memory aligned to 4 KiB is good.
  std::span<const Segment> data;
  // Who asks: the NVMe controller that it came through, or another association of a replica; 0: nobody whom
  // a device has to tell from others.
  uint64_t association = 0;
  IoDone done = nullptr;
  void* context = nullptr;  // the submitter's

  // For the layer that holds the Io between submit() and done(); the submitter does not touch it.
  alignas(8) std::byte layer_scratch[96];
};

// A device as one reactor sees it. Destroy only when none of its I/O is in flight.
class Channel {
 public:
  virtual ~Channel() = default;
  // The submitter has checked the range against the geometry, and the capability.
  virtual void submit(Io& io) = 0;

  // True while a write's data is not looked at any more once submit() has returned, however the write ends.
  virtual bool takes_data_at_submit() const { return false; }

  // Reads without a copy: pins blocks [lba, lba + blocks_count) and returns where they lie, or a null segment
  // if this device or this moment does not allow it. Until unmap_read() the memory stays valid, but its
  // content may change by later writes of this same reactor (never of another): whoever sends it later must
  // copy what must not change.
  virtual Segment map_read(uint64_t lba, uint32_t blocks_count) {
    static_cast<void>(lba), static_cast<void>(blocks_count);
    return {};
  }
  virtual void unmap_read(Segment mapped) { static_cast<void>(mapped); }
};

class Bdev {
 public:
  virtual ~Bdev() = default;  // every channel must have been destroyed
  virtual const Geometry& geometry() const = 0;
  virtual const Capabilities& capabilities() const = 0;
  // "memory", "null", "file": what `ballast` shows.
  virtual const char* kind() const = 0;
  // Called on `reactor`; the channel belongs to it.
  virtual std::unique_ptr<Channel> open(Reactor& reactor) = 0;
};

}  // namespace ballast::bdev
