// NVMe/TCP: what the engine constructs. The rest of this folder is private to it.
#pragma once

#include <memory>

#include "transport/transport.h"

namespace ballast::transport::tcp {

struct TargetOptions {
  uint32_t in_capsule_bytes = 8 * 1024;      // for I/O queues; multiple of 16, at most k_transfer_bytes_max
  uint32_t max_h2c_data_bytes = 128 * 1024;  // MAXH2CDATA: the most one H2CData PDU may carry
  bool header_digest = true;                 // grant it to hosts that ask
  bool data_digest = true;
  bool strict = false;                        // reject non-zero reserved fields of ICReq (rows P9, P10, P20)
  uint64_t ic_timeout_ns = 5 * k_ns_per_s;    // from accept to a whole ICReq
  uint64_t pdu_timeout_ns = 10 * k_ns_per_s;  // a PDU that has begun must progress to its end
  uint64_t send_timeout_ns =
      30 * k_ns_per_s;  // a peer that takes no byte of a waiting answer for this long is closed
  uint64_t terminate_linger_ns = 2 * k_ns_per_s;  // from C2HTermReq to reset
  uint32_t send_queue_bytes_max =
      4 << 20;  // answers waiting for a peer that does not read: above it, stop parsing it
};

// Counters of one reactor's connections; written there, readable anywhere.
struct TargetCounters {
  std::atomic<uint64_t> connections{0};  // now
  std::atomic<uint64_t> connections_total{0};
  std::atomic<uint64_t> bytes_received{0};
  std::atomic<uint64_t> bytes_sent{0};
  std::atomic<uint64_t> receives{0};  // receive calls that gave bytes
  std::atomic<uint64_t> sends{0};     // send calls
  std::atomic<uint64_t> flushes{0};   // turns of a connection that had something to send
  std::atomic<uint64_t> data_digest_errors{0};
  std::atomic<uint64_t> pdu_errors[7] = {};  // by FES, 1..6; 0: anything else
};

// The NVMe/TCP target end of one reactor: turns accepted descriptors into queue pairs. Destroy when it has no
// connection.
class TargetTransport {
 public:
  static std::unique_ptr<TargetTransport> create(Reactor& reactor, const TargetOptions& options,
                                                 ConnectionObserver& observer);
  virtual ~TargetTransport() = default;
  // On the reactor. Owns the descriptor.
  virtual void add_connection(Descriptor accepted, const SocketAddress& peer) = 0;
  // Closes all connections; `closed` runs once all qpairs are gone.
  virtual void close_all(CloseReason reason, std::function<void()> closed) = 0;
  virtual const TargetCounters& counters() const = 0;
};

// Opens a host queue pair on `reactor` (called there). The observer hears on_ready() or on_closed() later,
// never from inside.
std::unique_ptr<HostQpair> connect_host_qpair(Reactor& reactor, const HostQpairOptions& options,
                                              HostQpairObserver& observer);

}  // namespace ballast::transport::tcp
