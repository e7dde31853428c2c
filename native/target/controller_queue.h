// An I/O queue of a controller that may live on another reactor. Answers the Fabrics commands an I/O queue
// may get, and hands everything else to the dispatch of I/O commands without looking at it. The controller is
// told when the queue is gone, and that is after its last device I/O: what a reset waits for. Errors of I/O
// commands are told to the controller too, for its Error Information log page.
#pragma once

#include <cstdint>

#include "target/error_log.h"
#include "target/io_dispatch.h"
#include "target/target_shard.h"

namespace ballast::target {

class IoQueue final : public transport::QpairObserver, private IoErrorObserver {
 public:
  // The request of the Connect that made this queue counts as outstanding.
  IoQueue(TargetShard& shard, transport::TargetQpair& qpair, const ControllerRef& controller,
          SubsystemShard& subsystem, uint64_t token, uint16_t qid);

  void on_request(transport::Request& request) override;
  void on_fetched(transport::Request& request, nvme::Status status) override;
  void on_buffer(transport::Request& request) override;
  void on_released(transport::Request& request) override;
  void on_closed(transport::TargetQpair& qpair, transport::CloseReason reason) override;

  void close() { qpair_.close(transport::CloseReason::local_request); }
  // For Abort: true if the command has been answered Command Abort Requested.
  bool try_abort(uint16_t cid);
  // The controller has put the errors into its log that it was told of.
  void errors_were_logged();

 private:
  static bool is_fabrics(const transport::Request& request) {
    return request.command.opcode == nvme::k_opcode_fabrics;
  }
  void on_io_error(const nvme::Command& command, nvme::Status status) override;
  void tell_errors();
  void answer_fabrics(transport::Request& request);
  void retire_if_over();

  TargetShard& shard_;
  transport::TargetQpair& qpair_;
  const ControllerRef controller_;
  const uint64_t token_;
  const uint16_t qid_;
  bool closed_ = false;
  bool retired_ = false;
  uint32_t outstanding_ = 1;  // requests not released yet
  ErrorReport errors_;        // not told yet
  bool errors_on_the_way_ = false;
  transport::Request* disconnect_ = nullptr;  // answered; the queue closes when the answer has left
  IoDispatch dispatch_;
};

}  // namespace ballast::target
