// A snapshot of all members in sync, of one moment. What is being written ends on all of them, nothing else
// begins, each takes its own, and all have answered: then it is complete, and writes go on. Whatever goes
// wrong in between, there is none, and what members may have of it is deleted.
#include "bdev/mirror/head_snapshot.h"

#include <algorithm>

#include "base/assert.h"
#include "bdev/mirror/head.h"

namespace ballast::bdev::mirror {

const char* snapshot_refusal_text(SnapshotRefusal refusal) {
  switch (refusal) {
    case SnapshotRefusal::none: return "nothing is refused";
    case SnapshotRefusal::not_serving: return "its head does not serve";
    case SnapshotRefusal::busy: return "another snapshot, or another change of it, is under way";
    case SnapshotRefusal::no_name: return "a snapshot's name has 1 to 64 bytes, none of them zero";
  }
  return "unknown";
}

const char* snapshot_state_text(SnapshotState state) {
  switch (state) {
    case SnapshotState::none: return "none";
    case SnapshotState::waiting: return "waiting";
    case SnapshotState::draining: return "draining";
    case SnapshotState::taking: return "taking";
    case SnapshotState::done: return "done";
    case SnapshotState::failed: return "failed";
  }
  return "unknown";
}

const char* snapshot_failure_text(SnapshotFailure failure) {
  switch (failure) {
    case SnapshotFailure::none: return "nothing failed";
    case SnapshotFailure::not_begun: return "members are still being made equal, or changed";
    case SnapshotFailure::too_long: return "writes would have been held for too long";
    case SnapshotFailure::refused: return "a member cannot take one";
    case SnapshotFailure::interrupted: return "all members were lost, or the head ends";
  }
  return "unknown";
}

// ---- one is asked for ----

SnapshotRefusal Head::snapshot(uint64_t now_ns, const SnapshotRequest& request) {
  if (request.uuid.is_nil() || !is_snapshot_name(request.name_text())) return SnapshotRefusal::no_name;
  if (state_ != HeadState::serving) return SnapshotRefusal::not_serving;
  SnapshotReport& report = snapshot_.report;
  const bool is_same = report.request.uuid == request.uuid;
  if (is_snapshotting()) return is_same ? SnapshotRefusal::none : SnapshotRefusal::busy;
  if (is_same && report.state == SnapshotState::done) return SnapshotRefusal::none;
  if (change_.kind != Change::Kind::none || is_removing_snapshot()) return SnapshotRefusal::busy;
  report = {.state = SnapshotState::waiting, .request = request};
  snapshot_.deadline_ns = now_ns + options_.snapshot_wait_ns;
  snapshot_.sent = snapshot_.has = snapshot_.has_other = {};
  advance(now_ns);
  return SnapshotRefusal::none;
}

SnapshotRefusal Head::delete_snapshot(uint64_t now_ns, const Uuid& uuid) {
  if (uuid.is_nil()) return SnapshotRefusal::no_name;
  if (state_ != HeadState::serving) return SnapshotRefusal::not_serving;
  if (is_snapshotting() || is_removing_snapshot()) return SnapshotRefusal::busy;
  // Asked for again, it is another one.
  if (snapshot_.report.request.uuid == uuid) snapshot_.report = {};
  snapshot_.removal = {.uuid = uuid};
  record_.all().for_each([&](uint32_t member) {
    if (is_usable(member)) snapshot_.removal.left.add(member);
  });
  advance(now_ns);
  return SnapshotRefusal::none;
}

bool Head::is_snapshotting() const {
  const SnapshotState state = snapshot_.report.state;
  return state == SnapshotState::waiting || state == SnapshotState::draining ||
         state == SnapshotState::taking;
}

// Those that are away do not keep another one from being taken.
bool Head::is_removing_snapshot() const {
  bool is = false;
  snapshot_.removal.left.for_each([&](uint32_t member) { is = is || is_usable(member); });
  return is;
}

// ---- the barrier ----

bool Head::is_in_barrier() const {
  const SnapshotState state = snapshot_.report.state;
  return state == SnapshotState::draining || state == SnapshotState::taking;
}

// What an unclean end left may have to be made equal while writes of hosts wait already.
bool Head::is_held(const Op& op) const {
  if (is_reader(op) || planted(Planted::snapshot_unheld)) return false;
  const SnapshotState state = snapshot_.report.state;
  return state == SnapshotState::taking || (state == SnapshotState::draining && op.purpose == Purpose::user);
}

// One that only waits for its answer is at all members in sync, and is in the snapshot as it is there.
bool Head::is_writing() {
  for (Op* op = active_.front(); op != nullptr; op = active_.after(*op)) {
    if (is_reader(*op) || op->phase == Phase::waiting) continue;
    if (op->phase == Phase::held && op->done.has_all(record_.in_sync)) continue;
    return true;
  }
  return false;
}

uint64_t Head::snapshot_deadline_ns() const { return is_snapshotting() ? snapshot_.deadline_ns : k_never; }

void Head::advance_snapshot(uint64_t now_ns) {
  if (is_snapshotting()) {
    if (state_ != HeadState::serving) return fail_snapshot(now_ns, SnapshotFailure::interrupted);
    if (now_ns >= snapshot_.deadline_ns) {
      const bool is_held = snapshot_.report.state != SnapshotState::waiting;
      return fail_snapshot(now_ns, is_held ? SnapshotFailure::too_long : SnapshotFailure::not_begun);
    }
    if (snapshot_.report.state == SnapshotState::waiting) begin_barrier(now_ns);
    if (snapshot_.report.state == SnapshotState::draining) end_drain();
    if (snapshot_.report.state == SnapshotState::taking) tell_to_snapshot(now_ns);
  }
  advance_removal(now_ns);
}

// Whom the store may have added already another head may have sealed alone: nobody is being added when it
// begins, and nobody is from then on.
void Head::begin_barrier(uint64_t now_ns) {
  if (store_wish_ == StoreWish::add && !planted(Planted::snapshot_doubted)) return;
  if (!unreconciled_.empty() && !planted(Planted::snapshot_unreconciled)) return;
  snapshot_.report.state = SnapshotState::draining;
  snapshot_.held_since_ns = now_ns;
  snapshot_.deadline_ns = now_ns + options_.snapshot_hold_ns;
}

void Head::end_drain() {
  if (!leaving_.empty() || !left_.empty() || readable() != record_.in_sync) return;
  if (!unreconciled_.empty() && !planted(Planted::snapshot_unreconciled)) return;
  if (is_writing() && !planted(Planted::snapshot_undrained)) return;
  snapshot_.report.state = SnapshotState::taking;
  snapshot_.report.blocks_count = record_.blocks_count;
}

void Head::tell_to_snapshot(uint64_t now_ns) {
  readable().for_each([&](uint32_t member) {
    if (snapshot_.sent.has(member)) return;
    if (send_command(now_ns, member, CommandKind::snapshot)) snapshot_.sent.add(member);
  });
  // Who has failed is out of the set first, as for a write.
  if (!leaving_.empty() || !left_.empty()) return;
  const bool by_one = planted(Planted::snapshot_by_one) && !snapshot_.has.empty();
  if (!snapshot_.has.has_all(record_.in_sync) && !by_one) return;
  SnapshotReport& report = snapshot_.report;
  // Also one that has left since: what it has is of the same moment.
  snapshot_.has.for_each(
      [&](uint32_t member) { report.members[report.members_count++] = record_.members[member]; });
  report.state = SnapshotState::done;
  report.held_ns = now_ns - snapshot_.held_since_ns;
  remove_rest(snapshot_.sent - snapshot_.has);
}

// Its answer may be of one that was given up since; then it is told to delete it, unless it says that what it
// has of this UUID was there before.
void Head::on_snapshot_answer(uint64_t now_ns, uint32_t member, Status status) {
  if (snapshot_.report.state != SnapshotState::taking) {
    const bool is_rest = snapshot_.removal.is_rest && snapshot_.removal.uuid == snapshot_.report.request.uuid;
    if (is_rest && status == Status::invalid) snapshot_.removal.left.remove(member);
    return;
  }
  if (status == Status::ok) {
    snapshot_.has.add(member);
    return;
  }
  if (status == Status::invalid) snapshot_.has_other.add(member);
  snapshot_.report.refuser = record_.members[member];
  snapshot_.report.status = status;
  fail_snapshot(now_ns, SnapshotFailure::refused);
}

void Head::fail_snapshot(uint64_t now_ns, SnapshotFailure failure) {
  if (!is_snapshotting()) return;
  SnapshotReport& report = snapshot_.report;
  if (report.state != SnapshotState::waiting) report.held_ns = now_ns - snapshot_.held_since_ns;
  report.state = SnapshotState::failed;
  report.failure = failure;
  remove_rest(snapshot_.sent - snapshot_.has_other);
}

// ---- what is not to stay ----

void Head::remove_rest(MemberSet members) {
  snapshot_.removal = {.uuid = snapshot_.report.request.uuid, .left = members, .is_rest = true};
  if (members.empty()) snapshot_.removal = {};
}

// After the answer to Snapshot, as there is one command at a time.
void Head::advance_removal(uint64_t now_ns) {
  SnapshotRemoval& removal = snapshot_.removal;
  (removal.left - removal.asked).for_each([&](uint32_t member) {
    if (!is_usable(member)) return;
    if (send_command(now_ns, member, CommandKind::delete_snapshot)) removal.asked.add(member);
  });
}

// Who cannot do it keeps what it has.
void Head::on_snapshot_deleted(uint32_t member, Status status) {
  SnapshotRemoval& removal = snapshot_.removal;
  if (!removal.asked.has(member)) return;
  removal.asked.remove(member);
  removal.left.remove(member);
  if (status == Status::ok) removal.members[removal.members_count++] = record_.members[member];
}

void Head::lose_snapshotter(uint32_t member) {
  snapshot_.removal.asked.remove(member);
  if (!snapshot_.removal.is_rest) snapshot_.removal.left.remove(member);
}

// The place is given to another replica, or to none.
void Head::forget_snapshotter(uint32_t member) {
  snapshot_.removal.asked.remove(member);
  snapshot_.removal.left.remove(member);
}

}  // namespace ballast::bdev::mirror
