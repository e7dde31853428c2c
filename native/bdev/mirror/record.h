// What the store says of a mirrored volume: one record, changed by compare-and-swap alone. Everything else
// that is known of membership is a copy of it.
#pragma once

#include <array>
#include <cstdint>

#include "base/uuid.h"
#include "bdev/mirror/member_set.h"

namespace ballast::bdev::mirror {

struct Record {
  // Of the store, changed by each commit; 0: never stored.
  uint64_t revision = 0;
  // Granted to one head each.
  uint64_t epoch = 0;
  Uuid head;
  // It has ended properly: nothing of it is in flight, and it answers nothing any more, by its lease or
  // without.
  bool head_stopped = false;
  // Places; a member keeps its own. The last one is taken.
  uint32_t members_count = 0;
  std::array<Uuid, k_members_max> members{};  // replicas; nil: the place is free
  // Those that have everything that was acknowledged. Never empty.
  MemberSet in_sync;
  // The last epoch in which each was sealed as one of them; 0: never. A replica whose own epoch is older is
  // not what it was then, and starts anew.
  std::array<uint64_t, k_members_max> sealed_epoch{};
  // Writes are acknowledged while there are so many of them.
  uint32_t min_in_sync = 1;
  uint32_t block_size_bytes = 4096;
  uint64_t blocks_count = 0;

  MemberSet all() const {
    MemberSet taken;
    for (uint32_t place = 0; place < members_count; ++place) {
      if (!members[place].is_nil()) taken.add(place);
    }
    return taken;
  }
  // k_members_max: it is none of them.
  uint32_t place_of(const Uuid& replica) const {
    for (uint32_t place = 0; place < members_count; ++place) {
      if (members[place] == replica && !replica.is_nil()) return place;
    }
    return k_members_max;
  }
  bool operator==(const Record&) const = default;
};

}  // namespace ballast::bdev::mirror
