// The values of volume, layer and pool keys (docs/formats/pool.md, "Keys and values"). Wire structs.
#pragma once

#include "bdev/pool/format.h"
#include "bdev/pool/key.h"

namespace ballast::bdev::pool {

// What may be promised of a pool's room.
struct PoolPolicy {
  // The sizes of all volumes together are at most this part of the capacity; 0: as large as you like.
  uint32_t overcommit_percent = 0;
  // While less than this part is free no volume, clone or snapshot is made and no volume grows: what is left
  // is for the writes of those that are there.
  uint32_t reserve_percent = 0;
};
inline constexpr uint32_t k_overcommit_percent_max = 1'000'000;
inline constexpr uint32_t k_reserve_percent_max = 90;
// invalid_argument.
inline Outcome check_policy(const PoolPolicy& policy) {
  if (policy.overcommit_percent <= k_overcommit_percent_max &&
      policy.reserve_percent <= k_reserve_percent_max)
    return Unit{};
  return Error{Errc::invalid_argument,
               "over-commitment is 0 to 1,000,000 percent of the capacity, a reserve 0 to 90 percent"};
}

struct PoolValue {
  uint32_t next_volume = 1;
  uint32_t next_layer = 1;
  uint32_t volumes_count = 0;
  uint32_t layers_count = 0;
  uint64_t provisioned_bytes = 0;  // the sizes of all volumes together
  PoolPolicy policy;
};
static_assert(sizeof(PoolValue) == 32 && offsetof(PoolValue, provisioned_bytes) == 16 &&
              offsetof(PoolValue, policy) == 24);

inline constexpr uint32_t k_volume_thick = 1;
inline constexpr uint32_t k_volume_read_only = 2;
inline constexpr uint32_t k_volume_encrypted = 4;
inline constexpr uint32_t k_volume_deleting = 8;

struct VolumeValue {
  Uuid uuid;
  uint64_t size_bytes = 0;
  uint32_t head_layer = 0;
  uint32_t flags = 0;
  uint64_t created_at_s = 0;
  uint32_t origin_layer = 0;
  std::array<uint8_t, 20> reserved{};
  NameBytes name{};
  std::array<uint8_t, 32> reserved_too{};
};
static_assert(sizeof(VolumeValue) == 160 && offsetof(VolumeValue, size_bytes) == 16 &&
              offsetof(VolumeValue, head_layer) == 24 && offsetof(VolumeValue, created_at_s) == 32 &&
              offsetof(VolumeValue, origin_layer) == 40 && offsetof(VolumeValue, name) == 64);

enum class LayerState : uint8_t { head = 1, snapshot = 2, hidden = 3, merging = 4, deleting = 5 };

inline constexpr uint8_t k_layer_erase = 1;  // with `deleting`: its extents are zeroed before they are free

struct LayerValue {
  uint32_t parent = 0;
  uint32_t volume = 0;
  uint32_t children_count = 0;
  LayerState state = LayerState::head;
  uint8_t flags = 0;
  std::array<uint8_t, 18> reserved{};
  uint64_t created_at_s = 0;
  uint64_t size_bytes = 0;
  Uuid snapshot_uuid;
  NameBytes name{};
  std::array<uint8_t, 32> reserved_too{};
};
static_assert(sizeof(LayerValue) == 160 && offsetof(LayerValue, state) == 12 &&
              offsetof(LayerValue, created_at_s) == 32 && offsetof(LayerValue, size_bytes) == 40 &&
              offsetof(LayerValue, snapshot_uuid) == 48 && offsetof(LayerValue, name) == 64);

// False if the bytes have not the size of such a value.
template <typename Value>
bool decode_value(ByteSpan bytes, Value& value) {
  if (bytes.size() != sizeof(Value)) return false;
  value = load<Value>(bytes);
  return true;
}

}  // namespace ballast::bdev::pool
