// How a head is to behave: its times, bounds and rates.
#pragma once

#include <cstdint>

#include "base/uuid.h"
#include "bdev/mirror/member_set.h"

namespace ballast::bdev::mirror {

struct HeadOptions {
  Uuid node;
  // The member that reads go to until another one is found to be faster; k_members_max: the first in sync.
  uint32_t near_member = k_members_max;
  // One of so many reads goes to another member, so that it is known how fast that is.
  uint32_t probe_one_in = 256;
  uint32_t ops_max = 1024;
  // How long a read may rely on what the members last said, and what clocks may differ in rate.
  uint64_t lease_ns = 1'000'000'000;
  uint32_t clock_margin_percent = 10;
  // After so long without I/O, and with nothing to be done, members are asked so seldom that the lease ends:
  // the first read then is answered when all of them have answered. 0: never.
  uint64_t quiet_ns = 0;
  // A member that takes longer for an I/O or a command leaves.
  uint64_t latency_budget_ns = 5'000'000'000;
  // A takeover waits so long for members that do not answer.
  uint64_t seal_timeout_ns = 1'500'000'000;
  // And so long for those that answer that they are not there, if it can go on without them.
  uint64_t seal_refused_timeout_ns = 400'000'000;
  uint64_t reconnect_ns = 500'000'000;
  uint64_t store_retry_ns = 200'000'000;
  // With too few members in sync writes wait; or they end with `busy`, which a host takes to another path.
  bool fail_below_min = false;
  // Marks of regions are cleared after so long without a write, or when there are too many.
  uint64_t intent_idle_ns = 5'000'000'000;
  uint64_t intent_regions_max = 2048;
  uint32_t copy_bytes = 512 * 1024;
  uint32_t copies_max = 8;
  // Of copies to members that join. 0: as fast as it goes, and beside I/O of the user, and shortly after it,
  // one smaller copy at a time, at this other rate.
  uint64_t resync_bytes_per_s = 0;
  uint64_t busy_resync_bytes_per_s = 32 << 20;
  uint32_t busy_copy_bytes = 128 * 1024;
  uint64_t busy_ns = 100'000'000;
  // What is compared of all members at a time, at the same rates.
  uint32_t verify_bytes = 1 << 20;
  // A snapshot is given up when writes of hosts were held for it for so long, or it could not begin for so
  // long.
  uint64_t snapshot_hold_ns = 3'000'000'000;
  uint64_t snapshot_wait_ns = 30'000'000'000;
  // A copy that is interrupted goes on with what was copied since the last so many bytes, or a second.
  uint64_t settle_bytes = 16 << 20;
};

}  // namespace ballast::bdev::mirror
