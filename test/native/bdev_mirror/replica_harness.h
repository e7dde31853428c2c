// A member as its tests see it: a ReplicaCore over a metadata device in memory whose writes end when the test
// says so, and which keeps of a write in flight what it likes when power fails. It checks at every step what
// must hold at every step.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/prng.h"
#include "bdev/mirror/replica_core.h"

namespace ballast::bdev::mirror::test {

Uuid uuid_of(uint8_t number);

struct Answer {
  Status status = Status::ok;
  Refusal refusal = Refusal::none;
};

struct Io {
  uint32_t association = 0;
  IoType type = IoType::write;
  uint64_t lba = 0;
  uint32_t blocks_count = 0;
};

class Replica {
 public:
  static constexpr uint32_t k_block_size = 4096;
  static constexpr uint64_t k_region_blocks = ReplicaLayout::k_region_bytes / k_block_size;

  // A new one of this size, formatted and opened.
  explicit Replica(uint64_t size_bytes = uint64_t{200} << 20, uint32_t block_size = k_block_size,
                   uint64_t size_max_bytes = 0);

  // --- the world ---
  // Reads the metadata and starts anew.
  void open();
  // Writes in flight are lost, done, or torn as `prng` likes; without it they are lost. Then open().
  void crash(Prng* prng = nullptr);
  uint32_t associate();
  void close(uint32_t association);
  // Ends one metadata write (the oldest) or all there are, those that follow from them too.
  void end_metadata(uint32_t ticket, Status status = Status::ok);
  void end_one_metadata(Status status = Status::ok);
  void settle();

  // --- commands; the result is their number ---
  uint32_t seal(uint32_t association, uint64_t epoch, uint64_t session, uint8_t head = 1,
                uint64_t sealed_epoch = 0);
  uint32_t command(uint32_t association, ReplicaOpcode opcode, ByteSpan data, size_t out_bytes = 0,
                   uint64_t first = 0, uint32_t argument = 0);
  uint32_t regions(uint32_t association, ReplicaOpcode opcode, const std::vector<uint32_t>& list);
  uint32_t absent(uint32_t association, ReplicaOpcode opcode, uint8_t member,
                  const std::vector<GranuleRange>& ranges = {}, bool everything = false,
                  uint64_t since_epoch = 1);
  uint32_t begin_copying(uint32_t association, uint8_t member, bool everything, uint64_t since_epoch);
  uint32_t set_content(uint32_t association, Content content);
  ReplicaState state(uint32_t association);
  std::set<uint64_t> marked(uint32_t association);
  std::optional<Answer> answer_of(uint32_t command) const;
  ByteSpan out_of(uint32_t command) const { return commands_.at(command).out; }
  // Opened, sealed and settled.
  uint32_t sealed_association(uint64_t epoch, uint64_t session = 1, uint8_t head = 1);

  // What the device is asked for that has been asked last, and its answer.
  const ReplicaAction& asked_allocation() const { return asked_allocation_.begin()->second; }
  void end_allocation(Status status);
  const ReplicaAction& asked_checksums() const { return asked_checksums_.begin()->second; }
  void end_checksums(Status status);
  // To how many blocks the device is to grow.
  std::optional<uint64_t> asked_growth() const { return asked_growth_; }
  void end_growth(Status status);
  // One that is to be taken or deleted.
  const std::optional<ReplicaAction>& asked_snapshot() const { return asked_snapshot_; }
  void end_snapshot(Status status, Refusal refusal = Refusal::none);
  // Of snapshots that are carried, by command; and that what was received is to be dropped.
  bool has_asked_carry() const { return !asked_carry_.empty(); }
  const ReplicaAction& asked_carry() const { return asked_carry_.begin()->second; }
  void end_carry(Status status, Refusal refusal = Refusal::none);
  bool asks_drop() const { return asks_drop_; }
  void end_drop();

  // --- I/O; the result is its number ---
  uint32_t submit(uint32_t association, IoType type, uint64_t lba, uint32_t blocks_count);
  void end_io(uint32_t io, Status status = Status::ok);
  bool is_in_device(uint32_t io) const { return in_device_.contains(io); }
  std::optional<Answer> end_of(uint32_t io) const;

  // --- what is there ---
  const ReplicaCore& core() const { return *core_; }
  const ReplicaMetadata& metadata() const { return *core_->metadata(); }
  const std::map<uint32_t, Io>& in_device() const { return in_device_; }
  std::vector<uint32_t> pending_tickets() const;
  // Blocks that are being written.
  std::vector<uint64_t> pending_blocks() const;
  bool has_waiting_io() const { return ios_.size() > ended_.size() + in_device_.size(); }
  bool has_open_command() const;
  bool was_dropped(uint32_t association) const { return dropped_.contains(association); }
  std::vector<ReplicaBlock>& platter() { return platter_; }
  const GranuleMap* absent_map(uint8_t member) const;
  const ReplicaLayout& layout() const { return layout_; }
  ReplicaLoader::State load_state() const { return load_state_; }
  uint64_t writes_count() const { return writes_count_; }
  // Of every start of an I/O: whether it was right. Empty: all were.
  const std::string& trouble() const { return trouble_; }
  uint32_t sealed_by_answers() const { return sealed_; }

 private:
  struct PendingWrite {
    uint64_t block = 0;
    ByteSpan where;
    ReplicaBlock bytes;
  };
  struct Command {
    uint32_t association = 0;
    bool is_seal = false;
    ReplicaOpcode opcode = ReplicaOpcode::seal;
    uint32_t argument = 0;
    std::vector<uint8_t> data, out;
  };
  void step(const ReplicaEvent& event);
  void on_submit(uint32_t slot);
  void on_answer(const ReplicaAction& action);
  bool is_mark_durable(uint64_t region) const;
  uint32_t free_slot(const std::map<uint32_t, uint32_t>& used) const;

  const ReplicaOptions options_;
  const uint32_t block_size_;
  const uint64_t blocks_count_;  // of the volume that seals it
  ReplicaLayout layout_;
  std::vector<ReplicaBlock> platter_;
  ReplicaLoader::State load_state_ = ReplicaLoader::State::reading;
  std::unique_ptr<ReplicaCore> core_;
  std::unique_ptr<ReplicaActions> actions_;
  std::map<uint32_t, PendingWrite> pending_;
  std::vector<uint32_t> pending_order_;
  std::set<uint32_t> open_associations_;
  std::set<uint32_t> dropped_;
  uint32_t next_association_ = 0;
  uint32_t sealed_ = ReplicaCore::k_nobody;
  // Numbers of the test, which are never given out again, and slots of the core, which are.
  uint32_t next_number_ = 0;
  std::map<uint32_t, uint32_t> io_slots_, command_slots_;  // slot -> number
  std::map<uint32_t, Io> ios_, in_device_;
  std::map<uint32_t, ReplicaAction> asked_allocation_, asked_checksums_;  // by slot
  std::optional<uint64_t> asked_growth_;
  std::optional<ReplicaAction> asked_snapshot_;
  std::map<uint32_t, ReplicaAction> asked_carry_;  // by slot
  bool asks_drop_ = false;
  std::map<uint32_t, Answer> ended_;
  std::map<uint32_t, Command> commands_;
  std::map<uint32_t, Answer> answers_;
  uint64_t writes_count_ = 0;
  std::string trouble_;
};

}  // namespace ballast::bdev::mirror::test
