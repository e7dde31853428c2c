#include "attach/anonymous_memory.h"

#include <sys/mman.h>

#include <string>
#include <utility>

namespace ballast::attach {

AnonymousMemory::~AnonymousMemory() {
  if (base_ != nullptr) munmap(base_, size_bytes_);
}

AnonymousMemory::AnonymousMemory(AnonymousMemory&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), size_bytes_(std::exchange(other.size_bytes_, 0)) {}

AnonymousMemory& AnonymousMemory::operator=(AnonymousMemory&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

Result<AnonymousMemory> AnonymousMemory::map(size_t bytes) {
  void* const base =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    return Error{Errc::no_memory, "cannot map " + std::to_string(bytes) + " bytes for requests"};
  }
  AnonymousMemory memory;
  memory.base_ = static_cast<uint8_t*>(base);
  memory.size_bytes_ = bytes;
  return memory;
}

}  // namespace ballast::attach
