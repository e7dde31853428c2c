// A shard: the gate that the I/O of one reactor passes.
#include <cstddef>
#include <new>
#include <type_traits>

#include "base/assert.h"
#include "bdev/range_lock.h"

namespace ballast::bdev {
namespace {

bool overlap(uint64_t lba, uint64_t blocks_count, uint64_t other_lba, uint64_t other_blocks_count) {
  return lba < other_lba + other_blocks_count && other_lba < lba + blocks_count;
}

bool overlap(const Io& io, uint64_t lba, uint64_t blocks_count) {
  return overlap(io.lba, io.blocks_count, lba, blocks_count) ||
         (io.type == IoType::copy && overlap(io.copy_source_lba, io.blocks_count, lba, blocks_count));
}

}  // namespace

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
