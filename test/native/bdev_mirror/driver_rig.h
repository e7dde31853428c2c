// What a HeadDriver drives in its tests: replicas that are the real core over memory, connections to them
// that take time and can be broken, held and lost, a store that can be held, and a user that remembers what
// it wrote. All in a simulated world.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "bdev/mirror/head_driver.h"
#include "bdev/mirror/mirror_bdev.h"
#include "bdev/mirror/replica_core.h"
#include "reactor/simulated_world.h"

namespace ballast::bdev::mirror::test {

inline constexpr uint32_t k_block_bytes = 4096;
inline constexpr uint64_t k_us = 1000, k_ms = 1'000'000;

// A replica in memory. Its metadata is durable at once; what restart() forgets is everything else.
class MemoryReplica {
 public:
  MemoryReplica(SimulatedWorld& world, Reactor& reactor, const Uuid& volume, const Uuid& uuid,
                uint64_t blocks_count, Content content);
  ~MemoryReplica();

  // --- faults ---
  void restart();  // every association is gone
  // What comes waits in the device; with `lba`: what is of this block.
  void hold_ios(bool hold, std::optional<uint64_t> lba = {});
  void be_unreachable(bool is);  // no connection can be made, and those there are are lost
  void fail_ios(Status status) { io_status_ = status; }  // ok: no more
  void spoil(uint64_t lba) { spoiled_.insert(lba); }     // it cannot be read until it is written
  bool knows_checksums = true;
  Status growth_status = Status::ok;  // of its device
  bool holds_growth = false;          // it does not end
  Status snapshot_status = Status::ok;
  bool holds_snapshots = false;  // they do not end

  uint32_t associate(std::function<void()> dropped);
  void close_association(uint32_t association);
  using IoEnded = std::function<void(Status, Refusal, const std::vector<uint8_t>& read)>;
  void submit(uint32_t association, const Io& io, IoEnded done);
  void command(uint32_t association, const ReplicaRequest& request, ReplicaConnection::Done done);

  bool is_unreachable() const { return is_unreachable_; }
  std::vector<uint8_t>& data() { return data_; }
  const ReplicaMetadata& metadata() const { return *core_->metadata(); }
  uint64_t writes_count() const { return writes_count_; }
  uint64_t commands_count() const { return commands_count_; }
  uint64_t blocks_written() const { return blocks_written_; }
  uint64_t blocks_zeroed() const { return blocks_zeroed_; }
  uint64_t unmaps_count() const { return unmaps_count_; }
  Capabilities capabilities{.unmap = true, .write_zeroes = true};
  std::set<class MemoryConnection*> connections;
  // In the order of the chain.
  std::map<Uuid, std::vector<uint8_t>> snapshots;
  bool knows_carrying = true;
  Status carry_read_status = Status::ok;     // of their data
  Status carry_receive_status = Status::ok;  // of what comes of one
  struct Received {
    ReceiveRequest request;
    std::vector<uint8_t> data;
  };
  std::optional<Received> receiving;

 private:
  // As it came over a wire: the sender's memory is not looked at any more.
  struct PendingIo {
    IoType type = IoType::read;
    uint64_t lba = 0;
    std::vector<uint8_t> bytes;
    IoEnded done;
  };
  struct PendingCommand {
    ReplicaCommand command;
    ReplicaConnection::Done done;
  };
  void open();
  void step(const ReplicaEvent& event);
  void carry_out(const ReplicaAction& action);
  void do_io(uint32_t slot);
  bool is_held(const PendingIo& io) const;
  bool is_spoiled(uint64_t lba, uint64_t count) const;
  void read_checksums(const ReplicaAction& action);
  void grow(uint64_t blocks_count);
  void take_snapshot(const SnapshotRequest& request);
  void carry(const ReplicaAction& action);
  Refusal carry(const ReplicaCommand& command, const SnapshotSelection& selection);
  void list_snapshots(const Uuid& after, MutableByteSpan out) const;
  void read_snapshot(const ReplicaCommand& command, const SnapshotSelection& selection) const;

  SimulatedWorld& world_;
  Reactor& reactor_;
  std::vector<uint8_t> data_;
  std::vector<ReplicaBlock> platter_;
  std::unique_ptr<ReplicaCore> core_;
  std::unique_ptr<ReplicaActions> actions_;
  std::deque<ReplicaEvent> events_;
  bool is_stepping_ = false;
  bool holds_ = false, is_unreachable_ = false;
  Status io_status_ = Status::ok;
  std::set<uint64_t> spoiled_;
  std::optional<uint64_t> held_lba_;
  std::deque<uint32_t> held_;
  std::map<uint32_t, PendingIo> ios_;
  std::map<uint32_t, PendingCommand> commands_;
  std::map<uint32_t, std::function<void()>> associations_;
  uint64_t commands_count_ = 0, writes_count_ = 0, blocks_written_ = 0, blocks_zeroed_ = 0, unmaps_count_ = 0;
};

// Everything takes `delay_ns` there and back.
class MemoryConnector final : public ReplicaConnector {
 public:
  MemoryConnector(SimulatedWorld& world, Reactor& reactor, MemoryReplica& replica)
      : world_(world), reactor_(reactor), replica_(replica) {}
  void connect(Connected connected, Lost lost) override;
  void cancel() override { cancelled_ = true; }

  uint64_t delay_ns = 20 * k_us;
  // close() takes so long: bytes that can still be sent.
  uint64_t close_ns = 0;
  uint32_t connects_count = 0;
  SimulatedWorld& world() { return world_; }
  Reactor& reactor() { return reactor_; }
  MemoryReplica& replica() { return replica_; }
  // Runs later, on the reactor.
  void later(uint64_t ns, std::function<void()> what);

 private:
  SimulatedWorld& world_;
  Reactor& reactor_;
  MemoryReplica& replica_;
  bool cancelled_ = false;
};

// A mirrored volume of `members_count`, its store, and its user on `user_reactor`.
class DriverRig {
 public:
  static constexpr uint64_t k_blocks = 3 * 256 + 17;
  explicit DriverRig(uint32_t members_count, uint64_t seed = 1, bool user_is_away = false);
  ~DriverRig();

  // Until the head serves; a record that there is already is gone on with.
  void start();
  // The device stays, and start() gives it another head.
  // Not in order: it waits for nobody, and the next one finds everything as after a crash.
  void stop_head(bool in_order = true);
  void stop();
  // A replica that is no member yet, and was never one; it has another content than they.
  Uuid add_replica();
  // How `replica` is reached.
  std::shared_ptr<ReplicaConnector> way_to(const Uuid& replica);

  struct Op {
    Io io;
    std::vector<uint8_t> memory;
    std::vector<Segment> segments;
    std::optional<Status> status;
  };
  Op& submit(IoType type, uint64_t lba, uint32_t blocks, uint8_t value = 0);
  Status write(uint64_t lba, uint32_t blocks, uint8_t value);
  // The bytes; empty: it failed.
  std::vector<uint8_t> read(uint64_t lba, uint32_t blocks);
  bool wait_for(const std::function<bool()>& done, uint64_t for_ns = 30 * k_ns_per_s);
  bool wait_in_sync();
  // Of the members.
  bool all_equal();
  bool is_over(const Op& op) const { return op.status.has_value(); }

  SimulatedWorld world;
  Reactor& home;
  Reactor& user;
  Record record;
  HeadDriverOptions options;
  std::vector<std::unique_ptr<MemoryReplica>> replicas;
  std::vector<std::unique_ptr<MemoryConnector>> connectors;
  std::unique_ptr<HeadDriver> driver;
  std::unique_ptr<HeadSlot> slot;  // made by the first start(); another head may be put into it
  std::shared_ptr<Bdev> device;
  std::unique_ptr<Channel> channel;
  enum class Store { answers, holds, is_down } store = Store::answers;
  uint32_t store_requests = 0;

 private:
  void ask_store(uint64_t expected_revision, const Record& wanted);
  void answer_store(uint64_t expected_revision, const Record& wanted);
  void make_replica(Content content);
  std::deque<std::unique_ptr<Op>> ops_;
  std::deque<std::pair<uint64_t, Record>> held_requests_;
};

inline Uuid number_uuid(uint8_t kind, uint32_t number) {
  Uuid uuid;
  uuid.bytes[0] = kind;
  uuid.bytes[15] = static_cast<uint8_t>(number + 1);
  return uuid;
}

}  // namespace ballast::bdev::mirror::test
