#include "bdev/qos/scheduler.h"

#include <algorithm>

#include "base/assert.h"
#include "bdev/qos/channel.h"

namespace ballast::bdev::qos {

Scheduler::Scheduler(Reactor& home, Budget& budget)
    : home_(home),
      budget_(budget),
      timer_([](Timer&, void* context) { static_cast<Scheduler*>(context)->run(); }, this) {}

Scheduler::~Scheduler() { BALLAST_ASSERT(waiting_.empty()); }

void Scheduler::reserve(uint32_t volumes_count) {
  times_.reserve(volumes_count);
  weights_.reserve(volumes_count);
}

void Scheduler::enqueue(Volume& volume, Waiting& waiting) {
  BALLAST_ASSERT_ON_REACTOR(home_);
  if (!volume.has_waiting()) waiting_.push_back(volume);
  volume.push(waiting);
  place(volume, home_.now_ns());
  arm(home_.now_ns());
}

void Scheduler::reconsider(Volume& volume) {
  BALLAST_ASSERT_ON_REACTOR(home_);
  place(volume, home_.now_ns());
  arm(home_.now_ns());
}

void Scheduler::reconsider_all() {
  BALLAST_ASSERT_ON_REACTOR(home_);
  for (Volume* volume = waiting_.front(); volume != nullptr; volume = waiting_.after(*volume)) {
    place(*volume, home_.now_ns());
  }
  arm(home_.now_ns());
}

void Scheduler::on_room() {
  BALLAST_ASSERT_ON_REACTOR(home_);
  budget_.told();
  arm(home_.now_ns());
}

// Decides first and lets go afterwards: an I/O that ends at once may bring the next one, or be its volume's
// last, and with that the node's.
void Scheduler::run() {
  const uint64_t now_ns = home_.now_ns();
  Reactor& home = home_;
  WaitingList going;
  armed_ns_ = k_unarmed;
  while (going.size() < k_run_max) {
    Volume* const volume = times_.top();
    if (volume == nullptr || volume->wake_ns > now_ns) break;
    run_due(*volume, now_ns, going);
  }
  run_weighted(now_ns, going);
  count_waits(now_ns);
  arm(now_ns);
  while (Waiting* const waiting = going.pop_front()) waiting->channel.go_on(*waiting, home);
}

// Everything that nobody can take from it: what is due, of a volume that is not arbitrated or was promised.
void Scheduler::run_due(Volume& volume, uint64_t now_ns, WaitingList& going) {
  const bool arbitrated = is_arbitrated(volume);
  const Passage passage = arbitrated ? Passage::promised : Passage::free;
  while (going.size() < k_run_max) {
    Waiting* const waiting = volume.first_due(now_ns);
    if (waiting == nullptr) break;
    const uint32_t units = waiting->cost.units;
    if (arbitrated && !(volume.has_promise() && volume.promise().try_take(now_ns, units, Arrival::waited))) {
      break;
    }
    if (!volume.try_take(now_ns, waiting->cost, Arrival::waited)) {  // another reactor was faster
      if (arbitrated) volume.promise().give_back(units);
      continue;
    }
    if (arbitrated) budget_.take(now_ns, units);
    let_go(volume, *waiting, passage, now_ns, going);
  }
  place(volume, now_ns);
}

void Scheduler::run_weighted(uint64_t now_ns, WaitingList& going) {
  while (going.size() < k_run_max && !weights_.empty() && budget_.has_room(now_ns)) {
    Volume& volume = *weights_.top();
    Waiting* const waiting = volume.first_due(now_ns);
    if (waiting != nullptr && volume.try_take(now_ns, waiting->cost, Arrival::waited)) {
      const uint32_t units = waiting->cost.units;
      if (!budget_.try_take(now_ns, units, Arrival::waited)) {
        volume.give_back(waiting->cost);
        return;
      }
      tag_now_ = volume.tag;
      weights_.put(volume, volume.tag + static_cast<double>(units) / volume.weight());
      let_go(volume, *waiting, Passage::counted, now_ns, going);
    }
    place(volume, now_ns);
  }
}

void Scheduler::let_go(Volume& volume, Waiting& waiting, Passage passage, uint64_t now_ns,
                       WaitingList& going) {
  volume.pop(waiting);
  add(volume.stats().throttled_ios, 1);
  if (now_ns > waiting.since_ns) add(volume.stats().throttled_ns, now_ns - waiting.since_ns);
  volume.pressure.count(waiting.cost.units);
  waiting.passage = passage;
  if (passage == Passage::counted) budget_.enter(waiting.cost.units);
  going.push_back(waiting);
}

// Where the volume belongs, as it is now.
void Scheduler::place(Volume& volume, uint64_t now_ns) {
  if (!volume.has_waiting()) {
    if (volume.waiting_node.is_linked()) waiting_.remove(volume);
    times_.remove(volume);
    weights_.remove(volume);
  } else {
    const uint64_t due_ns = volume.due_ns();
    const bool wants_budget = due_ns <= now_ns && is_arbitrated(volume);
    const uint64_t promised_ns = volume.has_promise() ? volume.promise().due_ns() : Volume::k_never;
    const uint64_t wake_ns = wants_budget ? promised_ns : due_ns;
    if (wake_ns == Volume::k_never) {
      times_.remove(volume);
    } else {
      times_.put(volume, wake_ns);
    }
    if (!wants_budget) {
      weights_.remove(volume);
    } else if (!weights_.has(volume)) {
      weights_.put(volume, std::max(volume.tag, tag_now_));
    }
  }
  const bool waits_for_budget = weights_.has(volume);
  volume.close_to_others(now_ns, waits_for_budget);
  volume.pressure.settle(now_ns, waits_for_budget && volume.has_promise(), volume.min_iops(), volume.stats());
  waiting_volumes_.store(weights_.size(), std::memory_order_relaxed);
  budget_.set_waited_for(!weights_.empty());
}

// The timer stands, or a run at the end of this turn is asked for, exactly while something waits for a time.
void Scheduler::arm(uint64_t now_ns) {
  uint64_t next_ns = times_.empty() ? k_unarmed : times_.top()->wake_ns;
  if (!weights_.empty() && (!budget_.is_full() || budget_.want_room())) {
    next_ns = std::min(next_ns, budget_.due_ns());
  }
  if (next_ns <= now_ns) return home_.queue_flush(*this);  // a timer could take a tick
  home_.cancel_flush(*this);
  if (next_ns == k_unarmed) {
    home_.cancel(timer_);
  } else if (next_ns != armed_ns_ || !timer_.armed()) {
    const uint64_t clock_ns = home_.clock().now_ns();
    home_.arm(timer_, next_ns > clock_ns ? next_ns - clock_ns : 0);
  }
  armed_ns_ = next_ns;
}

void Scheduler::count_waits(uint64_t now_ns) {
  if (weights_.empty()) return;
  if (budget_.is_full()) {
    add(depth_waits_, 1);
  } else if (budget_.due_ns() > now_ns) {
    add(rate_waits_, 1);
  }
}

}  // namespace ballast::bdev::qos
