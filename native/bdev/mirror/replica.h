// A replica as a real thing: a ReplicaCore over two devices, data and metadata. Lives on one reactor, its
// home; others reach it through ports (replica_port.h), which send messages.
//
// What happens to it is put in line and given to the core one after the other: an answer of a device, or of
// whoever is told of an end, that comes from inside never enters the core a second time. No allocation for an
// I/O: each has a child of a fixed pool, which goes to the data device; without a free one it waits in line,
// in order, and takes up nothing but what its submitter holds.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/intrusive_list.h"
#include "base/object_pool.h"
#include "bdev/bdev.h"
#include "bdev/mirror/replica_core.h"
#include "bdev/mirror/snapshot_transfer.h"
#include "reactor/reactor.h"

namespace ballast::bdev::mirror {

class ReplicaPort;

// In Io::layer_scratch, from a port's submit() to done().
struct ReplicaPlace {
  ListNode node;  // in line for a child
  ReplicaPort* port = nullptr;
  Message message{nullptr};
  Status status = Status::ok;

  static ReplicaPlace& prepare(Io& io) { return *new (io.layer_scratch) ReplicaPlace; }
  static ReplicaPlace& of(Io& io) { return *reinterpret_cast<ReplicaPlace*>(io.layer_scratch); }
  Io& io() {
    return *reinterpret_cast<Io*>(reinterpret_cast<std::byte*>(this) - offsetof(Io, layer_scratch));
  }
};
static_assert(sizeof(ReplicaPlace) <= sizeof(Io::layer_scratch));

// A command on its way; a member of its sender's object, which does not touch it until done().
struct ReplicaOrder {
  uint64_t association = 0;
  ReplicaCommand command;
  // Exactly once, on home, possibly from inside command(). The order may go.
  void (*done)(ReplicaOrder& order, Status status, Refusal refusal) = nullptr;
  void* context = nullptr;  // the sender's

  ListNode node;  // the replica's
};

struct ReplicaFacts {
  uint64_t blocks_count = 0;
  uint64_t blocks_count_max = 0;  // to which it can grow
  Uuid volume_uuid;
  uint64_t max_epoch = 0;
  Content content = Content::nothing;
  bool is_unusable = false;  // the metadata was lost
  bool is_failed = false;    // a write of the metadata has: nothing is done until it is opened again
  bool is_sealed = false;
  uint64_t marked_regions = 0;
  uint32_t absent_members = 0;
  std::array<KnownAbsent, k_absent_slots> absent{};  // those, first
};

class Replica {
 public:
  // On home. The devices fit the metadata (open_replica() has seen to that); without metadata it refuses
  // everything as unusable.
  Replica(Reactor& home, const Uuid& uuid, std::shared_ptr<Bdev> data, std::shared_ptr<Bdev> metadata_device,
          std::unique_ptr<ReplicaMetadata> metadata, const ReplicaOptions& options);
  ~Replica();  // on home, when closed

  // --- any thread ---
  Reactor& home() { return home_; }
  const Uuid& uuid() const { return uuid_; }
  // Of as many blocks as it can grow to; how many there are its core knows, and heads.
  const Geometry& geometry() const { return geometry_; }
  const Capabilities& capabilities() const { return capabilities_; }
  // The number of an association that is no NVMe controller's.
  uint64_t take_association_number() {
    return k_own_numbers | associations_taken_.fetch_add(1, std::memory_order_relaxed);
  }

  // --- on home ---
  // `dropped` is called once at most, when another one is sealed in its place, or all are to end: the
  // association is to be closed. False: no room for one more, or the replica is being closed.
  using Dropped = std::function<void()>;
  [[nodiscard]] bool open_association(uint64_t association, Dropped dropped);
  // What it has in work ends by itself. No error if there is none of this number.
  void close_association(uint64_t association);
  // Of an Io in which a port has prepared its place; the answer goes to the port.
  void submit(Io& io);
  void command(ReplicaOrder& order);
  // Called on home when a head has sealed it, and when none has any more: it left, its connection broke, or
  // another one is about to. From inside of what changed it: to pass it on.
  void set_on_seal(std::function<void(bool is_sealed)> on_seal) { on_seal_ = std::move(on_seal); }
  // Makes its data device larger, to so many bytes at least; called on home, `grown` there, later. Without it
  // the replica has what its device has.
  using Grown = std::function<void(Status)>;
  using Grower = std::function<void(uint64_t size_bytes, Grown grown)>;
  void set_grower(Grower grower) { grower_ = std::move(grower); }
  // What takes and deletes snapshots of its data device, durably; called on home, `ended` there, later.
  // Without it there are none.
  using SnapshotEnded = std::function<void(Status, Refusal)>;
  struct Snapshots {
    std::function<void(const SnapshotRequest&, SnapshotEnded)> take;
    std::function<void(const Uuid&, SnapshotEnded)> remove;  // no error when there is none
  };
  void set_snapshots(Snapshots snapshots) { snapshots_ = std::move(snapshots); }
  // What reads and receives them. Without it there is nothing to be carried: `unsupported`.
  void set_snapshot_transfer(std::unique_ptr<SnapshotTransfer> transfer) { transfer_ = std::move(transfer); }
  // Drops all associations; `closed` comes later, when they have been closed and no device has anything to
  // do.
  void close(std::function<void()> closed);
  ReplicaFacts facts() const;
  // Those that wait for a child.
  size_t ios_waiting() const { return line_.size(); }

 private:
  static constexpr uint64_t k_own_numbers = uint64_t{1} << 63;
  // Events that are given to the core before others have their turn, where devices answer at once.
  static constexpr uint32_t k_events_at_once_max = 4096;

  struct Pending {
    ListNode node;
    ReplicaEvent event;
  };
  struct Association {
    uint64_t number = 0;  // 0: of nobody, or closed
    bool is_taken = false;
    Dropped dropped;
    Pending opened, closed;
  };
  struct Child {
    Replica* replica = nullptr;
    Io* parent = nullptr;
    Pending pending;
    Io io;
  };
  struct CommandSlot {
    Replica* replica = nullptr;
    ReplicaOrder* order = nullptr;
    Pending pending;
    Segment segment;  // read_allocation, read_checksums: what the device fills
    Io io;
    ReplicaAction checking;  // read_checksums: what is left of it
  };
  struct Growth {
    Replica* replica = nullptr;
    uint64_t next_lba = 0, end_lba = 0;  // what is zeroed
    Pending pending;
    Io io;
  };
  struct MetadataIo {
    Replica* replica = nullptr;
    Segment segment;
    Pending pending;
    Io io;
  };

  void post(Pending& pending);
  void drive();
  void step(const ReplicaEvent& event);
  void carry_out(const ReplicaAction& action);
  uint32_t find(uint64_t association) const;
  void drop(Association& association);

  void begin(Io& io, Child& child);
  static void child_done(Io& io, Status status);
  void finish_io(uint32_t slot, Status status, Refusal refusal);
  void start_waiting();
  void begin(ReplicaOrder& order, CommandSlot& slot);
  void finish_command(const ReplicaAction& action);
  void read_allocation(const ReplicaAction& action);
  static void allocation_done(Io& io, Status status);
  void read_checksums(const ReplicaAction& action);
  void read_next_part(CommandSlot& slot);
  static void part_done(Io& io, Status status);
  void end_checksums(CommandSlot& slot, Status status);
  void grow(uint64_t blocks_count);
  void zero_next();
  void end_growth(Status status);
  void take_snapshot(ByteSpan request);
  void delete_snapshot(ByteSpan uuid);
  SnapshotEnded snapshot_ended();
  void carry(const ReplicaAction& action);
  void drop_received();
  void write_metadata(const ReplicaAction& action);
  static void metadata_done(Io& io, Status status);
  bool is_idle() const;
  void finish_close_if_idle();

  Reactor& home_;
  const Uuid uuid_;
  const std::shared_ptr<Bdev> data_, metadata_;
  const std::unique_ptr<Channel> data_channel_, metadata_channel_;
  Geometry geometry_;
  Capabilities capabilities_;
  std::atomic<uint64_t> associations_taken_{1};

  ReplicaCore core_;
  ReplicaActions actions_;
  IntrusiveList<Pending, &Pending::node> pending_;
  bool is_driving_ = false;
  bool is_starting_ = false;
  bool is_awaited_ = false;  // wake_ is on its way
  struct Wake : Message {
    Replica* replica = nullptr;
    using Message::Message;
  } wake_;

  std::vector<Association> associations_;
  ObjectPool<Child> children_;
  IntrusiveList<ReplicaPlace, &ReplicaPlace::node> line_;
  ObjectPool<CommandSlot> commands_;
  IntrusiveList<ReplicaOrder, &ReplicaOrder::node> command_line_;
  std::array<MetadataIo, ReplicaCore::k_metadata_writes_max> metadata_ios_;
  uint32_t metadata_writes_count_ = 0;
  Grower grower_;
  Growth growth_;
  Snapshots snapshots_;
  Pending snapshot_done_;
  std::unique_ptr<SnapshotTransfer> transfer_;
  Pending received_dropped_;
  // Of what others do for it: a command may end before, when the metadata cannot be written.
  uint32_t outside_count_ = 0;
  std::function<void(bool)> on_seal_;
  bool said_sealed_ = false;
  bool is_closing_ = false;
  std::function<void()> closed_;
};

}  // namespace ballast::bdev::mirror
