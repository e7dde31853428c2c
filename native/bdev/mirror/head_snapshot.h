// A snapshot of all members in sync, of one moment: what it is about, how far it is, and what came of it.
#pragma once

#include <array>
#include <cstdint>

#include "base/uuid.h"
#include "bdev/bdev.h"
#include "bdev/mirror/member_set.h"
#include "bdev/mirror/replica_protocol.h"

namespace ballast::bdev::mirror {

// Why one cannot be begun, taken or deleted.
enum class SnapshotRefusal : uint8_t {
  none,
  not_serving,
  busy,     // with another one, with a change of members or size, or a rest of one is being deleted
  no_name,  // the name or the UUID is none
};
const char* snapshot_refusal_text(SnapshotRefusal refusal);

enum class SnapshotState : uint8_t {
  none,
  waiting,   // for what an unclean end left to be made equal; nothing is held
  draining,  // writes of hosts are held, those in flight end
  taking,    // members are told, and nothing is written
  done,
  failed,
};
const char* snapshot_state_text(SnapshotState state);

enum class SnapshotFailure : uint8_t {
  none,
  not_begun,    // within snapshot_wait_ns
  too_long,     // writes were held for snapshot_hold_ns
  refused,      // by a member, which stays in sync
  interrupted,  // the head lost all members, or ends
};
const char* snapshot_failure_text(SnapshotFailure failure);

struct SnapshotReport {
  SnapshotState state = SnapshotState::none;
  SnapshotRequest request;
  uint64_t blocks_count = 0;                  // of the volume, then
  uint64_t held_ns = 0;                       // how long writes of hosts were held
  std::array<Uuid, k_members_max> members{};  // that have it, when it is done
  uint32_t members_count = 0;
  SnapshotFailure failure = SnapshotFailure::none;
  Uuid refuser;  // refused
  Status status = Status::ok;
};

// Of one that was asked to be deleted, or of the rest of one that failed.
struct SnapshotRemoval {
  Uuid uuid;                                  // nil: there was none
  MemberSet left;                             // places of those that are still to be told
  MemberSet asked;                            // of these: are at it
  bool is_rest = false;                       // members that are away are told when they are back
  std::array<Uuid, k_members_max> members{};  // that do not have it any more
  uint32_t members_count = 0;
};

// The head's own notes of the one that is under way.
struct SnapshotWork {
  SnapshotReport report;
  uint64_t deadline_ns = 0;
  uint64_t held_since_ns = 0;
  MemberSet sent;       // places, as of `taking`: were told
  MemberSet has;        // of these: have it
  MemberSet has_other;  // of these: have another one of this name or UUID
  SnapshotRemoval removal;
};

}  // namespace ballast::bdev::mirror
