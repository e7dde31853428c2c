// The network of a SimulatedWorld: byte streams with delay, window, FIN and RST, and who listens where.
// Used by SimulatedBackend and SimulatedPeer. Follows what Linux does with TCP sockets, as the conformance
// suite of IoBackend checks.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/prng.h"
#include "reactor/io_backend.h"
#include "reactor/simulated_world.h"

namespace ballast::simulated {

class WorldClock final : public Clock {
 public:
  uint64_t now_ns() const override { return now_ns_; }
  void jump_to(uint64_t now_ns);

 private:
  uint64_t now_ns_ = 1000 * k_ns_per_s;  // not 0, which code may use for "never"
};

// What happens at a time of the world, in order of time, then of scheduling.
class EventQueue {
 public:
  explicit EventQueue(const Clock& clock) : clock_(clock) {}
  void schedule(uint64_t at_ns, std::function<void()> event);
  bool run_due();
  uint64_t next_ns() const { return events_.empty() ? k_no_deadline : events_.begin()->first.first; }

 private:
  const Clock& clock_;
  std::map<std::pair<uint64_t, uint64_t>, std::function<void()>> events_;
  uint64_t next_number_ = 0;
};

// Bytes on their way to one end of a connection.
struct Stream {
  struct Chunk {
    uint64_t at_ns;
    std::vector<uint8_t> bytes;
  };
  std::deque<Chunk> chunks;
  size_t head_taken_bytes = 0;  // of chunks.front()
  size_t unread_bytes = 0;      // in flight or arrived
  uint64_t last_at_ns = 0;      // nothing overtakes what was sent before
  std::optional<uint64_t> fin_at_ns;
  std::optional<uint64_t> reset_at_ns;
  bool reset_reported = false;

  size_t arrived_bytes(uint64_t now_ns) const;
  bool fin_arrived(uint64_t now_ns) const { return fin_at_ns && *fin_at_ns <= now_ns; }
  bool reset_arrived(uint64_t now_ns) const { return reset_at_ns && *reset_at_ns <= now_ns; }
};

// One end of a connection.
struct End {
  End* other = nullptr;
  Stream inbound;
  SocketAddress local;
  SocketAddress peer;
  bool sending_shut = false;
  bool closed = false;
};

struct Connection {
  End client;
  End server;
  // The client's view: when its connect() ends, and how.
  std::optional<uint64_t> connect_ends_ns;
  Errc connect_result = Errc::ok;
};
using ConnectionPointer = std::shared_ptr<Connection>;

struct Listener {
  SocketAddress address;
  std::deque<ConnectionPointer> backlog;
};

class Network {
 public:
  Network(Clock& clock, Prng& prng, EventQueue& events) : clock_(clock), prng_(prng), events_(events) {}

  SimulatedNetworkOptions& options() { return options_; }

  Result<std::shared_ptr<Listener>> listen(const SocketAddress& address);
  void stop_listening(const Listener& listener);
  Listener* find_listener(const SocketAddress& address);
  ConnectionPointer connect(const SocketAddress& address);

  int64_t receive(End& end, std::span<const Segment> into);
  int64_t send(End& end, std::span<const Segment> data);
  void send_all(End& end, std::span<const uint8_t> bytes);  // whatever the window
  void shutdown_send(End& end);
  void close(End& end);
  void reset(End& end);
  bool readable(const End& end) const;
  bool writable(const End& end) const;

 private:
  void arrive(const ConnectionPointer& connection);
  void send_reset(End& end, uint64_t delay_ns);
  int64_t reset_error(End& end);
  size_t cut(size_t bytes);
  void push(End& end, std::vector<uint8_t> bytes);
  uint64_t arrival_ns(Stream& stream, uint64_t delay_ns);

  Clock& clock_;
  Prng& prng_;
  EventQueue& events_;
  SimulatedNetworkOptions options_;
  std::map<std::string, std::shared_ptr<Listener>> listeners_;
  uint16_t next_port_ = 49152;  // the dynamic range of RFC 6335
};

}  // namespace ballast::simulated
