// The initiator half of the engine: connects, discovers, and keeps every controller until it is closed, so
// that closing the engine can close them. Its state is reactor 0's; the entries may be called from the
// control thread.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "base/result.h"
#include "engine/host_controller.h"
#include "initiator/initiator.h"

namespace ballast::engine {

class HostSide {
 public:
  // Admin queues live on reactors.front(), I/O queue i on reactors[i % size].
  explicit HostSide(std::vector<Reactor*> reactors);
  ~HostSide();

  // Any thread. Both callbacks run on reactor 0. The controller stays valid until close_controller() answers.
  using Connected = std::function<void(Result<HostController*>)>;
  void connect(const initiator::ControllerOptions& options, initiator::Controller::StateObserver observer,
               Connected connected);
  using Discovered = std::function<void(Result<std::vector<initiator::DiscoveryEntry>>)>;
  void discover(const initiator::ControllerOptions& options, Discovered done);
  // Any thread, once per controller. `closed` runs on reactor 0.
  void close_controller(HostController& controller, std::function<void()> closed);

  // Closes every controller, gives up what is being connected, and refuses new ones. `closed` runs on
  // reactor 0 when nothing is left; then the object may be destroyed.
  void close(std::function<void()> closed);

 private:
  void start_connect(const initiator::ControllerOptions& options,
                     initiator::Controller::StateObserver observer, Connected connected);
  void take_connected(Result<std::shared_ptr<initiator::Controller>> result, const Connected& connected);
  void start_close(HostController& controller, std::function<void()> closed);
  void remove(HostController& controller);
  void end_if_idle();

  std::vector<Reactor*> reactors_;
  // The rest belongs to reactor 0.
  std::vector<std::unique_ptr<HostController>> controllers_;
  // Connects and discoveries that have not answered, and how to give them up.
  using Pending = std::list<std::weak_ptr<initiator::Controller>>;
  Pending pending_;
  bool closing_ = false;
  std::function<void()> closed_;
};

}  // namespace ballast::engine
