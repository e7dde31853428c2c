// A namespace of a connected controller as a block device: what layers stack on, and what is attached to the
// kernel. While the controller reconnects I/O waits; when it is dead or closed I/O ends with io_error. An I/O
// is done only when no byte of its memory can still be sent or filled. Of a controller of several paths it
// takes whichever is best: that is below this, in IoQueue.
#pragma once

#include <memory>

#include "bdev/bdev.h"
#include "initiator/initiator.h"

namespace ballast::initiator {

class RemoteBdev : public bdev::Bdev {
 public:
  // The namespace has another size now. On the reactor of its channels: of all channels, there may be one
  // reactor only that has any when this is used.
  virtual void resize(uint64_t blocks_count) = 0;
};

struct RemoteBdevOptions {
  // A command that the target could not execute now is sent again for some seconds; else it ends with what it
  // was answered.
  bool retries = true;
  // The code of status code type 7h ("Vendor Specific") by which this target says that another head has the
  // device: `fenced`. 0: it has none.
  uint8_t fenced_code = 0;
};

// Channels open on reactors that have an I/O queue of the controller. Errc::unsupported: a block size
// that is neither 512 nor 4096. The controller lives as long as the device.
Result<std::shared_ptr<RemoteBdev>> make_remote_bdev(std::shared_ptr<Controller> controller, uint32_t nsid,
                                                     const RemoteBdevOptions& options = {});

// What a completion means in the words of devices.
bdev::Status status_of(nvme::Status status);

}  // namespace ballast::initiator
