// A volume that is served: its slots in memory, and the gate that its I/O passes. On the owner reactor; other
// reactors come in through VolumeChannel.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <unordered_map>

#include "bdev/pool/background.h"
#include "bdev/pool/chain_index.h"
#include "bdev/pool/data_path.h"
#include "bdev/pool/planted.h"
#include "bdev/pool/value.h"
#include "bdev/range_lock.h"

namespace ballast::bdev::pool {

// What Io::layer_scratch is used for, from VolumeChannel::submit() to done(). `place` is first: the gate's.
struct VolumeScratch {
  RangeLockShard::Place place;
  Waiter waiter;  // in line for a VolumeIo, or for a place among the complex
  OpenVolume* volume = nullptr;
  // I/O of another reactor: how it goes back.
  void* channel = nullptr;
  IoDone done = nullptr;
  Message message{nullptr};
  Status status = Status::ok;

  static VolumeScratch& of(Io& io) { return *reinterpret_cast<VolumeScratch*>(io.layer_scratch); }
  static Io& io_of(Message& message) {
    return *reinterpret_cast<Io*>(reinterpret_cast<std::byte*>(&message) - offsetof(VolumeScratch, message) -
                                  offsetof(Io, layer_scratch));
  }
  static VolumeScratch& prepare(Io& io) { return *new (io.layer_scratch) VolumeScratch; }
};
static_assert(sizeof(VolumeScratch) <= sizeof(Io::layer_scratch));

class OpenVolume {
 public:
  // The path must outlive it.
  OpenVolume(DataPath& path, uint32_t id, const VolumeValue& value, bool has_parent);
  // No I/O is in flight.
  ~OpenVolume();

  uint32_t id() const { return id_; }
  uint32_t head_layer() const { return head_layer_; }
  bool has_parent() const { return has_parent_; }
  bool is_thick() const { return is_thick_; }
  uint64_t blocks_count() const { return blocks_count_; }
  // Its range is within the volume, of this moment.
  bool holds(const Io& io) const {
    if (planted(Planted::gate_unchecked)) return true;
    const Geometry geometry{k_page_bytes, blocks_count_};
    return geometry.contains(io.lba, io.blocks_count) &&
           (io.type != IoType::copy || geometry.contains(io.copy_source_lba, io.blocks_count));
  }
  DataPath& path() { return path_; }

  // As Channel::submit(), of an Io that VolumeScratch::prepare() has seen.
  void submit(Io& io);
  // A read or write without the gate: for who is in it, or holds the range. Io::done is called.
  void submit_inside(Io& io);
  RangeLockShard& gate() { return gate_; }

  // --- for who holds the whole range ---
  // A snapshot was taken, or the head is another one: what it held is below it now.
  void set_head(uint32_t head_layer, bool has_parent);
  void set_blocks_count(uint64_t blocks_count) { blocks_count_ = blocks_count; }
  // What is known of the slots [first, last] is looked up again; without a hold, by the next piece of I/O.
  void forget(uint64_t first_slot, uint64_t last_slot);

  // --- for I/O ---
  // The slot; it may have to be waited for. It stays in memory until unpin().
  CachedSlot& pin(uint64_t slot);
  void unpin(CachedSlot& slot);
  // The record is durable: its blocks read zeroes from now on.
  void zeroed(const SlotZero& zero);
  // Null if it is not in memory.
  CachedSlot* find(uint64_t slot);
  // Of the layers below the head.
  ChainIndex& chain() { return chain_; }

 private:
  static constexpr uint32_t k_complex_max = 16;
  static void enter(Io& io);
  static void left(Io& io, Status status);
  void start_complex(Io& io);
  void start_look_up(CachedSlot& slot);
  Task<Errc> look_up(CachedSlot& slot);
  void drop(CachedSlot& slot);
  void release_sums(CachedSlot& slot);
  Task<Errc> work_on(Io& io);

  DataPath& path_;
  const uint32_t id_;
  uint32_t head_layer_;
  bool has_parent_;
  uint64_t blocks_count_;
  const bool is_thick_;
  const bool is_read_only_;
  std::shared_ptr<RangeLock> range_lock_;
  RangeLockShard& gate_;
  std::unordered_map<uint64_t, std::unique_ptr<CachedSlot>> slots_;
  ChainIndex chain_;
  // I/O of several steps: what is more waits in line, outside of the gate.
  uint32_t complex_count_ = 0;
  WaitList complex_line_;
  Background background_;
};

}  // namespace ballast::bdev::pool
