#include "bdev/zero_memory.h"

#include <sys/mman.h>

#include <cstdint>

namespace ballast::bdev {

Segment zero_memory() {
  static const Segment memory = [] {
    void* const mapped = mmap(nullptr, k_zero_memory_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return Segment{};
    return Segment{static_cast<uint8_t*>(mapped), k_zero_memory_bytes};
  }();
  return memory;
}

}  // namespace ballast::bdev
