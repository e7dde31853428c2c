// What the engine counts, as plain numbers copied at one moment. Read by any thread between start and close.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace ballast::engine {

struct ReactorCounters {
  uint64_t turns = 0;
  uint64_t sleeps = 0;
  uint64_t messages = 0;
  uint64_t busy_ns = 0;
  uint64_t connections = 0;
};

// Of NVMe/TCP, summed over the reactors.
struct TransportCounters {
  static constexpr size_t k_fes_count = 7;  // Fatal Error Status 1 to 6; 0 is anything else
  uint64_t connections = 0;
  uint64_t connections_total = 0;
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t receives = 0;
  uint64_t sends = 0;
  uint64_t flushes = 0;
  uint64_t data_digest_errors = 0;
  std::array<uint64_t, k_fes_count> pdu_errors{};
};

struct Counters {
  std::vector<ReactorCounters> reactors;
  TransportCounters transport;
  uint32_t controllers = 0;
  uint64_t keep_alive_timeouts = 0;
};

}  // namespace ballast::engine
