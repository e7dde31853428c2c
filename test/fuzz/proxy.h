// A man in the middle: takes connections, opens one to the real target for each, and passes PDUs on, those of
// the target through a Mutator.
#pragma once

#include <memory>
#include <vector>

#include "mutator.h"
#include "reactor/simulated_world.h"

namespace ballast::fuzz {

class Proxy final : private AcceptObserver {
 public:
  // `upstream` is where the target of the connection number i (from 0) is.
  Proxy(SimulatedWorld& world, Reactor& reactor, const SocketAddress& address, SocketAddress upstream,
        Mutator& to_host, Mutator& to_target);
  ~Proxy() override;

 private:
  class Pipe;
  void on_accepted(Descriptor accepted, const SocketAddress& peer) override;

  SimulatedWorld& world_;
  Reactor& reactor_;
  SocketAddress upstream_;
  Mutator& to_host_;
  Mutator& to_target_;
  std::unique_ptr<ListenSocket> listener_;
  std::vector<std::unique_ptr<Pipe>> pipes_;
};

}  // namespace ballast::fuzz
