// What one reactor has done on one namespace. Written by that reactor alone, read by any thread; the reader
// sums the reactors. Lives in whoever adds the namespace to a NamespaceTable, and outlives its shard.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "target/latency_histogram.h"

namespace ballast::target {

// Kinds of commands whose latency is kept apart. Compare and Verify are reads, Copy is a write; Write Zeroes
// and Dataset Management carry no data of the host's, so they are one of their own.
enum class IoKind : uint8_t { read, write, flush, unmap };
inline constexpr size_t k_io_kinds_count = 4;

// Errors by Status Code Type: 0 to 3, and whatever else.
inline constexpr size_t k_error_types_count = 5;

// Lines of its own: two reactors never write to one cache line.
struct alignas(64) IoCounters {
  std::atomic<uint64_t> reads{0};
  std::atomic<uint64_t> writes{0};
  std::atomic<uint64_t> read_bytes{0};
  std::atomic<uint64_t> write_bytes{0};
  std::atomic<uint64_t> errors{0};     // commands that a device failed
  std::atomic<uint64_t> in_flight{0};  // commands that have arrived and are not answered
  // From the start of the turn in which the command was received to the end of that in which it was answered.
  std::array<LatencyHistogram, k_io_kinds_count> latency;
  // Commands that were answered with an error, the device's or ours; not what was aborted, nor a Compare that
  // found a difference.
  std::array<std::atomic<uint64_t>, k_error_types_count> error_types{};

  LatencyHistogram& latency_of(IoKind kind) { return latency[static_cast<size_t>(kind)]; }
  static void add(std::atomic<uint64_t>& counter, uint64_t amount) { add_relaxed(counter, amount); }
};

// Of one namespace, or of several, summed over reactors, at one moment.
struct IoTotals {
  struct Latency {
    std::array<uint64_t, LatencyHistogram::k_buckets_count> buckets{};
    uint64_t sum_ns = 0;
  };
  uint64_t reads = 0, writes = 0, read_bytes = 0, write_bytes = 0, errors = 0, in_flight = 0;
  std::array<uint64_t, k_error_types_count> error_types{};

  IoTotals& operator+=(const IoTotals& other);
};
IoTotals sum_counters(const IoCounters* counters, uint32_t count);
// Apart from the others: it reads many lines.
IoTotals::Latency sum_latency(const IoCounters* counters, uint32_t count, IoKind kind);

}  // namespace ballast::target
