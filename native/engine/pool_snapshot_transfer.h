// Snapshots of a replica's volume in a pool, as they are read to be carried to another member, and received
// from one.
#pragma once

#include <memory>

#include "bdev/mirror/snapshot_transfer.h"
#include "bdev/pool/pool.h"
#include "reactor/reactor.h"

namespace ballast::engine {

// An open volume, as whoever uses it for longer reaches it: everything on the pool's reactor, while the
// device is there.
struct VolumeAccess {
  Reactor* reactor = nullptr;
  bdev::pool::Pool* pool = nullptr;
  uint32_t volume = 0;
  std::weak_ptr<bdev::Bdev> device;
};

// `home`: the replica's, which keeps the pool open until all that was asked for has ended.
std::unique_ptr<bdev::mirror::SnapshotTransfer> make_pool_snapshot_transfer(Reactor& home,
                                                                            VolumeAccess access);

}  // namespace ballast::engine
