// What goes wrong, and when.
#include "sim/simulation.h"

namespace ballast::sim {

// ---- faults ----

namespace {

// The others come by a chance of their own.
constexpr uint32_t k_world_faults_count = 15;

// That are of a moment.
constexpr uint32_t k_faults_ambushing = fault_crash | fault_pause | fault_partition | fault_break |
                                        fault_store_outage | fault_takeover | fault_rot | fault_no_space;

}  // namespace

void Simulator::draw() {
  Prng& prng = world_.prng();
  for (uint32_t i = 0; i < k_world_faults_count; ++i) {
    if ((options_.faults >> i & 1) != 0 && prng.chance(2, 5)) faults_ |= 1u << i;
  }
  draw_verify();
  draw_growth();
  draw_snapshots();
  draw_carrying();
  report_.faults = faults_;
  ambushes_ = prng.chance(1, 2);
  static constexpr std::array<uint32_t, 16> k_nodes = {1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 5, 5};
  report_.nodes = k_nodes[prng.below(k_nodes.size())];
  if (prng.chance(1, 4)) block_size_bytes_ = 512;
  if (prng.chance(1, 4)) world_.slow_down(static_cast<uint32_t>(prng.next() & prng.next() & prng.next()));
  make_volume(report_.nodes, k_volume_bytes);
  for (Node& node : nodes_) {
    const auto number = static_cast<uint32_t>(&node - nodes_.data());
    DiskOptions& disk = node.replica->disk().options;
    disk.slow = [this] { met(fault_slow_disk); };
    disk.write_error = [this] { met(fault_write_error); };
    disk.read_error = [this] { met(fault_read_error); };
    if (has(fault_slow_disk)) disk.slow_one_in = 300;
    if (has(fault_write_error)) disk.write_error_one_in = 100;
    if (has(fault_read_error)) disk.read_error_one_in = prng.chance(1, 2) ? 40 : 6;
    start_replica(number);
    if (has(fault_clock_rate)) node.clock_permille = 960 + prng.below(81);
  }
  lease_ns_ = (50 + prng.below(950)) * k_ms;
  record_.min_in_sync = static_cast<uint32_t>(1 + prng.below(std::min(report_.nodes, 2u)));
  // One of them at a border of regions, sometimes.
  const uint64_t region_blocks = bdev::mirror::k_region_bytes / block_size_bytes_;
  if (prng.chance(1, 3)) hot_.push_back((1 + prng.below(3)) * region_blocks - 1);
  while (hot_.size() < 6) hot_.push_back(prng.below(blocks_count_ - 2));
}

void Simulator::make_volume(uint32_t nodes_count, uint64_t size_bytes) {
  blocks_count_ = size_bytes / block_size_bytes_;
  record_.revision = 1;
  record_.members_count = nodes_count;
  record_.block_size_bytes = block_size_bytes_;
  record_.blocks_count = blocks_count_;
  nodes_.resize(nodes_count);
  for (uint32_t i = 0; i < nodes_count; ++i) {
    record_.members[i] = name_of(i);
    add_replica(i);
  }
  record_.in_sync = record_.all();
}

void Simulator::add_replica(uint32_t number) {
  nodes_[number].replica = std::make_unique<SimulatedReplica>(
      world_, ReplicaIdentity{name_of(k_volume_name), name_of(number), block_size_bytes_, blocks_count_,
                              2 * blocks_count_});
  nodes_[number].replica->disk().options.member = number;
  nodes_[number].replica->poisoned = [this, number] {
    world_.say("replica " + std::to_string(number) + " cannot write its metadata");
    world_.after(world_.between(k_ms, 500 * k_ms), [this, number, life = nodes_[number].replica->life()] {
      SimulatedReplica& replica = *nodes_[number].replica;
      if (!nodes_[number].up || replica.life() != life) return;
      replica.crash();
      start_replica(number);
    });
  };
}

void Simulator::inject() {
  if (healing_) return;
  world_.after(world_.between(k_ms, 400 * k_ms), [this] { inject(); });
  const auto node = static_cast<uint32_t>(world_.prng().below(nodes_.size()));
  const auto fault = static_cast<Fault>(1u << world_.prng().below(k_world_faults_count));
  if (has(fault)) strike(fault, node);
}

// Chance seldom meets what lasts a few steps. So faults also come right after something that a head asks for:
// to its node, or another one.
void Simulator::ambush(const HeadProcess& process, const Action& action) {
  uint64_t one_in = 0;
  switch (action.kind) {
    case Action::Kind::compare_and_set: one_in = 10; break;
    case Action::Kind::command: one_in = action.command == CommandKind::ping ? 1000 : 25; break;
    case Action::Kind::submit: one_in = 800; break;
    default: return;
  }
  // A head that has asked for a member to be added is left alone with those of before: the narrowest place.
  const bool is_adding =
      action.kind == Action::Kind::compare_and_set && process.head->activity() == Activity::adding;
  if (is_adding && has(fault_partition) && world_.chance(3)) {
    met(fault_partition);
    return isolate(process.node, world_.between(k_s, 8 * k_s), true);
  }
  ambush_one_in(one_in, process.node);
}

void Simulator::ambush_one_in(uint64_t one_in, uint32_t head_node) {
  if (!world_.chance(one_in)) return;
  uint32_t node = head_node;
  if (world_.chance(3)) node = static_cast<uint32_t>(world_.prng().below(nodes_.size()));
  const uint32_t drawn = faults_ & k_faults_ambushing;
  if (drawn == 0) return;
  uint32_t fault = 0;
  while (fault == 0) fault = 1u << world_.prng().below(k_world_faults_count) & drawn;
  world_.after(world_.between(0, world_.chance(2) ? 300'000 : 3 * k_ms), [this, node, fault] {
    if (!healing_) strike(static_cast<Fault>(fault), node);
  });
}

void Simulator::strike(Fault fault, uint32_t node) {
  const auto other = static_cast<uint32_t>(world_.prng().below(nodes_.size()));
  const uint64_t for_ns = world_.between(k_ms, world_.chance(3) ? 6 * k_s : 300 * k_ms);
  met(fault);
  switch (fault) {
    case fault_crash:
      if (world_.chance(6)) {
        lose_power();
        break;
      }
      crash(node);
      world_.after(for_ns, [this, node] { restart(node); });
      break;
    case fault_replace:
      // Of those that have everything another one keeps it.
      if (!(intact() - MemberSet::of(node)).empty()) {
        crash(node);
        lose_disk(node);
        world_.after(for_ns, [this, node] { restart(node); });
      }
      break;
    case fault_rot:
      crash(node);
      nodes_[node].replica->rot();
      world_.after(for_ns, [this, node] { restart(node); });
      break;
    case fault_pause:
      world_.say("node " + std::to_string(node) + " stands still");
      nodes_[node].paused_until_ns = std::max(nodes_[node].paused_until_ns, world_.now_ns() + for_ns);
      break;
    case fault_partition: {
      if (world_.chance(2)) {
        isolate(node, for_ns, world_.chance(2));
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
    case fault_break: break_some(node); break;
    case fault_read_error: spoil_some(node, for_ns); break;
    case fault_no_space: run_out_of_space(node, for_ns); break;
    case fault_members: change_members(node); break;
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
        stop_head(std::shared_ptr(nodes_[node].head));
      }
      break;
    default: break;
  }
}

// All nodes end at once, and start one after the other.
void Simulator::lose_power() {
  for (uint32_t node = 0; node < nodes_.size(); ++node) {
    crash(node);
    world_.after(world_.between(k_ms, world_.chance(3) ? 2 * k_s : 50 * k_ms),
                 [this, node] { restart(node); });
  }
}

void Simulator::break_some(uint32_t node) {
  if (connections_.empty()) return;
  if (world_.chance(2) || nodes_[node].head == nullptr) {
    return break_connection(connections_[world_.prng().below(connections_.size())]);
  }
  const std::shared_ptr<HeadProcess> process = nodes_[node].head;
  for (const std::shared_ptr<Connection>& connection : process->connections) {
    if (connection != nullptr) break_connection(std::shared_ptr(connection));
  }
}

void Simulator::spoil_some(uint32_t node, uint64_t for_ns) {
  const uint64_t lba = hot_[world_.prng().below(hot_.size())];
  const bool at_all = world_.chance(2);
  world_.say("block " + std::to_string(lba) + " cannot be read " +
             (at_all ? "anywhere" : "at " + std::to_string(node)));
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    if (at_all || i == node) nodes_[i].replica->disk().spoil(lba, world_.now_ns() + for_ns);
  }
}

void Simulator::run_out_of_space(uint32_t node, uint64_t for_ns) {
  const bool at_all = world_.chance(4);
  const uint64_t what = world_.prng().below(3), until_ns = world_.now_ns() + for_ns;
  world_.say(at_all ? "no node has space" : "node " + std::to_string(node) + " has no space");
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    if (!at_all && i != node) continue;
    DiskOptions& disk = nodes_[i].replica->disk().options;
    if (what != 0) disk.data_full_until_ns = until_ns;
    if (what != 1) disk.metadata_full_until_ns = until_ns;
  }
}

// From all other nodes; hosts still reach it. Whoever looks for a head finds
// another.
void Simulator::isolate(uint32_t node, uint64_t for_ns, bool from_store) {
  world_.say("node " + std::to_string(node) + " is cut off");
  const bool hears = world_.chance(3);
  for (uint32_t other = 0; other < nodes_.size(); ++other) {
    if (other == node) continue;
    cut_.insert({node, other});
    if (!hears) cut_.insert({other, node});
  }
  if (from_store) store_cut_.insert(node);
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
  if (has(fault_replace) && world_.chance(3)) node.old_copy = node.replica->disk().image();
  if (node.head != nullptr) end_process(*node.head);
  node.head.reset();
}

void Simulator::restart(uint32_t number) {
  Node& node = nodes_[number];
  if (node.up) return;
  world_.say("node " + std::to_string(number) + " starts");
  node.up = true;
  start_replica(number);
}

void Simulator::start_replica(uint32_t number) {
  if (!nodes_[number].replica->start()) fail("replica " + std::to_string(number) + " is unusable");
}

// A disk of an earlier one is told from what this node had: the last in which it was in sync, or in which
// copying to it began.
uint64_t Simulator::known_epoch(uint32_t number) const {
  const uint32_t place = record_.place_of(name_of(number));
  uint64_t epoch = record_.sealed_epoch[place];
  for (const Node& node : nodes_) {
    for (const auto& entry : node.replica->superblock().absent) {
      const bool is_of_it = entry.member_uuid == name_of(number) && entry.copying != 0;
      const auto other = static_cast<uint32_t>(&node - nodes_.data());
      if (is_of_it && record_.in_sync.has(record_.place_of(name_of(other)))) {
        epoch = std::max(epoch, entry.since_epoch);
      }
    }
  }
  return epoch;
}

// It comes back empty; or as it was at some time before, if that can be told by its epoch.
void Simulator::lose_disk(uint32_t number) {
  Node& node = nodes_[number];
  node.disk_lost_ns = world_.now_ns();
  if (world_.chance(2) && !node.old_copy.data.empty()) {
    const DiskImage now = node.replica->disk().image();
    node.replica->disk().image() = node.old_copy;
    const bool is_older = record_.place_of(name_of(number)) == k_members_max ||
                          node.replica->superblock().max_epoch < known_epoch(number);
    world_.say("node " + std::to_string(number) + (is_older ? " gets an old copy of its disk" : ""));
    if (is_older) return;
    node.replica->disk().image() = now;
  }
  const bool has_leftovers = world_.chance(2);
  world_.say("node " + std::to_string(number) + " gets " +
             (has_leftovers ? "a disk of something else" : "an empty disk"));
  node.replica->replace(has_leftovers);
}

}  // namespace ballast::sim
