// Answers what the kernel's ublk driver asks of one device, on one reactor: each tag of its queue is fetched
// by a command of the reactor's ring, which the kernel ends when there is a request, its data in our memory;
// the next command answers it and fetches again. For an I/O there is no allocation. The device itself, and
// its end, are ublk_device.h's.
#pragma once

#include <linux/ublk_cmd.h>

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "attach/anonymous_memory.h"
#include "base/result.h"
#include "bdev/bdev.h"
#include "reactor/reactor.h"

namespace ballast::attach {

struct UblkSessionConfig {
  Descriptor queue = -1;  // of the device's character device, which outlives the session
  std::span<const ublksrv_io_desc> descriptors;  // of its only queue, one for each tag
  uint32_t transfer_bytes_max = 1 << 20;
  bool read_only = false;
};

class UblkSession {
 public:
  // On the reactor, whose thread alone serves the queue from now on: the first fetches are on their way when
  // the turn ends. `ended` runs there, once, when the kernel has taken every tag back, because the device was
  // stopped, and no I/O is left at the device. Errc::no_memory.
  static Result<std::unique_ptr<UblkSession>> start(Reactor& reactor, bdev::Bdev& device,
                                                    const UblkSessionConfig& config,
                                                    std::function<void()> ended);
  ~UblkSession();  // on the reactor, after `ended`

 private:
  struct Slot {
    UblkSession* session = nullptr;
    uint16_t tag = 0;
    Segment buffer;   // transfer_bytes_max
    Segment io_data;  // what of it the device gets
    bdev::Io io;
    ublksrv_io_cmd argument{};
    Segment argument_segment;
    FileOp op;
  };

  UblkSession(Reactor& reactor, bdev::Bdev& device, const UblkSessionConfig& config,
              std::function<void()> ended);

  void command(Slot& slot, uint32_t opcode, int32_t result);
  static void fetched(FileOp& op, int64_t result);
  void serve(Slot& slot);
  static void io_done(bdev::Io& io, bdev::Status status);
  void end_slot(int64_t why);

  Reactor& reactor_;
  bdev::Bdev& device_;
  const UblkSessionConfig config_;
  std::function<void()> ended_;
  std::unique_ptr<bdev::Channel> channel_;
  AnonymousMemory memory_;
  std::vector<Slot> slots_;
  size_t ended_count_ = 0;
};

}  // namespace ballast::attach
