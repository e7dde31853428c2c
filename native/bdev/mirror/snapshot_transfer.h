// Snapshots of a replica's data device as they are read, to be carried to another member, and received from
// one. What a Replica asks of the world.
#pragma once

#include <cstdint>
#include <functional>

#include "base/bytes.h"
#include "bdev/bdev.h"
#include "bdev/mirror/snapshot_protocol.h"

namespace ballast::bdev::mirror {

// On the replica's home; `ended` is called there, exactly once, later. Spans stay valid until then. Reads may
// overlap each other and the one change that is at work. Refusal::no_snapshot: one that is named is not
// there.
class SnapshotTransfer {
 public:
  virtual ~SnapshotTransfer() = default;
  using Ended = std::function<void(Status, Refusal)>;

  // `out`: a SnapshotList of those newer than `after`; nil: from the oldest.
  virtual void list(const Uuid& after, MutableByteSpan out, Ended ended) = 0;
  // A bit for each granule from `first_granule` on that differs, or may; `out` is zeroes before.
  virtual void read_map(const SnapshotSelection& selection, uint64_t first_granule, MutableByteSpan out,
                        Ended ended) = 0;
  // Granules of `mask` from `first_granule` on, one behind the other.
  virtual void read(const SnapshotSelection& selection, uint64_t first_granule, uint32_t mask,
                    MutableByteSpan out, Ended ended) = 0;
  // One at a time; what is left of one that could not be dropped goes first. Until it is finished nobody sees
  // it, and it is removed when the device is opened again.
  virtual void begin_receive(const ReceiveRequest& request, Ended ended) = 0;
  // As of read(); durable when it has ended.
  virtual void receive(uint64_t first_granule, uint32_t mask, ByteSpan data, Ended ended) = 0;
  virtual void finish_receive(Ended ended) = 0;
  // What was begun, and not finished, is gone. No error when nothing was.
  virtual void drop_received(Ended ended) = 0;
};

}  // namespace ballast::bdev::mirror
