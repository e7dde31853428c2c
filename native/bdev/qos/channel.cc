#include "bdev/qos/channel.h"

#include <utility>

#include "base/assert.h"

namespace ballast::bdev::qos {

QosChannel::QosChannel(Reactor& reactor, const Bdev& device_below, Volume& volume,
                       std::unique_ptr<Channel> below)
    : reactor_(reactor),
      device_below_(device_below),
      volume_(volume),
      node_(volume.node()),
      budget_(node_.budget()),
      below_(std::move(below)) {}

QosChannel::~QosChannel() { BALLAST_ASSERT(away_count_ == 0); }

void QosChannel::submit_governed(Io& io) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  const Cost cost = cost_of(io, device_below_.geometry(), volume_.unit_shift());
  if (cost.units == 0) return below_->submit(io);
  const uint64_t now_ns = reactor_.now_ns();
  const bool lent = io.type == IoType::write && std::exchange(lent_ns_, k_never) == now_ns;
  std::optional<Passage> passage = try_pass(cost, now_ns);
  if (!passage.has_value()) {
    if (!lent) return wait(io, cost, now_ns);
    passage = pass(cost, now_ns);
  }
  if (*passage == Passage::counted) budget_.enter(cost.units);
  start(io, cost.units, *passage);
}

// With a value: it has taken what it costs.
std::optional<Passage> QosChannel::try_pass(const Cost& cost, uint64_t now_ns) {
  if (is_away(cost.direction)) return {};
  if (volume_.is_exempt()) return Passage::free;
  if (volume_.is_closed(cost.direction)) return {};
  if (!volume_.try_take(now_ns, cost, Arrival::fresh)) return {};
  if (!budget_.arbitrates()) return Passage::free;
  if (volume_.has_promise() && volume_.promise().try_take(now_ns, cost.units, Arrival::waited)) {
    budget_.take(now_ns, cost.units);
    return Passage::promised;
  }
  if (!budget_.is_waited_for() && budget_.try_take(now_ns, cost.units, Arrival::waited)) {
    return Passage::counted;
  }
  volume_.give_back(cost);
  return {};
}

// Owing what is not there.
Passage QosChannel::pass(const Cost& cost, uint64_t now_ns) {
  volume_.take(now_ns, cost);
  if (volume_.is_exempt() || !budget_.arbitrates()) return Passage::free;
  budget_.take(now_ns, cost.units);
  return Passage::counted;
}

// ---- waiting ----

void QosChannel::wait(Io& io, const Cost& cost, uint64_t now_ns) {
  ++away_count_;
  ++away_[static_cast<uint32_t>(cost.direction)];
  Waiting& waiting = Waiting::make(io, *this, cost, now_ns);
  waiting.run = [](Message& message) {
    Waiting& arrived = static_cast<Waiting&>(message);
    QosChannel& self = arrived.channel;
    self.node_.scheduler().enqueue(self.volume_, arrived);
  };
  if (&node_.home() == &reactor_) return waiting.run(waiting);
  node_.home().send(waiting);
}

void QosChannel::go_on(Waiting& waiting, Reactor& home) {
  if (&home == &reactor_) return come_back(waiting);
  waiting.run = [](Message& message) {
    Waiting& arrived = static_cast<Waiting&>(message);
    arrived.channel.come_back(arrived);
  };
  reactor_.send(waiting);
}

void QosChannel::come_back(Waiting& waiting) {
  --away_count_;
  --away_[static_cast<uint32_t>(waiting.cost.direction)];
  Io& io = Waiting::io_of(waiting);
  const uint32_t units = waiting.cost.units;
  const Passage passage = waiting.passage;
  start(io, units, passage);
}

// ---- in the device ----

void QosChannel::start(Io& io, uint32_t units, Passage passage) {
  if (passage == Passage::free) return below_->submit(io);
  const bool is_counted = passage == Passage::counted;
  if (tracked_ == nullptr) tracked_ = std::make_unique<ObjectPool<Tracked>>(k_tracked_max);
  Tracked* const tracked = tracked_->try_acquire();
  if (tracked == nullptr) {
    if (is_counted) leave_depth(units);
    return below_->submit(io);
  }
  const bool is_watched = volume_.has_promise();
  if (is_watched) volume_.service().begin();
  *tracked = {io.done, io.context, this, reactor_.now_ns(), units, is_counted, is_watched};
  io.done = below_done;
  io.context = tracked;
  below_->submit(io);
}

void QosChannel::below_done(Io& io, Status status) {
  Tracked& tracked = *static_cast<Tracked*>(io.context);
  QosChannel& self = *tracked.channel;
  const Tracked was = tracked;
  io.done = was.done;
  io.context = was.context;
  self.tracked_->release(tracked);
  const uint64_t now_ns = self.reactor_.now_ns();
  if (was.is_watched) self.volume_.service().end(was.units, now_ns - was.since_ns);
  if (was.is_counted) self.leave_depth(was.units);
  self.node_.ended(now_ns);
  io.done(io, status);  // last: the submitter may end this channel
}

void QosChannel::leave_depth(uint32_t units) {
  if (!budget_.leave(units)) return;
  if (&node_.home() == &reactor_) return node_.scheduler().on_room();
  node_.tell_home();
}

// ---- without a copy ----

bool QosChannel::would_pass(uint64_t now_ns) const {
  if (is_away(Direction::write)) return false;
  if (volume_.is_exempt()) return true;
  if (volume_.is_closed(Direction::write) || !volume_.would_take(now_ns, Direction::write)) return false;
  if (!budget_.arbitrates()) return true;
  if (volume_.has_promise() && volume_.promise().is_due(now_ns)) return true;
  return !budget_.is_waited_for() && budget_.has_room(now_ns);
}

// A write that has to wait needs its data for longer. Who was told that it is taken at submit asks no more,
// so the answer binds: also when nothing is limited, as limits may come from another reactor in between.
bool QosChannel::takes_data_at_submit() const {
  const uint64_t now_ns = reactor_.now_ns();
  const bool takes = below_->takes_data_at_submit() && (is_free() || would_pass(now_ns));
  lent_ns_ = takes ? now_ns : k_never;
  return takes;
}

// A read that has to wait is not mapped: its submitter asks again, by submit(). Mapped reads are nothing that
// a device has in its queue, so they take from the rates alone.
Segment QosChannel::map_read(uint64_t lba, uint32_t blocks_count) {
  const Segment mapped = below_->map_read(lba, blocks_count);
  if (mapped.base == nullptr || is_free()) return mapped;
  const uint64_t bytes = uint64_t{blocks_count} * device_below_.geometry().block_size_bytes;
  const Cost cost = cost_of_transfer(bytes, Direction::read, volume_.unit_shift());
  if (try_pass(cost, reactor_.now_ns()).has_value()) return mapped;
  below_->unmap_read(mapped);
  return {};
}

}  // namespace ballast::bdev::qos
