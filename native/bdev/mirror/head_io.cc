// The I/O of the volume's user: its order, its members, its answer.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "bdev/mirror/head.h"

namespace ballast::bdev::mirror {
namespace {

// Reads one member; the others write all.
bool reads(IoType type) { return type == IoType::read || type == IoType::compare || type == IoType::verify; }

// No fault of the member: each would answer the same.
bool is_refusal(Status status) {
  return status == Status::out_of_range || status == Status::invalid || status == Status::unsupported ||
         status == Status::read_only || status == Status::no_space;
}

}  // namespace

// ---- numbers and order ----

// Null for the head's own when only those are left that its user may still ask for: numbers come back late,
// when everything that was submitted for them has ended, so counting what is in work does not bound them.
Head::Op* Head::take_op(Purpose purpose, IoType type, uint64_t lba, uint32_t blocks_count) {
  const uint32_t kept_count = purpose == Purpose::user ? 0 : options_.ops_max - user_ops_count_;
  if (free_ops_.size() <= kept_count) return nullptr;
  Op& op = ops_[free_ops_.back()];
  free_ops_.pop_back();
  const uint32_t attempt = op.attempt;
  BALLAST_ASSERT(op.phase == Phase::free);
  op.phase = Phase::waiting;
  op.purpose = purpose;
  op.type = type;
  op.status = Status::ok;
  op.lba = lba;
  op.blocks_count = blocks_count;
  op.attempt = attempt + 1;
  op.source = k_nobody;
  op.targets = op.pending = op.done = op.refused = op.tried = {};
  op.was_reading = false;
  active_.push_back(op);
  ++waiting_count_;
  return &op;
}

bool Head::submit(uint64_t now_ns, IoType type, uint64_t lba, uint32_t blocks_count, OpIndex& index) {
  if (user_ops_count_ == options_.ops_max) return false;
  Op* const op = take_op(Purpose::user, type, lba, blocks_count);
  BALLAST_ASSERT(op != nullptr);
  ++user_ops_count_;
  const bool was_quiet = is_quiet(now_ns);
  user_ns_ = now_ns;
  index = index_of(*op);
  if (is_over() || (stop_wanted_ && !planted(Planted::stopped_while_reading))) {
    finish(*op, Status::fenced);
  } else if (type == IoType::copy || type == IoType::read_allocation) {
    finish(*op, Status::unsupported);
  } else if (type == IoType::flush) {
    finish(*op, Status::ok);  // what was acknowledged is on stable media everywhere
  } else if (blocks_count == 0 || lba > record_.blocks_count || blocks_count > record_.blocks_count - lba) {
    finish(*op, Status::out_of_range);
  } else if (state_ == HeadState::serving && may_start(*op)) {
    start_op(now_ns, *op);
  }
  if (was_quiet) ping(now_ns);  // beside it: who reads waits for the slowest of them, not for both
  return true;
}

void Head::release(OpIndex index) {
  Op& op = ops_[index];
  BALLAST_ASSERT(op.phase == Phase::answered);
  op.phase = Phase::free;
  if (op.purpose == Purpose::user) --user_ops_count_;
  free_ops_.push_back(index);
}

void Head::to_waiting(Op& op) {
  if (op.phase == Phase::held) --held_count_;
  if (op.phase != Phase::waiting) ++waiting_count_;
  op.phase = Phase::waiting;
  op.status = Status::ok;
  op.pending = op.targets = op.done = op.refused = {};
  ++op.attempt;
}

bool Head::is_reader(const Op& op) {
  const bool is_own = op.purpose == Purpose::resync || op.purpose == Purpose::verify;
  return is_own || (op.purpose == Purpose::user && reads(op.type));
}

uint64_t Head::first_region(const Op& op) const { return op.lba / region_blocks_; }
uint64_t Head::last_region(const Op& op) const { return (op.lba + op.blocks_count - 1) / region_blocks_; }

// I/O that overlaps goes in the order of coming. The head's own goes past what waits, which may be waiting
// for it, and past what has its data everywhere already and waits for an answer, which may be waiting for it,
// too.
bool Head::must_follow(const Op& op, const Op& other, bool is_before) const {
  if (other.lba >= op.lba + op.blocks_count || op.lba >= other.lba + other.blocks_count) return false;
  if (is_reader(op) && is_reader(other)) return false;
  const bool user_reads = op.purpose == Purpose::user && is_reader(op);
  const bool user_writes = op.purpose == Purpose::user && !is_reader(op);
  if (planted(Planted::reads_pass_writes) && user_reads) return false;
  if (planted(Planted::writes_pass_writes) && user_writes && !is_reader(other)) return false;
  if (planted(Planted::writes_pass_reads) && user_writes && is_reader(other)) return false;
  if (planted(Planted::verified_past_writes) && op.purpose == Purpose::verify) return false;
  if (planted(Planted::verified_past_writes) && other.purpose == Purpose::verify) return false;
  if (planted(Planted::copied_past_writes) && op.purpose == Purpose::resync) return false;
  if (planted(Planted::copied_past_writes) && other.purpose == Purpose::resync) return false;
  // A read need not wait for what has not begun: it would wait as long as that is held.
  if (other.phase == Phase::waiting) {
    return is_before && op.purpose == Purpose::user && !(user_reads && is_held(other));
  }
  if (op.purpose == Purpose::user || other.phase != Phase::held) return true;
  const MemberSet targets = op.purpose == Purpose::resync ? MemberSet::of(join_.member) : writable();
  return !other.done.has_all(targets);
}

// What keeps it from starting: I/O that overlaps, its region, or the members.
bool Head::may_start(const Op& op) {
  const bool writes = !is_reader(op);
  if (writes && (!leaving_.empty() || !left_.empty())) return false;
  if (is_held(op)) return false;
  bool is_before = true;
  for (Op* other = active_.front(); other != nullptr; other = active_.after(*other)) {
    if (other == &op) {
      is_before = false;
    } else if (must_follow(op, *other, is_before)) {
      return false;
    }
  }
  for (uint64_t region = first_region(op); region <= last_region(op); ++region) {
    const bool goes_anyway = planted(Planted::unreconciled_read) ||
                             (planted(Planted::verified_unreconciled) && op.purpose == Purpose::verify);
    if (op.purpose != Purpose::reconcile && unreconciled_.has(region) && !goes_anyway) {
      reconcile_wanted_ = region;
      return false;
    }
    if (writes && in_clearing_.has(region) && !planted(Planted::cleared_written)) return false;
    if (writes && settling_.has(region) && !planted(Planted::settled_written)) return false;
  }
  return true;
}

bool Head::is_unreadable(const Op& op) const {
  return first_region(op) <= unreadable_region_ && unreadable_region_ <= last_region(op) &&
         unreconciled_.has(unreadable_region_);
}

// All that waited and need not any more, in their order.
void Head::pump(uint64_t now_ns) {
  if (state_ != HeadState::serving && state_ != HeadState::stopping) return;
  if (waiting_count_ == 0 || pumping_) return;
  pumping_ = true;
  for (Op *op = active_.front(), *next = nullptr; op != nullptr; op = next) {
    next = active_.after(*op);
    if (op->phase != Phase::waiting) continue;
    if (may_start(*op)) {
      start_op(now_ns, *op);
    } else if (op->purpose == Purpose::user && is_unreadable(*op)) {
      finish(*op, Status::media_error);
    }
  }
  pumping_ = false;
}

// ---- to the members ----

MemberSet Head::readable() const {
  MemberSet set;
  (record_.in_sync - leaving_).for_each([&](uint32_t member) {
    if (members_[member].state == MemberState::in_sync) set.add(member);
  });
  return set;
}

MemberSet Head::writable() const {
  MemberSet set = readable();
  if (join_.member != k_nobody && members_[join_.member].state == MemberState::joining &&
      !planted(Planted::joined_unwritten)) {
    set.add(join_.member);
  }
  return set;
}

void Head::send(uint64_t now_ns, Op& op, uint32_t member, IoType type, Action::Kind kind) {
  op.pending.add(member);
  op.sent_ns = now_ns;
  act(kind, member);
  Action& action = actions_.back();
  action.op = index_of(op);
  action.attempt = op.attempt;
  action.io_type = type;
  action.lba = op.lba;
  action.blocks_count = op.blocks_count;
}

void Head::start_op(uint64_t now_ns, Op& op) {
  BALLAST_ASSERT(op.phase == Phase::waiting);
  if (op.purpose == Purpose::verify) return start_check(now_ns, op);
  const bool user_writes = op.purpose == Purpose::user && !reads(op.type);
  if (user_writes && fails_below_min() && record_.in_sync.size() < record_.min_in_sync) {
    return finish(op, Status::busy);
  }
  if (user_writes && op.type != IoType::compare_and_write) return start_write(now_ns, op);
  if (is_zeroing(op)) {
    // It may have waited for its region to be made equal, which can have brought something there.
    return is_filled(op) ? finish(op, Status::busy) : start_write(now_ns, op);
  }
  start_read(now_ns, op);
}

void Head::start_read(uint64_t now_ns, Op& op) {
  const bool backwards = planted(Planted::copied_backwards) && op.purpose == Purpose::resync;
  const MemberSet sources = (backwards ? MemberSet::of(join_.member) : readable()) - op.tried;
  if (sources.empty()) {
    if (!readable().empty()) finish(op, Status::media_error);
    return;  // waits for who is sealed anew
  }
  op.source = choose_reader(sources, op.purpose == Purpose::user);
  --waiting_count_;
  op.phase = Phase::reading;
  const bool compares = op.type == IoType::compare_and_write;
  const bool user_reads = op.purpose == Purpose::user && !compares;
  send(now_ns, op, op.source, user_reads ? op.type : compares ? IoType::compare : IoType::read);
}

// The one that has been fast; a few go to the others, in turn.
uint32_t Head::choose_reader(MemberSet sources, bool may_probe) {
  const bool has_reader = reader_ != k_nobody && sources.has(reader_);
  if (may_probe && has_reader && sources.size() > 1 && ++reads_count_ % options_.probe_one_in == 0) {
    do probed_ = (probed_ + 1) % k_members_max;
    while (!sources.has(probed_) || probed_ == reader_);
    return probed_;
  }
  if (has_reader) return reader_;
  const bool has_near = near_member_ < k_members_max && sources.has(near_member_);
  const uint32_t chosen = has_near ? near_member_ : sources.lowest();
  // It stays with that one, unless only this read cannot have another.
  if (reader_ == k_nobody || !readable().has(reader_)) reader_ = chosen;
  return chosen;
}

// A moving average; and who is a third faster than the one that is read from takes its place. Less would send
// reads to and fro between members that are alike.
void Head::note_read(uint32_t member, uint64_t took_ns) {
  constexpr uint64_t k_weight = 8;
  uint64_t& read_ns = members_[member].read_ns;
  read_ns = read_ns == 0 ? took_ns : read_ns - read_ns / k_weight + took_ns / k_weight;
  if (reader_ == k_nobody || members_[reader_].read_ns == 0) return;
  readable().for_each([&](uint32_t other) {
    const uint64_t other_ns = members_[other].read_ns;
    if (other_ns != 0 && other_ns + other_ns / 2 < members_[reader_].read_ns) reader_ = other;
  });
}

void Head::start_write(uint64_t now_ns, Op& op) {
  switch (op.purpose) {
    case Purpose::user: op.targets = writable(); break;
    case Purpose::reconcile: op.targets = writable() - MemberSet::of(op.source); break;
    case Purpose::resync:
      op.targets = planted(Planted::copied_backwards) ? readable() : MemberSet::of(join_.member);
      op.targets = op.targets & (writable() | MemberSet::of(join_.member));
      break;
    case Purpose::repair: op.targets = op.tried & writable(); break;
    case Purpose::verify: BALLAST_ASSERT(false);
  }
  if (op.phase == Phase::waiting) --waiting_count_;
  op.phase = Phase::writing;
  op.pending = op.done = op.refused = {};
  if (op.targets.empty()) return try_finish(now_ns, op);
  note_write(op);
  const bool carries_data =
      (op.purpose != Purpose::user && !is_zeroing(op)) || op.type == IoType::compare_and_write;
  op.targets.for_each(
      [&](uint32_t member) { send(now_ns, op, member, carries_data ? IoType::write : op.type); });
}

// ---- from the members ----

void Head::on_io_done(uint64_t now_ns, uint32_t member, uint32_t session, OpIndex index, uint32_t attempt,
                      Status status) {
  MemberWork& work = members_[member];
  Op& op = ops_[index];
  if (is_over() || session != work.session || !is_usable(member)) return;
  if (attempt != op.attempt || !op.pending.has(member)) return;
  if (status == Status::fenced) return fence();
  work.heard_ns = std::max(work.heard_ns, op.sent_ns);
  op.pending.remove(member);
  if (op.purpose == Purpose::verify) {
    on_check_done(now_ns, op, member, status);
  } else if (op.phase == Phase::reading) {
    if (op.purpose == Purpose::user && op.type == IoType::read) note_read(member, now_ns - op.sent_ns);
    on_read_done(now_ns, op, member, status);
  } else {
    on_write_done(now_ns, op, member, status);
  }
  advance(now_ns);
}

void Head::on_read_done(uint64_t now_ns, Op& op, uint32_t member, Status status) {
  if (status == Status::media_error) {
    op.tried.add(member);
    to_waiting(op);
    return start_read(now_ns, op);
  }
  if (op.purpose == Purpose::user && (status == Status::compare_mismatch || is_refusal(status))) {
    op.status = status;
  } else if (status != Status::ok) {
    to_waiting(op);
    return drop_member(now_ns, member);
  }
  if (op.status == Status::ok && (op.purpose != Purpose::user || op.type == IoType::compare_and_write)) {
    // The members may be others than when it began.
    if (op.purpose != Purpose::resync && (!leaving_.empty() || !left_.empty())) return to_waiting(op);
    return start_write(now_ns, op);
  }
  try_finish(now_ns, op);
}

void Head::on_write_done(uint64_t now_ns, Op& op, uint32_t member, Status status) {
  if (status == Status::ok) {
    op.done.add(member);
    if (planted(Planted::acknowledged_by_one) && op.purpose == Purpose::user) return finish(op, Status::ok);
  } else if (is_refusal(status)) {
    op.refused.add(member);
    op.status = status;
  } else {
    drop_member(now_ns, member);
  }
  try_finish(now_ns, op);
}

// ---- answers ----

void Head::try_finish(uint64_t now_ns, Op& op) {
  if (op.phase == Phase::waiting || op.phase == Phase::answered || op.phase == Phase::free) return;
  if (!op.pending.empty()) return;
  if (op.phase != Phase::held) {
    op.phase = Phase::held;
    op.was_reading = op.targets.empty();
    ++held_count_;
  }
  if (op.purpose != Purpose::user) return finish_own(now_ns, op);
  if (op.was_reading) {
    // Who was paused since it had the data may have been followed by another head meanwhile.
    if (now_ns >= lease_until_ns() && !planted(Planted::lease_ignored)) return;
    return finish(op, op.status);
  }
  if (op.done.empty() && !op.refused.empty()) {
    // A member that is lost may not have it at all, not even a mark: the others are to note it first.
    if (!leaving_.empty() || !left_.empty()) return;
    // What each of them made of it nobody knows: they are made equal before anybody reads it.
    has_refused_ = true;
    for (uint64_t region = first_region(op); region <= last_region(op); ++region) unreconciled_.set(region);
    return finish(op, op.status);
  }
  if (!op.refused.empty()) {
    const MemberSet refused = std::exchange(op.refused, {});
    refused.for_each([&](uint32_t member) { drop_member(now_ns, member); });
  }
  if (planted(Planted::acknowledged_too_early) && !op.done.empty()) return finish(op, Status::ok);
  // Acknowledged when all that the store calls in sync have it, and are enough.
  if (!leaving_.empty() || !left_.empty() || !op.done.has_all(record_.in_sync)) return;
  if (record_.in_sync.size() < record_.min_in_sync) {
    if (fails_below_min()) finish(op, Status::busy);
    return;
  }
  finish(op, Status::ok);
}

void Head::finish(Op& op, Status status) {
  if (op.phase == Phase::held) --held_count_;
  if (op.phase == Phase::waiting) --waiting_count_;
  active_.remove(op);
  op.phase = Phase::answered;
  op.pending = {};
  ++op.attempt;
  if (op.purpose != Purpose::user) {
    on_copied(op, status);
  } else if (status == Status::ok && op.type == IoType::read && !op.tried.empty()) {
    repair(op);
  }
  act(Action::Kind::complete, 0);
  actions_.back().op = index_of(op);
  actions_.back().status = status;
}

// Answers that waited for the lease, the store or the members.
void Head::finish_held(uint64_t now_ns) {
  if (held_count_ == 0) return;
  for (Op *op = active_.front(), *next = nullptr; op != nullptr; op = next) {
    next = active_.after(*op);
    if (op->phase == Phase::held) try_finish(now_ns, *op);
  }
}

}  // namespace ballast::bdev::mirror
