// The listening sockets, all on reactor 0, which hands each accepted connection to the next reactor in turn.
// Made, used and destroyed on reactor 0. The transports must outlive it and every message it has sent.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "reactor/reactor.h"
#include "transport/tcp/tcp.h"

namespace ballast::engine {

class Acceptor final : private AcceptObserver {
 public:
  struct Destination {
    Reactor* reactor = nullptr;
    transport::tcp::TargetTransport* transport = nullptr;
  };
  explicit Acceptor(std::vector<Destination> destinations);

  // Answers the bound address.
  Result<SocketAddress> listen(const SocketAddress& address);
  void stop_last();  // undoes the last listen()

 private:
  void on_accepted(Descriptor accepted, const SocketAddress& peer) override;

  std::vector<Destination> destinations_;
  std::vector<std::unique_ptr<ListenSocket>> sockets_;
  size_t next_ = 0;
};

}  // namespace ballast::engine
