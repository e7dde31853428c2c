#include "bdev/pool/volume_bdev.h"

#include "bdev/growing_geometry.h"

namespace ballast::bdev::pool {
namespace {

class OwnerChannel final : public Channel {
 public:
  explicit OwnerChannel(OpenVolume& volume) : volume_(volume) {}
  void submit(Io& io) override {
    VolumeScratch::prepare(io);
    volume_.submit(io);
  }

 private:
  OpenVolume& volume_;
};

// Io::done and Io::context are the submitter's: on the owner reactor ours stand in for them.
class RemoteChannel final : public Channel {
 public:
  RemoteChannel(OpenVolume& volume, Reactor& home, Reactor& reactor)
      : volume_(volume), home_(home), reactor_(reactor) {}
  void submit(Io& io) override {
    VolumeScratch& scratch = VolumeScratch::prepare(io);
    scratch.channel = this;
    scratch.done = io.done;
    io.done = answer;
    scratch.message.run = [](Message& message) {
      Io& arrived = VolumeScratch::io_of(message);
      static_cast<RemoteChannel*>(VolumeScratch::of(arrived).channel)->volume_.submit(arrived);
    };
    home_.send(scratch.message);
  }

 private:
  static void answer(Io& io, Status status) {
    VolumeScratch& scratch = VolumeScratch::of(io);
    RemoteChannel& self = *static_cast<RemoteChannel*>(scratch.channel);
    scratch.status = status;
    scratch.message.run = [](Message& message) {
      Io& done = VolumeScratch::io_of(message);
      const VolumeScratch& held = VolumeScratch::of(done);
      const Status with = held.status;
      done.done = held.done;
      done.done(done, with);
    };
    self.reactor_.send(scratch.message);
  }

  OpenVolume& volume_;
  Reactor& home_;
  Reactor& reactor_;
};

class VolumeBdev final : public Bdev {
 public:
  explicit VolumeBdev(OpenVolume& volume)
      : volume_(volume), geometry_({k_page_bytes, volume.blocks_count()}) {}
  const Geometry& geometry() const override { return geometry_.get(); }
  const Capabilities& capabilities() const override {
    static constexpr Capabilities k_capabilities{.unmap = true,
                                                 .write_zeroes = true,
                                                 .compare = true,
                                                 .copy = true,
                                                 .verify = true,
                                                 .allocation = true,
                                                 .volatile_write_cache = false,
                                                 .persistent = true};
    return k_capabilities;
  }
  const char* kind() const override { return "pool"; }
  std::unique_ptr<Channel> open(Reactor& reactor) override {
    Reactor& home = volume_.path().reactor;
    if (&home == &reactor) return std::make_unique<OwnerChannel>(volume_);
    return std::make_unique<RemoteChannel>(volume_, home, reactor);
  }
  void resize(uint64_t blocks_count) { geometry_.set({k_page_bytes, blocks_count}); }

 private:
  OpenVolume& volume_;
  GrowingGeometry geometry_;
};

}  // namespace

std::shared_ptr<Bdev> make_volume_bdev(OpenVolume& volume) { return std::make_shared<VolumeBdev>(volume); }

void resize_volume_bdev(Bdev& device, uint64_t blocks_count) {
  static_cast<VolumeBdev&>(device).resize(blocks_count);
}

}  // namespace ballast::bdev::pool
