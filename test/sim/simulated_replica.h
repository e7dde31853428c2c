// A replica as a process: the real ReplicaCore over simulated devices, with associations by which heads reach
// it. Everything that it answers comes later, never from inside a call, but for refusals.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "bdev/mirror/replica_core.h"
#include "sim/simulated_disk.h"

namespace ballast::sim {

using bdev::IoType;
using bdev::mirror::Refusal;

struct ReplicaIdentity {
  Uuid volume, replica;
  uint32_t block_size_bytes = 4096;
  uint64_t blocks_count = 0;
  uint64_t blocks_count_max = 0;  // that it may grow to; 0: it may not
};

class SimulatedReplica {
 public:
  using Answer = std::function<void(Status, Refusal, std::vector<uint8_t>)>;
  using ReadDone = std::function<void(Status, std::vector<uint64_t>)>;

  // Made together with its volume: it has everything there is.
  SimulatedReplica(World& world, const ReplicaIdentity& identity);

  SimulatedDisk& disk() { return disk_; }
  const SimulatedDisk& disk() const { return disk_; }
  // When a write of its metadata failed: it does nothing any more until it was ended and started.
  std::function<void()> poisoned;

  // Power fails. Nothing of before is heard of any more.
  void crash();
  // Reads its metadata. False: there is none that can be used.
  bool start();
  bool is_up() const { return core_ != nullptr; }
  // Goes up with each crash(): who was connected before is not any more.
  uint64_t life() const { return life_; }
  // A new one of the same name: of a disk of zeroes, or of one that held something else.
  void replace(bool has_leftovers);
  // One block of its metadata cannot be relied on any more. Never one copy of the superblock without a whole
  // other one.
  void rot();

  // Null: there are too many. `dropped`: it takes nothing of this one any more, and close() is to follow.
  std::optional<uint32_t> associate(std::function<void()> dropped);
  void close(uint32_t association);
  void command(uint32_t association, const bdev::mirror::CommandWords& words, std::vector<uint8_t> data,
               Answer answer);
  void write(uint32_t association, uint64_t lba, std::vector<uint64_t> values,
             std::function<void(Status)> done);
  void read(uint32_t association, uint64_t lba, uint32_t count, ReadDone done);

  const bdev::mirror::ReplicaMetadata& metadata() const { return *core_->metadata(); }
  // Of a replica that is down, too: what its superblock says.
  bdev::mirror::ReplicaSuperblock superblock() const;
  bool is_complete() const { return superblock().content == bdev::mirror::Content::complete; }
  // In the first so many blocks; in memory, or on its device as a start would find them. One behind the end
  // of the volume, of a block that was damaged, nobody clears, and it says nothing.
  bool has_marks(uint64_t blocks_count) const;

 private:
  struct Io {
    IoType type = IoType::read;
    uint64_t lba = 0;
    uint32_t count = 0;
    std::vector<uint64_t> values;
    std::function<void(Status)> write_done;
    ReadDone read_done;
  };
  struct Command {
    bdev::mirror::CommandWords words;
    std::vector<uint8_t> data, out;
    Answer answer;
  };
  void format(bdev::mirror::Content content);
  std::unique_ptr<bdev::mirror::ReplicaMetadata> load_metadata(bool with_errors) const;
  void step(const bdev::mirror::ReplicaEvent& event);
  void carry_out(const bdev::mirror::ReplicaAction& action);
  void read_allocation(const bdev::mirror::ReplicaAction& action);
  void note_allocation(const bdev::mirror::ReplicaAction& action);
  void read_checksums(const bdev::mirror::ReplicaAction& action);
  void grow(uint64_t blocks_count);
  void take_snapshot(const bdev::mirror::SnapshotRequest& request);
  void delete_snapshot(const Uuid& uuid);
  // simulated_carry.cc
  struct CarryEnd {
    Status status = Status::ok;
    Refusal refusal = Refusal::none;
  };
  void carry(const bdev::mirror::ReplicaAction& action);
  CarryEnd carry_now(Command& command, const bdev::mirror::SnapshotSelection& selection);
  CarryEnd list_snapshots(const Uuid& after, MutableByteSpan out) const;
  CarryEnd read_snapshot_map(const bdev::mirror::ReplicaCommand& command,
                             const bdev::mirror::SnapshotSelection& selection) const;
  CarryEnd read_snapshot(const bdev::mirror::ReplicaCommand& command,
                         const bdev::mirror::SnapshotSelection& selection) const;
  CarryEnd begin_receive(const bdev::mirror::ReceiveRequest& request);
  CarryEnd receive(const bdev::mirror::ReplicaCommand& command);
  CarryEnd end_receive(bool is_finished);
  void drop_received();
  DiskSnapshot* received();  // null: none is being received
  bool fails_to_carry(uint64_t one_in);
  uint32_t granule_blocks() const {
    return static_cast<uint32_t>(bdev::mirror::ReplicaLayout::k_granule_bytes / identity_.block_size_bytes);
  }
  void submit(uint32_t slot);
  void finish(uint32_t slot, Status status);
  void answer(const bdev::mirror::ReplicaAction& action);
  template <typename Map>
  static uint32_t free_number(const Map& used) {
    uint32_t number = 0;
    while (used.contains(number)) ++number;
    return number;
  }

  uint64_t size_max_bytes() const {
    return std::max(identity_.blocks_count, identity_.blocks_count_max) * identity_.block_size_bytes;
  }

  World& world_;
  const ReplicaIdentity identity_;
  const bdev::mirror::ReplicaLayout layout_;
  mutable SimulatedDisk disk_;
  uint64_t life_ = 0;
  bool is_poison_told_ = false;
  std::unique_ptr<bdev::mirror::ReplicaCore> core_;
  std::unique_ptr<bdev::mirror::ReplicaActions> actions_;
  std::map<uint32_t, std::function<void()>> associations_;
  std::map<uint32_t, Io> ios_;
  std::map<uint32_t, Command> commands_;
};

}  // namespace ballast::sim
