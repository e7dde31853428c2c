#include "target/connection_limits.h"

#include "base/assert.h"

namespace ballast::target {
namespace {

bool try_increment(std::atomic<uint32_t>& counter, uint32_t max) {
  uint32_t seen = counter.load(std::memory_order_relaxed);
  do {
    if (seen >= max) return false;
  } while (!counter.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed));
  return true;
}

void decrement(std::atomic<uint32_t>& counter) {
  const uint32_t before = counter.fetch_sub(1, std::memory_order_relaxed);
  BALLAST_ASSERT(before > 0);
}

}  // namespace

ConnectionLimits::ConnectionLimits(uint32_t all_max, uint32_t per_address_max, uint64_t seed)
    : all_max_(all_max),
      per_address_max_(per_address_max),
      seed_(seed),
      per_address_(new std::atomic<uint32_t>[k_counters_count] {}) {}

bool ConnectionLimits::try_add(const std::string& host) {
  if (!try_increment(all_, all_max_)) return false;
  if (try_increment(counter_of(host), per_address_max_)) return true;
  decrement(all_);
  return false;
}

void ConnectionLimits::remove(const std::string& host) {
  decrement(counter_of(host));
  decrement(all_);
}

// FNV-1a from a secret start, with a finishing mix.
std::atomic<uint32_t>& ConnectionLimits::counter_of(const std::string& host) {
  uint64_t hash = 0xcbf29ce484222325ull ^ seed_;
  for (const char c : host) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ull;
  hash ^= hash >> 29;
  hash *= 0xbf58476d1ce4e5b9ull;
  hash ^= hash >> 32;
  return per_address_[hash % k_counters_count];
}

}  // namespace ballast::target
