// What the I/O of all volumes of a pool shares, on the owner reactor: disks, sums, the objects that I/O is
// worked on with, and the extents that are free once nobody reads them any more.
#pragma once

#include <functional>
#include <memory>

#include "base/object_pool.h"
#include "bdev/pool/chain_index.h"
#include "bdev/pool/data_run.h"
#include "bdev/pool/grace.h"
#include "bdev/pool/slot_cache.h"
#include "bdev/pool/store.h"

namespace ballast::bdev::pool {

class VolumeIo;

struct DataPathOptions {
  // In work at a time; what is more waits in line. A disk is not faster with more, and what a host has in
  // flight is bounded by its queues.
  uint32_t ios_max = 512;
  // Of slots in memory.
  uint32_t slots_max = 65'536;
  // What the maps may take (map_memory.h), however many slots that are; 0: a part of what is allocated.
  uint64_t map_bytes = 0;
  ChainOptions chains;
};

class DataPath;

// co_await MarkDone(path, sums): mark_dirty() for a coroutine; is_dirty tells whether it went well.
class MarkDone {
 public:
  MarkDone(DataPath& path, const BlockSumsPointer& sums) : path_(path), sums_(sums) {}
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter) { coroutine_ = waiter; }
  void await_resume() {}

 private:
  DataPath& path_;
  const BlockSumsPointer& sums_;
  Waiter waiter_;
  std::coroutine_handle<> coroutine_;
  bool is_done_ = false;
};

class DataPath {
 public:
  // All must outlive it.
  DataPath(Reactor& reactor, Store& store, uint32_t blocks_per_extent, bool keeps_checksums,
           const DataPathOptions& options);
  ~DataPath();

  void add_disk(Disk& disk, uint64_t data_offset);
  DataDisk& disk_of(Extent extent) { return disks_[extent.device()]; }
  uint64_t offset_of(Extent extent, uint32_t block) {
    return disk_of(extent).data_offset +
           (extent.number() * blocks_per_extent + block) * uint64_t{k_page_bytes};
  }
  // Some disk has lost what it said was durable.
  bool is_poisoned() const;

  // Null if all are in work: wait in `line`.
  VolumeIo* take();
  void give_back(VolumeIo& io);
  WaitList line;
  Grace grace;

  // One for new data; nothing if the pool is full. It is used when a record says so; otherwise unreserve().
  std::optional<Extent> reserve();
  void unreserve(Extent extent);
  // Extents that the store has freed go back to the free ones when the I/O of this moment is over. Called
  // after every commit that may free, and when I/O ends.
  void settle_freed();
  // Called when an extent is taken while less than a quarter of the pool is free.
  std::function<void()> room_is_short;
  bool is_room_short() const { return store.extents().free_count() < store.extents().extents_count() / 4; }
  // I/O that found no room, while some may come: extents wait for other I/O to end, or what was deleted is
  // being freed.
  WaitList waiting_for_room;
  bool may_get_room() const { return is_freeing_ || !grace.is_empty(); }
  // False before anybody waits for I/O to end: that must not wait for room.
  void set_freeing(bool is_freeing) {
    const bool ends = is_freeing_ && !is_freeing;
    is_freeing_ = is_freeing;
    if (ends) waiting_for_room.wake_all();
  }

  // The sums of a reserved extent, which is dirty from the record on that maps it.
  BlockSumsPointer new_sums(Extent extent);
  // Of any extent: from memory, else from the tree.
  Task<Result<BlockSumsPointer>> load_sums(Extent extent);
  // True if the extent is dirty. Otherwise a record that makes it so, and its neighbours beforehand, is on
  // its way, and the waiter is woken when that is durable or has failed.
  bool mark_dirty(const BlockSumsPointer& sums, Waiter& waiter);

  // Extents that are marked dirty in the tree and were not written since: their sums there are right.
  struct Premark {
    uint64_t id = 0;  // of the record
    bool is_durable = false;
    uint64_t since_ns = 0;
  };
  std::unordered_map<uint64_t, Premark> premarks;

  Reactor& reactor;
  Store& store;
  const uint32_t blocks_per_extent;
  const bool keeps_checksums;
  // Data and the record that maps it may be written at the same time; not any more when that went wrong once.
  bool writes_together = true;
  SumTable sums;
  SlotAges ages;
  // The oldest slot, if there are too many for the data that is allocated.
  CachedSlot* slot_to_drop();
  ChainIndexes chains;

 private:
  struct Mark;
  bool is_freeing_ = false;
  const uint32_t slots_max_;
  const uint64_t map_bytes_;
  std::vector<DataDisk> disks_;
  uint64_t marks_count_ = 0;
  std::unique_ptr<ObjectPool<VolumeIo>> ios_;
};

}  // namespace ballast::bdev::pool
