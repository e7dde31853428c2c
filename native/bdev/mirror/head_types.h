// What a head is about, and what it knows of its members, as others see it.
#pragma once

#include <array>
#include <cstdint>

#include "base/uuid.h"
#include "bdev/mirror/content.h"
#include "bdev/mirror/member_set.h"

namespace ballast::bdev::mirror {

struct AbsentSlot {
  Uuid member;
  uint64_t since_epoch = 0;
  bool everything = false;
  bool copying = false;
  uint32_t copied_regions = 0;  // everything: less these
};

// Regions [first, end).
struct RegionRange {
  uint64_t first = 0, end = 0;
  bool empty() const { return first == end; }
  bool has(uint64_t region) const { return first <= region && region < end; }
};

// How far a member that joins has been brought.
struct CopyProgress {
  uint64_t total_bytes = 0;  // 0: nothing is being copied to it
  uint64_t left_bytes = 0;
};

// What a member said of itself when it was sealed.
struct SealedMember {
  Content content = Content::complete;
  uint64_t blocks_count = UINT64_MAX;  // that it has room for
  uint32_t absent_count = 0;
  std::array<AbsentSlot, k_members_max> absent{};
};

enum class HeadState : uint8_t {
  claiming,  // asks the store for the next epoch
  sealing,   // members are fenced; what they were writing is read
  agreeing,  // those that could not be sealed leave, the others learn what is to be reconciled
  waiting,   // until no read of the head before can still be answered
  serving,
  stopping,  // what is in flight ends, marks are cleared, the store is told
  fenced,    // another is head, or was: nothing is acknowledged any more
  stopped,
};
const char* head_state_text(HeadState state);

// What it is about, the most particular first: where a fault may find it.
enum class Activity : uint8_t {
  claiming,
  sealing,
  agreeing,
  waiting,
  removing,      // a member that failed is being taken out of the set
  telling,       // the others are being told what it misses
  snapshotting,  // writes are held for one, and members take it
  adding,        // a member that has everything is being made one of the set
  preparing,     // a member that came back is asked what it misses
  copying,       // and gets it
  reconciling,   // what an unclean end left
  clearing,      // marks
  verifying,     // members in sync are compared
  degraded,      // serving without some member
  serving,
  stopping,
  over,
};
inline constexpr uint32_t k_activities_count = 17;
const char* activity_text(Activity activity);

// Why another number of members cannot be begun.
enum class ChangeRefusal : uint8_t {
  none,
  not_serving,
  busy,   // with another change
  known,  // it is a member already
  unknown,
  no_place,
  too_few,        // min_in_sync
  last_complete,  // nobody else has everything
  smaller,        // than the volume is
  too_large,      // for any volume
};
const char* change_refusal_text(ChangeRefusal refusal);

enum class MemberState : uint8_t {
  down,  // not connected; tried again
  connecting,
  sealed,  // and nothing else yet
  in_sync,
  joining,  // gets new writes, and is told what it missed
  leaving,  // of the in-sync set of the store still, but nothing is sent to it
};

}  // namespace ballast::bdev::mirror
