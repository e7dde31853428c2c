#include "engine/acceptor.h"

namespace ballast::engine {

Acceptor::Acceptor(std::vector<Destination> destinations) : destinations_(std::move(destinations)) {
  BALLAST_ASSERT(!destinations_.empty());
}

Result<SocketAddress> Acceptor::listen(const SocketAddress& address) {
  auto socket = destinations_.front().reactor->io().listen(address, *this);
  if (!socket.ok()) return socket.error();
  sockets_.push_back(std::move(socket.value()));
  return sockets_.back()->local_address();
}

void Acceptor::stop_last() {
  BALLAST_ASSERT(!sockets_.empty());
  sockets_.pop_back();
}

void Acceptor::on_accepted(Descriptor accepted, const SocketAddress& peer) {
  const Destination destination = destinations_[next_++ % destinations_.size()];
  if (destination.reactor->is_current()) return destination.transport->add_connection(accepted, peer);
  send_task(*destination.reactor,
            [destination, accepted, peer] { destination.transport->add_connection(accepted, peer); });
}

}  // namespace ballast::engine
