// A log page is written piece by piece at its positions; only what falls into the window that the host asked
// for is kept. A long page (the discovery log of a thousand subsystems) is never built as a whole.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace ballast::target {

class LogWindow {
 public:
  // `into` is zeroed, and stands for [offset, offset + into.size()) of the page.
  LogWindow(MutableByteSpan into, uint64_t offset) : into_(into), offset_(offset) {}

  bool overlaps(uint64_t position, uint64_t bytes) const {
    return position < offset_ + into_.size() && position + bytes > offset_;
  }
  void put(uint64_t position, ByteSpan piece) {
    if (!overlaps(position, piece.size())) return;
    const uint64_t begin = std::max(position, offset_);
    const uint64_t end = std::min(position + piece.size(), offset_ + into_.size());
    std::memcpy(into_.data() + (begin - offset_), piece.data() + (begin - position), end - begin);
  }

 private:
  MutableByteSpan into_;
  uint64_t offset_;
};

}  // namespace ballast::target
