// What happens to a member, and what it asks of the world: the border of ReplicaCore. Associations, I/Os and
// commands are small numbers that the caller gives out, and gives out again when they have ended.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "bdev/bdev.h"
#include "bdev/mirror/replica_command.h"

namespace ballast::bdev::mirror {

struct ReplicaEvent {
  enum class Kind : uint8_t {
    association_opened,
    association_closed,  // its numbers of I/Os and commands stay taken until they have ended
    command,             // `slot`
    io_submit,           // `slot`
    io_done,             // the device has ended `slot` with `status`
    metadata_done,       // write_metadata `ticket` has ended with `status`
    allocation_done,     // read_allocation `slot` has, of which `command` is the command
    checksums_done,      // read_checksums `slot` has
    grown,               // grow has
    snapshot_done,       // take_snapshot or delete_snapshot has, with `status` or `refusal`
    carry_done,          // carry `slot` has, of which `command` is the command
    received_dropped,    // drop_received has
  };
  Kind kind = Kind::association_opened;
  uint32_t association = 0;
  uint32_t slot = 0;
  uint32_t ticket = 0;
  Status status = Status::ok;
  Refusal refusal = Refusal::none;  // snapshot_done, carry_done
  IoType io_type = IoType::read;
  uint64_t lba = 0;
  uint32_t blocks_count = 0;
  ReplicaCommand command;
};

struct ReplicaAction {
  enum class Kind : uint8_t {
    write_metadata,    // `bytes` to block `block_number`; they do not change before metadata_done(`ticket`)
    submit_io,         // I/O `slot` to the device; then io_done
    finish_io,         // I/O `slot` ends with `status` and `refusal`
    answer,            // command `slot` ends with `status` and `refusal`; `out_bytes` of its `out` are filled
    drop_association,  // another one is sealed in its place
    read_allocation,   // `out` is filled by the device: IoType::read_allocation of `lba` and `blocks_count`
    // `lba` and `blocks_count` are read from the device, and `out` is filled with the CRC32C of each granule
    // of it, little endian, of the last one as far as the range goes.
    read_checksums,
    // Of the data, durably; then snapshot_done. `bytes`: a SnapshotRequest that makes sense; the UUID of one
    // that is to be deleted, which is no error when there is none.
    take_snapshot,
    delete_snapshot,
    // What the command of `slot` asks for, of snapshots of the data: list_snapshots, read_snapshot_map,
    // read_snapshot, begin_receive, receive, end_receive, with numbers and structures that make sense. Of
    // the reads `bytes` is the SnapshotSelection. Then carry_done.
    carry,
    drop_received,  // what was begun to be received, and not finished; then received_dropped
    grow,           // the data device to `lba` blocks at least, of which the new ones read zeroes; then grown
  };
  Kind kind = Kind::finish_io;
  uint32_t association = 0;
  uint32_t slot = 0;
  uint32_t ticket = 0;
  uint64_t block_number = 0;
  ByteSpan bytes;
  uint64_t lba = 0;
  uint32_t blocks_count = 0;
  MutableByteSpan out;
  uint32_t out_bytes = 0;
  Status status = Status::ok;
  Refusal refusal = Refusal::none;
};

// A list that never grows: as many actions as one step can ask for (ReplicaCore::actions_max()).
class ReplicaActions {
 public:
  explicit ReplicaActions(size_t capacity) { list_.reserve(capacity); }
  void add(const ReplicaAction& action) {
    BALLAST_ASSERT(list_.size() < list_.capacity());
    list_.push_back(action);
  }
  std::span<const ReplicaAction> list() const { return list_; }
  void clear() { list_.clear(); }

 private:
  std::vector<ReplicaAction> list_;
};

}  // namespace ballast::bdev::mirror
