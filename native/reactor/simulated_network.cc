#include "reactor/simulated_network.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "reactor/socket_address.h"

namespace ballast::simulated {
namespace {

size_t total_bytes(std::span<const Segment> segments) {
  size_t total = 0;
  for (const Segment& segment : segments) total += segment.size_bytes;
  return total;
}

bool is_ipv6(const SocketAddress& address) { return address.host.find(':') != std::string::npos; }

// Moves `bytes` out of the stream into the segments, which have room.
void take(Stream& stream, std::span<const Segment> into, size_t bytes) {
  stream.unread_bytes -= bytes;
  size_t segment = 0;
  size_t filled = 0;
  while (bytes > 0) {
    if (filled == into[segment].size_bytes) {
      ++segment;
      filled = 0;
      continue;
    }
    std::vector<uint8_t>& chunk = stream.chunks.front().bytes;
    const size_t piece =
        std::min({bytes, chunk.size() - stream.head_taken_bytes, into[segment].size_bytes - filled});
    std::memcpy(into[segment].base + filled, chunk.data() + stream.head_taken_bytes, piece);
    filled += piece;
    bytes -= piece;
    stream.head_taken_bytes += piece;
    if (stream.head_taken_bytes == chunk.size()) {
      stream.chunks.pop_front();
      stream.head_taken_bytes = 0;
    }
  }
}

}  // namespace

void WorldClock::jump_to(uint64_t now_ns) {
  BALLAST_ASSERT(now_ns >= now_ns_);
  now_ns_ = now_ns;
}

void EventQueue::schedule(uint64_t at_ns, std::function<void()> event) {
  events_.emplace(std::pair{at_ns, next_number_++}, std::move(event));
}

bool EventQueue::run_due() {
  bool ran = false;
  while (next_ns() <= clock_.now_ns()) {
    const std::function<void()> event = std::move(events_.begin()->second);
    events_.erase(events_.begin());
    event();
    ran = true;
  }
  return ran;
}

size_t Stream::arrived_bytes(uint64_t now_ns) const {
  size_t bytes = 0;
  for (const Chunk& chunk : chunks) {
    if (chunk.at_ns > now_ns) break;
    bytes += chunk.bytes.size();
  }
  return bytes - (bytes > 0 ? head_taken_bytes : 0);
}

Result<std::shared_ptr<Listener>> Network::listen(const SocketAddress& address) {
  TRY(const KernelAddress checked, to_kernel_address(address));
  static_cast<void>(checked);
  auto listener = std::make_shared<Listener>(Listener{address, {}});
  while (listener->address.port == 0 ||
         (address.port == 0 && listeners_.contains(listener->address.text()))) {
    listener->address.port = next_port_++;
  }
  const std::string key = listener->address.text();
  if (listeners_.contains(key)) return Error{Errc::address_in_use, key + " is in use"};
  listeners_.emplace(key, listener);
  return listener;
}

void Network::stop_listening(const Listener& listener) {
  for (const ConnectionPointer& connection : listener.backlog) reset(connection->server);
  listeners_.erase(listener.address.text());
}

Listener* Network::find_listener(const SocketAddress& address) {
  const SocketAddress any{is_ipv6(address) ? "::" : "0.0.0.0", address.port};
  for (const SocketAddress& candidate : {address, any}) {
    const auto found = listeners_.find(candidate.text());
    if (found != listeners_.end()) return found->second.get();
  }
  return nullptr;
}

ConnectionPointer Network::connect(const SocketAddress& address) {
  auto connection = std::make_shared<Connection>();
  const SocketAddress local{is_ipv6(address) ? "::1" : "127.0.0.1", next_port_++};
  connection->client.other = &connection->server;
  connection->server.other = &connection->client;
  connection->client.local = connection->server.peer = local;
  connection->client.peer = connection->server.local = address;
  events_.schedule(clock_.now_ns() + options_.delay_ns, [this, connection] { arrive(connection); });
  return connection;
}

// The SYN is at the server.
void Network::arrive(const ConnectionPointer& connection) {
  Listener* const listener = find_listener(connection->server.local);
  connection->connect_result = listener != nullptr ? Errc::ok : Errc::connection_refused;
  connection->connect_ends_ns = clock_.now_ns() + options_.delay_ns;
  if (options_.delay_ns != 0) events_.schedule(*connection->connect_ends_ns, [] {});
  if (listener != nullptr) listener->backlog.push_back(connection);
}

size_t Network::cut(size_t bytes) {
  if (options_.receive_bytes_max != 0) bytes = std::min(bytes, options_.receive_bytes_max);
  return options_.random_cuts ? 1 + prng_.below(bytes) : bytes;
}

int64_t Network::receive(End& end, std::span<const Segment> into) {
  const size_t room_bytes = total_bytes(into);
  BALLAST_ASSERT(room_bytes > 0);
  const size_t arrived_bytes = end.inbound.arrived_bytes(clock_.now_ns());
  if (arrived_bytes == 0) {
    if (end.inbound.reset_arrived(clock_.now_ns())) {
      return end.inbound.reset_reported ? 0 : reset_error(end);
    }
    return end.inbound.fin_arrived(clock_.now_ns()) ? 0 : -EAGAIN;
  }
  const size_t bytes = cut(std::min(room_bytes, arrived_bytes));
  take(end.inbound, into, bytes);
  return static_cast<int64_t>(bytes);
}

int64_t Network::reset_error(End& end) {
  if (end.inbound.reset_reported) return -EPIPE;
  end.inbound.reset_reported = true;
  return -ECONNRESET;
}

int64_t Network::send(End& end, std::span<const Segment> data) {
  BALLAST_ASSERT(data.size() <= k_send_segments_max);
  if (end.sending_shut) return -EPIPE;
  if (end.inbound.reset_arrived(clock_.now_ns())) return reset_error(end);
  const size_t unread_bytes = end.other->inbound.unread_bytes;
  const size_t window_bytes = options_.window_bytes > unread_bytes ? options_.window_bytes - unread_bytes : 0;
  size_t left = std::min(total_bytes(data), window_bytes);
  if (left == 0) return -EAGAIN;
  std::vector<uint8_t> bytes;
  bytes.reserve(left);
  for (const Segment& segment : data) {
    const size_t piece = std::min(left, segment.size_bytes);
    bytes.insert(bytes.end(), segment.base, segment.base + piece);
    left -= piece;
  }
  const auto sent_bytes = static_cast<int64_t>(bytes.size());
  push(end, std::move(bytes));
  return sent_bytes;
}

void Network::send_all(End& end, std::span<const uint8_t> bytes) {
  if (end.sending_shut || bytes.empty()) return;
  push(end, {bytes.begin(), bytes.end()});
}

uint64_t Network::arrival_ns(Stream& stream, uint64_t delay_ns) {
  stream.last_at_ns = std::max(stream.last_at_ns, clock_.now_ns() + delay_ns);
  if (stream.last_at_ns > clock_.now_ns()) events_.schedule(stream.last_at_ns, [] {});
  return stream.last_at_ns;
}

void Network::push(End& end, std::vector<uint8_t> bytes) {
  if (end.other->closed) {
    // Nobody is there any more: the bytes are answered with RST, a round trip later.
    return send_reset(*end.other, 2 * options_.delay_ns);
  }
  Stream& stream = end.other->inbound;
  stream.unread_bytes += bytes.size();
  stream.chunks.push_back({arrival_ns(stream, options_.delay_ns), std::move(bytes)});
}

// From `end` to its other end.
void Network::send_reset(End& end, uint64_t delay_ns) {
  Stream& stream = end.other->inbound;
  if (!stream.reset_at_ns) stream.reset_at_ns = arrival_ns(stream, delay_ns);
}

void Network::shutdown_send(End& end) {
  if (end.sending_shut) return;
  end.sending_shut = true;
  Stream& stream = end.other->inbound;
  stream.fin_at_ns = arrival_ns(stream, options_.delay_ns);
}

void Network::close(End& end) {
  if (end.closed) return;
  // Linux answers data that nobody has read with RST.
  if (end.inbound.unread_bytes > 0) return reset(end);
  shutdown_send(end);
  end.closed = true;
}

void Network::reset(End& end) {
  if (end.closed) return;
  send_reset(end, options_.delay_ns);
  end.sending_shut = true;
  end.closed = true;
  end.inbound.chunks.clear();
  end.inbound.unread_bytes = end.inbound.head_taken_bytes = 0;
}

bool Network::readable(const End& end) const {
  const Stream& stream = end.inbound;
  const uint64_t now_ns = clock_.now_ns();
  return (!stream.chunks.empty() && stream.chunks.front().at_ns <= now_ns) || stream.fin_arrived(now_ns) ||
         stream.reset_arrived(now_ns);
}

bool Network::writable(const End& end) const {
  return end.sending_shut || end.other->closed || end.inbound.reset_arrived(clock_.now_ns()) ||
         end.other->inbound.unread_bytes < options_.window_bytes;
}

}  // namespace ballast::simulated
