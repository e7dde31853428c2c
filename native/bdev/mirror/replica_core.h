// A member of a mirrored volume: who is listened to, what must be durable before what. A pure state machine
// over docs/formats/replica-protocol.md and replica.md: no I/O, no clock, nothing random. Production and the
// simulator drive the same one.
//
// The rules that keep data safe:
//   * One association is sealed at most. I/O and commands are judged when they take effect; a write that
//     waited for its mark is judged again.
//   * A seal is answered when nothing of those before it is in the device or in the metadata any more, and
//     its epoch is durable. A replica of no volume yet becomes one of the seal's, with the same write.
//   * The mark of a region is durable before the first write there. While it is being written, writes of its
//     region wait; marks that come meanwhile go with the next write of their block (group commit).
//   * What writes set in the maps of absent members is durable before the mark of their region is cleared.
//   * What is received of a snapshot ends with the association that began it, before another one is sealed.
//   * After a failed metadata write nothing more is done until the replica is opened again.
//
// Of one thread. Allocates when it is made and when a slot for an absent member is given out, never for I/O.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "bdev/mirror/planted.h"
#include "bdev/mirror/replica_actions.h"
#include "bdev/mirror/replica_load.h"
#include "bdev/mirror/snapshot_protocol.h"

namespace ballast::bdev::mirror {

struct ReplicaOptions {
  uint32_t associations_max = 16;
  uint32_t ios_max = 1024;
  uint32_t commands_max = 32;
};

class ReplicaCore {
 public:
  // Without metadata (it was lost): refuses everything as unusable.
  ReplicaCore(const ReplicaOptions& options, std::unique_ptr<ReplicaMetadata> metadata);
  ~ReplicaCore();

  void step(const ReplicaEvent& event, ReplicaActions& actions);
  // The most that one step can ask for.
  size_t actions_max() const;

  // Tickets of metadata writes are below this.
  static constexpr uint32_t k_metadata_writes_max = 8;

  // --- what is known, for tests and for people ---
  static constexpr uint32_t k_nobody = UINT32_MAX;
  uint32_t sealed_association() const { return sealed_; }
  bool is_poisoned() const { return is_poisoned_; }
  uint32_t ios_in_device() const { return in_device_count_; }
  const ReplicaMetadata* metadata() const { return metadata_.get(); }

 private:
  // Marks that writes wait for are not kept waiting by a command.
  static constexpr uint32_t k_absent_writes_max = k_metadata_writes_max / 2;

  enum class AssociationState : uint8_t {
    closed,
    open,      // no seal yet
    sealed,    // or was, before it ended
    replaced,  // is to be dropped
  };

  struct ReplicaIo {
    enum class State : uint8_t {
      free,
      waiting,  // for the mark of a region
      in_device,
    };
    State state = State::free;
    bool is_change = false;
    uint32_t association = 0;
    uint64_t lba = 0;
    uint32_t blocks_count = 0;
  };

  struct QueuedCommand {
    uint32_t slot = 0;
    uint32_t association = 0;
    ReplicaCommand command;
  };
  enum class CommandStage : uint8_t {
    idle,        // no command is at work
    flushing,    // blocks of maps of absent members are being written
    marking,     // blocks of the intent map are
    superblock,  // it is
    growing,     // the devices are
    snapshot,    // one of the data is being taken or deleted
  };

  // Of the snapshot that is received from another member: there is one at most.
  enum class Receiving : uint8_t {
    none,
    begun,
    at_work,   // a command that changes it
    dropping,  // it is being removed
  };

  struct Sealing {
    enum class Stage : uint8_t {
      none,
      draining,    // what others have in the device and in the metadata ends, their marks too
      persisting,  // the epoch
    };
    Stage stage = Stage::none;
    uint32_t slot = 0;
    uint32_t association = 0;
    uint64_t epoch = 0;
    uint64_t session = 0;
    uint64_t known_epoch = 0;  // the last in which the store knows this replica in sync
    Uuid head;
    Uuid volume;
  };

  struct MetadataWrite {
    enum class Kind : uint8_t { free, superblock, intent, absent };
    Kind kind = Kind::free;
    uint32_t absent_slot = 0;
    uint64_t block = 0;                                 // of its map
    alignas(k_replica_block_bytes) ReplicaBlock bytes;  // as devices like memory best
  };

  // replica_core.cc: who is listened to
  void on_association_closed(uint32_t association);
  Refusal judge(uint32_t association) const;
  void on_seal(const ReplicaEvent& event);
  Refusal check_seal(const SealRequest& request) const;
  void replace_sealed(uint32_t by);
  void unseal();
  void advance_seal();
  void end_sealing(Status status, Refusal refusal);
  void answer(uint32_t slot, Status status, Refusal refusal = Refusal::none, uint32_t out_bytes = 0);
  void refuse(uint32_t slot, Refusal refusal);
  void poison();

  // replica_core_io.cc
  void on_io_submit(const ReplicaEvent& event);
  void on_io_done(uint32_t slot, Status status);
  void prepare_change(uint32_t slot);
  void start_io(uint32_t slot);
  void finish_io(uint32_t slot, Status status, Refusal refusal = Refusal::none);
  void advance_waiting();
  void note_granules(const ReplicaIo& io);
  void note_changes_in_device();
  GranuleMap::Run regions_of(const ReplicaIo& io) const;
  GranuleMap::Run granules_of(const ReplicaIo& io) const;

  // replica_core_commands.cc
  void on_command(const ReplicaEvent& event);
  void read_state(const ReplicaEvent& event);
  void read_map(const ReplicaEvent& event, const GranuleMap* map);
  void read_allocation(const ReplicaEvent& event);
  void on_allocation_done(const ReplicaEvent& event);
  void read_checksums(const ReplicaEvent& event);
  void on_checksums_done(const ReplicaEvent& event);
  void start_commands();
  void start_command();
  void set_content();
  void advance_command();
  void end_command(Status status, Refusal refusal = Refusal::none);
  void start_growing();
  void forget_marks_behind(uint64_t volume_blocks);
  void on_grown(Status status);
  void start_snapshot();
  void delete_snapshot();
  void on_snapshot_done(const ReplicaEvent& event);
  void start_marking();
  void start_clearing();
  void clear_marks();
  void start_absent();
  void begin_absent();
  void give_slot();
  void clear_absent();
  void note_copied();
  bool is_marking_done() const;
  uint32_t find_slot(const Uuid& member) const;

  // replica_core_carry.cc
  void carry(const ReplicaEvent& event);
  bool begins_change(const ReplicaEvent& event);
  void read_of_snapshot(const ReplicaEvent& event, size_t out_bytes);
  void start_carry(const ReplicaEvent& event);
  void on_carry_done(const ReplicaEvent& event);
  void drop_received();
  void on_received_dropped();

  // replica_core_metadata.cc
  void on_metadata_done(uint32_t ticket, Status status);
  void write_superblock();
  void flush(uint32_t absent_slot, uint64_t first_granule, uint64_t count);
  bool is_flushed() const { return flush_.count() == 0 && absent_writes_count_ == 0; }
  bool is_intent_in_flight(uint64_t block) const;
  bool is_intent_settled() const;
  void pump_metadata();
  MetadataWrite* find_free_write();
  void submit_superblock(MetadataWrite& write);
  void submit_intent(MetadataWrite& write, uint64_t block);
  void submit_absent(MetadataWrite& write, uint32_t absent_slot, uint64_t block);
  void submit_write(MetadataWrite& write, uint64_t block_number);

  const ReplicaOptions options_;
  std::unique_ptr<ReplicaMetadata> metadata_;
  ReplicaActions* actions_ = nullptr;  // of the step at work
  bool is_poisoned_ = false;

  std::vector<AssociationState> associations_;
  uint32_t sealed_ = k_nobody;
  uint64_t session_ = 0;  // the highest that was sealed in max_epoch, since this core was made
  uint64_t max_epoch_before_ = 0;
  bool is_state_unread_ = false;  // since the seal
  Sealing sealing_;

  std::vector<ReplicaIo> ios_;
  uint32_t in_device_count_ = 0;
  uint32_t waiting_count_ = 0;

  std::vector<QueuedCommand> queue_;  // a ring; all of the sealed association
  uint32_t queue_first_ = 0, queue_count_ = 0;
  CommandStage stage_ = CommandStage::idle;
  QueuedCommand at_work_;
  RegionList regions_;  // of the command at work
  AbsentRequest absent_request_;
  uint32_t absent_slot_ = 0;  // that it gives out or frees
  // Regions whose marks are to be cleared, less those that were written since.
  GranuleMap clearing_;
  // What the blocks of each slot's map carry.
  std::array<uint64_t, k_absent_slots> map_generations_{};

  SnapshotSelection selection_;  // of the sealed association; its uuid nil: none
  Receiving receiving_ = Receiving::none;
  bool is_received_ownerless_ = false;  // the association is not sealed any more

  std::array<MetadataWrite, k_metadata_writes_max> writes_;
  uint32_t superblock_writes_left_ = 0;
  bool is_superblock_in_flight_ = false;
  GranuleMap flush_;  // blocks of all maps of absent members that are to be written
  uint32_t absent_writes_count_ = 0;
};

}  // namespace ballast::bdev::mirror
