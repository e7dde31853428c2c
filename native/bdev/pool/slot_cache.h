// Slots of open volumes as I/O needs them: where each block is, through all layers, looked up once. Bounded:
// what was used longest ago goes when nobody is at it. Belongs to the owner reactor.
#pragma once

#include <utility>
#include <vector>

#include "bdev/pool/block_sums.h"
#include "bdev/pool/wait_list.h"

namespace ballast::bdev::pool {

class OpenVolume;

struct CachedSlot {
  enum class State : uint8_t { loading, ready, failed };

  CachedSlot(OpenVolume& of, uint64_t number) : volume(of), slot(number) {}
  CachedSlot(const CachedSlot&) = delete;
  CachedSlot& operator=(const CachedSlot&) = delete;

  // Where to read the block; nothing: it reads zeroes.
  std::optional<Extent> find(uint32_t block) const;
  // The sums of an extent of this slot; null where none are kept.
  BlockSums* sums_of(Extent extent) const;
  // The head layer holds the blocks in this extent from now on.
  void map(uint32_t first, uint32_t count, Extent extent);
  // They read zeroes from now on.
  void unmap(uint32_t first, uint32_t count, bool hides);
  // What the head held is a snapshot's now.
  void freeze();
  // Some of the blocks lie in an extent of the head.
  bool head_holds(const BlockMask& blocks) const;

  OpenVolume& volume;
  const uint64_t slot;
  State state = State::loading;
  bool is_stale = false;  // looked up again before the next piece of I/O
  uint32_t pins_count = 0;
  uint32_t head_layer = 0;  // whose the head below is
  Slot head;
  std::vector<Fragment> below;         // blocks that nothing above them hides
  std::vector<BlockSumsPointer> sums;  // of the extents of both
  // An extent that is reserved for this slot and in no record yet; and who writes to it.
  std::optional<Extent> pending;
  uint32_t pending_writes_count = 0;
  BlockMask writing;  // blocks that one I/O changes: others wait
  // Of these an opening may compare the data with what it was when they were mapped, until the journal's
  // block `unsettled_sequence` is settled (Journal::is_settled).
  BlockMask unsettled;
  uint64_t unsettled_sequence = 0;
  WaitList waiters;           // for `state`, or for blocks of `writing`
  uint32_t sums_counted = 0;  // of `sums`, by SlotAges
  ListNode node;

 private:
  void hide(uint32_t first, uint32_t count, std::vector<Extent>& left);
};

// By age of use, over all volumes. Owns nothing: the volumes do.
class SlotAges {
 public:
  void add(CachedSlot& slot) { slots_.push_back(slot); }
  void touch(CachedSlot& slot) {
    slots_.remove(slot);
    slots_.push_back(slot);
  }
  void remove(CachedSlot& slot) {
    sums_count_ -= slot.sums_counted;
    slots_.remove(slot);
  }
  // What the slot holds may have changed.
  void count(CachedSlot& slot) {
    const auto held = static_cast<uint32_t>(slot.sums.size());
    sums_count_ += held - std::exchange(slot.sums_counted, held);
  }
  // The oldest that may go; among the few oldest.
  CachedSlot* oldest_idle();
  size_t size() const { return slots_.size(); }
  // That slots hold.
  size_t sums_count() const { return sums_count_; }

 private:
  size_t sums_count_ = 0;
  IntrusiveList<CachedSlot, &CachedSlot::node> slots_;
};

}  // namespace ballast::bdev::pool
