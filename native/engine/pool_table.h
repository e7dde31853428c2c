// The pools that are open. Used by the engine's control thread alone, which may block; each pool lives on one
// reactor, the next in turn.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bdev/bdev.h"
#include "bdev/pool/check.h"
#include "bdev/pool/pool.h"
#include "engine/pool_config.h"
#include "engine/pool_snapshot_transfer.h"
#include "reactor/reactor_set.h"

namespace ballast::engine {

class PoolTable {
 public:
  // `map_bytes`: see DataPathOptions.
  PoolTable(ReactorSet& reactors, uint64_t map_bytes);
  // No channel of a volume is open.
  ~PoolTable();

  // Errc: what Pool says, or opening its files. already_exists: a pool of this name is open, or there is data
  // on a device.
  Result<PoolInfo> create(const PoolConfig& config);
  Result<PoolInfo> open(const std::vector<std::string>& paths);
  // in_use while a volume of it is open.
  Outcome close(const std::string& pool, bool exported);
  Outcome destroy(const std::string& pool);
  Result<PoolInfo> add_device(const std::string& pool, const PoolDeviceConfig& config);
  Result<PoolInfo> info(const std::string& pool);
  Result<PoolInfo> set_policy(const std::string& pool, const bdev::pool::PoolPolicy& policy);
  Outcome start_scrub(const std::string& pool, uint64_t bytes_per_second);
  Outcome stop_scrub(const std::string& pool);
  // Of a pool that is closed, by its devices. Errc: opening them, in_use also when the pool is open here.
  // What is wrong with what is on them is in the report; without options.repair they are opened to be read.
  Result<bdev::pool::CheckReport> check(const std::vector<std::string>& paths,
                                        const bdev::pool::CheckOptions& options);
  // Of the check under way, or the last one. From any thread.
  const bdev::pool::WalkProgress& check_progress() const { return check_progress_; }

  Result<std::vector<PoolVolumeInfo>> volumes(const std::string& pool);
  // What each volume and its snapshots hold; of one volume, unless the name is empty. Not of those whose pool
  // does not count it.
  Result<std::vector<PoolAllocation>> allocations(const std::string& pool, const std::string& volume);
  Result<PoolVolumeInfo> create_volume(const std::string& pool, const PoolVolumeConfig& config);
  Result<PoolVolumeInfo> clone_volume(const std::string& pool, const std::string& volume,
                                      const std::string& snapshot, const PoolVolumeConfig& config);
  // The device, if it is open, has its new size when this returns.
  Result<PoolVolumeInfo> resize_volume(const std::string& pool, const std::string& volume,
                                       uint64_t size_bytes);
  Result<PoolVolumeInfo> rename_volume(const std::string& pool, const std::string& volume,
                                       const std::string& name);
  Result<PoolVolumeInfo> revert_volume(const std::string& pool, const std::string& volume,
                                       const std::string& snapshot, uint64_t now_s);
  Outcome delete_volume(const std::string& pool, const std::string& volume, bool erase);
  Outcome set_volume_key(const std::string& pool, const std::string& volume,
                         const std::vector<uint8_t>& wrapped_key);

  Result<std::vector<PoolSnapshotInfo>> snapshots(const std::string& pool, const std::string& volume);
  Result<std::vector<PoolSnapshotInfo>> create_snapshots(const std::string& pool,
                                                         const std::vector<PoolSnapshotConfig>& configs,
                                                         uint64_t now_s);
  Outcome delete_snapshot(const std::string& pool, const std::string& volume, const std::string& snapshot);
  Result<bdev::pool::Ranges> ranges(const std::string& pool, const PoolRangesConfig& config);

  // --- volumes that are served ---
  struct Opened {
    PoolVolumeInfo info;
    std::shared_ptr<bdev::Bdev> device;
  };
  Result<Opened> open_volume(const std::string& pool, const std::string& volume);
  // The metadata of a replica in the volume of this UUID: a thin volume that users cannot name, is not
  // listed, and is deleted with the volume. Made with this size where it is missing.
  Result<Opened> open_replica_metadata(const std::string& pool, const Uuid& volume, uint64_t size_bytes);
  // What makes an open volume larger, called on any reactor as long as it is open; `done` is called on the
  // pool's.
  using Grow = std::function<void(uint64_t size_bytes, std::function<void(Outcome)> done)>;
  Result<Grow> grower(const std::string& pool, const std::string& volume);
  // What takes and deletes snapshots of an open volume, by the same rules. Errc: what Pool says; take:
  // already_exists, also for the UUID; remove: none when there is no such snapshot.
  struct Snapshots {
    std::function<void(PoolSnapshotConfig config, uint64_t now_s, std::function<void(Outcome)> done)> take;
    std::function<void(Uuid uuid, std::function<void(Outcome)> done)> remove;
  };
  Result<Snapshots> snapshots_of(const std::string& pool, const std::string& volume);
  // Of an open volume.
  Result<VolumeAccess> access(const std::string& pool, const std::string& volume);
  // Its channels are gone, and the device is not used any more.
  void close_volume(const std::string& pool, const std::string& volume);

 private:
  struct OpenDevice {
    uint32_t id = 0;
    std::shared_ptr<bdev::Bdev> device;
  };
  struct Entry {
    Reactor* reactor = nullptr;
    std::unique_ptr<bdev::pool::Pool> pool;  // made, used and destroyed on the reactor
    std::map<std::string, OpenDevice> open;  // by name of the volume
  };
  Result<Entry*> find(const std::string& pool);
  Result<Opened> open_any(Entry& entry, const std::string& volume);
  bool has_replica(Entry& entry, const std::string& volume);
  Result<PoolInfo> take(Entry entry);
  static void drop(Entry& entry);
  Reactor& next_reactor();

  ReactorSet& reactors_;
  bdev::pool::PoolOptions options_;
  std::map<std::string, Entry> pools_;
  uint32_t next_reactor_ = 0;
  bdev::pool::WalkProgress check_progress_;
};

}  // namespace ballast::engine
