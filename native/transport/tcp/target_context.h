// What the NVMe/TCP target connections of one reactor share: options, counters, the request pool and the
// scratch memory of receiving and sending, which no connection holds on to between two calls of the reactor.
#pragma once

#include <array>
#include <memory>

#include "transport/tcp/request_pool.h"
#include "transport/tcp/tcp.h"

namespace ballast::transport::tcp {

class TargetTcpQpair;

// One receive takes at most this many bytes beside the payload in progress: some thirty 4 KiB writes, or all
// the reads of a deep queue; small enough to stay in the second-level cache.
inline constexpr size_t k_scratch_bytes = 128 * 1024;

struct TargetContext {
  TargetContext(Reactor& reactor_of_all, const TargetOptions& target_options,
                TargetRequest::WaiterReady request_ready)
      : reactor(reactor_of_all),
        options(target_options),
        requests(request_ready),
        scratch(new uint8_t[k_scratch_bytes]) {}

  Reactor& reactor;
  const TargetOptions options;
  TargetCounters counters;
  RequestPool requests;
  std::unique_ptr<uint8_t[]> scratch;
  std::array<Segment, k_send_segments_max> segments;

  // The connection is over and nobody refers to it: to be destroyed. Called last by the qpair.
  void (*gone)(TargetContext& context, TargetTcpQpair& qpair) = nullptr;
};

// The reactor is the only writer of its counters: a load and a store, no locked instruction.
inline void count(std::atomic<uint64_t>& counter, uint64_t amount = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

}  // namespace ballast::transport::tcp
