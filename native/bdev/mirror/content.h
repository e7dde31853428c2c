// What a replica has: said by members, judged by heads, kept in the replica's superblock by these numbers.
#pragma once

#include <cstdint>

namespace ballast::bdev::mirror {

enum class Content : uint8_t {
  complete = 0,  // as of when it was last one of the set
  partial = 1,   // a mixture of two moments: what the others have noted of it may be missing
  nothing = 2,   // anything may be missing
};

}  // namespace ballast::bdev::mirror
