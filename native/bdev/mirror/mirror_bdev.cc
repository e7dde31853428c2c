#include "bdev/mirror/mirror_bdev.h"

namespace ballast::bdev::mirror {
namespace {

class MirrorBdev final : public Bdev {
 public:
  explicit MirrorBdev(HeadSlot& slot) : slot_(slot) {}
  const Geometry& geometry() const override { return slot_.geometry(); }
  const Capabilities& capabilities() const override {
    static constexpr Capabilities k_capabilities{
        .unmap = true, .write_zeroes = true, .compare = true, .persistent = true};
    return k_capabilities;
  }
  const char* kind() const override { return "mirror"; }
  std::unique_ptr<Channel> open(Reactor& reactor) override { return open_home_channel(slot_, reactor); }

 private:
  HeadSlot& slot_;
};

}  // namespace

void HeadSlot::submit_at_home(Io& io) {
  BALLAST_ASSERT_ON_REACTOR(home_);
  if (driver_ == nullptr) return io.done(io, Status::fenced);
  driver_->submit(io);
}

void HeadSlot::put(HeadDriver& driver) {
  BALLAST_ASSERT_ON_REACTOR(home_);
  BALLAST_ASSERT(driver_ == nullptr);
  driver_ = &driver;
}

void HeadSlot::clear() {
  BALLAST_ASSERT_ON_REACTOR(home_);
  driver_ = nullptr;
}

std::shared_ptr<Bdev> make_mirror_bdev(HeadSlot& slot) { return std::make_shared<MirrorBdev>(slot); }

}  // namespace ballast::bdev::mirror
