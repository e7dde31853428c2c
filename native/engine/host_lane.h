// One I/O queue with the line of what it had no room for. Lives on the queue's reactor.
#pragma once

#include "engine/host_controller.h"

namespace ballast::engine {

class HostLane {
 public:
  explicit HostLane(initiator::IoQueue& queue);
  ~HostLane();

  Reactor& reactor() { return reactor_; }
  void accept(HostIo& io);  // on the reactor
  void stop_retrying();     // on the reactor, when the controller is closed

 private:
  // How soon to try again when others (a perf run) fill the queue and no completion of ours will come.
  static constexpr uint64_t k_retry_ns = k_ns_per_ms;
  void pump();
  void finish(HostIo& io, const nvme::Completion& completion);

  initiator::IoQueue& queue_;
  Reactor& reactor_;
  HostIo::Line waiting_;
  uint32_t in_flight_ = 0;
  bool pumping_ = false;
  Timer retry_;
};

}  // namespace ballast::engine
