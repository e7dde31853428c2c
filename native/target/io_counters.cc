#include "target/io_counters.h"

namespace ballast::target {
namespace {

uint64_t read(const std::atomic<uint64_t>& counter) { return counter.load(std::memory_order_relaxed); }

}  // namespace

IoTotals& IoTotals::operator+=(const IoTotals& other) {
  reads += other.reads;
  writes += other.writes;
  read_bytes += other.read_bytes;
  write_bytes += other.write_bytes;
  errors += other.errors;
  in_flight += other.in_flight;
  for (size_t i = 0; i < error_types.size(); ++i) error_types[i] += other.error_types[i];
  return *this;
}

IoTotals sum_counters(const IoCounters* counters, uint32_t count) {
  IoTotals sum;
  for (uint32_t i = 0; i < count; ++i) {
    const IoCounters& one = counters[i];
    IoTotals totals{read(one.reads),       read(one.writes), read(one.read_bytes),
                    read(one.write_bytes), read(one.errors), read(one.in_flight)};
    for (size_t type = 0; type < k_error_types_count; ++type) {
      totals.error_types[type] = read(one.error_types[type]);
    }
    sum += totals;
  }
  return sum;
}

IoTotals::Latency sum_latency(const IoCounters* counters, uint32_t count, IoKind kind) {
  IoTotals::Latency sum;
  for (uint32_t i = 0; i < count; ++i) {
    const LatencyHistogram& one = counters[i].latency[static_cast<size_t>(kind)];
    for (size_t bucket = 0; bucket < sum.buckets.size(); ++bucket) {
      sum.buckets[bucket] += read(one.buckets[bucket]);
    }
    sum.sum_ns += read(one.sum_ns);
  }
  return sum;
}

}  // namespace ballast::target
