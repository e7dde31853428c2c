// A copy to memory that nobody will read soon. It goes around the cache: fetching 64 lines just to overwrite
// them is most of what a random write to a large memory device costs.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ballast::bdev {

// What is copied is seen by other threads that synchronize with this one afterwards, as after memcpy().
inline void stream_copy(uint8_t* to, const uint8_t* from, uint64_t size_bytes) {
#if defined(__SSE2__)
  constexpr uint64_t k_line_bytes = 64;
  if (reinterpret_cast<uintptr_t>(to) % k_line_bytes == 0 && size_bytes % k_line_bytes == 0) {
    for (uint64_t at = 0; at < size_bytes; at += k_line_bytes) {
      const auto* const source = reinterpret_cast<const __m128i*>(from + at);
      auto* const target = reinterpret_cast<__m128i*>(to + at);
      // All four before the first store: a line leaves the processor as a whole when its last part is
      // written.
      const __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1);
      const __m128i c = _mm_loadu_si128(source + 2), d = _mm_loadu_si128(source + 3);
      _mm_stream_si128(target, a), _mm_stream_si128(target + 1, b);
      _mm_stream_si128(target + 2, c), _mm_stream_si128(target + 3, d);
    }
    _mm_sfence();  // these stores are not ordered by a release
    return;
  }
#endif
  std::memcpy(to, from, size_bytes);
}

}  // namespace ballast::bdev
