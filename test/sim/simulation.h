// The parts of a run, which simulator.h starts: nodes, heads, the network, the store, hosts. Included by the
// simulator_*.cc, and by those that make other runs of the same parts.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "bdev/mirror/head.h"
#include "bdev/mirror/member_commands.h"
#include "bdev/mirror/snapshot_carrier.h"
#include "history/operation.h"
#include "reactor/simulated_world.h"
#include "sim/simulated_replica.h"
#include "sim/simulator.h"
#include "sim/world.h"

namespace ballast::sim {
using bdev::mirror::Action;
using bdev::mirror::Actions;
using bdev::mirror::Activity;
using bdev::mirror::CommandKind;
using bdev::mirror::Head;
using bdev::mirror::HeadOptions;
using bdev::mirror::HeadState;
using bdev::mirror::k_members_max;
using bdev::mirror::MemberAnswer;
using bdev::mirror::MemberCommands;
using bdev::mirror::MemberSet;
using bdev::mirror::OpIndex;
using bdev::mirror::Record;
using bdev::mirror::SealedMember;

inline constexpr uint64_t k_ms = 1'000'000, k_s = 1'000'000'000;
inline constexpr uint32_t k_nodes_max = 5, k_hosts = 4;
// The last region is not whole.
inline constexpr uint64_t k_volume_bytes =
    4 * bdev::mirror::k_region_bytes - 100 * bdev::mirror::k_granule_bytes;

// Of replicas by their node; of heads from 100 on; 200 is the volume.
inline Uuid name_of(uint32_t number) {
  Uuid uuid;
  uuid.bytes[0] = 1;
  uuid.bytes[15] = static_cast<uint8_t>(number + 1);
  return uuid;
}
inline constexpr uint32_t k_head_names = 100, k_volume_name = 200;

// One end of it is a head's, the other a replica's.
struct Connection {
  uint64_t number = 0;
  uint32_t head_node = 0, member = 0, session = 0;  // member: its node
  uint32_t place = 0;                               // of the member, in the record
  uint64_t head_life = 0, member_life = 0;
  bool open = true;  // at the head
  std::unique_ptr<MemberCommands> commands;
  // At the member, from the first that comes until it has heard of the end.
  std::optional<uint32_t> association;
  bool ended = false;
  std::map<std::pair<OpIndex, uint32_t>, bool> waiting;
  // What a snapshot that is carried wants to know, by a number of each.
  struct Asking {
    MutableByteSpan out;
    bdev::mirror::ReplicaConnection::Done done;
  };
  std::map<uint64_t, Asking> asking;
};

struct HostOp {
  bool is_read = false;
  uint64_t lba = 0;
  uint32_t count = 1;
  uint64_t value = 0;
  std::vector<size_t> records;  // in the history, one a block
  bool is_finished = false;
};

// One that a head was asked for, and has not ended.
struct SnapshotTaking {
  Uuid uuid;
  uint64_t began_ns = 0;
  uint32_t attempt = 0;  // of this UUID
};
// One that was complete, as its members had it.
struct TakenSnapshot {
  Uuid uuid;
  uint64_t began_ns = 0, ended_ns = 0;
  std::vector<uint64_t> blocks;
  // What is noted of it, as the store would: nodes that have it, and from whom it was deleted, since when.
  std::map<uint32_t, uint64_t> noted, gone;
  bool is_deleting = false;
};

// What a head has in work for one of its numbers.
struct Work {
  bool used = false, complete = false;
  uint32_t out = 0;  // submitted, and neither answered nor given up
  uint32_t attempt = 0;
  uint64_t lba = 0;
  std::vector<uint64_t> buffer;
  std::shared_ptr<HostOp> host;
};

struct HeadProcess {
  uint32_t node = 0;
  uint64_t life = 0;  // of its node
  Actions actions;
  std::unique_ptr<Head> head;
  std::array<std::shared_ptr<Connection>, k_members_max> connections;  // by places
  std::map<OpIndex, Work> works;
  std::optional<SnapshotTaking> snapshot;
  std::unique_ptr<bdev::mirror::SnapshotCarrier> carrier;  // null: nothing was carried yet
  CarryStage carry_stage = CarryStage::comparing;
  bool gone = false;

  bool is_carrying() const { return carrier != nullptr && carrier->is_running(); }
};

// What a head was asked to carry: one of those that were taken.
struct CarryJob {
  std::shared_ptr<HeadProcess> process;
  Uuid uuid;
  uint32_t to = 0;  // node
  uint64_t began_ns = 0;
};

struct Node {
  bool up = true;
  uint64_t life = 1;
  uint64_t paused_until_ns = 0;
  uint64_t clock_permille = 1000;
  std::unique_ptr<SimulatedReplica> replica;
  DiskImage old_copy;  // of its disk, as it was once
  uint64_t disk_lost_ns = 0;
  std::shared_ptr<HeadProcess> head;
};

class Simulator {
 public:
  explicit Simulator(const Options& options) : options_(options), world_(options.seed, options.trace) {}
  virtual ~Simulator() = default;
  Report run();

 protected:
  static constexpr uint64_t k_events_max = 3'000'000;
  // False: something failed, or nothing more happens.
  template <typename Done>
  bool run_until(Done done) {
    while (!done() && report_.ok) {
      if (!world_.step() || world_.events() > k_events_max) return false;
    }
    return report_.ok;
  }

  // --- faults ---
  bool has(Fault fault) const { return (faults_ & fault) != 0 && !healing_; }
  void draw();
  // Members that have everything, and the record that says so.
  void make_volume(uint32_t nodes_count, uint64_t size_bytes);
  void add_replica(uint32_t number);
  // For the matrix: this one takes effect now.
  void met(Fault fault) {
    for (const Node& node : nodes_) {
      if (node.head == nullptr) continue;
      const auto activity = static_cast<size_t>(node.head->head->activity());
      const auto row = static_cast<size_t>(std::countr_zero(static_cast<uint32_t>(fault)));
      ++report_.matrix[row][activity];
      if (!node.head->is_carrying()) continue;
      ++report_.carry_matrix[row][static_cast<size_t>(node.head->carry_stage)];
    }
  }
  static uint32_t node_of(const Uuid& replica) { return replica.bytes[15] - 1u; }
  uint32_t node_at(uint32_t place) const { return node_of(record_.members[place]); }
  // Nodes: of the in-sync set those that have not lost their disk.
  MemberSet intact() const {
    MemberSet set;
    record_.in_sync.for_each([&](uint32_t place) {
      const bdev::mirror::ReplicaSuperblock superblock = nodes_[node_at(place)].replica->superblock();
      const bool is_old = superblock.max_epoch < record_.sealed_epoch[place];
      if (superblock.content == bdev::mirror::Content::complete && !is_old) set.add(node_at(place));
    });
    return set;
  }
  void inject();
  void strike(Fault fault, uint32_t node);
  void ambush(const HeadProcess& process, const Action& action);
  void ambush_one_in(uint64_t one_in, uint32_t head_node);
  void lose_power();
  void break_some(uint32_t node);
  void spoil_some(uint32_t node, uint64_t for_ns);
  void run_out_of_space(uint32_t node, uint64_t for_ns);
  void isolate(uint32_t node, uint64_t for_ns, bool from_store);
  void crash(uint32_t node);
  void restart(uint32_t node);
  void start_replica(uint32_t node);
  uint64_t known_epoch(uint32_t node) const;
  void lose_disk(uint32_t node);
  bool is_cut(uint32_t from, uint32_t to) const { return cut_.contains({from, to}); }

  // --- messages ---
  void deliver(const std::shared_ptr<Connection>& connection, bool to_member, Lane lane,
               std::function<void()> what);
  void attempt_delivery(const std::shared_ptr<Connection>& connection, bool to_member,
                        std::function<void()> what);
  void break_connection(const std::shared_ptr<Connection>& connection);
  bool associate(const std::shared_ptr<Connection>& connection);
  void end_at_member(const std::shared_ptr<Connection>& connection, uint64_t after_ns);

  // --- heads ---
  uint64_t clock_of(uint32_t node) const { return world_.now_ns() / 1000 * nodes_[node].clock_permille; }
  virtual HeadOptions head_options(uint32_t node);
  void start_head(uint32_t node);
  void keep_a_head();
  void tend_heads();
  void tick(std::shared_ptr<HeadProcess> process);
  template <typename Call>
  void with_head(const std::shared_ptr<HeadProcess>& process, Call call) {
    if (process->gone) return;
    call(*process->head, clock_of(process->node));
    check_verify(*process->head);
    check_snapshot(*process);
    if (carries_) note_deleted(*process->head);
    carry_out(process);
  }
  void carry_out(const std::shared_ptr<HeadProcess>& process);
  void carry_out(const std::shared_ptr<HeadProcess>& process, const Action& action);
  void say_action(const HeadProcess& process, const Action& action);
  void connect(const std::shared_ptr<HeadProcess>& process, const Action& action);
  void command(const std::shared_ptr<HeadProcess>& process, const Action& action);
  void send_request(const std::shared_ptr<HeadProcess>& process,
                    const std::shared_ptr<Connection>& connection);
  void submit(const std::shared_ptr<HeadProcess>& process, const Action& action);
  void read_checksums(const std::shared_ptr<HeadProcess>& process,
                      const std::shared_ptr<Connection>& connection, const Action& action);
  void complete(const std::shared_ptr<HeadProcess>& process, const Action& action);
  void ask_store(const std::shared_ptr<HeadProcess>& process, const Action& action);
  void release(const std::shared_ptr<HeadProcess>& process, OpIndex op);
  void close(const std::shared_ptr<HeadProcess>& process, uint32_t member);
  void change_members(uint32_t node);
  void stop_head(const std::shared_ptr<HeadProcess>& process);
  // Nothing that it asked for comes back any more.
  void end_process(HeadProcess& process);

  // --- comparisons of members ---
  void draw_verify();
  void verify_some();
  void check_verify(const Head& head);
  std::shared_ptr<HeadProcess> serving_head() const;
  void verify_to_the_end();
  bool verify_all();

  // --- a larger volume ---
  void draw_growth();
  void grow_some();
  std::vector<uint64_t> contents_of(uint32_t node) const;

  // --- snapshots ---
  void draw_snapshots();
  void snapshot_some();
  bool is_taken(const Uuid& uuid) const;
  void delete_some_snapshot(const std::shared_ptr<HeadProcess>& process);
  void check_snapshot(HeadProcess& process);
  void keep_snapshot(const HeadProcess& process, const SnapshotTaking& taking);
  std::vector<history::Operation> reads_of_snapshots() const;
  void check_cut(const TakenSnapshot& taken);
  void check_snapshot_rest();

  // --- snapshots that are carried ---
  void draw_carrying();
  void carry_some();
  void follow_carry();
  void start_carry();
  void begin_carry(const std::shared_ptr<HeadProcess>& process, TakenSnapshot& taken, uint32_t from,
                   uint32_t to);
  void keep_carried(const CarryJob& job);
  bool lacks(TakenSnapshot& taken, uint32_t node);
  bool is_all_carried();
  void carry_to_the_end();
  bdev::mirror::SnapshotCarrier::Ask ask_of(HeadProcess& process, uint32_t place);
  void ask_member(HeadProcess& process, const std::shared_ptr<Connection>& connection,
                  const bdev::mirror::ReplicaRequest& request, bdev::mirror::ReplicaConnection::Done done);
  static void end_asking(Connection& connection);
  void note_deleted(const Head& head);
  TakenSnapshot* find_taken(const Uuid& uuid);
  void check_noted(const TakenSnapshot& taken, uint32_t node);
  void check_kept(const TakenSnapshot& taken, uint32_t node);
  void check_all_kept();

  // --- hosts ---
  void host_turn(uint32_t host);
  std::shared_ptr<HostOp> issue(const std::shared_ptr<HeadProcess>& process, bool is_read, uint64_t lba,
                                uint32_t count);
  std::shared_ptr<HeadProcess> some_head();
  void finish_host(HostOp& op, bool ok, const std::vector<uint64_t>& values);

  void heal();
  bool all_well();
  // Of heads that have stopped: members are equal, and nothing is marked.
  void compare_members();
  // What hosts saw; then the report is done.
  Report conclude();
  void fail(std::string text) {
    for (const Node& node : nodes_) {
      if (node.head != nullptr) text += "\n  " + node.head->head->describe();
    }
    if (report_.failure.empty()) report_.failure = std::move(text);
    report_.ok = false;
  }

  Options options_;
  // Its clock stands still: what is carried goes as fast as members answer. Outlives whoever carries.
  std::unique_ptr<SimulatedWorld> carry_world_;
  Reactor* carry_reactor_ = nullptr;
  World world_;
  Report report_;
  uint32_t faults_ = 0;
  bool ambushes_ = false;  // faults follow closely on what heads do, too
  bool healing_ = false;
  std::vector<Node> nodes_;
  std::set<std::pair<uint32_t, uint32_t>> cut_;
  Record record_;
  bool store_out_ = false;
  uint64_t lease_ns_ = 0;  // the same for all heads
  uint32_t block_size_bytes_ = 4096;
  uint64_t blocks_count_ = 0;
  std::set<uint32_t> store_cut_;
  // Of comparisons of members, apart from the world's: runs without them are as they were.
  Prng verify_prng_{0};
  uint32_t verify_bytes_ = 1 << 20;
  bool is_spoilt_ = false;  // members differ, and are to
  Prng growth_prng_{0};     // as that of comparisons
  Prng snapshot_prng_{0};   // so is this
  uint64_t snapshot_hold_ns_ = 0;
  uint32_t snapshots_count_ = 0;  // that were asked for
  std::map<Uuid, uint32_t> snapshot_attempts_;
  std::vector<TakenSnapshot> snapshots_;
  Prng carry_prng_{0};  // so is this
  bool carries_ = false;
  std::optional<CarryJob> carry_;
  uint64_t next_ask_ = 1;
  // Who was in sync left it, or was made to, while the last one lost its disk: unavailable, and rightly so.
  bool hopeless_ = false;
  uint64_t next_connection_ = 1;
  std::vector<std::shared_ptr<Connection>> connections_;
  uint64_t issued_ = 0, next_value_ = 1;
  std::vector<history::Operation> history_;
  uint64_t hosts_ = 0;
  std::vector<uint64_t> hot_;
  bool stopping_ = false;
  bool ended_in_order_ = false;  // the last head that stopped, with all members
};

}  // namespace ballast::sim
