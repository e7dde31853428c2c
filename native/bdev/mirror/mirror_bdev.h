// A mirrored volume as a device: on its head's reactor straight into the driver, on the others by a message
// there and one back. Heads come and go, the device and its channels stay.
#pragma once

#include <memory>

#include "bdev/bdev.h"
#include "bdev/growing_geometry.h"
#include "bdev/home_channel.h"
#include "bdev/mirror/head_driver.h"

namespace ballast::bdev::mirror {

// The place of a volume's head in this process, which may be empty: then another process is head, or nobody.
class HeadSlot final : public HomeDevice {
 public:
  // All heads run on `home`.
  HeadSlot(Reactor& home, const Geometry& geometry) : home_(home), geometry_(geometry) {}
  ~HeadSlot() { BALLAST_ASSERT(driver_ == nullptr); }

  // --- any thread ---
  Reactor& home() override { return home_; }
  const Geometry& geometry() const { return geometry_.get(); }
  // By one thread at a time; what heads are asked for may be behind the end before.
  void grow(uint64_t blocks_count) { geometry_.set({geometry().block_size_bytes, blocks_count}); }

  // --- on home ---
  // Without a head I/O ends with `fenced`, which a host takes to another path.
  void submit_at_home(Io& io) override;
  void put(HeadDriver& driver);
  // It gets nothing more; what it has ends by itself.
  void clear();

 private:
  Reactor& home_;
  GrowingGeometry geometry_;
  HeadDriver* driver_ = nullptr;
};

// `slot` must outlive the device and its channels. Made on any thread.
std::shared_ptr<Bdev> make_mirror_bdev(HeadSlot& slot);

}  // namespace ballast::bdev::mirror
