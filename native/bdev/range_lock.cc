// Home: who holds a lock, who waits, and which shards have answered.
#include "bdev/range_lock.h"

#include "base/assert.h"

namespace ballast::bdev {
namespace {

bool overlap(uint64_t lba, uint64_t blocks_count, uint64_t other_lba, uint64_t other_blocks_count) {
  return lba < other_lba + other_blocks_count && other_lba < lba + blocks_count;
}

}  // namespace

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

}  // namespace ballast::bdev
