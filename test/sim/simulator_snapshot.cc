// Snapshots are taken at any moment, whatever goes wrong beside it. One that is said to be complete is the
// same at all members that are said to have it, and is the volume as it was at one moment between: of each
// block what a read would have had, and of all together what no order of writes contradicts.
#include "sim/simulation.h"

namespace ballast::sim {

using bdev::mirror::SnapshotRefusal;
using bdev::mirror::SnapshotReport;
using bdev::mirror::SnapshotState;

namespace {

constexpr uint32_t k_snapshot_names = 150;

Uuid snapshot_uuid(uint32_t number) {
  Uuid uuid = name_of(k_snapshot_names);
  uuid.bytes[1] = static_cast<uint8_t>(number);
  uuid.bytes[2] = static_cast<uint8_t>(number >> 8);
  return uuid;
}

}  // namespace

void Simulator::draw_snapshots() {
  snapshot_prng_ = Prng(options_.seed ^ 0x73);
  const bool is_drawn = snapshot_prng_.chance(2, 5);
  if (!is_drawn || (options_.faults & fault_snapshot) == 0) return;
  faults_ |= fault_snapshot;
  snapshot_hold_ns_ = snapshot_prng_.chance(1, 3) ? (2 + snapshot_prng_.below(300)) * k_ms
                                                  : (1 + snapshot_prng_.below(12)) * k_s;
  snapshot_some();
}

void Simulator::snapshot_some() {
  world_.after(k_ms + snapshot_prng_.below(snapshot_prng_.chance(1, 2) ? 60 * k_ms : 900 * k_ms), [this] {
    if (stopping_ || healing_) return;
    snapshot_some();
    const std::shared_ptr<HeadProcess> process = some_head();
    if (process == nullptr || nodes_[process->node].paused_until_ns > world_.now_ns()) return;
    met(fault_snapshot);
    if (!snapshots_.empty() && snapshot_prng_.chance(1, 6)) return delete_some_snapshot(process);
    // At times one that a head before, or this one, could not complete, or that it is at.
    // One that is carried is known by its UUID: that is of one attempt then.
    const bool is_again = snapshot_prng_.chance(1, 3) && snapshots_count_ > 0 && !carries_ &&
                          !is_taken(snapshot_uuid(snapshots_count_));
    const Uuid uuid = snapshot_uuid(is_again ? snapshots_count_ : ++snapshots_count_);
    const auto request = bdev::mirror::snapshot_request(uuid, 1, uuid.text());
    with_head(process, [&](Head& head, uint64_t now_ns) {
      const SnapshotReport& report = head.snapshot_report();
      const bool is_done = report.request.uuid == uuid && report.state == SnapshotState::done;
      if (head.snapshot(now_ns, request) != SnapshotRefusal::none || is_done) return;
      if (process->snapshot && process->snapshot->uuid == uuid) return;  // it is at it
      process->snapshot = {.uuid = uuid, .began_ns = world_.now_ns(), .attempt = ++snapshot_attempts_[uuid]};
      world_.say("snapshot " + uuid.text() + " is asked for");
    });
  });
}

bool Simulator::is_taken(const Uuid& uuid) const {
  return std::ranges::any_of(snapshots_, [&](const TakenSnapshot& one) { return one.uuid == uuid; });
}

void Simulator::delete_some_snapshot(const std::shared_ptr<HeadProcess>& process) {
  TakenSnapshot& taken = snapshots_[snapshot_prng_.below(snapshots_.size())];
  const Uuid uuid = taken.uuid;
  taken.is_deleting = true;
  // What is carried ends first; it is deleted when it is asked for again.
  if (carry_ && carry_->process->is_carrying()) return carry_->process->carrier->cancel();
  with_head(process, [&](Head& head, uint64_t now_ns) {
    if (head.delete_snapshot(now_ns, uuid) == SnapshotRefusal::none) {
      world_.say("snapshot " + uuid.text() + " is to be deleted");
    }
  });
}

// After each call of a head: nothing happens between what it says and this.
void Simulator::check_snapshot(HeadProcess& process) {
  const SnapshotReport& report = process.head->snapshot_report();
  if (!process.snapshot || report.request.uuid != process.snapshot->uuid) return;
  if (report.state != SnapshotState::done && report.state != SnapshotState::failed) return;
  const SnapshotTaking taking = *std::exchange(process.snapshot, std::nullopt);
  world_.note(static_cast<uint64_t>(report.state) << 8 | report.members_count);
  world_.say("snapshot " + taking.uuid.text() + " " + bdev::mirror::snapshot_state_text(report.state));
  if (report.state == SnapshotState::failed) {
    ++report_.snapshots_failed;
    return;
  }
  // Whoever asked another head for it since has changed its record, so that nobody writes down that it is
  // complete: the other head may have deleted what a member had of it.
  if (snapshot_attempts_[taking.uuid] != taking.attempt) return;
  ++report_.snapshots;
  keep_snapshot(process, taking);
}

void Simulator::keep_snapshot(const HeadProcess& process, const SnapshotTaking& taking) {
  const SnapshotReport& report = process.head->snapshot_report();
  TakenSnapshot taken{.uuid = taking.uuid, .began_ns = taking.began_ns, .ended_ns = world_.now_ns()};
  bool is_found = false;
  const Record& record = process.head->record();
  record.in_sync.for_each([&](uint32_t place) {
    const auto end = report.members.begin() + report.members_count;
    if (std::find(report.members.begin(), end, record.members[place]) == end) {
      fail("a snapshot is complete that a member in sync does not have");
    }
  });
  for (uint32_t i = 0; i < report.members_count; ++i) {
    const uint32_t number = node_of(report.members[i]);
    const DiskSnapshot* const found = nodes_[number].replica->disk().image().find_snapshot(taking.uuid);
    if (found == nullptr) {
      if (nodes_[number].disk_lost_ns < taking.began_ns) {
        fail("replica " + std::to_string(number) + " does not have a snapshot that is complete");
      }
      continue;
    }
    taken.noted[number] = world_.now_ns();
    std::vector<uint64_t> blocks = found->blocks;
    blocks.resize(report.blocks_count);
    if (is_found && blocks != taken.blocks) {
      fail("a snapshot of replica " + std::to_string(number) + " differs from another one's");
    }
    is_found = true;
    taken.blocks = std::move(blocks);
  }
  if (is_found) snapshots_.push_back(std::move(taken));
}

// A snapshot is a read of each block.
std::vector<history::Operation> Simulator::reads_of_snapshots() const {
  std::set<uint64_t> written;
  for (const history::Operation& operation : history_) {
    if (operation.kind == history::OperationKind::write) written.insert(operation.block);
  }
  std::vector<history::Operation> reads;
  for (const TakenSnapshot& taken : snapshots_) {
    for (uint64_t block = 0; block < taken.blocks.size(); ++block) {
      if (taken.blocks[block] == 0 && !written.contains(block)) continue;
      history::Operation read;
      read.block = block;
      read.kind = history::OperationKind::read;
      read.value = taken.blocks[block];
      read.invoked_ns = taken.began_ns;
      read.responded_ns = taken.ended_ns;
      read.outcome = history::OperationOutcome::ok;
      reads.push_back(read);
    }
  }
  return reads;
}

// A write is in it: so is all that had been acknowledged before that one began.
void Simulator::check_cut(const TakenSnapshot& taken) {
  std::map<std::pair<uint64_t, uint64_t>, const history::Operation*> writes;  // by block and value
  for (const history::Operation& operation : history_) {
    if (operation.kind == history::OperationKind::write) {
      writes[{operation.block, operation.value}] = &operation;
    }
  }
  const auto is_acknowledged = [](const history::Operation& operation) {
    return operation.outcome == history::OperationOutcome::ok;
  };
  const auto seen = [&](uint64_t block) -> const history::Operation* {
    const auto found = writes.find({block, taken.blocks[block]});
    return found == writes.end() ? nullptr : found->second;
  };
  uint64_t latest_ns = 0;
  for (uint64_t block = 0; block < taken.blocks.size(); ++block) {
    if (const auto* const write = seen(block)) latest_ns = std::max(latest_ns, write->invoked_ns);
  }
  for (const auto& [key, write] : writes) {
    if (key.first >= taken.blocks.size() || !is_acknowledged(*write)) continue;
    if (write->responded_ns >= latest_ns) continue;
    const history::Operation* const found = seen(key.first);
    const bool is_older =
        found == nullptr || (is_acknowledged(*found) && found->responded_ns < write->invoked_ns);
    if (!is_older) continue;
    return fail("snapshot " + taken.uuid.text() + " is not of one moment: it lacks a write of block " +
                std::to_string(key.first) + ", and has what was begun after it");
  }
}

// When all is quiet nothing is left of the last one, if it could not be completed.
void Simulator::check_snapshot_rest() {
  const std::shared_ptr<HeadProcess> process = serving_head();
  if (process == nullptr || !report_.ok) return;
  const SnapshotReport& report = process->head->snapshot_report();
  if (report.state != SnapshotState::failed) return;
  // Nobody was told of it, or somebody had one of another time.
  const bdev::mirror::SnapshotRemoval& removal = process->head->snapshot_removal();
  if (removal.uuid != report.request.uuid) return;
  if (report.failure == bdev::mirror::SnapshotFailure::refused && report.status == Status::invalid) return;
  if (!removal.left.empty()) return fail("the rest of a snapshot is not deleted");
  for (uint32_t i = 0; i < removal.members_count; ++i) {
    const DiskImage& image = nodes_[node_of(removal.members[i])].replica->disk().image();
    if (image.find_snapshot(removal.uuid) != nullptr) fail("a snapshot is left that is not complete");
  }
}

}  // namespace ballast::sim
