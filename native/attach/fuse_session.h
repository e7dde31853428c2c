// A block device as the one file of a FUSE file system: speaks the kernel's protocol over /dev/fuse on one
// reactor. Made and used there by the engine's attachment; the loop device over the file is loop_device.h's.
// For an I/O there is no allocation: requests and their memory are made at the start, and when all are in use
// nothing more is read, so that the kernel waits. Protocol: linux/fuse.h, versions 7.23 and later.
#pragma once

#include <linux/fuse.h>

#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "attach/anonymous_memory.h"
#include "base/result.h"
#include "bdev/bdev.h"
#include "reactor/reactor.h"

namespace ballast::attach {

struct FuseOptions {
  // The most requests that the kernel may have here at once. Direct I/O of a loop device comes in requests of
  // the background, which it sends up to max_background of: the queue depth of a loop device, 128. Beside
  // them stand those that somebody waits for: opening, its attributes, flush.
  uint16_t background_max = 128;
  uint16_t foreground_max = 16;
  uint32_t transfer_bytes_max = 1 << 20;  // of one read or write; a multiple of 4096, at least 4096
  bool read_only = false;
};

class FuseSession final : SocketObserver {
 public:
  // The kernel has unmounted the file system, or the connection is broken. Runs on the reactor, once. I/O may
  // still be at the device: close() waits for it.
  using Ended = std::function<void(const Error& why)>;

  // On the reactor. Owns the descriptor of /dev/fuse, non-blocking and mounted, also when it fails. The
  // device must outlive the session, whose geometry is looked at for each request. Errc: no_memory,
  // unsupported.
  static Result<std::unique_ptr<FuseSession>> start(Reactor& reactor, bdev::Bdev& device, Descriptor fuse,
                                                    const FuseOptions& options, Ended ended);
  ~FuseSession() override;  // after close()

  // Takes no more requests; `closed` runs when the device has answered all that were taken.
  void close(std::function<void()> closed);

  uint32_t requests_in_flight() const { return static_cast<uint32_t>(requests_.size() - free_.size()); }
  uint32_t minor_version() const { return minor_; }  // agreed on; 0 before
  uint32_t transfer_bytes_max() const { return transfer_bytes_; }

 private:
  // What lies before the data of a WRITE, so that the data itself is received where pages begin.
  static constexpr size_t k_head_bytes = sizeof(fuse_in_header) + sizeof(fuse_write_in);

  struct Request {
    alignas(8) uint8_t head[k_head_bytes];
    fuse_out_header answer;
    FuseSession* session = nullptr;
    uint64_t unique = 0;
    uint32_t opcode = 0;
    uint32_t data_bytes = 0;   // received behind the head
    uint32_t reply_bytes = 0;  // to be sent behind the answer's header, from `data`
    Segment data;              // transfer_bytes_max
    Segment io_data;           // what of it the device gets
    bdev::Io io;
    Segment answer_parts[2];  // its header, and the reply
    FileOp answering;
  };

  FuseSession(Reactor& reactor, bdev::Bdev& device, const FuseOptions& options, Ended ended);
  Outcome open(Descriptor fuse);

  bool on_readable() override;
  void on_writable() override {}  // never asked for: answers go by the ring

  void take(Request& request, size_t bytes);
  void dispatch(Request& request, uint64_t node);
  void initialize(Request& request);
  void open_file(Request& request);
  void get_attributes(Request& request);
  void set_attributes(Request& request);
  void file_system_status(Request& request);
  void read(Request& request);
  void write(Request& request);
  void allocate(Request& request);
  void synchronize(Request& request);
  void submit(Request& request, bdev::IoType type, uint64_t offset, uint64_t bytes);
  static void io_done(bdev::Io& io, bdev::Status status);

  template <typename Body>
  void reply_with(Request& request, const Body& body) {
    static_assert(sizeof(Body) <= 4096);
    std::memcpy(request.data.base, &body, sizeof(body));
    request.reply_bytes = sizeof(body);
    reply(request, 0);
  }
  void reply(Request& request, int error);
  static void answered(FileOp& op, int64_t result);
  void release(Request& request);
  void end(Error why);
  void end_if_closed();
  uint64_t size_bytes() const;
  fuse_attr attributes() const;
  bool is_aligned(uint64_t offset, uint64_t bytes) const;

  Reactor& reactor_;
  bdev::Bdev& device_;
  const FuseOptions options_;
  Ended ended_;
  std::unique_ptr<bdev::Channel> channel_;
  std::unique_ptr<Socket> fuse_;
  Descriptor descriptor_ = -1;  // fuse_'s
  AnonymousMemory memory_;
  std::vector<Request> requests_;
  std::vector<Request*> free_;  // last in, first out
  uint32_t minor_ = 0;
  uint32_t transfer_bytes_ = 0;
  bool reading_ = true;
  bool closing_ = false;
  std::function<void()> closed_;
};

// An error of a device as the kernel's errno, positive; 0 for ok.
int errno_of(bdev::Status status);

}  // namespace ballast::attach
