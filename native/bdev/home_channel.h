// Channels to a device that lives on one reactor, its home: there straight into it, elsewhere by a message
// there and one back.
#pragma once

#include <memory>

#include "bdev/bdev.h"
#include "reactor/mailbox.h"

namespace ballast::bdev {

class HomeDevice {
 public:
  virtual Reactor& home() = 0;
  // On home, as Channel::submit(). Of Io::layer_scratch only what is behind HomeScratch is its own.
  virtual void submit_at_home(Io& io) = 0;

 protected:
  ~HomeDevice() = default;
};

// What Io::layer_scratch begins with, from submit() to done().
struct HomeScratch {
  void* channel = nullptr;
  IoDone done = nullptr;
  Message message{nullptr};
  Status status = Status::ok;
};
static_assert(sizeof(HomeScratch) <= sizeof(Io::layer_scratch));

// On `reactor`. The device must outlive it.
std::unique_ptr<Channel> open_home_channel(HomeDevice& device, Reactor& reactor);

}  // namespace ballast::bdev
