// What a comparison of all members in sync is about, and what it has found. Members are compared while the
// volume is served: each says the checksum of each granule of a range in which nothing is being written. What
// differs is told, and left as it is: which one is right nobody knows.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/uuid.h"
#include "bdev/mirror/member_set.h"
#include "bdev/mirror/replica_protocol.h"

namespace ballast::bdev::mirror {

struct VerifyDifference {
  uint64_t first_granule = 0;
  uint64_t granules_count = 0;
  // Places of VerifyReport::members: who has something else than most of them. Empty: no two of more than two
  // are alike, or there are two.
  MemberSet odd;
};

enum class VerifyState : uint8_t {
  none,  // since this head began
  running,
  done,
  cancelled,  // or its head ended
  failed,     // less than two of its members are left that can say their checksums
};
const char* verify_state_text(VerifyState state);

struct VerifyReport {
  // More are counted, and not kept.
  static constexpr size_t k_differences_max = 64;
  VerifyState state = VerifyState::none;
  uint64_t total_bytes = 0;
  uint64_t done_bytes = 0;
  uint64_t different_granules = 0;
  // At some member; written again there, where another one could read them.
  uint64_t unreadable_granules = 0;
  std::array<Uuid, k_members_max> members{};  // as of its beginning, by places: nobody else is compared
  MemberSet unable;                           // do not know the command
  std::vector<VerifyDifference> differences;  // rising
};

// Why one cannot be begun.
enum class VerifyRefusal : uint8_t {
  none,
  not_serving,
  running,  // one is
  alone,    // only one member is in sync
};
const char* verify_refusal_text(VerifyRefusal refusal);

// Of the head that does it.
struct VerifyWork {
  VerifyReport report;
  uint64_t next_granule = 0;
  bool is_out = false;        // a range is being compared
  uint64_t singly_until = 0;  // granules before this one are read one by one: one of them cannot be read
  bool is_again = false;      // some member was short of memory
  uint64_t next_ns = 0;       // not before
  std::array<std::array<uint32_t, k_checksums_max>, k_members_max> sums;  // of the range
};

}  // namespace ballast::bdev::mirror
