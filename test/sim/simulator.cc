#include "sim/simulator.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "bdev/mirror/head.h"
#include "history/checker.h"
#include "sim/replica_model.h"
#include "sim/world.h"

namespace ballast::sim {
namespace {

using bdev::mirror::Action;
using bdev::mirror::Actions;
using bdev::mirror::CommandKind;
using bdev::mirror::Head;
using bdev::mirror::HeadOptions;
using bdev::mirror::HeadState;
using bdev::mirror::MemberSet;
using bdev::mirror::OpIndex;
using bdev::mirror::Record;
using bdev::mirror::SealedMember;

constexpr uint64_t k_ms = 1'000'000, k_s = 1'000'000'000;
constexpr uint32_t k_nodes_max = 5, k_hosts = 4;
constexpr uint64_t k_regions = 4;
constexpr uint64_t k_blocks = k_regions * ReplicaModel::k_region_blocks - 100;

Uuid name_of(uint32_t number) {
  Uuid uuid;
  uuid.bytes[0] = 1;
  uuid.bytes[15] = static_cast<uint8_t>(number + 1);
  return uuid;
}

// One end of it is a head's, the other a replica's. Its number is the association's.
struct Connection {
  uint64_t number = 0;
  uint32_t head_node = 0, member = 0, session = 0;
  uint64_t head_life = 0, member_life = 0;
  bool open = true;  // at the head
  std::map<std::pair<OpIndex, uint32_t>, bool> waiting;
};

struct HostOp {
  bool is_read = false;
  uint64_t lba = 0;
  uint32_t count = 1;
  uint64_t value = 0;
  std::vector<size_t> records;  // in the history, one a block
  bool given_up = false;
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
  std::array<std::shared_ptr<Connection>, k_members_max> connections;
  std::map<OpIndex, Work> works;
  bool gone = false;
};

struct Node {
  bool up = true;
  uint64_t life = 1;
  uint64_t paused_until_ns = 0;
  uint64_t clock_permille = 1000;
  std::unique_ptr<ReplicaModel> replica;
  std::shared_ptr<HeadProcess> head;
};

class Simulator {
 public:
  explicit Simulator(const Options& options) : options_(options), world_(options.seed, options.trace) {}
  Report run();

 private:
  // --- faults ---
  bool has(Fault fault) const { return (faults_ & fault) != 0 && !healing_; }
  void draw();
  // For the matrix: this one takes effect now.
  void met(Fault fault) {
    for (const Node& node : nodes_) {
      if (node.head == nullptr) continue;
      const auto activity = static_cast<size_t>(node.head->head->activity());
      ++report_.matrix[static_cast<size_t>(std::countr_zero(static_cast<uint32_t>(fault)))][activity];
    }
  }
  // Of the in-sync set those that have not lost their disk.
  MemberSet intact() const {
    MemberSet set;
    record_.in_sync.for_each([&](uint32_t member) {
      if (nodes_[member].replica->is_complete()) set.add(member);
    });
    return set;
  }
  void inject();
  void isolate(uint32_t node, uint64_t for_ns);
  void crash(uint32_t node);
  void restart(uint32_t node);
  bool is_cut(uint32_t from, uint32_t to) const { return cut_.contains({from, to}); }

  // --- messages ---
  void deliver(const std::shared_ptr<Connection>& connection, bool to_member, std::function<void()> what);
  void attempt_delivery(const std::shared_ptr<Connection>& connection, bool to_member,
                        std::function<void()> what);
  void break_connection(const std::shared_ptr<Connection>& connection);

  // --- heads ---
  uint64_t clock_of(uint32_t node) const { return world_.now_ns() / 1000 * nodes_[node].clock_permille; }
  void start_head(uint32_t node);
  void keep_a_head();
  void tick(std::shared_ptr<HeadProcess> process);
  template <typename Call>
  void with_head(const std::shared_ptr<HeadProcess>& process, Call call);
  void carry_out(const std::shared_ptr<HeadProcess>& process);
  void carry_out(const std::shared_ptr<HeadProcess>& process, const Action& action);
  void say_action(const HeadProcess& process, const Action& action);
  void connect(const std::shared_ptr<HeadProcess>& process, const Action& action);
  void command(const std::shared_ptr<HeadProcess>& process, const Action& action);
  void submit(const std::shared_ptr<HeadProcess>& process, const Action& action);
  void complete(const std::shared_ptr<HeadProcess>& process, const Action& action);
  void ask_store(const std::shared_ptr<HeadProcess>& process, const Action& action);
  void release(const std::shared_ptr<HeadProcess>& process, OpIndex op);
  void close(const std::shared_ptr<HeadProcess>& process, uint32_t member);

  // --- hosts ---
  void host_turn(uint32_t host);
  std::shared_ptr<HeadProcess> some_head();
  void finish_host(HostOp& op, bool ok, const std::vector<uint64_t>& values);

  void heal();
  bool all_well();
  void fail(std::string text) {
    for (const Node& node : nodes_) {
      if (node.head != nullptr) text += "\n  " + node.head->head->describe();
    }
    if (report_.failure.empty()) report_.failure = std::move(text);
    report_.ok = false;
  }

  Options options_;
  World world_;
  Report report_;
  uint32_t faults_ = 0;
  bool healing_ = false;
  std::vector<Node> nodes_;
  std::set<std::pair<uint32_t, uint32_t>> cut_;
  Record record_;
  bool store_out_ = false;
  uint64_t lease_ns_ = 0;  // the same for all heads
  std::set<uint32_t> store_cut_;
  // Who was in sync left it, or was made to, while the last one lost its disk: unavailable, and rightly so.
  bool hopeless_ = false;
  uint64_t next_connection_ = 1;
  std::vector<std::shared_ptr<Connection>> connections_;
  uint64_t issued_ = 0, next_value_ = 1;
  std::vector<history::Operation> history_;
  uint64_t hosts_ = 0;
  std::vector<uint64_t> hot_;
  bool stopping_ = false;
};

// ---- faults ----

void Simulator::draw() {
  Prng& prng = world_.prng();
  for (uint32_t i = 0; i < k_faults_count; ++i) {
    if ((options_.faults >> i & 1) != 0 && prng.chance(2, 5)) faults_ |= 1u << i;
  }
  report_.faults = faults_;
  report_.nodes = static_cast<uint32_t>(1 + prng.below(k_nodes_max));
  if (report_.nodes < 3 && prng.chance(1, 2)) report_.nodes = 3;
  nodes_.resize(report_.nodes);
  for (Node& node : nodes_) {
    node.replica = std::make_unique<ReplicaModel>(world_, k_blocks);
    node.replica->disk.slow = [this] { met(fault_slow_disk); };
    node.replica->disk.write_error = [this] { met(fault_write_error); };
    node.replica->disk.read_error = [this] { met(fault_read_error); };
    if (has(fault_slow_disk)) node.replica->disk.slow_one_in = 300;
    if (has(fault_write_error)) node.replica->disk.write_error_one_in = 100;
    if (has(fault_read_error)) node.replica->disk.read_error_one_in = prng.chance(1, 2) ? 40 : 6;
    if (has(fault_clock_rate)) node.clock_permille = 960 + prng.below(81);
  }
  lease_ns_ = (50 + prng.below(950)) * k_ms;
  record_.revision = 1;
  record_.members_count = report_.nodes;
  for (uint32_t i = 0; i < report_.nodes; ++i) record_.members[i] = name_of(i);
  record_.in_sync = record_.all();
  record_.min_in_sync = static_cast<uint32_t>(1 + prng.below(std::min(report_.nodes, 2u)));
  record_.blocks_count = k_blocks;
  for (int i = 0; i < 6; ++i) hot_.push_back(prng.below(k_blocks - 2));
}

void Simulator::inject() {
  if (healing_) return;
  world_.after(world_.between(k_ms, 400 * k_ms), [this] { inject(); });
  const auto node = static_cast<uint32_t>(world_.prng().below(nodes_.size()));
  const auto other = static_cast<uint32_t>(world_.prng().below(nodes_.size()));
  const uint32_t kind = 1u << world_.prng().below(k_faults_count);
  if (!has(static_cast<Fault>(kind))) return;
  const uint64_t for_ns = world_.between(k_ms, world_.chance(3) ? 6 * k_s : 300 * k_ms);
  met(static_cast<Fault>(kind));
  switch (kind) {
    case fault_crash:
      crash(node);
      world_.after(for_ns, [this, node] { restart(node); });
      break;
    case fault_replace:
      // Of those that have everything another one keeps it.
      if (!(intact() - MemberSet::of(node)).empty()) {
        crash(node);
        world_.say("node " + std::to_string(node) + " gets an empty disk");
        nodes_[node].replica->replace();
        world_.after(for_ns, [this, node] { restart(node); });
      }
      break;
    case fault_pause:
      world_.say("node " + std::to_string(node) + " stands still");
      nodes_[node].paused_until_ns = std::max(nodes_[node].paused_until_ns, world_.now_ns() + for_ns);
      break;
    case fault_partition: {
      if (world_.chance(2)) {
        isolate(node, for_ns);
        break;
      }
      if (node == other) break;
      const bool both = world_.chance(2);
      world_.say("cut " + std::to_string(node) + (both ? " and " : " to ") + std::to_string(other));
      cut_.insert({node, other});
      if (both) cut_.insert({other, node});
      world_.after(for_ns, [this, node, other] {
        cut_.erase({node, other});
        cut_.erase({other, node});
      });
      break;
    }
    case fault_break:
      if (!connections_.empty()) break_connection(connections_[world_.prng().below(connections_.size())]);
      break;
    case fault_store_outage:
      store_out_ = true;
      world_.after(for_ns, [this] { store_out_ = false; });
      break;
    case fault_takeover:
      if (!nodes_[node].up) break;
      if (nodes_[node].head == nullptr) {
        start_head(node);
      } else if (world_.chance(2) && nodes_[node].paused_until_ns <= world_.now_ns()) {
        world_.say("head " + std::to_string(node) + " is asked to end");
        const std::shared_ptr<HeadProcess> process = nodes_[node].head;
        with_head(process, [](Head& head, uint64_t now_ns) { head.stop(now_ns); });
      }
      break;
    default: break;
  }
}

// From all other nodes, and perhaps from the store; hosts still reach it. Whoever looks for a head finds
// another.
void Simulator::isolate(uint32_t node, uint64_t for_ns) {
  world_.say("node " + std::to_string(node) + " is cut off");
  const bool hears = world_.chance(3);
  for (uint32_t other = 0; other < nodes_.size(); ++other) {
    if (other == node) continue;
    cut_.insert({node, other});
    if (!hears) cut_.insert({other, node});
  }
  if (world_.chance(2)) store_cut_.insert(node);
  world_.after(for_ns, [this, node] {
    store_cut_.erase(node);
    for (uint32_t other = 0; other < nodes_.size(); ++other) {
      cut_.erase({node, other});
      cut_.erase({other, node});
    }
  });
  if (!has(fault_takeover)) return;
  world_.after(world_.between(0, 500 * k_ms), [this, node] {
    const auto other = static_cast<uint32_t>(world_.prng().below(nodes_.size()));
    if (!healing_ && other != node && nodes_[other].up && nodes_[other].head == nullptr) start_head(other);
  });
}

void Simulator::crash(uint32_t number) {
  Node& node = nodes_[number];
  if (!node.up) return;
  world_.say("node " + std::to_string(number) + " crashes");
  world_.note(number);
  node.up = false;
  ++node.life;
  node.replica->crash();
  if (node.head != nullptr) node.head->gone = true;
  node.head.reset();
}

void Simulator::restart(uint32_t number) {
  Node& node = nodes_[number];
  if (node.up) return;
  world_.say("node " + std::to_string(number) + " starts");
  node.up = true;
}

// ---- messages ----

void Simulator::deliver(const std::shared_ptr<Connection>& connection, bool to_member,
                        std::function<void()> what) {
  world_.after(world_.between(10'000, world_.chance(20) ? 3 * k_ms : 100'000),
               [this, connection, to_member, what = std::move(what)]() mutable {
                 attempt_delivery(connection, to_member, std::move(what));
               });
}

void Simulator::attempt_delivery(const std::shared_ptr<Connection>& connection, bool to_member,
                                 std::function<void()> what) {
  const uint32_t from = to_member ? connection->head_node : connection->member;
  const uint32_t to = to_member ? connection->member : connection->head_node;
  Node& node = nodes_[to];
  const auto again = [&](uint64_t ns) {
    world_.after(ns, [this, connection, to_member, what = std::move(what)]() mutable {
      attempt_delivery(connection, to_member, std::move(what));
    });
  };
  // What is under way on a connection that was given up is lost, or comes when nobody expects it.
  if (!connection->open && !(to_member && has(fault_late))) return;
  if (!connection->open) met(fault_late);
  if (!connection->open && world_.chance(2)) return again(world_.between(k_ms, 2 * k_s));
  if (from != to && is_cut(from, to)) return again(world_.between(10 * k_ms, 60 * k_ms));
  if (node.up && node.paused_until_ns > world_.now_ns()) return again(node.paused_until_ns - world_.now_ns());
  const uint64_t life = to_member ? connection->member_life : connection->head_life;
  if (!node.up || node.life != life) {
    if (to_member && connection->open) {
      deliver(connection, false, [this, connection] { break_connection(connection); });
    }
    return;
  }
  what();
}

void Simulator::break_connection(const std::shared_ptr<Connection>& connection) {
  if (!connection->open) return;
  const std::shared_ptr<HeadProcess> process = nodes_[connection->head_node].head;
  if (process == nullptr || process->connections[connection->member] != connection) return;
  world_.say("connection " + std::to_string(connection->number) + " breaks");
  with_head(process, [&](Head& head, uint64_t now_ns) {
    head.on_member_failed(now_ns, connection->member, connection->session);
  });
}

// ---- heads ----

template <typename Call>
void Simulator::with_head(const std::shared_ptr<HeadProcess>& process, Call call) {
  if (process->gone) return;
  call(*process->head, clock_of(process->node));
  carry_out(process);
}

void Simulator::start_head(uint32_t number) {
  Node& node = nodes_[number];
  const auto process = std::make_shared<HeadProcess>();
  process->node = number;
  process->life = node.life;
  HeadOptions options;
  options.node = name_of(100 + number);
  options.near_member = world_.chance(2) ? number : k_members_max;
  options.ops_max = 16;
  options.fail_below_min = world_.chance(4);
  options.latency_budget_ns = world_.between(1, 10) * k_s;
  options.lease_ns = lease_ns_;
  options.seal_timeout_ns = world_.between(20, 2000) * k_ms;
  options.intent_idle_ns = world_.between(100 * k_ms, 3 * k_s);
  options.intent_regions_max = 1 + world_.prng().below(4);
  options.copies_max = static_cast<uint32_t>(1 + world_.prng().below(4));
  process->head = std::make_unique<Head>(options, record_, process->actions);
  node.head = process;
  ++report_.takeovers;
  world_.say("node " + std::to_string(number) + " wants to be head after epoch " +
             std::to_string(record_.epoch));
  with_head(process, [](Head& head, uint64_t now_ns) { head.start(now_ns); });
  tick(process);
}

void Simulator::tick(std::shared_ptr<HeadProcess> process) {
  if (process->gone) return;
  Node& node = nodes_[process->node];
  if (node.paused_until_ns > world_.now_ns()) {
    world_.after(node.paused_until_ns - world_.now_ns(), [this, process] { tick(process); });
    return;
  }
  with_head(process, [](Head& head, uint64_t now_ns) { head.on_tick(now_ns); });
  if (process->gone) return;
  if (has(fault_clock_rate)) met(fault_clock_rate);
  const uint64_t next_ns = process->head->next_tick_ns(), now_ns = clock_of(process->node);
  if (next_ns == UINT64_MAX) return;
  const uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
  world_.after(std::max<uint64_t>(wait_ns, 100'000), [this, process] { tick(process); });
}

// What a controller would do: heads are told of the record, and whenever nobody is head, somebody becomes it.
void Simulator::keep_a_head() {
  world_.after(world_.between(50 * k_ms, 800 * k_ms), [this] { keep_a_head(); });
  for (Node& node : nodes_) {
    const std::shared_ptr<HeadProcess> process = node.head;
    if (process == nullptr || store_out_ || store_cut_.contains(process->node)) continue;
    if (node.paused_until_ns > world_.now_ns()) continue;
    with_head(process, [&](Head& head, uint64_t now_ns) { head.on_record(now_ns, record_); });
  }
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].head != nullptr && nodes_[i].head->head->state() == HeadState::fenced) {
      nodes_[i].head->gone = true;
      nodes_[i].head.reset();
    }
  }
  if (some_head() != nullptr || stopping_) return;
  const auto number = static_cast<uint32_t>(world_.prng().below(nodes_.size()));
  if (nodes_[number].up) start_head(number);
}

void Simulator::carry_out(const std::shared_ptr<HeadProcess>& process) {
  while (!process->actions.empty()) {
    Actions actions;
    actions.swap(process->actions);
    for (const Action& action : actions) {
      if (!process->gone) carry_out(process, action);
    }
  }
}

void Simulator::carry_out(const std::shared_ptr<HeadProcess>& process, const Action& action) {
  world_.note(static_cast<uint64_t>(action.kind) << 32 | action.member << 16 | action.op);
  if (world_.traces()) say_action(*process, action);
  switch (action.kind) {
    case Action::Kind::connect: return connect(process, action);
    case Action::Kind::disconnect: return close(process, action.member);
    case Action::Kind::command: return command(process, action);
    case Action::Kind::submit: return submit(process, action);
    case Action::Kind::complete: return complete(process, action);
    case Action::Kind::compare_and_set: return ask_store(process, action);
    case Action::Kind::stopped: process->gone = true; nodes_[process->node].head.reset();
  }
}

void Simulator::say_action(const HeadProcess& process, const Action& action) {
  static constexpr std::array<const char*, 7> k_kinds = {
      "connects to", "gives up", "tells", "submits to", "completes", "asks the store", "has stopped"};
  static constexpr std::array<const char*, 8> k_commands = {"read-intent",  "mark-intent", "clear-intent",
                                                            "begin-absent", "end-absent",  "read-absent",
                                                            "set-syncing",  "ping"};
  std::string text = "head " + std::to_string(process.node) + " " +
                     k_kinds[static_cast<size_t>(action.kind)] + " " + std::to_string(action.member);
  if (action.kind == Action::Kind::command) {
    if (action.command == CommandKind::ping) return;
    text += std::string(" ") + k_commands[static_cast<size_t>(action.command)] + " " +
            std::to_string(action.about);
    text += action.flag ? " on" : " off";
  }
  if (action.kind == Action::Kind::submit) {
    text += " op " + std::to_string(action.op) + (action.io_type == IoType::read ? " read" : " write") +
            " of " + std::to_string(action.lba) + " + " + std::to_string(action.blocks_count);
  }
  if (action.kind == Action::Kind::complete) {
    text += " op " + std::to_string(action.op) + ", status " +
            std::to_string(static_cast<uint32_t>(action.status));
  }
  if (action.kind == Action::Kind::compare_and_set) {
    text += " for epoch " + std::to_string(process.head->wanted_record().epoch) + ", in sync " +
            std::to_string(process.head->wanted_record().in_sync.bits());
  }
  world_.say(text);
}

void Simulator::connect(const std::shared_ptr<HeadProcess>& process, const Action& action) {
  const auto connection = std::make_shared<Connection>();
  connection->number = next_connection_++;
  connection->head_node = process->node;
  connection->head_life = process->life;
  connection->member = action.member;
  connection->member_life = nodes_[action.member].life;
  connection->session = action.session;
  process->connections[action.member] = connection;
  connections_.push_back(connection);
  if (connections_.size() > 16) connections_.erase(connections_.begin());
  deliver(connection, true,
          [this, process, connection, epoch = action.epoch, sealed_epoch = action.sealed_epoch] {
            const uint32_t member = connection->member;
            nodes_[member].replica->seal(
                connection->number, epoch, connection->session, process->node, sealed_epoch,
                [this, process, connection, member](Status status, const ReplicaModel::Said& said) {
                  deliver(connection, false, [this, process, connection, member, status, said] {
                    with_head(process, [&](Head& head, uint64_t now_ns) {
                      if (status != Status::ok)
                        return head.on_member_fenced(now_ns, member, connection->session);
                      SealedMember sealed;
                      sealed.content = said.content;
                      for (const auto& [absent, slot] : said.slots) {
                        sealed.absent[sealed.absent_count++] = {name_of(absent), slot.first, slot.second};
                      }
                      head.on_sealed(now_ns, member, connection->session, sealed);
                    });
                  });
                });
          });
}

void Simulator::close(const std::shared_ptr<HeadProcess>& process, uint32_t member) {
  const std::shared_ptr<Connection> connection = std::exchange(process->connections[member], nullptr);
  if (connection == nullptr) return;
  deliver(connection, true,
          [this, connection] { nodes_[connection->member].replica->association_closed(connection->number); });
  connection->open = false;
  const auto waiting = std::exchange(connection->waiting, {});
  for (const auto& [key, unused] : waiting) release(process, key.first);
}

void Simulator::command(const std::shared_ptr<HeadProcess>& process, const Action& action) {
  const std::shared_ptr<Connection> connection = process->connections[action.member];
  if (connection == nullptr) return fail("a command without a connection");
  std::vector<uint64_t> list;
  const Head& head = *process->head;
  const bool everything = head.absent_everything(action.member);
  if (action.command == CommandKind::mark_intent) {
    for (uint64_t region = 0; (region = head.unreconciled().next(region)) != UINT64_MAX; ++region) {
      list.push_back(region);
    }
  } else if (action.command == CommandKind::clear_intent) {
    list.assign(head.clearing().begin(), head.clearing().end());
  } else if (action.command == CommandKind::begin_absent) {
    for (const auto& range : head.absent_ranges()) {
      for (uint64_t block = 0; block < range.blocks_count; ++block) list.push_back(range.lba + block);
    }
  }
  deliver(connection, true, [this, process, connection, action, everything, list = std::move(list)] {
    ReplicaModel& replica = *nodes_[action.member].replica;
    const uint64_t association = connection->number;
    std::vector<uint64_t> found;
    if (action.command == CommandKind::read_intent) found = replica.marked();
    if (action.command == CommandKind::read_absent) found = replica.absent(action.about);
    const auto answer = [this, process, connection, action, found](Status status) {
      deliver(connection, false, [this, process, connection, action, found, status] {
        with_head(process, [&](Head& to, uint64_t now_ns) {
          if (status == Status::ok) {
            for (const uint64_t bit : found) {
              const uint64_t word = uint64_t{1} << bit % 64;
              if (action.command == CommandKind::read_intent) {
                to.on_intent(action.member, action.session, bit / 64 * 64, {&word, 1});
              } else {
                to.on_absent(action.member, action.session, bit / 64 * 64, {&word, 1});
              }
            }
          }
          to.on_command_done(now_ns, action.member, action.session, status);
        });
      });
    };
    switch (action.command) {
      case CommandKind::ping:
      case CommandKind::read_intent:
      case CommandKind::read_absent: return replica.ping(association, answer);
      case CommandKind::mark_intent: return replica.mark(association, list, answer);
      case CommandKind::clear_intent: return replica.clear(association, list, answer);
      case CommandKind::begin_absent:
        return replica.begin_absent(association, action.about, action.epoch, everything, list, answer);
      case CommandKind::end_absent: return replica.end_absent(association, action.about, answer);
      case CommandKind::set_syncing: return replica.set_syncing(association, action.flag, answer);
    }
  });
}

void Simulator::submit(const std::shared_ptr<HeadProcess>& process, const Action& action) {
  const std::shared_ptr<Connection> connection = process->connections[action.member];
  if (connection == nullptr) return fail("an I/O without a connection");
  Work& work = process->works[action.op];
  if (!work.used) work = {.used = true, .lba = action.lba, .buffer = {}, .host = nullptr};
  work.attempt = action.attempt;
  ++work.out;
  ++report_.ios;
  connection->waiting[{action.op, action.attempt}] = true;
  const auto ended = [this, process, connection, action](Status status) {
    deliver(connection, false, [this, process, connection, action, status] {
      if (connection->waiting.erase({action.op, action.attempt}) == 0) return;
      with_head(process, [&](Head& head, uint64_t now_ns) {
        head.on_io_done(now_ns, action.member, action.session, action.op, action.attempt, status);
      });
      release(process, action.op);
    });
  };
  if (action.io_type == IoType::read) {
    deliver(connection, true, [this, process, connection, action, ended] {
      nodes_[action.member].replica->read(
          connection->number, action.lba, action.blocks_count,
          [process, action, ended](Status status, std::vector<uint64_t> values) {
            Work& reading = process->works[action.op];
            if (status == Status::ok && reading.attempt == action.attempt) reading.buffer = std::move(values);
            ended(status);
          });
    });
  } else {
    deliver(connection, true, [this, connection, action, ended, values = work.buffer] {
      nodes_[action.member].replica->write(connection->number, action.lba, values, ended);
    });
  }
}

void Simulator::complete(const std::shared_ptr<HeadProcess>& process, const Action& action) {
  Work& work = process->works[action.op];
  work.used = true;
  work.complete = true;
  if (work.host != nullptr) {
    const std::shared_ptr<HostOp> host = work.host;
    const bool ok = action.status == Status::ok;
    world_.say("head " + std::to_string(process->node) + (ok ? " answers " : " refuses ") +
               (host->is_read ? "read" : "write") + " of block " + std::to_string(host->lba));
    finish_host(*host, ok, work.buffer);
  }
  ++work.out;
  release(process, action.op);
}

void Simulator::release(const std::shared_ptr<HeadProcess>& process, OpIndex op) {
  Work& work = process->works[op];
  if (--work.out > 0 || !work.complete || process->gone) return;
  process->works.erase(op);
  process->head->release(op);
}

void Simulator::ask_store(const std::shared_ptr<HeadProcess>& process, const Action& action) {
  const uint64_t there_ns = world_.between(50'000, world_.chance(5) ? 200 * k_ms : 2 * k_ms);
  world_.after(there_ns, [this, process, action, wanted = process->head->wanted_record()] {
    // It may be done, and the answer lost.
    const bool lost = store_out_ || store_cut_.contains(process->node);
    if (lost && world_.chance(2)) {
      world_.after(500 * k_ms, [this, process] {
        with_head(process, [](Head& head, uint64_t now_ns) { head.on_store_unavailable(now_ns); });
      });
      return;
    }
    const bool ok = record_.revision == action.expected_revision;
    if (ok) {
      record_ = wanted;
      record_.revision = action.expected_revision + 1;
      if (intact().empty()) hopeless_ = true;
      world_.note(record_.epoch << 8 | record_.in_sync.bits());
      world_.say("record: epoch " + std::to_string(record_.epoch) + ", in sync " +
                 std::to_string(record_.in_sync.bits()));
    }
    world_.after(lost ? 500 * k_ms : world_.between(50'000, 2 * k_ms),
                 [this, process, ok, lost, now = record_] {
                   const Node& node = nodes_[process->node];
                   const auto answer = [this, process, ok, lost, now] {
                     with_head(process, [&](Head& head, uint64_t now_ns) {
                       if (lost) return head.on_store_unavailable(now_ns);
                       head.on_stored(now_ns, ok, now);
                     });
                   };
                   if (node.paused_until_ns > world_.now_ns()) {
                     world_.after(node.paused_until_ns - world_.now_ns(), answer);
                   } else {
                     answer();
                   }
                 });
  });
}

// ---- hosts ----

std::shared_ptr<HeadProcess> Simulator::some_head() {
  std::vector<std::shared_ptr<HeadProcess>> heads;
  for (const Node& node : nodes_) {
    if (node.up && node.head != nullptr) heads.push_back(node.head);
  }
  return heads.empty() ? nullptr : heads[world_.prng().below(heads.size())];
}

void Simulator::host_turn(uint32_t host) {
  if (issued_ >= options_.operations) return;
  world_.after(world_.between(10'000, world_.chance(10) ? 200 * k_ms : 3 * k_ms), [this, host] {
    const std::shared_ptr<HeadProcess> process = some_head();
    if (process == nullptr || nodes_[process->node].paused_until_ns > world_.now_ns()) return host_turn(host);
    ++issued_;
    const auto op = std::make_shared<HostOp>();
    op->is_read = world_.chance(2);
    op->lba = hot_[world_.prng().below(hot_.size())];
    op->count = world_.chance(4) ? 2 : 1;
    op->value = op->is_read ? 0 : next_value_++;
    for (uint32_t i = 0; i < op->count; ++i) {
      history::Operation record;
      record.block = op->lba + i;
      record.kind = op->is_read ? history::OperationKind::read : history::OperationKind::write;
      record.value = op->value;
      record.invoked_ns = world_.now_ns();
      op->records.push_back(history_.size());
      history_.push_back(record);
    }
    OpIndex index = 0;
    bool taken = false;
    with_head(process, [&](Head& head, uint64_t now_ns) {
      const IoType type = op->is_read ? IoType::read : IoType::write;
      taken = head.submit(now_ns, type, op->lba, op->count, index);
      if (!taken) return;
      Work& work = process->works[index];
      work = {.used = true, .lba = op->lba, .buffer = {}, .host = op};
      if (!op->is_read) work.buffer.assign(op->count, op->value);
    });
    if (!taken) finish_host(*op, false, {});
    world_.after(world_.between(2 * k_ms, world_.chance(8) ? 3 * k_s : 15 * k_ms),
                 [this, host] { host_turn(host); });
  });
}

void Simulator::finish_host(HostOp& op, bool ok, const std::vector<uint64_t>& values) {
  for (size_t i = 0; i < op.records.size(); ++i) {
    history::Operation& record = history_[op.records[i]];
    record.responded_ns = world_.now_ns();
    record.outcome = ok ? history::OperationOutcome::ok : history::OperationOutcome::failed;
    if (op.is_read) record.value = ok ? values[i] : 0;
  }
  if (ok && !op.is_read) ++report_.acknowledged;
}

// ---- the end ----

void Simulator::heal() {
  world_.say("everything heals");
  healing_ = true;
  store_out_ = false;
  store_cut_.clear();
  cut_.clear();
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    restart(i);
    nodes_[i].replica->heals = true;
    nodes_[i].paused_until_ns = 0;
  }
}

bool Simulator::all_well() {
  for (const Node& node : nodes_) {
    if (node.head == nullptr || node.head->head->state() != HeadState::serving) continue;
    const Head& head = *node.head->head;
    if (head.record().revision == record_.revision && record_.in_sync == record_.all() &&
        head.unreconciled().empty()) {
      return true;
    }
  }
  return false;
}

Report Simulator::run() {
  draw();
  keep_a_head();
  inject();
  for (uint32_t host = 0; host < k_hosts; ++host) host_turn(host);
  constexpr uint64_t k_events_max = 3'000'000;
  const auto run_until = [&](auto done) {
    while (!done() && report_.ok) {
      if (!world_.step() || world_.events() > k_events_max) return false;
    }
    return report_.ok;
  };
  const uint64_t limit_ns = 300 * k_s;
  run_until([&] { return issued_ >= options_.operations || world_.now_ns() > limit_ns; });
  if (report_.ok && !hopeless_) {
    heal();
    const uint64_t until_ns = world_.now_ns() + 200 * k_s;
    if (!run_until([&] { return all_well() || hopeless_ || world_.now_ns() > until_ns; }) ||
        (!all_well() && !hopeless_)) {
      fail("after everything healed the members do not become one: in sync " +
           std::to_string(record_.in_sync.bits()) + " of " + std::to_string(record_.all().bits()));
    }
  }
  if (report_.ok && !hopeless_) {
    issued_ = 0;
    options_.operations = 40;
    for (uint32_t host = 0; host < k_hosts; ++host) host_turn(host);
    run_until([&] { return issued_ >= options_.operations; });
    const uint64_t until_ns = world_.now_ns() + 20 * k_s;
    run_until([&] { return world_.now_ns() > until_ns; });
    stopping_ = true;
    for (Node& node : nodes_) {
      if (const std::shared_ptr<HeadProcess> process = node.head) {
        with_head(process, [](Head& head, uint64_t now_ns) { head.stop(now_ns); });
      }
    }
    const uint64_t stop_ns = world_.now_ns() + 60 * k_s;
    const auto stopped = [&] {
      return std::all_of(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.head == nullptr; });
    };
    if (!run_until([&] { return stopped() || world_.now_ns() > stop_ns; }) || !stopped()) {
      fail("the head does not stop");
    }
    for (size_t i = 1; i < nodes_.size() && report_.ok; ++i) {
      if (nodes_[i].replica->data() != nodes_[0].replica->data()) {
        fail("replica " + std::to_string(i) + " differs from replica 0");
      }
    }
    for (const Node& node : nodes_) {
      if (report_.ok && !node.replica->marked().empty()) fail("a mark is left after a clean stop");
    }
  }
  const auto verdict = history::check(history_);
  if (!verdict.ok()) {
    fail("the history cannot be judged: " + verdict.error().text);
  } else if (!verdict->ok()) {
    report_.failure.clear();
    fail(verdict->first->text);
  }
  report_.history = std::move(history_);
  report_.hash = world_.hash();
  report_.events = world_.events();
  report_.trace = world_.take_trace();
  for (Node& node : nodes_) node.head.reset();
  return std::move(report_);
}

}  // namespace

const char* fault_name(uint32_t index) {
  static constexpr std::array<const char*, k_faults_count> names = {
      "crash",       "pause",      "partition", "break", "store-outage", "slow-disk",
      "write-error", "read-error", "takeover",  "late",  "clock-rate",   "replace"};
  return index < k_faults_count ? names[index] : "unknown";
}

Report run(const Options& options) { return Simulator(options).run(); }

}  // namespace ballast::sim
