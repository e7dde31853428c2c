// Little-endian loads and stores at any alignment, and reading a wire struct out of bytes. NVMe is little
// endian throughout (NVMe Base Specification 2.1, "Byte, Word, and Dword Relationships"), and so are the
// hosts we build for.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "base/assert.h"

namespace ballast {

static_assert(std::endian::native == std::endian::little, "wire structs are overlaid on bytes");

using ByteSpan = std::span<const uint8_t>;
using MutableByteSpan = std::span<uint8_t>;

// Copies a wire struct out of the start of `bytes`, which must be at least sizeof(T) long.
template <typename T>
  requires std::is_trivially_copyable_v<T>
T load(ByteSpan bytes) {
  BALLAST_ASSERT(bytes.size() >= sizeof(T));
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

// Copies a wire struct to the start of `bytes`, which must be at least sizeof(T) long.
template <typename T>
  requires std::is_trivially_copyable_v<T>
void store(MutableByteSpan bytes, const T& value) {
  BALLAST_ASSERT(bytes.size() >= sizeof(T));
  std::memcpy(bytes.data(), &value, sizeof(T));
}

template <typename T>
  requires std::is_trivially_copyable_v<T>
ByteSpan bytes_of(const T& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof(T)};
}

template <typename T>
  requires std::is_trivially_copyable_v<T>
MutableByteSpan mutable_bytes_of(T& value) {
  return {reinterpret_cast<uint8_t*>(&value), sizeof(T)};
}

}  // namespace ballast
