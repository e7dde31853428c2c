#include "bdev/mirror/head.h"

#include <algorithm>

#include "base/assert.h"

namespace ballast::bdev::mirror {
namespace {

uint64_t divide_up(uint64_t value, uint64_t by) { return (value + by - 1) / by; }
uint64_t bytes_of(const Record& record) { return record.blocks_count * record.block_size_bytes; }

// Places, too: what is known of a member stands by its place.
bool is_same_set(const Record& one, const Record& other) {
  return one.members == other.members && one.in_sync == other.in_sync &&
         one.sealed_epoch == other.sealed_epoch && one.blocks_count == other.blocks_count;
}

}  // namespace

Head::Head(const HeadOptions& options, const Record& record, Actions& actions)
    : options_(options),
      near_member_(options.near_member),
      record_(record),
      actions_(actions),
      region_blocks_(k_region_bytes / record.block_size_bytes),
      granule_blocks_(k_granule_bytes / record.block_size_bytes),
      ops_(ops_count(options)),
      unreconciled_(divide_up(bytes_of(record), k_region_bytes)),
      marked_now_(unreconciled_.regions_count()),
      marked_before_(unreconciled_.regions_count()),
      in_clearing_(unreconciled_.regions_count()) {
  BALLAST_ASSERT(!record.in_sync.empty() && record.all().has_all(record.in_sync));
  free_ops_.reserve(ops_.size());
  for (size_t i = ops_.size(); i > 0; --i) free_ops_.push_back(static_cast<OpIndex>(i - 1));
  absent_ranges_.reserve(ops_.size());
  clearing_.reserve(k_clearing_max);
}

Head::~Head() {
  while (active_.pop_front() != nullptr) {
  }
}

void Head::act(Action::Kind kind, uint32_t member) {
  Action action;
  action.kind = kind;
  action.member = member;
  action.session = members_[member].session;
  action.epoch = record_.epoch;
  actions_.push_back(action);
}

// ---- the store ----

void Head::start(uint64_t now_ns) {
  BALLAST_ASSERT(state_ == HeadState::claiming && !store_asked_);
  tick_ns_ = now_ns;
  generation_ns_ = now_ns;
  ask_store(StoreWish::claim);
}

// One question at a time; what is wished meanwhile is asked when it has been answered.
void Head::ask_store(StoreWish wish) {
  if (store_asked_ || store_retry_ns_ != k_never) return;
  store_wish_ = wish;
  store_in_doubt_ = false;
  store_record_ = record_;
  switch (wish) {
    case StoreWish::none: return;
    case StoreWish::claim:
      if (!planted(Planted::epoch_not_raised) || record_.epoch == 0) ++store_record_.epoch;
      store_record_.head = options_.node;
      store_record_.head_stopped = false;
      predecessor_stopped_ = record_.head_stopped;
      break;
    case StoreWish::agree:
      if (!planted(Planted::unsealed_kept)) store_record_.in_sync = ready();
      store_record_.in_sync.for_each(
          [&](uint32_t member) { store_record_.sealed_epoch[member] = record_.epoch; });
      break;
    case StoreWish::remove: store_record_.in_sync = record_.in_sync - leaving_; break;
    case StoreWish::add:
      store_record_.in_sync.add(join_.member);
      store_record_.sealed_epoch[join_.member] = record_.epoch;
      break;
    case StoreWish::stop: store_record_.head_stopped = true; break;
    case StoreWish::change: change_members(store_record_); break;
  }
  BALLAST_ASSERT(!store_record_.in_sync.empty());
  send_to_store();
}

void Head::send_to_store() {
  store_asked_ = true;
  store_retry_ns_ = k_never;
  Action action;
  action.kind = Action::Kind::compare_and_set;
  action.expected_revision = record_.revision;
  actions_.push_back(action);
}

void Head::on_store_unavailable(uint64_t now_ns) {
  if (is_over() || !store_asked_) return;
  store_asked_ = false;
  store_in_doubt_ = true;
  store_retry_ns_ = now_ns + options_.store_retry_ns;
}

void Head::on_stored(uint64_t now_ns, bool ok, const Record& current) {
  if (is_over() || !store_asked_) return;
  store_asked_ = false;
  // What had no answer may have been done all the same.
  if (store_in_doubt_ && planted(Planted::doubt_taken_for_yes)) ok = true;
  if (!ok && store_in_doubt_ && !planted(Planted::doubt_taken_for_no)) {
    ok = current.epoch == store_record_.epoch && current.head == store_record_.head &&
         current.head_stopped == store_record_.head_stopped && current.members == store_record_.members &&
         current.in_sync == store_record_.in_sync && current.sealed_epoch == store_record_.sealed_epoch &&
         current.blocks_count == store_record_.blocks_count;
  }
  const StoreWish wish = std::exchange(store_wish_, StoreWish::none);
  const bool is_ours = current.epoch == record_.epoch && current.head == options_.node;
  if (!ok && !(wish == StoreWish::claim ? current.epoch == record_.epoch : is_ours)) return fence();
  const Record before = std::exchange(record_, current);
  fit_maps();
  if (!ok) {
    if (wish != StoreWish::claim && !is_same_set(before, current)) return fence();
    // Somebody changed something else in it: the same again, of what it is now.
    if (wish == StoreWish::claim) ask_store(StoreWish::claim);
    return advance(now_ns);
  }
  switch (wish) {
    case StoreWish::none: break;
    case StoreWish::claim: seal_members(now_ns); break;
    case StoreWish::agree: on_agreed(now_ns); break;
    case StoreWish::remove: on_left(); break;
    case StoreWish::add: on_joined(); break;
    case StoreWish::stop: break;
    case StoreWish::change: on_changed(now_ns, before); break;
  }
  advance(now_ns);
}

void Head::on_record(uint64_t now_ns, const Record& current) {
  if (is_over() || state_ == HeadState::claiming || current.revision <= record_.revision) return;
  if (current.epoch != record_.epoch || current.head != options_.node) {
    if (current.epoch > record_.epoch) fence();
    return;
  }
  // What we asked for ourselves comes as the answer.
  if (store_asked_ || store_retry_ns_ != k_never) return;
  if (!is_same_set(record_, current)) return fence();
  record_ = current;
  fit_maps();
  advance(now_ns);
}

// ---- from the claim to serving ----

void Head::connect(uint64_t now_ns, uint32_t member) {
  MemberWork& work = members_[member];
  work.state = MemberState::connecting;
  if (record_.all().has(member)) work.replica = record_.members[member];
  work.in_command = false;
  work.intent_read = has_served_ && planted(Planted::restarted_unreconciled);
  work.marked = false;
  work.grown_to = 0;
  work.begin_absent = work.end_absent = {};
  work.connect_ns = now_ns;
  if (!planted(Planted::session_not_raised) || work.session == 0) ++work.session;
  act(Action::Kind::connect, member);
  actions_.back().sealed_epoch = std::max(record_.sealed_epoch[member], copying_since(member));
}

// Also of a head that served and has lost all members: under the same epoch, in new sessions.
void Head::seal_members(uint64_t now_ns) {
  state_ = HeadState::sealing;
  seal_deadline_ns_ = now_ns + options_.seal_timeout_ns;
  record_.in_sync.for_each([&](uint32_t member) {
    if (members_[member].state == MemberState::down) connect(now_ns, member);
  });
}

void Head::on_sealed(uint64_t now_ns, uint32_t member, uint32_t session, const SealedMember& said) {
  MemberWork& work = members_[member];
  if (is_over() || session != work.session || work.state != MemberState::connecting) return;
  work.said = said;
  work.heard_ns = work.connect_ns;
  // A mixture of two moments is no replica of any, nor is one that has lost its memory, whatever the record
  // says.
  const bool has_all = said.content == Content::complete && said.blocks_count >= record_.blocks_count;
  if (record_.in_sync.has(member) && !has_all && !planted(Planted::replaced_served)) {
    drop_member(now_ns, member);
    return advance(now_ns);
  }
  work.state = MemberState::sealed;
  work.read_ns = 0;
  if (dismissed_.has(member)) {
    send_command(now_ns, member, CommandKind::dismiss);
    return;
  }
  last_seal_ns_ = now_ns;
  advance(now_ns);
}

// Sealed, and what was being written there is known.
MemberSet Head::ready() const {
  MemberSet ready;
  record_.in_sync.for_each([&](uint32_t member) {
    const MemberWork& work = members_[member];
    if ((work.state == MemberState::sealed || work.state == MemberState::in_sync) && work.intent_read) {
      ready.add(member);
    }
  });
  return ready;
}

void Head::advance_sealing(uint64_t now_ns) {
  record_.in_sync.for_each([&](uint32_t member) {
    if (members_[member].state == MemberState::sealed && !members_[member].intent_read) {
      send_command(now_ns, member, CommandKind::read_intent);
    }
  });
  const MemberSet found = ready();
  if (found == record_.in_sync || (!found.empty() && now_ns >= seal_until_ns(found))) {
    state_ = HeadState::agreeing;
    agreed_ = false;
    ask_store(StoreWish::agree);
  }
}

// How long members are waited for that are not `found`.
uint64_t Head::seal_until_ns(MemberSet found) const {
  bool all_refused = found.size() >= record_.min_in_sync;
  (record_.in_sync - found).for_each([&](uint32_t member) {
    all_refused = all_refused && members_[member].state == MemberState::down;
  });
  const uint64_t began_ns = seal_deadline_ns_ - options_.seal_timeout_ns;
  return all_refused ? began_ns + options_.seal_refused_timeout_ns : seal_deadline_ns_;
}

void Head::on_agreed(uint64_t now_ns) {
  if (state_ != HeadState::agreeing) return;
  // A member may have failed since it was asked for: again without it.
  if (ready() != record_.in_sync && !planted(Planted::unsealed_kept)) {
    state_ = HeadState::sealing;
    return;
  }
  agreed_ = true;
  ++round_;
  record_.in_sync.for_each([&](uint32_t member) {
    MemberWork& work = members_[member];
    work.state = MemberState::in_sync;
    work.marked = false;
    tell_of_slots(member);
  });
  // Who is no member of the set any more begins anew, to join.
  (record_.all() - record_.in_sync).for_each([&](uint32_t member) {
    if (is_usable(member)) drop_member(now_ns, member);
  });
}

// Its slots of absent members as they are to be.
void Head::tell_of_slots(uint32_t member) {
  MemberWork& work = members_[member];
  const MemberSet has = slots_of(work);
  work.begin_absent = record_.all() - record_.in_sync - has;
  work.end_absent = has & record_.in_sync;
}

MemberSet Head::slots_of(const MemberWork& work) const {
  MemberSet set;
  for (uint32_t i = 0; i < work.said.absent_count; ++i) {
    for (uint32_t member = 0; member < record_.members_count; ++member) {
      if (record_.members[member] == work.said.absent[i].member) set.add(member);
    }
  }
  return set;
}

void Head::advance_agreeing(uint64_t now_ns) {
  if (!agreed_) {
    if (ready().empty()) {
      state_ = HeadState::sealing;
    } else {
      ask_store(StoreWish::agree);
    }
    return;
  }
  if (!all_in_sync_here()) {
    state_ = HeadState::sealing;
    return;
  }
  bool all_marked = true;
  record_.in_sync.for_each([&](uint32_t member) {
    MemberWork& work = members_[member];
    const bool knows = tell_absent(now_ns, member);
    if (knows && !work.marked) {
      if (unreconciled_.empty() || planted(Planted::marks_not_shared)) {
        work.marked = true;
      } else {
        send_command(now_ns, member, CommandKind::mark_intent);
      }
    }
    all_marked = all_marked && knows && work.marked;
  });
  if (!all_marked) return;
  state_ = HeadState::waiting;
  advance_waiting(now_ns);
}

bool Head::all_in_sync_here() const {
  bool all = true;
  record_.in_sync.for_each(
      [&](uint32_t member) { all = all && members_[member].state == MemberState::in_sync; });
  return all;
}

void Head::advance_waiting(uint64_t now_ns) {
  if (!all_in_sync_here()) {
    state_ = HeadState::sealing;
    return;
  }
  if (!has_served_ && !predecessor_stopped_ && now_ns < first_answer_ns()) return;
  state_ = HeadState::serving;
  has_served_ = true;
  pump(now_ns);
}

uint64_t Head::first_answer_ns() const {
  if (planted(Planted::no_wait_after_seal)) return 0;
  return last_seal_ns_ + options_.lease_ns + options_.lease_ns * options_.clock_margin_percent / 100;
}

// Everything that may be possible now is tried; nothing here is done twice.
void Head::advance(uint64_t now_ns) {
  handle_lost(now_ns);
  if (is_over()) return;
  if (state_ == HeadState::sealing) advance_sealing(now_ns);
  if (state_ == HeadState::agreeing) advance_agreeing(now_ns);
  if (state_ == HeadState::waiting) advance_waiting(now_ns);
  if (state_ == HeadState::serving || state_ == HeadState::stopping) {
    advance_leaving(now_ns);
    if (state_ != HeadState::serving && state_ != HeadState::stopping) return;
    finish_held(now_ns);
    advance_reconcile(now_ns);
    advance_join(now_ns);
    advance_settle(now_ns);
    advance_verify(now_ns);
    advance_change(now_ns);
    advance_snapshot(now_ns);
    advance_intent(now_ns);
    pump(now_ns);
  }
  if (state_ == HeadState::stopping) advance_stop(now_ns);
}

// ---- time ----

uint64_t Head::next_tick_ns() const {
  if (is_over()) return k_never;
  // Heads that are quiet have their time together: the thread that they share sleeps in between.
  if (is_quiet(tick_ns_)) return (tick_ns_ / options_.lease_ns + 1) * options_.lease_ns;
  const uint64_t period_ns = options_.lease_ns / 8;
  const auto if_later = [this](uint64_t at_ns) { return at_ns > tick_ns_ ? at_ns : k_never; };
  return std::min({tick_ns_ + period_ns, if_later(join_.next_copy_ns), if_later(verify_.next_ns),
                   if_later(snapshot_deadline_ns())});
}

void Head::on_tick(uint64_t now_ns) {
  if (is_over()) return;
  tick_ns_ = now_ns;
  if (store_retry_ns_ <= now_ns) send_to_store();
  drop_slow(now_ns);
  if (state_ == HeadState::claiming) return;
  // Who is down is tried again; until something is served only those that are needed for it.
  const bool only_needed = state_ != HeadState::serving;
  record_.all().for_each([&](uint32_t member) {
    MemberWork& work = members_[member];
    if (work.state == MemberState::down && now_ns >= work.connect_ns + options_.reconnect_ns &&
        !is_unwanted(record_.members[member]) && (!only_needed || record_.in_sync.has(member))) {
      connect(now_ns, member);
    }
  });
  ping(now_ns);
  advance(now_ns);
}

// ---- the end ----

void Head::stop(uint64_t now_ns) {
  if (is_over() || stop_wanted_) return;
  stop_wanted_ = true;
  if (state_ != HeadState::serving) return fence();  // nothing was served: nothing to put in order
  state_ = HeadState::stopping;
  if (store_wish_ != StoreWish::change) change_ = {};
  cancel_verify();
  if (join_.member != k_nobody && is_usable(join_.member)) drop_member(now_ns, join_.member);
  if (planted(Planted::stopped_while_reading)) ask_store(StoreWish::stop);
  advance(now_ns);
}

void Head::abandon() {
  if (is_over()) return;
  stop_wanted_ = true;
  fence();
}

void Head::advance_stop(uint64_t now_ns) {
  // A member that failed on the way may have made it fence itself, or begin anew.
  if (state_ != HeadState::stopping || !lost_.empty()) return;
  if (!active_.empty() || !leaving_.empty() || !left_.empty() || !clearing_.empty() || store_asked_) return;
  if (!unreconciled_.empty() || is_removing_snapshot()) return;
  if (!marked_now_.empty() || !marked_before_.empty()) return advance_intent(now_ns);
  if (!record_.head_stopped) return ask_store(StoreWish::stop);
  disconnect_all();
  state_ = HeadState::stopped;
  act(Action::Kind::stopped, 0);
}

void Head::fence() {
  state_ = HeadState::fenced;
  cancel_verify();
  fail_snapshot(tick_ns_, SnapshotFailure::interrupted);
  while (Op* const op = active_.front()) finish(*op, Status::fenced);
  disconnect_all();
  if (stop_wanted_) act(Action::Kind::stopped, 0);
}

void Head::disconnect_all() {
  change_ = {};
  (record_.all() | dismissed_).for_each([&](uint32_t member) {
    if (members_[member].state == MemberState::down) return;
    members_[member].state = MemberState::down;
    act(Action::Kind::disconnect, member);
  });
}

}  // namespace ballast::bdev::mirror
