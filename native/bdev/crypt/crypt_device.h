// What the channels of one encrypted device share. Immutable after it is made.
#pragma once

#include <memory>

#include "bdev/bdev.h"
#include "bdev/crypt/crypt_key.h"
#include "bdev/range_lock.h"

namespace ballast::bdev {

struct CryptDevice {
  std::shared_ptr<Bdev> below;
  CryptKey key;
  // What takes several steps here must not be seen between two of them by a compare_and_write, nor that one's
  // by others: the lock of the device below knows single steps only.
  std::shared_ptr<RangeLock> range_lock;
};

}  // namespace ballast::bdev
