// Which pages of the metadata region are in use. What the durable root uses is not given out again before the
// next root is durable: pages that a change sets free wait for it. Used by Tree (allocate, free) and Metadata
// (load, freeze, settle).
#pragma once

#include <vector>

#include "bdev/pool/format.h"
#include "bdev/pool/layout.h"

namespace ballast::bdev::pool {

class FreeMap {
 public:
  // Every tree page free, every map page to be written.
  explicit FreeMap(const MetadataLayout& layout);

  // 0 if none is free.
  uint32_t allocate();
  // A page allocated since the last freeze() that no root has ever named.
  void free_now(uint32_t page);
  // Free once the next root is durable.
  void free_later(uint32_t page);
  uint32_t free_count() const { return free_count_; }
  // Free once what is freed is settled, too.
  uint32_t free_and_pending_count() const {
    return free_count_ + static_cast<uint32_t>(pending_.size() + frozen_.size());
  }

  // --- Metadata ---
  // The body of map page `index` as read; finish_load() after the last.
  void load(uint32_t index, ByteSpan body);
  void finish_load();
  // The next root is made now: what was freed so far will be free in it.
  void freeze();
  // Map pages that have changed since the last call; after freeze().
  std::vector<uint32_t> take_changed();
  // The body of a map page as the frozen root has it; right after freeze().
  void image(uint32_t index, MutableByteSpan body) const;
  uint32_t frozen_used_count() const;
  // The frozen root is durable.
  void settle();

 private:
  bool is_used(uint32_t page) const { return (bits_[page / 8] >> (page % 8) & 1) != 0; }
  void set(uint32_t page, bool used);

  const MetadataLayout layout_;
  std::vector<uint8_t> bits_;
  std::vector<bool> changed_;      // by map page
  std::vector<uint32_t> pending_;  // freed since freeze()
  std::vector<uint32_t> frozen_;   // freed before it
  uint32_t free_count_ = 0;
  uint32_t hand_;  // where the next search starts: pages of one checkpoint lie together
};

}  // namespace ballast::bdev::pool
