// A namespace of a connected controller as a block device of this machine: the device over the initiator, and
// what a driver makes of it. Its calls block, on the engine's control thread; I/O passes on the controller's
// reactor.
#pragma once

#include <memory>
#include <string>

#include "engine/served_device.h"
#include "initiator/remote_bdev.h"

namespace ballast::engine {

enum class AttachmentDriver : uint8_t { fuse, ublk };

struct AttachmentConfig {
  uint32_t nsid = 1;
  Uuid uuid;  // what the namespace must have as its UUID or NGUID
  AttachmentDriver driver = AttachmentDriver::fuse;
  std::string path;  // fuse: of an existing regular file: what the device's file is mounted on
  bool read_only = false;
};

struct AttachmentInfo {
  std::string device;  // "/dev/loop3", "/dev/ublkb0"
  uint64_t size_bytes = 0;
  uint32_t block_size_bytes = 0;
};

class Attachment {
 public:
  // Nothing is left when it fails. Errc: not_found (no such namespace, or another one has its number),
  // unsupported, permission_denied, in_use, io_error.
  static Result<std::unique_ptr<Attachment>> start(std::shared_ptr<initiator::Controller> controller,
                                                   const AttachmentConfig& config);
  // After the controller was closed, or detach(): else it waits for I/O that waits for the target. Whoever
  // still uses the device gets errors.
  ~Attachment();

  // Waits for what is in flight. Errc::in_use: somebody uses the device; nothing has changed.
  Outcome detach();
  // Asks the target how large the namespace is, and gives the device that size. Errc::unsupported: the kernel
  // cannot, for ublk.
  Result<AttachmentInfo> refresh();
  const AttachmentInfo& info() const { return info_; }

 private:
  Attachment(std::shared_ptr<initiator::Controller> controller, const AttachmentConfig& config);
  Outcome open();
  Outcome check_identity() const;
  Result<uint64_t> ask_blocks_count();

  const std::shared_ptr<initiator::Controller> controller_;
  const AttachmentConfig config_;
  Reactor& reactor_;  // of the first I/O queue
  std::shared_ptr<initiator::RemoteBdev> device_;
  std::unique_ptr<ServedDevice> served_;
  AttachmentInfo info_;
};

}  // namespace ballast::engine
