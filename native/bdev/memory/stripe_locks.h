// Keeps blocks of a memory device whole while several reactors use it. Memory is cut into stripes; a reactor
// that touches one holds the stripe's flag for the length of one copy of at most k_stripe_bytes, or of the
// few stripes of a compare-and-write. It is a spin on a flag, not a mutex, and used only while more than one
// reactor has a channel: passing each I/O to an owning reactor would cost two messages instead of one atomic
// exchange. Any reactor; never held across anything that waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

namespace ballast::bdev {

class StripeLocks {
 public:
  static constexpr uint64_t k_stripe_bytes = 16 * 1024;
  // Enough that two reactors at random places rarely meet; far apart in memory so that they share no cache
  // line when they do not.
  static constexpr uint64_t k_stripes_count = 256;

  StripeLocks() : flags_(new Flag[k_stripes_count]) {}

  void lock(uint64_t stripe) {
    std::atomic_flag& flag = flags_[stripe % k_stripes_count].flag;
    for (uint32_t tries = 1; flag.test_and_set(std::memory_order_acquire); ++tries) {
      // The holder's thread may have lost its core: spinning out our time slice would not bring it back.
      if (tries % k_spins_before_yield == 0) std::this_thread::yield();
      __builtin_ia32_pause();
    }
  }
  void unlock(uint64_t stripe) { flags_[stripe % k_stripes_count].flag.clear(std::memory_order_release); }

  // All stripes of a range at once, in the order of their flags, so that two ranges cannot wait for each
  // other.
  void lock_range(uint64_t offset, uint64_t size_bytes) {
    for_each_flag(offset, size_bytes, [this](uint64_t flag) { lock(flag); });
  }
  void unlock_range(uint64_t offset, uint64_t size_bytes) {
    for_each_flag(offset, size_bytes, [this](uint64_t flag) { unlock(flag); });
  }

 private:
  static constexpr uint32_t k_spins_before_yield = 256;
  struct alignas(64) Flag {
    std::atomic_flag flag = ATOMIC_FLAG_INIT;
  };

  template <typename Visit>
  static void for_each_flag(uint64_t offset, uint64_t size_bytes, Visit visit) {
    const uint64_t first = offset / k_stripe_bytes;
    const uint64_t last = (offset + size_bytes - 1) / k_stripe_bytes;
    const uint64_t count = last - first + 1 < k_stripes_count ? last - first + 1 : k_stripes_count;
    const uint64_t low = first % k_stripes_count;
    for (uint64_t flag = 0; flag < k_stripes_count; ++flag) {
      if ((flag + k_stripes_count - low) % k_stripes_count < count) visit(flag);
    }
  }

  std::unique_ptr<Flag[]> flags_;
};

}  // namespace ballast::bdev
