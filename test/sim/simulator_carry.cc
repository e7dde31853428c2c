// Snapshots that members lack are carried to them from others: the real SnapshotCarrier, over the
// connections of a head, whatever goes wrong beside it. What has it is noted, as the store would, and who is
// noted has it, as it was when it was complete, until it is deleted there or its disk is lost. Nobody has
// anything else of its UUID.
#include "sim/simulation.h"

namespace ballast::sim {

using bdev::mirror::CarryReport;
using bdev::mirror::CarryState;
using bdev::mirror::MemberState;
using bdev::mirror::ReplicaAnswer;
using bdev::mirror::ReplicaConnection;
using bdev::mirror::ReplicaOpcode;
using bdev::mirror::ReplicaRequest;
using bdev::mirror::SnapshotCarrier;
using bdev::mirror::SnapshotRemoval;

const char* carry_stage_text(CarryStage stage) {
  static constexpr std::array<const char*, k_carry_stages_count> k_texts = {"comparing", "receiving",
                                                                            "ending"};
  return k_texts[static_cast<size_t>(stage)];
}

namespace {

CarryStage stage_of(ReplicaOpcode opcode) {
  switch (opcode) {
    case ReplicaOpcode::list_snapshots:
    case ReplicaOpcode::select_snapshot: return CarryStage::comparing;
    case ReplicaOpcode::end_receive: return CarryStage::ending;
    default: return CarryStage::receiving;
  }
}

std::string what_of(const TakenSnapshot& taken, uint32_t node) {
  return "snapshot " + taken.uuid.text() + " of replica " + std::to_string(node);
}

}  // namespace

void Simulator::draw_carrying() {
  // Of a number with which the seeds of regression-seeds.txt are what they were.
  carry_prng_ = Prng(options_.seed ^ 0x6e);
  const bool is_drawn = carry_prng_.chance(2, 3);
  if (!is_drawn || (options_.faults & fault_carry) == 0 || (faults_ & fault_snapshot) == 0) return;
  faults_ |= fault_carry;
  carries_ = true;
  carry_world_ = std::make_unique<SimulatedWorld>(options_.seed);
  carry_reactor_ = &carry_world_->add_reactor({.small_count = 2,
                                               .large_count = 2,
                                               .small_reserved_for_capsules = 1,
                                               .large_reserved_for_capsules = 1});
  carry_some();
}

// What a controller would do: one at a time, the oldest first, to members in sync alone.
void Simulator::carry_some() {
  world_.after(k_ms + carry_prng_.below(carry_prng_.chance(1, 2) ? 20 * k_ms : 300 * k_ms), [this] {
    if (stopping_) return;
    carry_some();
    follow_carry();
    if (!carry_ && report_.ok) start_carry();
  });
}

void Simulator::follow_carry() {
  if (!carry_) return;
  HeadProcess& process = *carry_->process;
  const CarryReport& report = process.carrier->report();
  if (process.is_carrying() && serving_head() == carry_->process) {
    if (!healing_ && carry_prng_.chance(1, 100)) process.carrier->cancel();
    return;
  }
  const CarryJob job = *std::exchange(carry_, std::nullopt);
  // Whoever is not head any more carries on until its connections end, and nobody asks what came of it.
  if (process.is_carrying()) return;
  world_.note(static_cast<uint64_t>(report.state) << 32 | report.moved_bytes);
  world_.say("snapshot " + job.uuid.text() + " to " + std::to_string(job.to) + ": " +
             bdev::mirror::carry_state_text(report.state) + " " + report.trouble);
  if (report.state != CarryState::done) {
    ++report_.carries_failed;
    return;
  }
  ++report_.carries;
  keep_carried(job);
}

void Simulator::keep_carried(const CarryJob& job) {
  TakenSnapshot& taken = *find_taken(job.uuid);
  if (taken.is_deleting) return;
  const Node& node = nodes_[job.to];
  if (node.disk_lost_ns >= job.began_ns) return;  // perhaps since it was done
  taken.noted[job.to] = world_.now_ns();
  check_kept(taken, job.to);
}

// Members are asked what they have: one that lost its disk has nothing of what is noted.
bool Simulator::lacks(TakenSnapshot& taken, uint32_t node) {
  check_noted(taken, node);
  if (nodes_[node].replica->disk().image().find_snapshot(taken.uuid) != nullptr) {
    return !taken.noted.contains(node);
  }
  taken.noted.erase(node);
  return true;
}

void Simulator::start_carry() {
  const std::shared_ptr<HeadProcess> process = serving_head();
  if (process == nullptr || process->is_carrying()) return;
  if (nodes_[process->node].paused_until_ns > world_.now_ns()) return;
  if (store_out_ || store_cut_.contains(process->node)) return;
  const Record& record = process->head->record();
  for (TakenSnapshot& taken : snapshots_) {
    if (taken.is_deleting || (!healing_ && carry_prng_.chance(1, 8))) continue;
    std::vector<uint32_t> from, to;  // places
    record.in_sync.for_each(
        [&](uint32_t place) { (lacks(taken, node_of(record.members[place])) ? to : from).push_back(place); });
    if (from.empty() || to.empty()) continue;
    return begin_carry(process, taken, from[carry_prng_.below(from.size())],
                       to[carry_prng_.below(to.size())]);
  }
}

void Simulator::begin_carry(const std::shared_ptr<HeadProcess>& process, TakenSnapshot& taken, uint32_t from,
                            uint32_t to) {
  const Head& head = *process->head;
  for (const uint32_t place : {from, to}) {
    if (head.member_state(place) != MemberState::in_sync || process->connections[place] == nullptr) return;
  }
  const Uuid source = head.record().members[from], target = head.record().members[to];
  world_.say("head " + std::to_string(process->node) + " carries snapshot " + taken.uuid.text() + " from " +
             std::to_string(node_of(source)) + " to " + std::to_string(node_of(target)));
  std::vector<Uuid> bases;
  for (const TakenSnapshot& other : snapshots_) {
    if (other.blocks.size() == taken.blocks.size()) bases.push_back(other.uuid);
  }
  process->carrier = std::make_unique<SnapshotCarrier>(*carry_reactor_, taken.uuid, std::move(bases), source,
                                                       target, ask_of(*process, from), ask_of(*process, to),
                                                       [] { return uint64_t{0}; });
  carry_ = CarryJob{process, taken.uuid, node_of(target), world_.now_ns()};
  const Reactor::Entered entered(*carry_reactor_);
  process->carrier->start();
  met(fault_carry);
}

// ---- what it asks of members ----

SnapshotCarrier::Ask Simulator::ask_of(HeadProcess& process, uint32_t place) {
  // It is a part of the process, which outlives it.
  return [this, &process, connection = process.connections[place]](const ReplicaRequest& request,
                                                                   ReplicaConnection::Done done) {
    ask_member(process, connection, request, std::move(done));
  };
}

void Simulator::ask_member(HeadProcess& process, const std::shared_ptr<Connection>& connection,
                           const ReplicaRequest& request, ReplicaConnection::Done done) {
  if (process.gone || !connection->open) return done({.status = Status::aborted});
  process.carry_stage = stage_of(request.words.opcode);
  const uint64_t number = next_ask_++;
  connection->asking[number] = {request.out, std::move(done)};
  world_.note(static_cast<uint64_t>(request.words.opcode) << 32 | request.words.cdw10);
  if (ambushes_ && !healing_) ambush_one_in(60, process.node);
  std::vector<uint8_t> data(request.data.begin(), request.data.end());
  deliver(connection, true, Lane::commands,
          [this, connection, number, words = request.words, data = std::move(data)] {
            nodes_[connection->member].replica->command(
                *connection->association, words, data,
                [this, connection, number](Status status, Refusal refusal, std::vector<uint8_t> said) {
                  deliver(connection, false, Lane::commands,
                          [connection, number, status, refusal, said = std::move(said)] {
                            const auto found = connection->asking.extract(number);
                            if (found.empty()) return;
                            const Connection::Asking& asking = found.mapped();
                            std::copy_n(said.begin(), std::min(said.size(), asking.out.size()),
                                        asking.out.begin());
                            asking.done({.status = status, .refusal = refusal});
                          });
                });
          });
}

// The session is over, or the process that asked.
void Simulator::end_asking(Connection& connection) {
  while (!connection.asking.empty()) {
    const auto first = connection.asking.extract(connection.asking.begin());
    first.mapped().done({.status = Status::aborted});
  }
}

// ---- what members have ----

TakenSnapshot* Simulator::find_taken(const Uuid& uuid) {
  const auto found =
      std::ranges::find_if(snapshots_, [&](const TakenSnapshot& one) { return one.uuid == uuid; });
  return found == snapshots_.end() ? nullptr : &*found;
}

// After each call of a head. Who has said that it is gone does not have it again.
void Simulator::note_deleted(const Head& head) {
  const SnapshotRemoval& removal = head.snapshot_removal();
  TakenSnapshot* const taken = removal.uuid.is_nil() ? nullptr : find_taken(removal.uuid);
  if (taken == nullptr || !taken->is_deleting) return;
  for (uint32_t i = 0; i < removal.members_count; ++i) {
    taken->gone.emplace(node_of(removal.members[i]), world_.now_ns());
  }
}

void Simulator::check_kept(const TakenSnapshot& taken, uint32_t number) {
  check_noted(taken, number);
  const DiskSnapshot* const found = nodes_[number].replica->disk().image().find_snapshot(taken.uuid);
  if (found == nullptr || !report_.ok) return;
  std::vector<uint64_t> blocks = found->blocks;
  blocks.resize(taken.blocks.size());
  if (blocks != taken.blocks) fail(what_of(taken, number) + " is not what it was when it was complete");
}

void Simulator::check_noted(const TakenSnapshot& taken, uint32_t number) {
  const Node& node = nodes_[number];
  const DiskSnapshot* const found = node.replica->disk().image().find_snapshot(taken.uuid);
  const auto noted = taken.noted.find(number);
  const bool is_noted = noted != taken.noted.end() && node.disk_lost_ns < noted->second;
  if (found == nullptr && is_noted && !taken.is_deleting) {
    return fail(what_of(taken, number) + " is noted, and not there");
  }
  const auto gone = taken.gone.find(number);
  const bool is_gone = gone != taken.gone.end() && node.disk_lost_ns < gone->second;
  if (found != nullptr && is_gone) fail(what_of(taken, number) + " is there again after it was deleted");
}

void Simulator::check_all_kept() {
  if (!carries_) return;
  for (const TakenSnapshot& taken : snapshots_) {
    for (uint32_t node = 0; node < nodes_.size() && report_.ok; ++node) check_kept(taken, node);
  }
}

// Of those that somebody has still.
bool Simulator::is_all_carried() {
  const std::shared_ptr<HeadProcess> process = serving_head();
  if (process == nullptr || carry_) return false;
  const Record& record = process->head->record();
  if (record.in_sync != record_.all()) return false;
  return std::ranges::all_of(snapshots_, [&](TakenSnapshot& taken) {
    if (taken.is_deleting) return true;
    uint32_t having = 0;
    record.in_sync.for_each(
        [&](uint32_t place) { having += lacks(taken, node_of(record.members[place])) ? 0 : 1; });
    return having == 0 || having == record.in_sync.size();
  });
}

// No host does anything, and nothing is broken.
void Simulator::carry_to_the_end() {
  if (!carries_ || hopeless_ || !report_.ok) return;
  const uint64_t until_ns = world_.now_ns() + 100 * k_s;
  while (report_.ok && world_.now_ns() < until_ns && !is_all_carried()) {
    const uint64_t look_ns = world_.now_ns() + 200 * k_ms;
    run_until([&] { return world_.now_ns() > look_ns; });
  }
  if (report_.ok && !is_all_carried()) fail("a snapshot does not get to a member in sync");
}

}  // namespace ballast::sim
