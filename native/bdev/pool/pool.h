// A pool: its devices, the store on the first of them, its volumes and what goes on in the background. All of
// it belongs to one reactor, the owner; coroutines of the control path run there. What the engine drives.
#pragma once

#include <map>
#include <set>

#include "bdev/pool/cleaner.h"
#include "bdev/pool/layer_work.h"
#include "bdev/pool/open_volume.h"
#include "bdev/pool/planted.h"
#include "bdev/pool/range_hold.h"
#include "bdev/pool/scrubber.h"
#include "bdev/pool/slot_blocks.h"
#include "bdev/pool/superblock_set.h"
#include "bdev/pool/volumes.h"

namespace ballast::bdev::pool {

// A device that was opened, and how it is called to a person.
struct PoolFile {
  std::string path;
  std::unique_ptr<File> file;
};

struct PoolSettings {
  std::string name;
  Uuid uuid;
  std::vector<Uuid> device_uuids;  // as many as there are files
  bool keeps_checksums = true;
  uint32_t extent_bytes = 1024 * 1024;  // 256 KiB, 512 KiB or 1 MiB
  uint64_t grows_to_bytes = 0;          // of all devices, with those that are added later
  PoolPolicy policy;
  uint64_t now_s = 0;
  // Else devices that hold anything in their first and last MiB are refused.
  bool overwrites = false;
};

struct PoolOptions {
  StoreOptions store;
  DataPathOptions data;
  CleanerOptions cleaner;
  // Writes the journal's ring once when the pool is made: in a sparse file every first write of a block would
  // be a change of the file's own metadata.
  bool fills_journal = false;
};

struct PoolFacts {
  Superblock superblock;           // of device 0
  std::vector<std::string> paths;  // by device
  // That the metadata is sure to have room for, and those in use if they are more.
  uint64_t extents_count = 0;
  uint64_t extents_used = 0;
  uint64_t extents_free = 0;              // of extents_count; 0 while the metadata has no room for more
  uint64_t extents_without_metadata = 0;  // beyond extents_count
  uint64_t metadata_pages = 0;
  uint64_t metadata_pages_free = 0;
  bool is_working = false;
  bool is_broken = false;
  ScrubProgress scrub;
};

// A run of bytes of a volume.
struct ByteRange {
  uint64_t offset_bytes = 0;
  uint64_t length_bytes = 0;
};

// Whole blocks of 4 KiB, at least one, within so many bytes.
inline bool is_block_range(uint64_t offset_bytes, uint64_t length_bytes, uint64_t size_bytes) {
  return offset_bytes % k_page_bytes == 0 && length_bytes % k_page_bytes == 0 && length_bytes > 0 &&
         offset_bytes <= size_bytes && length_bytes <= size_bytes - offset_bytes;
}

struct Ranges {
  std::vector<ByteRange> ranges;
  std::optional<uint64_t> next_offset_bytes;  // nothing: that was all
};

// What a snapshot that is received reads from `offset_bytes` on: whole blocks of 4 KiB.
struct ReceivedRun {
  uint64_t offset_bytes = 0;
  ByteSpan data;
};

class Pool final : private LayerGuard {
 public:
  // The reactor must outlive the pool. Files that are refused are closed and unchanged.
  static Task<Result<std::unique_ptr<Pool>>> create(Reactor& reactor, std::vector<PoolFile> files,
                                                    PoolSettings settings, PoolOptions options = {});
  // not_found names a device that is missing. An exported pool becomes an active one.
  static Task<Result<std::unique_ptr<Pool>>> open(Reactor& reactor, std::vector<PoolFile> files,
                                                  PoolOptions options = {});
  // Every volume has been closed. Afterwards only destruction, whatever it answers.
  Task<Outcome> close(PoolState as = PoolState::active);
  // Closes it and takes the superblocks away. in_use while it has volumes.
  Task<Outcome> destroy();
  // A closed pool that is not used again, or one that could not be made: nothing is in flight.
  ~Pool();

  Task<Outcome> add_device(PoolFile file, Uuid device_uuid);
  PoolFacts facts() const;

  // Lists, names and what needs nothing of volumes that are served.
  Volumes& volumes() { return volumes_; }

  // --- volumes that are served ---
  // in_use if it is open already. Valid until close_volume().
  Task<Result<OpenVolume*>> open_volume(uint32_t volume);
  // Its channels are gone.
  Task<Errc> close_volume(uint32_t volume);
  bool is_open(uint32_t volume) const { return open_.contains(volume); }

  // --- what must be done beside I/O ---
  Task<Result<uint32_t>> create_volume(VolumeRequest request);
  Task<Result<std::vector<uint32_t>>> snapshot(std::vector<SnapshotRequest> requests, uint64_t now_s);
  // invalid_argument when blocks beyond a smaller size hold data.
  Task<Outcome> resize(uint32_t volume, uint64_t size_bytes);
  // in_use while it is open.
  Task<Outcome> revert(uint32_t volume, uint32_t snapshot, uint64_t now_s);
  Task<Outcome> remove(uint32_t volume, bool erase);
  Task<Outcome> remove_snapshot(uint32_t snapshot);

  // What is allocated in `layer` (a head or a snapshot) and below, or, with `since`, what differs from that
  // layer below it; from an offset on, at most so many ranges.
  Task<Result<Ranges>> ranges(uint32_t layer, std::optional<uint32_t> since, uint64_t size_bytes,
                              uint64_t offset_bytes, uint32_t count_max);

  // What a snapshot holds: bytes [offset, offset + size of `out`), whole blocks of 4 KiB within its size,
  // while its volume and others are served. not_found if it is none, or none any more; io_error if it cannot
  // be read, or is not what its checksums say: then `out` holds anything. Others of the control path wait
  // meanwhile: ask for a few MiB at a time.
  Task<Outcome> read_snapshot(uint32_t snapshot_layer, uint64_t offset_bytes, MutableByteSpan out);

  // --- a snapshot that comes from elsewhere, put below what its volume is now ---
  // The layer that it will be. Nobody sees it before finish_receive(), and what is there reads as before all
  // the time. remove_snapshot() gives it up; so do closing the pool, a crash, and removing or reverting the
  // volume. already_exists, invalid_argument, no_space, not_found; in_use while another one is received for
  // this volume.
  Task<Result<uint32_t>> begin_receive(ReceiveRequest request);
  // The snapshot reads so there; where nothing was received, as the layer below it, or zeroes. Durable when
  // answered; after an error any part of it may have been done, and all of it may be sent again. An extent
  // that the volume still holds as it was takes no more room, in however many parts it comes. The data stays
  // as it is until the answer. not_found if it is not being received (any more); invalid_argument, no_space,
  // io_error.
  Task<Outcome> receive(uint32_t snapshot, std::vector<ReceivedRun> runs);
  // already_exists if a snapshot got the name meanwhile, or as receive(): it is not finished then, nor given
  // up. No receive() of it is under way.
  Task<Outcome> finish_receive(uint32_t snapshot);

  // bytes_per_second 0: as fast as it goes.
  Outcome start_scrub(uint64_t bytes_per_second) { return scrubber_.start(bytes_per_second); }
  void stop_scrub() { scrubber_.stop(); }
  // Deleted volumes and snapshots have given back all they had.
  Task<Errc> finish_layer_work();

 private:
  struct Device {
    std::string path;
    std::unique_ptr<Disk> disk;
  };
  Pool(Reactor& reactor, std::vector<Device> devices, const Superblock& superblock,
       const PoolOptions& options);
  static Task<Outcome> check_unused(Disk& disk, const std::string& path, const Uuid& joining_of);
  Task<Outcome> start(bool is_new);
  Task<Outcome> sync_data();
  Task<Outcome> load_dirty();
  Task<Errc> fill_journal();
  Task<Errc> write_all_superblocks();
  Task<Outcome> check_thick(uint64_t size_bytes, uint64_t slots_more);
  Task<Outcome> fill_slots(uint32_t layer, uint64_t first_slot, uint64_t end_slot);
  Task<Result<uint32_t>> create_thick(VolumeRequest request);
  Task<Outcome> check_shrink(uint32_t head_layer, uint64_t size_bytes);
  OpenVolume* find_by_head(uint32_t layer);

  // LayerGuard
  Task<Errc> hold(uint32_t layer, uint64_t first_slot, uint64_t last_slot) override;
  Task<Errc> release() override;
  void parent_changed(uint32_t layer, uint32_t parent) override;
  bool is_being_made(uint32_t layer) const override {
    return (layers_in_making_.contains(layer) || receiving_.contains(layer)) &&
           !planted(Planted::layer_in_making_deleted);
  }
  Task<Errc> erase(std::span<const Extent> extents) override;
  Task<Errc> work_on_layers();
  Task<Result<bool>> compact_next();
  Task<Errc> compact(SlotMerge merge);  // from 0: nothing is below
  Task<Errc> copy_together(SlotMerge merge);
  void forget_places(uint64_t slot);
  void want_layer_work();

  struct Reception;
  Task<Outcome> receive_runs(uint32_t snapshot, std::vector<ReceivedRun> runs);
  Task<Outcome> receive_end(uint32_t snapshot, uint64_t size_bytes);
  Task<Errc> receive_slot(Reception& slot);
  Task<Errc> receive_held(Reception& slot);
  Task<Errc> find_wanted(Reception& slot);
  Task<Result<bool>> can_move(Reception& slot);
  Task<Errc> move_slot(Reception& slot);
  Task<Errc> cover(Reception& slot);
  Task<Errc> store_received(Reception& slot);
  Task<Errc> load_slot(uint32_t layer, uint64_t number, Slot& slot);
  void stop_receiving(uint32_t volume);

  Reactor& reactor_;
  std::vector<Device> devices_;
  Superblock superblock_;
  const uint32_t blocks_per_extent_;
  Store store_;
  DataPath path_;
  Turns metadata_turns_;
  Volumes volumes_;
  LayerWork layer_work_;
  Cleaner cleaner_;
  Scrubber scrubber_;
  std::map<uint32_t, std::unique_ptr<OpenVolume>> open_;
  // Taken before the metadata's: what holds ranges of volumes, one at a time.
  Turns turns_;
  std::set<uint32_t> layers_in_making_;
  std::map<uint32_t, ReceiveRequest> receiving_;  // by layer
  std::unique_ptr<RangeHold> layer_hold_;
  OpenVolume* layer_held_ = nullptr;
  uint64_t layer_first_ = 0, layer_last_ = 0;
  Key next_compaction_ = slot_key(0, 0);
  bool may_have_fragments_ = true;  // slots of several extents: until a walk has found none
  bool has_compacted_ = false;      // in this walk
  bool is_closing_ = false;
  bool is_working_ = false;
  bool wants_work_ = false;
  Signal rested_;
  Background background_;
};

}  // namespace ballast::bdev::pool
