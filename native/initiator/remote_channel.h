// A reactor's way to a remote namespace: cuts I/Os into commands that the controller takes, a bounded number
// in flight, the rest in line in the order of coming. Private to remote_bdev.
#pragma once

#include <vector>

#include "base/object_pool.h"
#include "initiator/remote_bdev.h"
#include "nvme/io_commands.h"
#include "reactor/reactor.h"

namespace ballast::initiator {

struct RemoteNamespace {
  bdev::Geometry geometry;
  bdev::Capabilities capabilities;
  uint32_t nsid = 0;
  uint32_t blocks_per_transfer = 0;
  bool retries = true;
  uint8_t fenced_code = 0;

  bool is_fenced(nvme::Status status) const {
    return fenced_code != 0 && status.type() == nvme::StatusCodeType::vendor && status.code() == fenced_code;
  }
};

class RemoteChannel final : public bdev::Channel {
 public:
  // A command that the target could not execute now is sent again: for so long, which covers a target that
  // starts, or changes a path's state.
  static constexpr uint8_t k_retries_max = 50;
  static constexpr uint64_t k_retry_ns = 200 * k_ns_per_ms;
  // As many pieces of memory as a command may have (transport::HostRequest).
  static constexpr size_t k_segments_max = 8;

  // queue and remote must outlive it.
  RemoteChannel(IoQueue& queue, const RemoteNamespace& remote);
  ~RemoteChannel() override;
  void submit(bdev::Io& io) override;

 private:
  struct Command {
    Command();
    IoRequest request;
    RemoteChannel* channel = nullptr;
    bdev::Io* io = nullptr;
    Segment segments[k_segments_max];
    nvme::DatasetRange range;
    uint8_t retries = 0;
    Timer retry;
  };
  // What this channel keeps in an Io: what of it has not been sent yet, and what has not been answered.
  struct Progress {
    ListNode node;
    uint64_t next_lba = 0;
    uint32_t blocks_left = 0;
    uint32_t in_flight = 0;
    uint32_t segment = 0;  // where in the data the next command begins
    uint32_t segment_offset = 0;
    bool is_sent = false;  // nothing is left to be sent: a flush has no blocks to tell by
    bdev::Status status = bdev::Status::ok;
    bdev::Io* io = nullptr;
  };
  static Progress& progress_of(bdev::Io& io);

  void pump();
  bool send_next(Progress& progress, Command& command);
  bool fill_transfer(Progress& progress, Command& command);
  void fill_range(Progress& progress, Command& command);
  static void command_done(IoRequest& request, nvme::Completion completion);
  void on_command_done(Command& command, nvme::Status status);
  void resend(Command& command);
  void finish_piece(Command& command, bdev::Status status);
  void finish_if_done(Progress& progress);

  IoQueue& queue_;
  Reactor& reactor_;
  const RemoteNamespace& remote_;
  ObjectPool<Command> commands_;
  IntrusiveList<Progress, &Progress::node> waiting_;  // not wholly sent, in the order of coming
  bool pumping_ = false;
  Timer room_;  // somebody else fills the queue
};

}  // namespace ballast::initiator
