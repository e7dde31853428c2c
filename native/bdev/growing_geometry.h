// The geometry of a device that grows while others look at it, from any thread.
#pragma once

#include <atomic>
#include <deque>

#include "bdev/bdev.h"

namespace ballast::bdev {

class GrowingGeometry {
 public:
  explicit GrowingGeometry(const Geometry& first) { set(first); }
  const Geometry& get() const { return *now_.load(std::memory_order_acquire); }
  // By one thread at a time.
  void set(const Geometry& geometry) {
    all_.push_back(geometry);
    now_.store(&all_.back(), std::memory_order_release);
  }

 private:
  // Every one that there was: somebody may be looking at it still.
  std::deque<Geometry> all_;
  std::atomic<const Geometry*> now_{nullptr};
};

}  // namespace ballast::bdev
