// BALLAST_ASSERT is for programmer errors only and stays on in release builds. What a peer, a disk, a user or
// a shortage of memory can cause is a Result or a status, never an assertion (see result.h).
#pragma once

namespace ballast {

[[noreturn]] void assert_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace ballast

#define BALLAST_ASSERT(expression)                    \
  (__builtin_expect(static_cast<bool>(expression), 1) \
       ? static_cast<void>(0)                         \
       : ::ballast::assert_failed(#expression, __FILE__, __LINE__))
