// What a head says to a member, as bytes (docs/formats/replica-protocol.md), and the checks that everything a
// peer sent passes first. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/uuid.h"
#include "bdev/mirror/replica_format.h"

namespace ballast::bdev::mirror {

inline constexpr uint32_t k_protocol_version = 1;
inline constexpr uint32_t k_protocol_bytes = 4096;  // of every structure
inline constexpr uint32_t k_map_read_bytes_max = 64 * 1024;
inline constexpr uint32_t k_checksum_bytes_max = 1 << 20;  // of data, of one Read Checksums
inline constexpr uint32_t k_checksums_max = 256;           // granules of it

enum class ReplicaOpcode : uint8_t {
  seal = 0xc1,
  read_state = 0xc2,
  mark_intent = 0xc5,
  read_intent = 0xc6,
  clear_intent = 0xc9,
  begin_absent = 0xcd,
  end_absent = 0xd1,
  read_absent = 0xd2,
  clear_absent = 0xd5,
  read_checksums = 0xd6,
  set_content = 0xd9,
  read_allocation = 0xda,
  grow = 0xdc,
  snapshot = 0xdd,
  delete_snapshot = 0xe0,
  // Of snapshot_protocol.h.
  list_snapshots = 0xde,
  select_snapshot = 0xe1,
  read_snapshot_map = 0xe2,
  end_receive = 0xe4,
  begin_receive = 0xe5,
  read_snapshot = 0xe6,
  receive = 0xe9,
};

// Why a member does nothing, where no Status says it.
enum class Refusal : uint8_t {
  none,
  fenced,
  not_sealed,
  wrong_replica,
  no_slot,
  unusable,
  exists,
  no_snapshot,
};
const char* refusal_text(Refusal refusal);  // for people

struct SealRequest {
  uint32_t version = k_protocol_version;
  uint32_t block_size_bytes = 4096;
  uint64_t epoch = 0;
  uint64_t session = 0;
  uint64_t sealed_epoch = 0;  // the last in which the store knows it sealed and in sync
  Uuid volume_uuid;
  Uuid replica_uuid;
  Uuid head_uuid;
  uint64_t blocks_count = 0;
};
static_assert(sizeof(SealRequest) == 88 && offsetof(SealRequest, epoch) == 8 &&
              offsetof(SealRequest, session) == 16 && offsetof(SealRequest, sealed_epoch) == 24 &&
              offsetof(SealRequest, volume_uuid) == 32 && offsetof(SealRequest, replica_uuid) == 48 &&
              offsetof(SealRequest, head_uuid) == 64 && offsetof(SealRequest, blocks_count) == 80);

struct ReplicaState {
  uint32_t version = k_protocol_version;
  uint32_t block_size_bytes = 0;
  Uuid volume_uuid;
  Uuid replica_uuid;
  uint64_t blocks_count = 0;
  uint64_t size_max_bytes = 0;
  uint64_t max_epoch = 0;
  uint64_t sealed_epoch = 0;
  uint64_t session = 0;
  uint64_t marked_regions = 0;
  Content content = Content::complete;
  std::array<uint8_t, 7> reserved{};
  AbsentEntries absent{};
};
static_assert(sizeof(ReplicaState) == 376 && offsetof(ReplicaState, volume_uuid) == 8 &&
              offsetof(ReplicaState, replica_uuid) == 24 && offsetof(ReplicaState, blocks_count) == 40 &&
              offsetof(ReplicaState, max_epoch) == 56 && offsetof(ReplicaState, sealed_epoch) == 64 &&
              offsetof(ReplicaState, session) == 72 && offsetof(ReplicaState, marked_regions) == 80 &&
              offsetof(ReplicaState, content) == 88 && offsetof(ReplicaState, absent) == 96);

struct RegionList {
  static constexpr uint32_t k_regions_max = 1022;
  uint32_t count = 0;
  uint32_t reserved = 0;
  std::array<uint32_t, k_regions_max> regions{};  // rising
};
static_assert(sizeof(RegionList) == k_protocol_bytes && offsetof(RegionList, regions) == 8);

struct GranuleRange {
  uint64_t first = 0;
  uint64_t count = 0;
};

struct AbsentRequest {
  static constexpr uint32_t k_ranges_max = 253;
  static constexpr uint8_t k_everything = 1, k_copying = 2;
  Uuid member_uuid;
  uint64_t since_epoch = 0;
  uint8_t flags = 0;
  std::array<uint8_t, 3> reserved{};
  uint32_t count = 0;
  std::array<GranuleRange, k_ranges_max> ranges{};
  std::array<uint8_t, 16> reserved_at_end{};

  bool everything() const { return (flags & k_everything) != 0; }
  bool copying() const { return (flags & k_copying) != 0; }
};
static_assert(sizeof(AbsentRequest) == k_protocol_bytes && offsetof(AbsentRequest, since_epoch) == 16 &&
              offsetof(AbsentRequest, flags) == 24 && offsetof(AbsentRequest, count) == 28 &&
              offsetof(AbsentRequest, ranges) == 32);

struct SnapshotRequest {
  static constexpr uint32_t k_name_bytes_max = 64;
  Uuid uuid;
  uint64_t created_at_s = 0;  // since 1970, as the head says
  std::array<char, k_name_bytes_max> name{};

  std::string_view name_text() const;
};
static_assert(sizeof(SnapshotRequest) == 88 && offsetof(SnapshotRequest, created_at_s) == 16 &&
              offsetof(SnapshotRequest, name) == 24);
// The name: 1 to 64 bytes, none of them zero.
bool is_snapshot_name(std::string_view name);
SnapshotRequest snapshot_request(const Uuid& uuid, uint64_t created_at_s, std::string_view name);

// Nothing: malformed. Whether the numbers fit this replica is another question, except where it is given.
std::optional<SealRequest> parse_seal_request(ByteSpan bytes);
std::optional<SnapshotRequest> parse_snapshot_request(ByteSpan bytes);
std::optional<RegionList> parse_region_list(ByteSpan bytes, uint64_t regions_count);
std::optional<AbsentRequest> parse_absent_request(ByteSpan bytes, uint64_t granules_count);

}  // namespace ballast::bdev::mirror
