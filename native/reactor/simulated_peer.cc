#include <algorithm>
#include <array>

#include "base/assert.h"
#include "reactor/simulated_state.h"
#include "reactor/simulated_world.h"

namespace ballast {

SimulatedPeer::Impl::Impl(SimulatedWorld& of_world, simulated::ConnectionPointer of_connection,
                          simulated::End& of_end)
    : world(of_world), connection(std::move(of_connection)), end(of_end) {
  world.state_->peers.push_back(this);
}

SimulatedPeer::Impl::~Impl() {
  world.state_->network.close(end);
  std::erase(world.state_->peers, this);
}

bool SimulatedPeer::Impl::drain() {
  if (stopped || end.closed) return false;
  bool happened = false;
  while (end.inbound.arrived_bytes(world.clock().now_ns()) > 0) {
    std::array<uint8_t, 16 * 1024> piece;
    const Segment into{piece.data(), piece.size()};
    const int64_t bytes = world.state_->network.receive(end, {&into, 1});
    BALLAST_ASSERT(bytes > 0);
    received.insert(received.end(), piece.begin(), piece.begin() + bytes);
    happened = true;
  }
  return happened;
}

SimulatedPeer::SimulatedPeer(SimulatedWorld& world, const SocketAddress& address) {
  simulated::Network& network = world.state_->network;
  BALLAST_ASSERT(network.find_listener(address) != nullptr);
  const simulated::ConnectionPointer connection = network.connect(address);
  impl_ = std::make_unique<Impl>(world, connection, connection->client);
}

SimulatedPeer::SimulatedPeer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SimulatedPeer::~SimulatedPeer() = default;

void SimulatedPeer::listen(SimulatedWorld& world, const SocketAddress& address) {
  Result<std::shared_ptr<simulated::Listener>> listener = world.state_->network.listen(address);
  BALLAST_ASSERT(listener.ok());
  world.state_->raw_listeners.emplace(address.text(), *listener);
}

void SimulatedPeer::stop_listening(SimulatedWorld& world, const SocketAddress& address) {
  const auto found = world.state_->raw_listeners.find(address.text());
  BALLAST_ASSERT(found != world.state_->raw_listeners.end());
  world.state_->network.stop_listening(*found->second);
  world.state_->raw_listeners.erase(found);
}

std::unique_ptr<SimulatedPeer> SimulatedPeer::accept(SimulatedWorld& world, const SocketAddress& address) {
  const auto found = world.state_->raw_listeners.find(address.text());
  BALLAST_ASSERT(found != world.state_->raw_listeners.end());
  simulated::Listener& listener = *found->second;
  if (!world.run_until([&listener] { return !listener.backlog.empty(); })) return nullptr;
  const simulated::ConnectionPointer connection = listener.backlog.front();
  listener.backlog.pop_front();
  return std::unique_ptr<SimulatedPeer>(
      new SimulatedPeer(std::make_unique<Impl>(world, connection, connection->server)));
}

void SimulatedPeer::send(std::span<const uint8_t> bytes) {
  impl_->world.state_->network.send_all(impl_->end, bytes);
}

std::vector<uint8_t> SimulatedPeer::receive(size_t bytes_max) {
  impl_->drain();
  std::vector<uint8_t>& received = impl_->received;
  const auto end = received.begin() + static_cast<ptrdiff_t>(std::min(bytes_max, received.size()));
  std::vector<uint8_t> taken(received.begin(), end);
  received.erase(received.begin(), end);
  return taken;
}

std::vector<uint8_t> SimulatedPeer::receive_exactly(size_t bytes_count, uint64_t for_ns) {
  impl_->world.run_until(
      [&] {
        impl_->drain();
        return impl_->received.size() >= bytes_count || peer_closed();
      },
      for_ns);
  return receive(bytes_count);
}

bool SimulatedPeer::peer_closed() const {
  const simulated::Stream& inbound = impl_->end.inbound;
  const uint64_t now_ns = impl_->world.clock().now_ns();
  return inbound.unread_bytes == 0 && (inbound.fin_arrived(now_ns) || inbound.reset_arrived(now_ns));
}

bool SimulatedPeer::peer_reset() const {
  return impl_->end.inbound.reset_arrived(impl_->world.clock().now_ns());
}

void SimulatedPeer::close() { impl_->world.state_->network.shutdown_send(impl_->end); }

void SimulatedPeer::reset() { impl_->world.state_->network.reset(impl_->end); }

void SimulatedPeer::stop_receiving(bool stop) { impl_->stopped = stop; }

}  // namespace ballast
