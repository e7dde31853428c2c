#include "bdev/home_channel.h"

#include <cstddef>
#include <new>

#include "reactor/reactor.h"

namespace ballast::bdev {
namespace {

HomeScratch& scratch_of(Io& io) { return *std::launder(reinterpret_cast<HomeScratch*>(io.layer_scratch)); }

Io& io_of(Message& message) {
  return *reinterpret_cast<Io*>(reinterpret_cast<std::byte*>(&message) - offsetof(HomeScratch, message) -
                                offsetof(Io, layer_scratch));
}

class AtHome final : public Channel {
 public:
  explicit AtHome(HomeDevice& device) : device_(device) {}
  void submit(Io& io) override { device_.submit_at_home(io); }

 private:
  HomeDevice& device_;
};

// Io::done is the submitter's: at home ours stands in for it.
class Away final : public Channel {
 public:
  Away(HomeDevice& device, Reactor& reactor) : device_(device), reactor_(reactor) {}
  void submit(Io& io) override {
    HomeScratch& scratch = *new (io.layer_scratch) HomeScratch;
    scratch.channel = this;
    scratch.done = io.done;
    io.done = answer;
    scratch.message.run = [](Message& message) {
      Io& arrived = io_of(message);
      static_cast<Away*>(scratch_of(arrived).channel)->device_.submit_at_home(arrived);
    };
    device_.home().send(scratch.message);
  }

 private:
  static void answer(Io& io, Status status) {
    HomeScratch& scratch = scratch_of(io);
    scratch.status = status;
    scratch.message.run = [](Message& message) {
      Io& ended = io_of(message);
      const HomeScratch& held = scratch_of(ended);
      const Status with = held.status;
      ended.done = held.done;
      ended.done(ended, with);
    };
    static_cast<Away*>(scratch.channel)->reactor_.send(scratch.message);
  }

  HomeDevice& device_;
  Reactor& reactor_;
};

}  // namespace

std::unique_ptr<Channel> open_home_channel(HomeDevice& device, Reactor& reactor) {
  if (&device.home() == &reactor) return std::make_unique<AtHome>(device);
  return std::make_unique<Away>(device, reactor);
}

}  // namespace ballast::bdev
