// What a replica knows of itself, in memory, and how it comes out of the blocks of its metadata device.
// Nothing is ever forgotten: what cannot be read counts as set.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "bdev/mirror/granule_map.h"
#include "bdev/mirror/replica_format.h"

namespace ballast::bdev::mirror {

struct ReplicaMetadata {
  ReplicaMetadata(const ReplicaSuperblock& newest, const ReplicaLayout& its_layout);

  // Of the size that it has now; its layout has room for more.
  uint64_t regions_count() const { return marks.bits_count(); }
  uint64_t granules_count() const;
  // Maps have room for what the superblock says now. What an absent member misses of the rest is nothing,
  // unless it misses everything.
  void grow();

  ReplicaSuperblock superblock;  // of now; what is durable may be older
  ReplicaLayout layout;
  bool is_superblock_worn = false;  // the copies do not both say so: to be written before it is relied on
  // Regions that are marked, and of these the ones whose mark is known to be on the device.
  GranuleMap marks;
  GranuleMap durable_marks;
  std::array<std::unique_ptr<GranuleMap>, k_absent_slots> absent;  // null: the slot is free
};

// Use: give it both superblock copies; then read next_block() and take() it until there is none; finish().
class ReplicaLoader {
 public:
  enum class State : uint8_t {
    reading,
    unusable,   // no copy is whole, or they are of different replicas
    unknown,    // written by a newer program, or makes no sense; changing it could lose what it says
    too_large,  // its maps do not fit the device on which it lies: nothing was made of them
  };

  // A span that is not of 4 KiB stands for a block that could not be read, here and in take().
  // `device_blocks` of 4 KiB bound the memory that its maps may take.
  ReplicaLoader(ByteSpan copy_0, ByteSpan copy_1, uint64_t device_blocks);

  State state() const { return state_; }
  // The newest whole one, while reading.
  const ReplicaSuperblock& superblock() const { return metadata_->superblock; }
  std::optional<uint64_t> next_block() const;
  // The one that will be asked for after `block`: so that several are read at a time.
  std::optional<uint64_t> block_after(uint64_t block) const;
  void take(ByteSpan block);
  std::unique_ptr<ReplicaMetadata> finish();

 private:
  void take_intent(uint64_t block, ByteSpan bytes);
  void take_absent(uint32_t slot, uint64_t block, ByteSpan bytes);
  uint64_t past_unused(uint64_t block) const;

  State state_ = State::unusable;
  std::unique_ptr<ReplicaMetadata> metadata_;
  uint64_t next_ = 0;
};

}  // namespace ballast::bdev::mirror
