// The I/O commands of one queue pair: checks each in one function, moves its data, and turns it into device
// I/O and the answer back into a completion. Called by the controller's queue (QpairObserver) on the queue
// pair's reactor. Its state per command lives in Request::observer_state; nothing is allocated per command.
#pragma once

#include <cstdint>

#include "bdev/bdev.h"
#include "nvme/status.h"
#include "reactor/reactor.h"
#include "target/latency_recorder.h"
#include "target/namespace_shard.h"
#include "target/subsystem_extension.h"
#include "transport/transport.h"

namespace ballast::target {

struct IoContext;

// Hears of every command that is answered with an error which an Error Information log page is for: not of
// mismatches of Compare, nor of what was aborted.
class IoErrorObserver {
 public:
  virtual void on_io_error(const nvme::Command& command, nvme::Status status) = 0;

 protected:
  ~IoErrorObserver() = default;
};

// Whose I/O it is.
struct IoOrigin {
  uint64_t association = 0;  // Io::association
  const SubsystemExtension* extension = nullptr;
};

class IoDispatch {
 public:
  // All must outlive the dispatch.
  IoDispatch(Reactor& reactor, NamespaceTable& namespaces, LatencyRecorder& latencies,
             IoErrorObserver& errors, const IoOrigin& origin = {});
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
  // io_dispatch.cc: a command on its way in and out.
  void start(IoContext& context);
  void start_read(IoContext& context);
  transport::DataUse data_use(const IoContext& context);
  void reply(IoContext& context, nvme::Status status);
  void answered(IoContext& context, nvme::Status status);
  nvme::Status enter_namespace(IoContext& context);
  static void leave_namespace(IoContext& context);

  // io_execute.cc: its device I/O.
  void execute(IoContext& context);
  nvme::Status prepare_ranges(IoContext& context);
  void submit_next(IoContext& context);
  bool next_io(IoContext& context);
  bool next_piece(IoContext& context, bdev::IoType type);
  bool next_dataset_range(IoContext& context);
  bool next_copy_range(IoContext& context);
  bool next_flush(IoContext& context);
  static void device_done(bdev::Io& io, bdev::Status status);
  void finish(IoContext& context, bdev::Status status);
  nvme::Status status_of(const IoContext& context, bdev::Status status) const;
  void count(IoContext& context, bdev::Status status);

  // io_fused.cc: Compare and Write as one operation.
  bool take_fused(IoContext& context);
  void drop_first(nvme::Status status);
  bool pair_up(IoContext& second);
  void hold(IoContext& context);
  void fail_half(IoContext& context, nvme::Status status);
  void end_half(IoContext& context, nvme::Status status);
  void execute_pair(IoContext& second);
  void finish_pair(IoContext& second, bdev::Status status);

  Reactor& reactor_;
  NamespaceTable& namespaces_;
  LatencyRecorder& latencies_;
  IoErrorObserver& errors_;
  const IoOrigin origin_;
  IoContext* first_ = nullptr;  // the first half of a fused pair, until its second half arrives
  bool first_failed_ = false;   // the previous command was a first half that has failed
  bool closed_ = false;
  uint32_t in_flight_ = 0;
};

}  // namespace ballast::target
