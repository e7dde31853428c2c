#include "model/takeover_state.h"

namespace ballast::model {

State Rules::start() {
  State state;
  std::memset(static_cast<void*>(&state), 0, sizeof(state));
  const auto all = static_cast<uint8_t>((1u << bounds_.members) - 1);
  state.store = {1, 0, all};
  for (ModelMember& member : state.members) member.head = k_nobody;
  for (uint8_t i = 0; i < bounds_.members; ++i) {
    state.members[i].max_epoch = 1;
    state.members[i].head = 0;
  }
  for (ModelHead& head : state.heads) head.joiner = head.source = head.read_from = head.read_value = k_nobody;
  ModelHead& head = state.heads[0];
  head.phase = Phase::serving;
  head.record = state.store;
  head.lease = all;
  state.takeovers = bounds_.takeovers;
  state.head_crashes = bounds_.head_crashes;
  state.member_crashes = bounds_.member_crashes;
  state.drops = bounds_.drops;
  state.lost_answers = bounds_.lost_answers;
  set_orders(state, monitor_.start());
  return state;
}

RegisterMonitor::Open Rules::open_of(const State& state) {
  RegisterMonitor::Open open{.writes = state.writes, .reads = 0};
  for (uint8_t h = 0; h < k_heads; ++h) {
    if (state.heads[h].reads != 0) open.reads |= bit(h);
  }
  return open;
}

// The member takes what this head sends in the session that it has now.
bool Rules::is_heard(const State& state, uint8_t head, uint8_t member) const {
  return state.members[member].head == head &&
         state.members[member].max_epoch == state.heads[head].record.epoch;
}

void Rules::add(const State& state, Event event, uint8_t head, uint8_t member) {
  out_->push_back({state, static_cast<uint8_t>(event), head, member});
}

void Rules::follow(const State& state, std::vector<Next>& out) {
  out_ = &out;
  for (uint8_t h = 0; h < k_heads; ++h) {
    follow_store(state, h);
    follow_takeover(state, h);
    if (state.heads[h].phase == Phase::serving) {
      follow_writes(state, h);
      follow_reads(state, h);
      follow_membership(state, h);
    }
    follow_wires(state, h);
    follow_failures(state, h);
  }
}

// ---- the store ----

void Rules::ask(ModelHead& head, Wish wish, uint8_t in_sync) const {
  head.wish = wish;
  head.asked = Asked::sent;
  head.in_doubt = 0;
  head.expected = head.wanted = head.record;
  head.wanted.in_sync = in_sync;
}

void Rules::follow_store(const State& state, uint8_t h) {
  const ModelHead& head = state.heads[h];
  if (head.asked == Asked::sent) {
    State next = state;
    ModelHead& asking = next.heads[h];
    const bool may = state.store == head.expected;
    if (may) next.store = head.wanted;
    asking.expected = {};
    // Who asks again takes the record that it wanted for the answer.
    const bool is_done = may || (head.in_doubt != 0 && state.store == head.wanted);
    asking.asked = is_done ? Asked::done : Asked::refused;
    add(next, Event::store_applies, h);
    if (state.lost_answers > 0) {
      --next.lost_answers;
      asking.asked = Asked::doubt;
      asking.in_doubt = 1;
      asking.expected = head.expected;
      add(next, Event::store_answer_lost, h);
      State unheard = state;
      --unheard.lost_answers;
      unheard.heads[h].asked = Asked::doubt;
      unheard.heads[h].in_doubt = 1;
      if (may) add(unheard, Event::store_never_heard, h);
    }
  }
  if (head.asked == Asked::done || head.asked == Asked::refused) {
    State next = state;
    on_answer(next, h, head.asked == Asked::done);
    add(next, Event::answer_of_store, h);
  }
  if (head.asked == Asked::doubt) {
    State next = state;
    if (has(Fault::doubt_taken_for_yes)) {
      on_answer(next, h, true);
    } else {
      next.heads[h].asked = Asked::sent;
    }
    add(next, Event::retry_store, h);
  }
}

void Rules::on_answer(State& state, uint8_t h, bool ok) {
  ModelHead& head = state.heads[h];
  const Wish wish = head.wish;
  head.wish = Wish::none;
  head.asked = Asked::none;
  head.in_doubt = 0;
  if (!ok) return end_head(state, h);  // the record of an epoch is its head's alone: there is another
  head.record = head.wanted;
  head.expected = head.wanted = {};
  switch (wish) {
    case Wish::none: break;
    case Wish::claim: head.phase = Phase::sealing; break;
    case Wish::agree:
      head.phase = Phase::waiting;
      head.reconciled = 0;
      break;
    case Wish::remove: head.leaving = without(head.leaving, without(0xff, head.record.in_sync)); break;
    case Wish::add:
      head.joiner = k_nobody;
      head.is_copied = 0;
      break;
  }
}

// A session of the member with this head begins: what was sent in another one before does nothing any more.
void Rules::begin_session(State& state, uint8_t h, uint8_t member) const {
  state.members[member].max_epoch = state.heads[h].record.epoch;
  state.members[member].head = h;
  for (uint8_t o = 0; o < k_heads; ++o) {
    Wire& wire = state.wires[o][member];
    const bool is_told_apart = !has(o == h ? Fault::session_not_raised : Fault::epoch_unchecked);
    if (wire.is_answer == 0 && is_told_apart) wire = {};
  }
}

// It answers nothing any more. What it has sent stays on its way.
void Rules::end_head(State& state, uint8_t h) {
  const bool reads = state.heads[h].reads != 0;
  state.heads[h] = {};
  std::memset(static_cast<void*>(&state.heads[h]), 0, sizeof(ModelHead));
  state.heads[h].joiner = state.heads[h].source = k_nobody;
  state.heads[h].read_from = state.heads[h].read_value = k_nobody;
  if (reads) set_orders(state, monitor_.read_ended(orders_of(state), open_of(state), h));
}

// ---- takeover ----

void Rules::follow_takeover(const State& state, uint8_t h) {
  const ModelHead& head = state.heads[h];
  if (head.phase == Phase::down && state.takeovers > 0) {
    State next = state;
    --next.takeovers;
    ModelHead& starting = next.heads[h];
    starting.phase = Phase::claiming;
    starting.record = state.store;
    ask(starting, Wish::claim, state.store.in_sync);
    ++starting.wanted.epoch;
    starting.wanted.head = h;
    add(next, Event::take_over, h);
  }
  if (head.phase == Phase::sealing && head.asked == Asked::none) {
    for (uint8_t i = 0; i < bounds_.members; ++i) {
      const ModelMember& member = state.members[i];
      if (!holds(head.record.in_sync, i) || holds(head.sealed, i)) continue;
      if (member.max_epoch > head.record.epoch) continue;
      State next = state;
      ModelHead& sealing = next.heads[h];
      begin_session(next, h, i);
      sealing.sealed |= bit(i);
      sealing.lease |= bit(i);
      sealing.unreconciled |= member.mark;
      add(next, Event::seal, h, i);
    }
    if (head.sealed != 0) {
      State next = state;
      ask(next.heads[h], Wish::agree, head.sealed);
      add(next, Event::agree, h);
    }
  }
  if (head.phase == Phase::waiting) {
    // A lease and its margin after the seal: what these granted to another head before is over.
    const uint8_t granted = state.heads[1 - h].lease;
    if ((granted & head.sealed) == 0 || has(Fault::no_lease_wait)) {
      State next = state;
      next.heads[h].phase = Phase::serving;
      next.heads[h].sealed = 0;
      // So much time has passed: a lease counts from when that was sent which the member answered.
      for (uint8_t i = 0; i < bounds_.members; ++i) {
        Wire& wire = next.wires[1 - h][i];
        const bool waited = !has(Fault::no_lease_wait) && !has(Fault::lease_from_answer);
        if (waited && wire.value != 0 && holds(head.sealed, i)) wire.is_old = 1;
      }
      if (has(Fault::not_reconciled)) next.heads[h].unreconciled = 0;
      add(next, Event::begin_serving, h);
    }
  }
}

// ---- I/O ----

void Rules::follow_writes(const State& state, uint8_t h) {
  const ModelHead& head = state.heads[h];
  const uint8_t usable = without(head.record.in_sync, head.leaving);
  if (head.unreconciled != 0 && head.leaving == 0) {
    // From one of them to the others, one after the other.
    for (uint8_t source = 0; source < bounds_.members; ++source) {
      if (head.source != k_nobody ? source != head.source : !holds(usable, source)) continue;
      for (uint8_t to = 0; to < bounds_.members; ++to) {
        const bool is_done = holds(head.reconciled, to) || !holds(usable, to);
        if (is_done || !is_heard(state, h, to) || !is_heard(state, h, source)) continue;
        State next = state;
        ModelHead& copying = next.heads[h];
        copying.source = source;
        copying.reconciled |= bit(to);
        next.members[to].value = state.members[source].value;
        next.members[to].mark = 1;
        if (covers(copying.reconciled, usable)) {
          copying.unreconciled = copying.reconciled = 0;
          copying.source = k_nobody;
        }
        add(next, Event::reconcile, h, to);
      }
    }
    return;
  }
  const bool reads = head.reads != 0 && !has(Fault::reads_pass_writes);
  const uint8_t targets = static_cast<uint8_t>(usable | (head.joiner != k_nobody ? bit(head.joiner) : 0));
  bool is_free = head.write == 0 && head.leaving == 0 && !reads && head.unreconciled == 0;
  for (uint8_t i = 0; i < bounds_.members; ++i) {
    is_free = is_free && (!holds(targets, i) || state.wires[h][i].value == 0);
  }
  for (uint8_t value = 1; is_free && value < RegisterMonitor::k_values; ++value) {
    // The second after the first: which is which says nothing.
    if (holds(state.writes, value - 1) || (value == 2 && !holds(state.writes, 0))) continue;
    State next = state;
    ModelHead& writing = next.heads[h];
    writing.write = value;
    writing.pending = targets;
    writing.done = 0;
    for (uint8_t i = 0; i < bounds_.members; ++i) {
      if (holds(targets, i)) next.wires[h][i] = {value, head.record.epoch, 0, 0};
    }
    next.writes |= bit(value - 1);
    set_orders(next, monitor_.asked(orders_of(state), open_of(next)));
    add(next, Event::write, h, value);
  }
  if (head.write == 0 || head.pending != 0) return;
  const bool has_left = head.leaving == 0 && covers(head.done, head.record.in_sync);
  if (has_left || (has(Fault::acknowledged_early) && head.done != 0)) {
    State next = state;
    next.heads[h].write = next.heads[h].done = 0;
    set_orders(next, monitor_.written(orders_of(state), open_of(next), head.write));
    add(next, Event::write_answered, h, head.write);
  }
}

void Rules::follow_reads(const State& state, uint8_t h) {
  const ModelHead& head = state.heads[h];
  const uint8_t usable = without(head.record.in_sync, head.leaving);
  const bool may = head.unreconciled == 0 && (head.write == 0 || has(Fault::reads_pass_writes));
  if (head.reads == 0 && may && usable != 0) {
    State next = state;
    next.heads[h].reads = 1;
    set_orders(next, monitor_.asked(orders_of(state), open_of(next)));
    add(next, Event::read, h);
  }
  if (head.reads != 0 && head.read_value == k_nobody) {
    for (uint8_t i = 0; i < bounds_.members; ++i) {
      if (!holds(usable, i) || !is_heard(state, h, i)) continue;
      State next = state;
      next.heads[h].read_value = state.members[i].value;
      add(next, Event::data_read, h, i);
    }
  }
  if (head.read_value != k_nobody) {
    uint8_t asked = head.record.in_sync;
    // It may be one of them already, and the store's answer only not have come.
    if (head.wish == Wish::add && !has(Fault::lease_without_joiner)) asked = head.wanted.in_sync;
    if (covers(head.lease, asked) || has(Fault::lease_ignored)) {
      State next = state;
      next.heads[h].reads = 0;
      next.heads[h].read_value = k_nobody;
      // The answer is taken while the read is still open.
      set_orders(next, monitor_.read(orders_of(state), open_of(next), h, head.read_value));
      add(next, Event::read_answered, h, head.read_value);
    }
  }
}

std::string Rules::describe(const Next& next) {
  static constexpr std::array<const char*, static_cast<size_t>(Event::count)> k_texts = {
      "takes over",
      "is done by the store",
      "is done by the store, the answer is lost",
      "is lost on the way to the store",
      "hears the store",
      "asks the store again",
      "seals",
      "asks for the members that it has sealed",
      "serves",
      "makes equal",
      "writes value",
      "has its write done by",
      "is refused by",
      "hears of its write by",
      "answers the write of value",
      "loses what came too late at",
      "is asked to read",
      "reads from",
      "answers the read with value",
      "has no lease any more of",
      "hears of",
      "gives up",
      "wants who failed out of the set",
      "takes back",
      "copies to",
      "wants into the set",
      "clears marks",
      "crashes",
      "sees nothing: there crashes member"};
  return "head " + std::to_string(next.head) + " " + k_texts[next.event] + " " + std::to_string(next.member);
}

}  // namespace ballast::model
