// Of the model: members that leave and come back, what is on its way to them, crashes.
#include "model/takeover_state.h"

namespace ballast::model {

// ---- members ----

void Rules::follow_membership(const State& state, uint8_t h) {
  const ModelHead& head = state.heads[h];
  const uint8_t in_sync = head.record.in_sync;
  for (uint8_t i = 0; i < bounds_.members; ++i) {
    if (holds(head.lease, i)) {
      State next = state;
      next.heads[h].lease = without(head.lease, bit(i));
      add(next, Event::lease_ends, h, i);
    } else if (is_heard(state, h, i) && (holds(in_sync, i) || head.joiner == i)) {
      State next = state;
      next.heads[h].lease |= bit(i);
      add(next, Event::ping, h, i);
    }
    const bool is_joiner = head.joiner == i;
    if (state.drops > 0 && !holds(head.leaving, i) && (holds(in_sync, i) || is_joiner)) {
      State next = state;
      ModelHead& dropping = next.heads[h];
      --next.drops;
      dropping.pending = without(head.pending, bit(i));
      // The store may have made it one of them already.
      if (holds(in_sync, i) || head.wish == Wish::add) dropping.leaving |= bit(i);
      if (is_joiner && head.wish != Wish::add) {
        dropping.joiner = k_nobody;
        dropping.is_copied = 0;
      }
      if (head.source != k_nobody || head.unreconciled != 0) {
        dropping.source = k_nobody;
        dropping.reconciled = 0;
      }
      add(next, Event::drop, h, i);
    }
  }
  if (head.asked != Asked::none) return;
  if (head.leaving != 0) {
    State next = state;
    const uint8_t stay = without(in_sync, head.leaving);
    if (stay == 0) {
      end_head(next, h);  // the real one begins anew with its seals: so does the next one here
    } else if (covers(in_sync, head.leaving)) {
      ask(next.heads[h], Wish::remove, stay);
    } else {
      next.heads[h].leaving = static_cast<uint8_t>(head.leaving & in_sync);
    }
    add(next, Event::remove, h);
    return;
  }
  if (head.joiner == k_nobody && head.write == 0 && head.unreconciled == 0) {
    for (uint8_t i = 0; i < bounds_.members; ++i) {
      if (holds(in_sync, i) || state.members[i].max_epoch > head.record.epoch) continue;
      State next = state;
      begin_session(next, h, i);
      next.heads[h].joiner = i;
      next.heads[h].is_copied = 0;
      add(next, Event::join, h, i);
    }
  }
  if (head.joiner != k_nobody) {
    const uint8_t to = head.joiner;
    if (head.is_copied == 0 && head.write == 0 && is_heard(state, h, to)) {
      for (uint8_t source = 0; source < bounds_.members; ++source) {
        if (!holds(in_sync, source) || !is_heard(state, h, source)) continue;
        State next = state;
        next.members[to].value = state.members[source].value;
        next.members[to].mark = 1;
        next.heads[h].is_copied = 1;
        add(next, Event::copy, h, to);
        break;  // they are equal
      }
    }
    if (head.is_copied != 0 || has(Fault::joined_uncopied)) {
      State next = state;
      ask(next.heads[h], Wish::add, static_cast<uint8_t>(in_sync | bit(to)));
      add(next, Event::add, h, to);
    }
  }
  bool may_clear = head.write == 0 && head.unreconciled == 0, is_marked = false;
  const auto all = static_cast<uint8_t>(in_sync | (head.joiner != k_nobody ? bit(head.joiner) : 0));
  for (uint8_t i = 0; i < bounds_.members; ++i) {
    if (!holds(all, i)) continue;
    may_clear = may_clear && is_heard(state, h, i);
    is_marked = is_marked || state.members[i].mark != 0;
  }
  if (may_clear && is_marked) {
    State next = state;
    for (uint8_t i = 0; i < bounds_.members; ++i) {
      if (holds(all, i)) next.members[i].mark = 0;
    }
    add(next, Event::clear, h);
  }
}

// ---- what is on its way ----

void Rules::follow_wires(const State& state, uint8_t h) {
  const ModelHead& head = state.heads[h];
  for (uint8_t i = 0; i < bounds_.members; ++i) {
    const Wire& wire = state.wires[h][i];
    if (wire.value == 0) continue;
    const ModelMember& member = state.members[i];
    const bool is_awaited = head.phase == Phase::serving && head.record.epoch == wire.epoch &&
                            head.write == wire.value && holds(head.pending, i);
    State next = state;
    if (wire.is_answer != 0) {
      next.wires[h][i] = {};
      if (is_awaited) {
        next.heads[h].pending = without(head.pending, bit(i));
        next.heads[h].done |= bit(i);
        if (wire.is_old == 0) next.heads[h].lease |= bit(i);
      }
      add(next, Event::answer_arrives, h, i);
    } else if ((member.head == h && member.max_epoch == wire.epoch) || has(Fault::epoch_unchecked)) {
      next.members[i].value = wire.value;
      next.members[i].mark = 1;
      next.wires[h][i].is_answer = 1;
      add(next, Event::member_writes, h, i);
    } else {
      next.wires[h][i] = {};
      // A head that hears that it is none any more does nothing any more.
      if (is_awaited && member.max_epoch > wire.epoch) end_head(next, h);
      add(next, Event::member_refuses, h, i);
    }
    if (!is_awaited) {
      State lost = state;
      lost.wires[h][i] = {};
      add(lost, Event::lost_late, h, i);
    }
  }
}

// ---- ends ----

void Rules::follow_failures(const State& state, uint8_t h) {
  const ModelHead& head = state.heads[h];
  if (head.phase != Phase::down && state.head_crashes > 0) {
    State next = state;
    --next.head_crashes;
    end_head(next, h);
    add(next, Event::crash_head, h);
  }
  if (h != 0 || state.member_crashes == 0) return;
  for (uint8_t i = 0; i < bounds_.members; ++i) {
    if (state.members[i].head == k_nobody) continue;
    State next = state;
    --next.member_crashes;
    next.members[i].head = k_nobody;
    add(next, Event::crash_member, h, i);
  }
}

}  // namespace ballast::model
