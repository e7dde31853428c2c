// The load generator behind `ballast perf`: keeps a fixed number of requests in flight on every I/O queue of
// a controller and measures them, wholly on the reactors. Called by the addon from any thread. It stays out
// of the way of what it measures: no allocation per I/O, a request is replaced from inside the completion of
// the one before it (so a turn's submissions leave in one send), and one clock read per I/O, at its
// completion, which is also the start of the request that takes its place.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/histogram.h"
#include "base/result.h"
#include "initiator/initiator.h"

namespace ballast::engine {

enum class PerfWorkload : uint8_t { randread, randwrite, randrw, read, write };
// "randread" and so on; Errc::invalid_argument names the choices.
Result<PerfWorkload> parse_perf_workload(const std::string& text);
const char* perf_workload_text(PerfWorkload workload);

struct PerfOptions {
  uint32_t nsid = 1;
  PerfWorkload workload = PerfWorkload::randread;
  uint32_t block_bytes = 4096;  // one request; a multiple of the namespace's block, at most the controller's
                                // transfer_bytes_max
  uint16_t queue_depth = 32;    // per queue
  uint8_t rwmix_read_percent = 70;  // randrw
  uint16_t queues = 0;              // the first so many I/O queues; 0: all
  uint64_t time_ns = 5 * k_ns_per_s;
  // Every block written names its address, its turn and a checksum; reads of what this run wrote are
  // compared, and at the end all of it is read back. Each queue then works on k_perf_verify_units_max
  // requests' worth of blocks of its own at most. Needs a workload that writes.
  bool verify = false;
  uint64_t seed = 1;
};
inline constexpr uint32_t k_perf_verify_units_max = 1u
                                                    << 18;  // 1 GiB of 4 KiB requests a queue: ~1 s to read

struct PerfSide {  // reads or writes
  uint64_t ios = 0;
  uint64_t bytes = 0;
  Histogram latency;
};

struct PerfStatusCount {
  nvme::Status status;
  uint64_t count = 0;
};

struct PerfProgress {
  uint64_t elapsed_ns = 0;
  double iops = 0;  // over the last interval
  double mib_per_s = 0;
  uint64_t errors = 0;
};

struct PerfResult {
  double seconds = 0;  // measured time
  PerfSide reads, writes;
  Histogram latency;            // reads and writes together
  double cpu_seconds = 0;       // of the reactors' threads while measuring, spinning included
  uint64_t blocks_checked = 0;  // verify: logical blocks compared
  uint64_t mismatches = 0;      // verify: blocks that were not what was written. Any is data loss.
  std::string first_mismatch;   // for a human; empty if none
  uint64_t errors = 0;
  std::vector<PerfStatusCount> error_counts;

  uint64_t ios() const { return reads.ios + writes.ios; }
  double iops() const { return seconds > 0 ? static_cast<double>(ios()) / seconds : 0; }
  double mib_per_s() const {
    return seconds > 0 ? static_cast<double>(reads.bytes + writes.bytes) / seconds / (1 << 20) : 0;
  }
  double cpu_seconds_per_million_ios() const {
    return ios() > 0 ? cpu_seconds * 1e6 / static_cast<double>(ios()) : 0;
  }
};

// A run that goes on. The run keeps itself alive; the handle is only for stop().
class PerfRun {
 public:
  virtual ~PerfRun() = default;
  virtual void stop() = 0;  // any thread: ends the measured time now; `done` still comes
};

// Checks the options against the controller at once: `done` gets invalid_argument, or not_found for a
// namespace that is not there, with a sentence (then null is returned and `done` has run on the calling
// thread). Otherwise `progress` (may be empty) runs once a second and `done` once, both on the reactor of the
// controller's first I/O queue. A run ends early, with what it has measured, when a mismatch is found or the
// controller is lost for good.
std::shared_ptr<PerfRun> run_perf(std::shared_ptr<initiator::Controller> controller,
                                  const PerfOptions& options,
                                  std::function<void(const PerfProgress&)> progress,
                                  std::function<void(Result<PerfResult>)> done);

}  // namespace ballast::engine
