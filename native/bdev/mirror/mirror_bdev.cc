#include "bdev/mirror/mirror_bdev.h"

namespace ballast::bdev::mirror {
namespace {

class MirrorBdev final : public Bdev {
 public:
  explicit MirrorBdev(HeadDriver& driver) : driver_(driver) {
    const HeadDriver& known = driver;
    const Record& record = known.head().record();
    geometry_ = {record.block_size_bytes, record.blocks_count};
  }
  const Geometry& geometry() const override { return geometry_; }
  const Capabilities& capabilities() const override {
    static constexpr Capabilities k_capabilities{
        .unmap = true, .write_zeroes = true, .compare = true, .persistent = true};
    return k_capabilities;
  }
  const char* kind() const override { return "mirror"; }
  std::unique_ptr<Channel> open(Reactor& reactor) override { return open_home_channel(driver_, reactor); }

 private:
  HeadDriver& driver_;
  Geometry geometry_;
};

}  // namespace

std::shared_ptr<Bdev> make_mirror_bdev(HeadDriver& driver) { return std::make_shared<MirrorBdev>(driver); }

}  // namespace ballast::bdev::mirror
