// What the control path asks of a pool: coroutines for its reactor, which call_on() drives. What they are
// given by value is theirs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bdev/pool/pool.h"
#include "engine/pool_config.h"

namespace ballast::engine {

// What hosts of a replica wrote is in a volume that users know; what it knows of itself is in one of this
// name, which is not listed.
inline constexpr char k_replica_prefix[] = ".replica.";

bdev::pool::Task<Result<PoolInfo>> describe(bdev::pool::Pool& pool);
bdev::pool::Task<Result<PoolVolumeInfo>> describe(bdev::pool::Pool& pool, uint32_t volume);
// By id.
bdev::pool::Task<Result<std::vector<PoolVolumeInfo>>> list_volumes(bdev::pool::Pool& pool);
// Of the volume of this name; of all without one. Nothing for those that the pool does not count.
bdev::pool::Task<Result<std::vector<PoolAllocation>>> list_allocations(bdev::pool::Pool& pool,
                                                                       std::string volume);
bdev::pool::Task<Result<PoolVolumeInfo>> make_clone(bdev::pool::Pool& pool, std::string volume,
                                                    std::string snapshot, bdev::pool::VolumeRequest request);
// The layer of a snapshot.
bdev::pool::Task<Result<uint32_t>> find_snapshot(bdev::pool::Pool& pool, std::string volume,
                                                 std::string snapshot);
bdev::pool::Task<Result<std::vector<PoolSnapshotInfo>>> list_snapshots(bdev::pool::Pool& pool,
                                                                       std::string volume);
bdev::pool::Task<Result<std::vector<PoolSnapshotInfo>>> take_snapshots(
    bdev::pool::Pool& pool, std::vector<PoolSnapshotConfig> configs, uint64_t now_s);
// The layer of the snapshot of this UUID; nothing: there is none.
bdev::pool::Task<Result<std::optional<uint32_t>>> find_snapshot(bdev::pool::Pool& pool, uint32_t volume,
                                                                Uuid uuid);
bdev::pool::Task<Result<bdev::pool::Ranges>> find_ranges(bdev::pool::Pool& pool, PoolRangesConfig config);

}  // namespace ballast::engine
