// The member's side as docs/formats/replica-protocol.md and replica.md describe it, over a model of its disk:
// what is durable survives crash(), the rest does not.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "bdev/mirror/head.h"
#include "sim/world.h"

namespace ballast::sim {

using bdev::IoType;
using bdev::Status;
using bdev::mirror::k_members_max;

struct DiskOptions {
  uint64_t delay_least_ns = 20'000, delay_most_ns = 200'000;
  uint32_t write_error_one_in = 0, read_error_one_in = 0;  // 0: never
  uint32_t slow_one_in = 0;
  std::function<void()> slow, write_error, read_error;  // told when one comes
};

class ReplicaModel {
 public:
  static constexpr uint64_t k_region_blocks = 256;
  using Answer = std::function<void(Status)>;
  struct Slot {
    uint64_t since_epoch = 0;
    bool everything = false;
    std::set<uint64_t> durable, noted;  // granules (blocks); noted is all of them, in memory
  };
  struct Said {
    bdev::mirror::Content content = bdev::mirror::Content::complete;
    std::map<uint32_t, std::pair<uint64_t, bool>> slots;
  };

  ReplicaModel(World& world, uint64_t blocks_count) : world_(world), data_(blocks_count, 0) {}

  DiskOptions disk;
  bool heals = false;  // no more errors

  // Power fails: of what was on its way to the disk anything may be there.
  void crash();
  // Another disk, with nothing on it.
  void replace();
  void seal(uint64_t association, uint64_t epoch, uint64_t session, uint32_t head, uint64_t sealed_epoch,
            std::function<void(Status, const Said&)> answer);
  void association_closed(uint64_t association);

  void write(uint64_t association, uint64_t lba, std::vector<uint64_t> values, Answer answer);
  void read(uint64_t association, uint64_t lba, uint32_t count,
            std::function<void(Status, std::vector<uint64_t>)> answer);
  void ping(uint64_t association, Answer answer);
  void mark(uint64_t association, const std::vector<uint64_t>& regions, Answer answer);
  void clear(uint64_t association, const std::vector<uint64_t>& regions, Answer answer);
  void begin_absent(uint64_t association, uint32_t member, uint64_t epoch, bool everything,
                    const std::vector<uint64_t>& granules, Answer answer);
  void end_absent(uint64_t association, uint32_t member, Answer answer);
  void set_syncing(uint64_t association, bool syncing, Answer answer);
  // Empty: fenced.
  bool is_sealed_by(uint64_t association) const { return association == sealed_ && association != 0; }
  std::vector<uint64_t> marked() const { return {marked_.begin(), marked_.end()}; }
  std::vector<uint64_t> absent(uint32_t member) const;

  const std::vector<uint64_t>& data() const { return data_; }
  bool is_complete() const { return content_ == bdev::mirror::Content::complete; }
  uint64_t max_epoch() const { return max_epoch_; }

 private:
  struct InFlight {
    uint64_t lba;
    std::vector<uint64_t> values;
  };
  uint64_t delay();
  // Runs unless a crash comes before.
  void later(uint64_t ns, std::function<void()> what);
  // A durable change of the metadata.
  void persist(std::function<void()> change, std::function<void()> then);
  // The same by a command: nothing happens if somebody else is sealed by then.
  void command(uint64_t association, std::function<void()> change, Answer answer);
  void start_write(uint64_t association, uint64_t lba, std::vector<uint64_t> values, Answer answer);
  void apply(const InFlight& io);
  void note(uint64_t lba, uint64_t count);
  void go_on_sealing();

  World& world_;
  // Durable.
  std::vector<uint64_t> data_;
  std::set<uint64_t> marked_;
  std::map<uint32_t, Slot> slots_;
  uint64_t max_epoch_ = 0;
  uint32_t head_ = 0;
  bdev::mirror::Content content_ = bdev::mirror::Content::complete;
  // In memory.
  uint64_t life_ = 0;
  uint64_t sealed_ = 0, session_ = 0;
  std::map<uint64_t, InFlight> in_flight_;
  uint64_t next_io_ = 1;
  uint32_t marks_in_flight_ = 0;  // of writes
  struct Sealing {
    uint64_t association = 0, epoch = 0, session = 0, sealed_epoch = 0;
    uint32_t head = 0;
    std::function<void(Status, const Said&)> answer;
  };
  Sealing sealing_;
  bool persisting_seal_ = false;
};

}  // namespace ballast::sim
