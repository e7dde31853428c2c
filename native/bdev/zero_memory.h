// Memory that reads zeroes: one read-only mapping of this process, backed by the kernel's zero page, so it
// costs address space only. The null device maps reads from it, the file device writes zeroes from it.
#pragma once

#include <cstddef>

#include "base/segment.h"

namespace ballast::bdev {

inline constexpr size_t k_zero_memory_bytes = 128 * 1024;  // one transfer of the largest size we advertise

// Page aligned, k_zero_memory_bytes long, never to be written; a null segment if it cannot be mapped. Any
// thread; never unmapped.
Segment zero_memory();

}  // namespace ballast::bdev
