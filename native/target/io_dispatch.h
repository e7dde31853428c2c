// The I/O commands of one queue pair: checks each in one function, moves its data, and turns it into device
// I/O and the answer back into a completion. Called by the controller's queue (QpairObserver) on the queue
// pair's reactor. Its state per command lives in Request::observer_state; nothing is allocated per command.
#pragma once

#include <cstdint>

#include "nvme/status.h"
#include "reactor/reactor.h"
#include "target/namespace_shard.h"
#include "transport/transport.h"

namespace ballast::target {

struct IoContext;

class IoDispatch {
 public:
  // Both must outlive the dispatch.
  IoDispatch(Reactor& reactor, NamespaceTable& namespaces);
  ~IoDispatch();  // in_flight() must be 0
  IoDispatch(const IoDispatch&) = delete;
  IoDispatch& operator=(const IoDispatch&) = delete;

  // The observer calls of transport.h, for requests that carry an I/O command (not Fabrics).
  void on_request(transport::Request& request);
  void on_fetched(transport::Request& request, nvme::Status status);
  void on_buffer(transport::Request& request);
  void on_released(transport::Request& request);

  // For Abort: true if the command had not reached a device and has been answered Command Abort Requested;
  // false if it must be left to finish. `request` must be in flight here.
  bool try_abort(transport::Request& request);

  // Nothing reaches a device any more: what is waiting, and what still comes, is answered Command Aborted due
  // to SQ Deletion. What devices have is left to finish. To be called when the queue is closed or deleted.
  void close();
  // Commands from on_request() to on_released().
  uint32_t in_flight() const { return in_flight_; }

 private:
  friend struct IoContext;

  // io_dispatch.cc
  void start(IoContext& context);
  void execute(IoContext& context);
  void submit_next(IoContext& context);
  void on_device_done(IoContext& context, bdev::Status status);
  void finish(IoContext& context, bdev::Status status);
  void reply(IoContext& context, nvme::Status status);
  void reply_read(IoContext& context, Segment data, bool mapped);
  bool enter_namespace(IoContext& context);
  void leave_namespace(IoContext& context);
  void start_read(IoContext& context, NamespaceShard& shard);

  // io_fused.cc
  bool take_fused(IoContext& context);
  void drop_first();
  void fail_pair(IoContext& failed, nvme::Status status);
  void execute_pair(IoContext& second);
  void finish_pair(IoContext& second, bdev::Status status);

  Reactor& reactor_;
  NamespaceTable& namespaces_;
  IoContext* first_ = nullptr;  // the first command of a fused operation that waits for its second
  bool first_failed_ = false;   // the previous command was a first that failed: its second is aborted
  bool closed_ = false;
  uint32_t in_flight_ = 0;
};

}  // namespace ballast::target
