// What the channels of one file device share. Immutable after it is opened, except for `poisoned`.
#pragma once

#include <atomic>
#include <memory>

#include "bdev/bdev.h"
#include "bdev/range_lock.h"
#include "reactor/io_backend.h"

namespace ballast::bdev {

struct FileDevice {
  std::unique_ptr<File> file;
  Geometry geometry;
  Capabilities capabilities;
  // The cache below may lose finished writes: those that must not be lost are write_durable or synced.
  bool cache_below = false;
  std::shared_ptr<RangeLock> range_lock;
  // A sync has failed: which finished writes are on the medium is unknown, and the kernel will not tell
  // twice. Every later change is refused until the device is reopened.
  std::atomic<bool> poisoned{false};

  bool must_be_durable(const Io& io) const {
    return cache_below && (!capabilities.volatile_write_cache || io.fua);
  }
  // A failed durable write says nothing of other writes when it went around the page cache. Otherwise it may
  // have taken the one report of their failure.
  bool failed_write_poisons() const {
    return capabilities.volatile_write_cache || file->direct_alignment_bytes() == 1;
  }
};

}  // namespace ballast::bdev
