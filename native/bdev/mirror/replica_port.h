// How I/O of any reactor reaches a replica, and its answer comes back: straight on the replica's home, by a
// message each way elsewhere. And a replica as a device, for whoever tells by Io::association who asks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "bdev/mirror/replica.h"

namespace ballast::bdev::mirror {

class ReplicaPort {
 public:
  // On `reactor`; the replica must outlive it.
  ReplicaPort(Replica& replica, Reactor& reactor) : replica_(replica), reactor_(reactor) {}
  ~ReplicaPort() { BALLAST_ASSERT(in_flight_ == 0); }

  void submit(Io& io);
  // What is done from now on ends with an error.
  void stop() { is_stopped_ = true; }
  uint32_t in_flight() const { return in_flight_; }
  // Called, if set, before each done().
  std::function<void()> on_done;

  // Of the replica, on its home.
  static void answer(Io& io, Status status);

 private:
  void finish(Io& io, Status status);

  Replica& replica_;
  Reactor& reactor_;
  uint32_t in_flight_ = 0;
  bool is_stopped_ = false;
};

// `replica` must outlive the device and its channels. Made on any thread.
std::shared_ptr<Bdev> make_replica_bdev(Replica& replica);

}  // namespace ballast::bdev::mirror
