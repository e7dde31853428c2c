// What one reactor has done on one namespace. Written by that reactor alone, read by any thread; the reader
// sums the reactors. Lives in whoever adds the namespace to a NamespaceTable, and outlives its shard.
#pragma once

#include <atomic>
#include <cstdint>

namespace ballast::target {

// A line of its own: two reactors never write to one cache line.
struct alignas(64) IoCounters {
  std::atomic<uint64_t> reads{0};
  std::atomic<uint64_t> writes{0};
  std::atomic<uint64_t> read_bytes{0};
  std::atomic<uint64_t> write_bytes{0};
  std::atomic<uint64_t> errors{0};  // commands that a device failed

  // Single writer: a load and a store, no locked instruction.
  static void add(std::atomic<uint64_t>& counter, uint64_t amount) {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
};

}  // namespace ballast::target
