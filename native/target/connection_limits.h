// How many connections the target holds, in all and from one address (row P57 of the bad-input table): the
// only numbers that shards share, because a limit per shard would depend on how connections are spread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace ballast::target {

class ConnectionLimits {
 public:
  // `seed` keeps a peer from choosing an address that shares a counter with another's.
  ConnectionLimits(uint32_t all_max, uint32_t per_address_max, uint64_t seed);

  // Any reactor. False when a limit is reached; nothing is counted then.
  [[nodiscard]] bool try_add(const std::string& host);
  void remove(const std::string& host);

 private:
  // Addresses share counters by hash, so that memory is bounded whatever addresses come. With far fewer
  // addresses than counters, sharing is rare, and costs the sharers only a smaller limit.
  static constexpr uint32_t k_counters_count = 1u << 14;
  std::atomic<uint32_t>& counter_of(const std::string& host);

  uint32_t all_max_;
  uint32_t per_address_max_;
  uint64_t seed_;
  std::atomic<uint32_t> all_{0};
  std::unique_ptr<std::atomic<uint32_t>[]> per_address_;
};

}  // namespace ballast::target
