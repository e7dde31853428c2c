// What the control path says to replicas and mirrored volumes, and hears of them: plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "bdev/mirror/content.h"
#include "bdev/mirror/record.h"
#include "reactor/io_backend.h"

namespace ballast::engine {

// A replica that this process keeps: data on a device, and beside it the metadata (docs/formats/replica.md).
// Served to heads as the NVM subsystem nqn.2026-11.dev.ballast:replica:<uuid>, namespace 1.
struct ReplicaConfig {
  std::string name;
  // The data: a file (metadata: PATH.replica), or a volume of a pool (metadata: a hidden volume of the pool).
  std::string path;
  std::string pool, volume;
  uint64_t size_bytes = 0;  // file: 0 takes what it has
  uint32_t block_size_bytes = 4096;
  // For a replica that is to be made; one that is there keeps what it has.
  Uuid uuid;
  Uuid volume_uuid;  // nil: that of the first head that seals it
  bdev::mirror::Content content = bdev::mirror::Content::nothing;
  // Host NQNs of the heads that may connect; empty: any.
  std::vector<std::string> hosts;
};

struct ReplicaInfo {
  std::string name;
  Uuid uuid;
  Uuid volume_uuid;  // nil: of none yet
  std::string nqn;
  uint64_t size_bytes = 0;
  uint64_t size_max_bytes = 0;  // to which it can grow
  uint32_t block_size_bytes = 0;
  uint64_t max_epoch = 0;
  bdev::mirror::Content content = bdev::mirror::Content::nothing;
  bool is_unusable = false;  // its metadata is damaged: it takes part again as a new one
  uint64_t marked_regions = 0;
  std::vector<bdev::mirror::KnownAbsent> absent;  // whose missing writes it notes
  bool is_sealed = false;                         // a head uses it
};

// A member as the head reaches it: a replica of this process by name, or one of another by its address.
struct MirrorMemberConfig {
  Uuid uuid;                  // nil: the place is free
  std::string local_replica;  // empty: remote
  SocketAddress address;
};

struct MirrorConfig {
  // Its head runs here; else only the volume is here, its I/O ends as a path error, and only the size of what
  // follows is looked at.
  bool is_head = true;
  std::vector<MirrorMemberConfig> members;  // by their places in record.members
  // What the store says of the volume.
  bdev::mirror::Record record;
  Uuid node;  // the head's own
  std::string host_nqn;
  Uuid host_id;
  uint32_t lease_ms = 1000;
  uint32_t latency_budget_ms = 5000;
  uint64_t resync_bytes_per_s = 0;  // of copies to members that join; 0: as HeadOptions say
  bool fail_below_min = false;      // else writes wait while too few members are in sync
};

// A compare-and-swap that a head waits for. The answer is Engine::answer_store().
struct StoreRequest {
  std::string volume;
  uint64_t expected_revision = 0;
  bdev::mirror::Record wanted;
};
// Called on a reactor.
using StoreRequestSink = std::function<void(StoreRequest)>;

struct StoreAnswer {
  enum class Kind : uint8_t {
    stored,       // `current` is what was asked for, with its new revision
    differs,      // it was another one; `current` is what is there
    unavailable,  // nobody knows whether it was done
  };
  Kind kind = Kind::unavailable;
  bdev::mirror::Record current;
};

// Of a head: what MirrorInfo::state says. Called on a reactor.
using HeadStateSink = std::function<void(const std::string& volume, const std::string& state)>;
// Of a replica: a head uses it (has sealed it), or none does any more: it left or is gone. Called on a
// reactor.
using ReplicaSealSink = std::function<void(const std::string& replica, bool is_sealed)>;

struct MirrorMemberInfo {
  Uuid uuid;
  std::string state;  // down, connecting, sealed, in_sync, joining, leaving
  std::string text;   // why it is down; empty: not known
  uint64_t resync_done_bytes = 0;
  uint64_t resync_total_bytes = 0;  // 0: nothing is being copied to it
};

// Bytes of the volume in which members in sync are not alike.
struct MirrorDifferenceInfo {
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
  std::vector<Uuid> odd;  // that differ from most; empty: nobody can tell
};

// Of a comparison of all members: how far it is, and what it has found.
struct MirrorVerifyInfo {
  std::string state;  // running, done, cancelled, failed
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;
  uint64_t different_bytes = 0;
  // That some member could not read; written again there, where another one could.
  uint64_t unreadable_bytes = 0;
  std::vector<MirrorDifferenceInfo> differences;  // the first of them
  std::vector<Uuid> unable;                       // members that do not know how to be compared
};

// Of the last snapshot of all members in sync that its head was asked for.
struct MirrorSnapshotInfo {
  Uuid uuid;
  std::string state;    // waiting, draining, taking, done, failed
  std::string trouble;  // why it failed
  uint64_t size_bytes = 0;
  uint64_t held_ns = 0;       // how long writes of hosts waited for it
  std::vector<Uuid> members;  // that have it, when it is done
};

// Of the last one that was to be deleted.
struct MirrorSnapshotRemovalInfo {
  Uuid uuid;
  bool is_running = false;
  std::vector<Uuid> members;  // that have it no more
};

// Of the last snapshot that was carried from one member to another.
struct MirrorCarryInfo {
  Uuid snapshot, from, to;
  std::string state;         // running, done, cancelled, failed
  std::string trouble;       // why it failed
  uint64_t done_bytes = 0;   // of the snapshot, that were looked at
  uint64_t total_bytes = 0;  // 0: not known yet
  uint64_t moved_bytes = 0;
};

struct MirrorInfo {
  std::string volume;
  // standby: no head of it runs here. Else claiming, sealing, agreeing, waiting, serving, stopping, fenced,
  // stopped.
  std::string state;
  std::string activity;  // the most particular thing that it does
  bdev::mirror::Record record;
  bool is_changing = false;    // a member is being added or removed, or the volume becomes larger
  std::string change_trouble;  // why it did not become larger the last time; empty: it did
  std::vector<MirrorMemberInfo> members;
  uint64_t unreconciled_regions = 0;
  uint64_t marked_regions = 0;
  uint64_t resync_bytes_per_s = 0;         // as of MirrorConfig
  std::optional<MirrorVerifyInfo> verify;  // the last one of this head
  std::optional<MirrorSnapshotInfo> snapshot;
  std::optional<MirrorSnapshotRemovalInfo> snapshot_removal;
  std::optional<MirrorCarryInfo> carry;
};

}  // namespace ballast::engine
