#include "bdev/range_lock.h"

#include <cstddef>
#include <new>
#include <type_traits>

#include "base/assert.h"

namespace ballast::bdev {
namespace {

bool overlap(uint64_t lba, uint32_t blocks_count, uint64_t other_lba, uint32_t other_blocks_count) {
  return lba < other_lba + other_blocks_count && other_lba < lba + blocks_count;
}

bool overlap(const Io& io, uint64_t lba, uint32_t blocks_count) {
  return overlap(io.lba, io.blocks_count, lba, blocks_count) ||
         (io.type == IoType::copy && overlap(io.copy_source_lba, io.blocks_count, lba, blocks_count));
}

}  // namespace

// ---- home ----

std::shared_ptr<RangeLock> RangeLock::create() { return std::shared_ptr<RangeLock>(new RangeLock); }

RangeLock::~RangeLock() { BALLAST_ASSERT(!any_active()); }

RangeLockShard& RangeLock::shard(Reactor& reactor) {
  BALLAST_ASSERT_ON_REACTOR(reactor);
  BALLAST_ASSERT(reactor.index() < k_shards_max);
  std::unique_ptr<RangeLockShard>& mine = shards_[reactor.index()];
  if (mine != nullptr) return *mine;
  mine = std::make_unique<RangeLockShard>(*this, reactor);
  Reactor* home = nullptr;
  if (home_.compare_exchange_strong(home, &reactor, std::memory_order_acq_rel)) {
    on_join(*mine);
  } else {
    send_task(*home, [self = shared_from_this(), shard = mine.get()] { self->on_join(*shard); });
  }
  return *mine;
}

bool RangeLock::any_active() const {
  for (const Slot& slot : slots_) {
    if (slot.phase != Phase::idle) return true;
  }
  return false;
}

void RangeLock::on_join(RangeLockShard& shard) {
  BALLAST_ASSERT(joining_count_ + joined_count_ < k_shards_max);
  joining_[joining_count_++] = &shard;
  admit_joining();
}

// A shard that came in the middle of a lock would not know of it: it joins between locks.
void RangeLock::admit_joining() {
  if (joining_count_ == 0 || any_active()) return;
  const uint32_t count = joining_count_;
  joining_count_ = 0;
  for (uint32_t i = 0; i < count; ++i) {
    RangeLockShard& shard = *joining_[i];
    joined_[joined_count_++] = &shard;
    if (shard.is_home()) {
      shard.on_joined();
    } else {
      send_task(shard.reactor_, [self = shared_from_this(), &shard] { shard.on_joined(); });
    }
  }
}

void RangeLock::on_lock(RangeLockRequest& request) {
  line_.push_back(request);
  start_waiting();
}

// A lock that is granted and given back at once comes here again from inside: it asks for another round.
void RangeLock::start_waiting() {
  start_again_ = true;
  if (starting_) return;
  const std::shared_ptr<RangeLock> self = shared_from_this();
  starting_ = true;
  while (start_again_) {
    start_again_ = false;
    admit_joining();
    if (joining_count_ == 0) start_line();
  }
  starting_ = false;
}

void RangeLock::start_line() {
  RangeLockRequest* next = nullptr;
  for (RangeLockRequest* request = line_.front(); request != nullptr; request = next) {
    next = line_.after(*request);
    if (must_wait(*request)) continue;
    uint32_t slot = 0;
    while (slot < k_range_locks_max && slots_[slot].phase != Phase::idle) ++slot;
    if (slot == k_range_locks_max) return;
    line_.remove(*request);
    start(slot, *request);
  }
}

// It overlaps an active lock, or one that has waited longer.
bool RangeLock::must_wait(RangeLockRequest& request) {
  for (const Slot& slot : slots_) {
    if (slot.phase != Phase::idle &&
        overlap(request.lba, request.blocks_count, slot.request->lba, slot.request->blocks_count)) {
      return true;
    }
  }
  for (RangeLockRequest* earlier = line_.front(); earlier != &request; earlier = line_.after(*earlier)) {
    if (overlap(request.lba, request.blocks_count, earlier->lba, earlier->blocks_count)) return true;
  }
  return false;
}

void RangeLock::start(uint32_t slot, RangeLockRequest& request) {
  request.slot = slot;
  slots_[slot] = {Phase::holding, &request, joined_count_};
  for (uint32_t i = 0; i < joined_count_; ++i) {
    RangeLockShard::Hold& hold = joined_[i]->holds_[slot];
    hold.shard = joined_[i];
    hold.slot = slot;
    hold.lba = request.lba;
    hold.blocks_count = request.blocks_count;
    if (joined_[i]->is_home()) {
      joined_[i]->on_hold(hold);
    } else {
      hold.run = [](Message& message) {
        RangeLockShard::Hold& arrived = static_cast<RangeLockShard::Hold&>(message);
        arrived.shard->on_hold(arrived);
      };
      joined_[i]->reactor_.send(hold);
    }
  }
}

void RangeLock::on_quiet(uint32_t slot) {
  BALLAST_ASSERT(slots_[slot].phase == Phase::holding);
  if (--slots_[slot].waiting_for_count > 0) return;
  slots_[slot].phase = Phase::granted;
  RangeLockRequest& request = *slots_[slot].request;
  if (request.shard->is_home()) return request.granted(request);
  request.run = [](Message& message) {
    RangeLockRequest& arrived = static_cast<RangeLockRequest&>(message);
    arrived.granted(arrived);
  };
  request.shard->reactor_.send(request);
}

void RangeLock::on_unlock(RangeLockRequest& request) {
  const uint32_t slot = request.slot;
  BALLAST_ASSERT(slots_[slot].phase == Phase::granted);
  slots_[slot].phase = Phase::releasing;
  slots_[slot].waiting_for_count = joined_count_;
  // Home last: its answer may be the last one, and then the slot is someone else's.
  RangeLockShard* home_shard = nullptr;
  for (uint32_t i = 0; i < joined_count_; ++i) {
    RangeLockShard::Hold& hold = joined_[i]->holds_[slot];
    if (joined_[i]->is_home()) {
      home_shard = joined_[i];
      continue;
    }
    hold.run = [](Message& message) {
      RangeLockShard::Hold& arrived = static_cast<RangeLockShard::Hold&>(message);
      arrived.shard->on_release(arrived);
    };
    joined_[i]->reactor_.send(hold);
  }
  home_shard->on_release(home_shard->holds_[slot]);
}

void RangeLock::on_released(uint32_t slot) {
  BALLAST_ASSERT(slots_[slot].phase == Phase::releasing);
  if (--slots_[slot].waiting_for_count > 0) return;
  RangeLockRequest& request = *slots_[slot].request;
  slots_[slot] = {};
  start_waiting();
  // Last: the requester may end the device from inside.
  if (request.shard->is_home()) return request.unlocked(request);
  request.run = [](Message& message) {
    RangeLockRequest& arrived = static_cast<RangeLockRequest&>(message);
    arrived.unlocked(arrived);
  };
  request.shard->reactor_.send(request);
}

// ---- a shard ----

RangeLockShard::~RangeLockShard() {
  BALLAST_ASSERT(in_flight_.empty());
  BALLAST_ASSERT(held_.empty());
}

RangeLockShard::Place& RangeLockShard::place_in(Io& io) {
  static_assert(sizeof(Place) == k_scratch_bytes);
  return *new (io.layer_scratch) Place;
}

Io& RangeLockShard::io_of(Place& place) {
  static_assert(std::is_standard_layout_v<Io>);
  return *reinterpret_cast<Io*>(reinterpret_cast<std::byte*>(&place) - offsetof(Io, layer_scratch));
}

bool RangeLockShard::is_held(const Io& io) const {
  if (!joined_) return true;
  if (holds_active_count_ == 0) return false;
  for (const Hold& hold : holds_) {
    if (hold.active && overlap(io, hold.lba, hold.blocks_count)) return true;
  }
  return false;
}

bool RangeLockShard::try_enter(Io& io, Resume resume) {
  BALLAST_ASSERT(resume_ == nullptr || resume_ == resume);
  resume_ = resume;
  Place& place = place_in(io);
  if (is_held(io)) {
    held_.push_back(place);
    return false;
  }
  in_flight_.push_back(place);
  return true;
}

void RangeLockShard::leave(Io& io) {
  in_flight_.remove(*reinterpret_cast<Place*>(io.layer_scratch));
  if (holds_active_count_ == 0) return;
  // Counted first and told afterwards: what home does may activate other holds.
  std::array<bool, k_range_locks_max> quiet{};
  for (Hold& hold : holds_) {
    if (!hold.active || hold.in_flight_count == 0 || !overlap(io, hold.lba, hold.blocks_count)) continue;
    quiet[hold.slot] = --hold.in_flight_count == 0;
  }
  for (uint32_t slot = 0; slot < k_range_locks_max; ++slot) {
    if (quiet[slot]) tell_quiet(holds_[slot]);
  }
}

void RangeLockShard::tell_quiet(Hold& hold) {
  tell_home(hold, [](Message& message) {
    Hold& arrived = static_cast<Hold&>(message);
    arrived.shard->lock_.on_quiet(arrived.slot);
  });
}

void RangeLockShard::tell_home(Hold& hold, Message::Run run) {
  hold.run = run;
  if (is_home()) return run(hold);
  lock_.home_.load(std::memory_order_relaxed)->send(hold);
}

void RangeLockShard::on_hold(Hold& hold) {
  BALLAST_ASSERT(!hold.active);
  hold.active = true;
  ++holds_active_count_;
  hold.in_flight_count = 0;
  for (Place* place = in_flight_.front(); place != nullptr; place = in_flight_.after(*place)) {
    if (overlap(io_of(*place), hold.lba, hold.blocks_count)) ++hold.in_flight_count;
  }
  if (hold.in_flight_count == 0) tell_quiet(hold);
}

void RangeLockShard::on_release(Hold& hold) {
  BALLAST_ASSERT(hold.active);
  hold.active = false;
  --holds_active_count_;
  resume_held();
  tell_home(hold, [](Message& message) {
    Hold& arrived = static_cast<Hold&>(message);
    arrived.shard->lock_.on_released(arrived.slot);
  });
}

void RangeLockShard::on_joined() {
  joined_ = true;
  resume_held();
}

void RangeLockShard::resume_held() {
  // Those that are here now; what comes while they start looks after itself.
  for (size_t count = held_.size(); count > 0; --count) {
    Place* const place = held_.pop_front();
    if (place == nullptr) return;
    Io& io = io_of(*place);
    if (is_held(io)) {
      held_.push_back(*place);
    } else {
      in_flight_.push_back(*place);
      resume_(io);
    }
  }
}

void RangeLockShard::lock(RangeLockRequest& request) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  request.shard = this;
  if (is_home()) return lock_.on_lock(request);
  request.run = [](Message& message) {
    RangeLockRequest& arrived = static_cast<RangeLockRequest&>(message);
    arrived.shard->lock_.on_lock(arrived);
  };
  lock_.home_.load(std::memory_order_relaxed)->send(request);
}

void RangeLockShard::unlock(RangeLockRequest& request) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  if (is_home()) return lock_.on_unlock(request);
  request.run = [](Message& message) {
    RangeLockRequest& arrived = static_cast<RangeLockRequest&>(message);
    arrived.shard->lock_.on_unlock(arrived);
  };
  lock_.home_.load(std::memory_order_relaxed)->send(request);
}

}  // namespace ballast::bdev
