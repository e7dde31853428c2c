#include "bdev/mirror/replica_port.h"

namespace ballast::bdev::mirror {
namespace {

ReplicaPlace& place_of(Message& message) {
  return *reinterpret_cast<ReplicaPlace*>(reinterpret_cast<std::byte*>(&message) -
                                          offsetof(ReplicaPlace, message));
}

class ReplicaChannel final : public Channel {
 public:
  ReplicaChannel(Replica& replica, Reactor& reactor) : port_(replica, reactor) {}
  void submit(Io& io) override { port_.submit(io); }

 private:
  ReplicaPort port_;
};

class ReplicaBdev final : public Bdev {
 public:
  explicit ReplicaBdev(Replica& replica) : replica_(replica) {}
  const Geometry& geometry() const override { return replica_.geometry(); }
  const Capabilities& capabilities() const override { return replica_.capabilities(); }
  const char* kind() const override { return "replica"; }
  std::unique_ptr<Channel> open(Reactor& reactor) override {
    return std::make_unique<ReplicaChannel>(replica_, reactor);
  }

 private:
  Replica& replica_;
};

}  // namespace

void ReplicaPort::submit(Io& io) {
  ReplicaPlace& place = ReplicaPlace::prepare(io);
  place.port = this;
  ++in_flight_;
  if (&replica_.home() == &reactor_) return replica_.submit(io);
  place.message.run = [](Message& message) {
    ReplicaPlace& arrived = place_of(message);
    arrived.port->replica_.submit(arrived.io());
  };
  replica_.home().send(place.message);
}

void ReplicaPort::answer(Io& io, Status status) {
  ReplicaPlace& place = ReplicaPlace::of(io);
  ReplicaPort& port = *place.port;
  if (&port.replica_.home() == &port.reactor_) return port.finish(io, status);
  place.status = status;
  place.message.run = [](Message& message) {
    ReplicaPlace& arrived = place_of(message);
    arrived.port->finish(arrived.io(), arrived.status);
  };
  port.reactor_.send(place.message);
}

void ReplicaPort::finish(Io& io, Status status) {
  BALLAST_ASSERT(in_flight_ > 0);
  --in_flight_;
  if (on_done) on_done();
  io.done(io, is_stopped_ && status == Status::ok ? Status::io_error : status);  // last: the port may go
}

std::shared_ptr<Bdev> make_replica_bdev(Replica& replica) { return std::make_shared<ReplicaBdev>(replica); }

}  // namespace ballast::bdev::mirror
