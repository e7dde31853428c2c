// How a device of ours becomes one of the kernel's: what an Attachment does by one of two drivers. Calls
// block, on the engine's control thread; I/O passes on the reactor.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/uuid.h"
#include "bdev/bdev.h"

namespace ballast::engine {

struct ServedDeviceConfig {
  Uuid uuid;
  std::string path;  // fuse: of an existing regular file: what the device's file is mounted on
  bool read_only = false;
};

class ServedDevice {
 public:
  // Ends it if stop() did not: whoever still uses it gets errors.
  virtual ~ServedDevice() = default;
  // "/dev/loop3"; nothing is left when it fails.
  virtual Result<std::string> start() = 0;
  // Waits for what is in flight. Errc::in_use: somebody uses the device; nothing has changed.
  virtual Outcome stop() = 0;
  // The device of ours has this size now. Errc::unsupported: the kernel cannot follow.
  virtual Outcome resize(uint64_t size_bytes) = 0;
};

// The device outlives them.
std::unique_ptr<ServedDevice> make_fuse_device(Reactor& reactor, bdev::Bdev& device,
                                               const ServedDeviceConfig& config);
std::unique_ptr<ServedDevice> make_ublk_device(Reactor& reactor, bdev::Bdev& device,
                                               const ServedDeviceConfig& config);

}  // namespace ballast::engine
