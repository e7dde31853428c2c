// How a snapshot of one member is carried to another, as bytes (docs/formats/replica-protocol.md, "A snapshot
// is carried"), and the checks of everything that a peer sent. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/uuid.h"
#include "bdev/mirror/replica_protocol.h"

namespace ballast::bdev::mirror {

// A piece is so many granules, of which a mask says those that are read or received: what an admin command
// may carry at once (128 KiB).
inline constexpr uint32_t k_piece_granules = 32;

struct SnapshotEntry {
  Uuid uuid;
  uint64_t created_at_s = 0;
  uint64_t size_bytes = 0;
  std::array<char, SnapshotRequest::k_name_bytes_max> name{};

  std::string_view name_text() const;
};
static_assert(sizeof(SnapshotEntry) == 96 && offsetof(SnapshotEntry, created_at_s) == 16 &&
              offsetof(SnapshotEntry, size_bytes) == 24 && offsetof(SnapshotEntry, name) == 32);

// In the order of the chain, the oldest first.
struct SnapshotList {
  static constexpr uint32_t k_entries_max = 42;
  uint32_t count = 0;
  uint32_t has_more = 0;  // 1: ask for those behind the last
  std::array<uint8_t, 8> reserved{};
  std::array<SnapshotEntry, k_entries_max> entries{};
  std::array<uint8_t, 48> reserved_at_end{};
};
static_assert(sizeof(SnapshotList) == k_protocol_bytes && offsetof(SnapshotList, entries) == 16);

// What is read from now on: what `uuid` holds that differs from what `since` does, an older one of the same
// chain; nil: from nothing.
struct SnapshotSelection {
  Uuid uuid;
  Uuid since;
};
static_assert(sizeof(SnapshotSelection) == 32 && offsetof(SnapshotSelection, since) == 16);

struct ReceiveRequest {
  Uuid uuid;
  Uuid below;  // the next older one of the replica; nil: none is older
  uint64_t created_at_s = 0;
  uint64_t size_bytes = 0;
  std::array<char, SnapshotRequest::k_name_bytes_max> name{};

  std::string_view name_text() const;
};
static_assert(sizeof(ReceiveRequest) == 112 && offsetof(ReceiveRequest, below) == 16 &&
              offsetof(ReceiveRequest, created_at_s) == 32 && offsetof(ReceiveRequest, size_bytes) == 40 &&
              offsetof(ReceiveRequest, name) == 48);

// Nothing: malformed. Entries of a list are named and distinct.
std::optional<std::vector<SnapshotEntry>> parse_snapshot_list(ByteSpan bytes, bool& has_more);
std::optional<SnapshotSelection> parse_snapshot_selection(ByteSpan bytes);
std::optional<ReceiveRequest> parse_receive_request(ByteSpan bytes);

}  // namespace ballast::bdev::mirror
