// What a replica has: said by members, judged by heads, kept in the replica's superblock by these numbers.
#pragma once

#include <cstdint>

#include "base/uuid.h"

namespace ballast::bdev::mirror {

enum class Content : uint8_t {
  complete = 0,  // as of when it was last one of the set
  partial = 1,   // a mixture of two moments: what the others have noted of it may be missing
  nothing = 2,   // anything may be missing
};

// A member that a replica notes as absent: it may miss what was written since.
struct KnownAbsent {
  Uuid uuid;
  uint64_t since_epoch = 0;
};

}  // namespace ballast::bdev::mirror
