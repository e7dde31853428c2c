// Pages of this process that cost nothing until they are written: the memory of requests that are rarely as
// large as they may be.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace ballast::attach {

class AnonymousMemory {
 public:
  AnonymousMemory() = default;
  ~AnonymousMemory();
  AnonymousMemory(AnonymousMemory&& other) noexcept;
  AnonymousMemory& operator=(AnonymousMemory&& other) noexcept;

  // Aligned to pages. Errc::no_memory.
  static Result<AnonymousMemory> map(size_t bytes);
  uint8_t* base() const { return base_; }
  size_t size_bytes() const { return size_bytes_; }

 private:
  uint8_t* base_ = nullptr;
  size_t size_bytes_ = 0;
};

}  // namespace ballast::attach
