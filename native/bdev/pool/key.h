// The keys of the metadata tree and the sizes of its values (docs/formats/pool.md, "Keys and values").
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace ballast::bdev::pool {

inline constexpr uint32_t k_value_bytes_max = 1280;

enum class KeyType : uint8_t {
  pool = 1,
  volume = 2,
  name = 3,
  layer = 4,
  snapshot = 5,
  child = 6,
  slot = 7,
  extents = 8,
  checksums = 9,
  dirty = 10,
  wrapped_key = 11,
  allocation = 12
};

struct Key {
  uint64_t high = 0;  // type in the upper 8 bits, id below
  uint64_t low = 0;

  static constexpr uint32_t k_id_bits = 56;
  static constexpr Key of(KeyType type, uint64_t id, uint64_t low = 0) {
    return {static_cast<uint64_t>(type) << k_id_bits | id, low};
  }
  constexpr uint8_t type() const { return static_cast<uint8_t>(high >> k_id_bits); }
  uint64_t id() const { return high & ((uint64_t{1} << k_id_bits) - 1); }
  auto operator<=>(const Key&) const = default;
};
static_assert(sizeof(Key) == 16);

// Keys of one thing that often come in growing order: slots of a layer, extents of a device.
constexpr bool is_same_run(const Key& a, const Key& b) {
  const bool is_extent = a.type() == static_cast<uint8_t>(KeyType::checksums) ||
                         a.type() == static_cast<uint8_t>(KeyType::dirty);
  constexpr uint32_t k_extent_number_bits = 40;
  return is_extent ? a.high >> k_extent_number_bits == b.high >> k_extent_number_bits : a.high == b.high;
}

// FNV-1a, 64 bits: what the name index is keyed by.
constexpr uint64_t name_hash(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace ballast::bdev::pool
