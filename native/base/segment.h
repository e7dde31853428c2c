// One contiguous piece of I/O memory. Shared by bdev and transport, which do not know each other.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ballast {

struct Segment {
  uint8_t* base = nullptr;
  size_t size_bytes = 0;
};

}  // namespace ballast
