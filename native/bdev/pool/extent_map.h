// Which extents of which device are in use. An extent is reserved in memory first, when a write needs a
// place, and used once the record that names it is durable: a crash between leaks nothing. Belongs to the
// owner reactor; other reactors are given runs of reserved ones.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "bdev/pool/format.h"

namespace ballast::bdev::pool {

inline constexpr uint32_t k_chunk_extents = 8192;
inline constexpr uint32_t k_chunk_bytes = k_chunk_extents / 8;

struct ExtentChunk {
  uint16_t device = 0;
  uint64_t chunk = 0;
};

class ExtentMap {
 public:
  // All free, every chunk as on a new disk.
  explicit ExtentMap(std::span<const uint64_t> extents_counts);
  void add_device(uint64_t extents_count);

  // True if there is such an extent.
  bool is_known(Extent extent) const;
  bool is_used(Extent extent) const;
  uint64_t extents_count() const;
  // Neither used nor reserved.
  uint64_t free_count() const { return free_count_; }

  // Takes up to into.size() extents, from the device with the most room, neighbours if it can; returns how
  // many.
  uint32_t reserve(std::span<Extent> into);
  // A reserved one that is not needed after all.
  void unreserve(Extent extent);
  // A record that uses or frees it has taken effect. Known extents only.
  void mark_used(Extent extent);
  void mark_free(Extent extent);
  // From now on what is marked free is not given out before take_freed() and unreserve(): I/O may be reading
  // it. Taken is only what was published: the group that freed it is about to be told to who knows the
  // extents.
  void defer_freed() { defers_freed_ = true; }
  void publish_freed() {
    published_.insert(published_.end(), freed_.begin(), freed_.end());
    freed_.clear();
  }
  std::vector<Extent> take_freed() { return std::exchange(published_, {}); }

  // --- checkpoints ---
  // Chunks whose used extents have changed since the last call.
  std::vector<ExtentChunk> take_changed();
  // What is stored for a chunk: a bit for each used extent.
  std::array<uint8_t, k_chunk_bytes> image(const ExtentChunk& chunk) const;
  // False if there is no such chunk.
  bool load(const ExtentChunk& chunk, ByteSpan image);

 private:
  struct Device {
    uint64_t extents_count = 0;
    uint64_t free_count = 0;
    uint64_t hand = 0;            // where the next search starts
    std::vector<uint64_t> used;   // a bit for each
    std::vector<uint64_t> taken;  // used or reserved
    std::vector<bool> changed;    // by chunk
  };
  static bool bit(const std::vector<uint64_t>& bits, uint64_t number) {
    return (bits[number / 64] >> (number % 64) & 1) != 0;
  }
  void set_taken(Device& device, uint64_t number, bool taken);
  void set_used(Device& device, uint64_t number, bool used);
  uint64_t next_free(Device& device);

  std::vector<Device> devices_;
  uint64_t free_count_ = 0;
  bool defers_freed_ = false;
  std::vector<Extent> freed_;
  std::vector<Extent> published_;
};

}  // namespace ballast::bdev::pool
