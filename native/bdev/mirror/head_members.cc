// What members are told beside I/O, and what happens when one fails.
#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.h"
#include "bdev/mirror/head.h"

namespace ballast::bdev::mirror {

// ---- commands ----

// Connected and sealed: it may be sent something.
bool Head::is_usable(uint32_t member) const {
  const MemberState state = members_[member].state;
  return state == MemberState::sealed || state == MemberState::in_sync || state == MemberState::joining;
}

// False: it is at another one still.
bool Head::send_command(uint64_t now_ns, uint32_t member, CommandKind command, uint32_t about, bool flag) {
  MemberWork& work = members_[member];
  BALLAST_ASSERT(is_usable(member));
  if (work.in_command) return false;
  work.in_command = true;
  work.command = command;
  work.about = about;
  work.about_replica = about == k_nobody ? stranger_of(work) : record_.members[about];
  work.command_round = round_;
  work.command_ns = now_ns;
  if (command == CommandKind::grow) work.asked_to_grow_to = growing_to();
  act(Action::Kind::command, member);
  Action& action = actions_.back();
  action.command = command;
  action.about = about;
  action.flag = flag;
  return true;
}

void Head::on_command_done(uint64_t now_ns, uint32_t member, uint32_t session, Status status) {
  MemberWork& work = members_[member];
  if (is_over() || session != work.session || !is_usable(member) || !work.in_command) return;
  if (status == Status::fenced) return fence();
  const bool is_of_snapshot =
      work.command == CommandKind::snapshot || work.command == CommandKind::delete_snapshot;
  const bool grows = work.command == CommandKind::grow && record_.in_sync.has(member);
  const bool may_refuse =
      (grows || is_of_snapshot) && (status == Status::no_space || status == Status::unsupported ||
                                    status == Status::invalid || status == Status::busy);
  if (status != Status::ok && !may_refuse) {
    drop_member(now_ns, member);
    return advance(now_ns);
  }
  work.in_command = false;
  work.heard_ns = std::max(work.heard_ns, work.command_ns);
  switch (work.command) {
    case CommandKind::ping: break;
    case CommandKind::read_intent:
      if (member == join_.member) {
        on_join_command(now_ns, member);
      } else {
        work.intent_read = true;
      }
      break;
    case CommandKind::mark_intent: work.marked = work.command_round == round_; break;
    case CommandKind::clear_intent:
      clear_left_.remove(member);
      if (clear_left_.empty()) on_cleared();
      break;
    case CommandKind::clear_absent:
    case CommandKind::forget_copied:
      settle_left_.remove(member);
      if (settle_left_.empty()) on_settled();
      break;
    case CommandKind::begin_copying: on_copying_noted(member); break;
    case CommandKind::grow:
      on_grow_done(member, status);
      if (member == join_.member) on_join_command(now_ns, member);
      break;
    case CommandKind::snapshot: on_snapshot_answer(now_ns, member, status); break;
    case CommandKind::delete_snapshot: on_snapshot_deleted(member, status); break;
    case CommandKind::begin_absent:
      work.begin_absent.remove(work.about);
      remember_slot(work, work.about_replica, absent_everything(member));
      break;
    case CommandKind::end_absent:
      if (work.about != k_nobody) work.end_absent.remove(work.about);
      forget_slot(work, work.about_replica);
      break;
    case CommandKind::read_absent:
    case CommandKind::read_allocation:
    case CommandKind::set_partial:
    case CommandKind::set_syncing: on_join_command(now_ns, member); break;
    case CommandKind::dismiss: drop_member(now_ns, member); break;
  }
  finish_held(now_ns);
  advance(now_ns);
}

void Head::remember_slot(MemberWork& work, const Uuid& member, bool everything) {
  if (AbsentSlot* const slot = find_slot(work, member); slot != nullptr) {
    // It keeps what it knew, unless that is nothing from now on.
    if (everything) *slot = {member, slot->since_epoch, true};
    return;
  }
  if (work.said.absent_count == k_members_max) return;
  work.said.absent[work.said.absent_count++] = {member, record_.epoch, everything};
}

AbsentSlot* Head::find_slot(MemberWork& work, const Uuid& member) {
  const auto end = work.said.absent.begin() + work.said.absent_count;
  const auto found = std::find_if(work.said.absent.begin(), end,
                                  [&member](const AbsentSlot& slot) { return slot.member == member; });
  return found == end ? nullptr : &*found;
}

void Head::forget_slot(MemberWork& work, const Uuid& member) {
  AbsentSlot* const slot = find_slot(work, member);
  if (slot != nullptr) *slot = work.said.absent[--work.said.absent_count];
}

// Of whom it notes what he misses, and who is no member any more; nil: of nobody.
const Uuid& Head::stranger_of(const MemberWork& work) const {
  static constexpr Uuid k_nil{};
  for (uint32_t i = 0; i < work.said.absent_count; ++i) {
    if (record_.place_of(work.said.absent[i].member) == k_nobody) return work.said.absent[i].member;
  }
  return k_nil;
}

// True: it knows of everybody who is absent, and who is no more. Slots of others first: it has so many.
bool Head::tell_absent(uint64_t now_ns, uint32_t member) {
  MemberWork& work = members_[member];
  const bool has_stranger = !stranger_of(work).is_nil();
  if (has_stranger) {
    send_command(now_ns, member, CommandKind::end_absent, k_nobody);
  } else if (!work.begin_absent.empty()) {
    send_command(now_ns, member, CommandKind::begin_absent, work.begin_absent.lowest());
  } else if (!work.end_absent.empty()) {
    send_command(now_ns, member, CommandKind::end_absent, work.end_absent.lowest());
  }
  return !has_stranger && work.begin_absent.empty() && work.end_absent.empty() && !work.in_command;
}

// The bits of regions that a member may have been writing when its head ended: to be made equal. Of one that
// joins: it may have what nobody else has, or lack what it has marked.
void Head::on_intent(uint32_t member, uint32_t session, uint64_t first, std::span<const uint64_t> words) {
  const MemberWork& work = members_[member];
  if (is_over() || session != work.session || !is_usable(member)) return;
  for (size_t i = 0; i < words.size(); ++i) {
    if (member != join_.member) {
      unreconciled_.add_word(first + 64 * i, words[i]);
      continue;
    }
    constexpr uint64_t per_region = k_region_bytes / k_granule_bytes;
    for (uint64_t bits = words[i]; bits != 0; bits &= bits - 1) {
      const uint64_t region = first + 64 * i + static_cast<uint64_t>(std::countr_zero(bits));
      if (region >= join_.marks->regions_count()) break;
      join_.marks->set(region);
      const bool is_noted = join_.source != k_nobody && left_in_order_.has(member);
      if (is_noted || planted(Planted::joined_own_marks)) continue;
      for (uint64_t at = 0; at < per_region; at += 64) {
        join_.map->add_word(region * per_region + at, ~uint64_t{0});
      }
    }
  }
}

void Head::on_absent(uint32_t member, uint32_t session, uint64_t first, std::span<const uint64_t> words) {
  const MemberWork& work = members_[member];
  const bool is_asked = member == join_.source && work.command_round == round_ && join_.map != nullptr;
  if (is_over() || session != work.session || !is_asked) return;
  for (size_t i = 0; i < words.size(); ++i) join_.map->add_word(first + 64 * i, words[i]);
}

// ---- the lease ----

// Until then no other head can have answered anything that what is read now does not have.
uint64_t Head::lease_until_ns() const {
  MemberSet asked = record_.in_sync;
  // It may be one of them already, and the store's answer only not have come.
  if (store_wish_ == StoreWish::add && !planted(Planted::lease_without_new_member)) asked.add(join_.member);
  uint64_t until_ns = k_never;
  asked.for_each(
      [&](uint32_t member) { until_ns = std::min(until_ns, members_[member].heard_ns + options_.lease_ns); });
  return until_ns;
}

// Nobody uses the volume, and nothing is left to be done for it: the lease may end. Whoever comes next makes
// it not quiet, and is answered by the rules of the lease as ever.
bool Head::is_quiet(uint64_t now_ns) const {
  if (options_.quiet_ns == 0 || now_ns < user_ns_ + options_.quiet_ns || state_ != HeadState::serving) {
    return false;
  }
  const bool is_asking = store_asked_ || store_retry_ns_ != k_never || stop_wanted_;
  const bool has_work = !active_.empty() || join_.member != k_nobody || change_.kind != Change::Kind::none ||
                        verify_.report.state == VerifyState::running || is_snapshotting() ||
                        is_removing_snapshot() || !left_.empty() || !dismissed_.empty() ||
                        !unreconciled_.empty();
  const bool has_marks = !marked_now_.empty() || !marked_before_.empty() || !clearing_.empty();
  if (is_asking || has_work || has_marks) return false;
  MemberSet in_sync;
  record_.all().for_each([&](uint32_t member) {
    if (members_[member].state == MemberState::in_sync) in_sync.add(member);
  });
  return in_sync.has_all(record_.all());
}

void Head::ping(uint64_t now_ns) {
  const uint64_t period_ns = is_quiet(now_ns) ? options_.lease_ns * k_quiet_leases : options_.lease_ns / 4;
  record_.all().for_each([&](uint32_t member) {
    const MemberWork& work = members_[member];
    if (!is_usable(member) || work.in_command || now_ns < work.heard_ns + period_ns) return;
    if (work.state != MemberState::sealed || has_served_) send_command(now_ns, member, CommandKind::ping);
  });
}

// ---- failures ----

void Head::on_member_failed(uint64_t now_ns, uint32_t member, uint32_t session) {
  if (is_over() || session != members_[member].session) return;
  if (members_[member].state == MemberState::down || members_[member].state == MemberState::leaving) return;
  drop_member(now_ns, member);
  advance(now_ns);
}

void Head::on_member_fenced(uint64_t now_ns, uint32_t member, uint32_t session) {
  if (is_over() || session != members_[member].session) return;
  // A replica that only this one could not seal says nothing of who is head.
  if (members_[member].state == MemberState::connecting && !record_.in_sync.has(member)) {
    return on_member_failed(now_ns, member, session);
  }
  fence();
}

void Head::drop_slow(uint64_t now_ns) {
  (record_.all() | dismissed_).for_each([&](uint32_t member) {
    const MemberWork& work = members_[member];
    const bool in_command = is_usable(member) && work.in_command;
    const uint64_t since_ns = in_command ? work.command_ns : work.connect_ns;
    if ((in_command || work.state == MemberState::connecting) &&
        now_ns >= since_ns + options_.latency_budget_ns) {
      drop_member(now_ns, member);
    }
  });
  MemberSet slow;
  for (Op* op = active_.front(); op != nullptr; op = active_.after(*op)) {
    if (op->pending.empty() || now_ns < op->sent_ns + options_.latency_budget_ns) continue;
    slow = slow | op->pending;
  }
  slow.for_each([&](uint32_t member) {
    if (is_usable(member)) drop_member(now_ns, member);
  });
}

// Nothing is sent to it any more, and nothing that it answers counts. What that means for I/O is
// handle_lost()'s, for the in-sync set advance_leaving()'s: the next advance() does both.
void Head::drop_member(uint64_t now_ns, uint32_t member) {
  MemberWork& work = members_[member];
  if (work.state == MemberState::down || work.state == MemberState::leaving) return;
  act(Action::Kind::disconnect, member);
  // The store may have made it one of them already.
  const bool may_be_in_sync =
      record_.in_sync.has(member) ||
      (member == join_.member && store_wish_ == StoreWish::add && !planted(Planted::lost_while_added));
  const bool serves = state_ == HeadState::serving || state_ == HeadState::stopping;
  work.state = serves && may_be_in_sync ? MemberState::leaving : MemberState::down;
  if (work.state == MemberState::leaving) leaving_.add(member);
  work.in_command = false;
  work.connect_ns = now_ns;
  dismissed_.remove(member);
  lost_.add(member);
}

void Head::handle_lost(uint64_t now_ns) {
  while (!lost_.empty()) {
    const uint32_t member = lost_.lowest();
    lost_.remove(member);
    const bool joined = member == join_.member;
    for (Op *op = active_.front(), *next = nullptr; op != nullptr; op = next) {
      next = active_.after(*op);
      op->done.remove(member);  // it may come back without it, on another disk
      if (joined && op->purpose == Purpose::resync) {
        finish(*op, Status::aborted);
      } else if (op->pending.has(member)) {
        op->pending.remove(member);
        if (op->phase == Phase::reading) {
          to_waiting(*op);  // by another one
        } else {
          try_finish(now_ns, *op);
        }
      }
    }
    clear_left_.remove(member);
    if (clear_left_.empty()) on_cleared();
    lose_settler(member);
    lose_snapshotter(member);
    join_.noters.remove(member);
    join_.untold.remove(member);
    if (joined && store_wish_ != StoreWish::add) join_ = {};
    // Its map of the one that joins is half read: from the start.
    if (join_.member != k_nobody && member == join_.source && join_.step == JoinStep::read_absent &&
        is_usable(join_.member)) {
      drop_member(now_ns, join_.member);
    }
    // Who answered for a part of it said nothing wrong: another one is asked for all of it.
    if (join_.member != k_nobody && join_.step == JoinStep::read_allocation && member != join_.member) {
      join_.asked = false;
    }
  }
}

// Members that failed leave the in-sync set in the store; the others are told what those lack; then what was
// held goes on. With nobody left, whoever of them comes back first is sealed anew.
void Head::advance_leaving(uint64_t now_ns) {
  if (!leaving_.empty() && !store_asked_ && store_retry_ns_ == k_never) {
    leaving_.for_each([&](uint32_t member) {
      if (record_.in_sync.has(member)) return;  // it wanted to join, and the store said no
      leaving_.remove(member);
      members_[member].state = MemberState::down;
    });
    if (leaving_.empty()) {
      pump(now_ns);
    } else if ((record_.in_sync - leaving_).empty()) {
      return start_over(now_ns);
    } else {
      if (join_.step >= JoinStep::tell) {
        join_.step = JoinStep::tell;  // it is to know of this one, too
        join_.asked = false;
      }
      ask_store(StoreWish::remove);
    }
  }
  bool all_know = true;
  record_.in_sync.for_each([&](uint32_t member) {
    if (members_[member].state == MemberState::in_sync) all_know = tell_absent(now_ns, member) && all_know;
  });
  if (left_.empty() || !leaving_.empty() || !all_know) return;
  left_ = {};
  finish_held(now_ns);
}

// Out of the set, in the store.
void Head::on_left() {
  const MemberSet gone = leaving_ - record_.in_sync;
  leaving_ = leaving_ & record_.in_sync;
  if (!planted(Planted::absent_not_told)) left_ = left_ | gone;
  left_in_order_ = left_in_order_ - gone;
  // Of regions that are being made equal the others note nothing for it that they have already.
  const bool all_is_noted = unreconciled_.empty() && !has_refused_;
  if (all_is_noted || planted(Planted::left_in_disorder)) left_in_order_ = left_in_order_ | gone;
  gone.for_each([&](uint32_t member) { members_[member].state = MemberState::down; });
  record_.in_sync.for_each([&](uint32_t member) {
    if (planted(Planted::absent_not_told)) return;
    members_[member].begin_absent = members_[member].begin_absent | gone;
    members_[member].end_absent = members_[member].end_absent - gone;
  });
  // What they may lack of what is not answered yet; all that comes later is noted by the others themselves.
  absent_ranges_.clear();
  for (Op* op = active_.front(); op != nullptr; op = active_.after(*op)) {
    if (planted(Planted::absent_in_flight_forgotten)) break;
    if (op->phase == Phase::writing || op->phase == Phase::held) {
      absent_ranges_.push_back({op->lba, op->blocks_count});
    }
  }
}

void Head::start_over(uint64_t now_ns) {
  if (stop_wanted_) return fence();
  if (join_.member != k_nobody && is_usable(join_.member)) drop_member(now_ns, join_.member);
  handle_lost(now_ns);
  join_ = {};
  end_settle();
  fail_snapshot(now_ns, SnapshotFailure::interrupted);
  change_ = {};
  state_ = HeadState::sealing;
  leaving_ = left_ = {};
  // One that was joining may have what none of those has that come back, and what was answered as failed.
  left_in_order_ = {};
  record_.all().for_each([&](uint32_t member) {
    if (members_[member].state == MemberState::leaving) members_[member].state = MemberState::down;
  });
  record_.in_sync.for_each([&](uint32_t member) { members_[member].connect_ns = now_ns; });
  for (Op *op = active_.front(), *next = nullptr; op != nullptr; op = next) {
    next = active_.after(*op);
    if (op->purpose == Purpose::user) {
      to_waiting(*op);
    } else {
      finish(*op, Status::aborted);
    }
  }
  seal_deadline_ns_ = now_ns + options_.seal_timeout_ns;
}

}  // namespace ballast::bdev::mirror
