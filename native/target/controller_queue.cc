#include "target/controller_queue.h"

#include <utility>

#include "nvme/fabrics.h"

namespace ballast::target {

using transport::Request;

namespace {

bool has_lba(uint8_t opcode) {
  switch (static_cast<nvme::NvmOpcode>(opcode)) {
    case nvme::NvmOpcode::write:
    case nvme::NvmOpcode::read:
    case nvme::NvmOpcode::compare:
    case nvme::NvmOpcode::write_zeroes:
    case nvme::NvmOpcode::verify:
    case nvme::NvmOpcode::copy: return true;
    case nvme::NvmOpcode::flush:
    case nvme::NvmOpcode::dataset_management:
    case nvme::NvmOpcode::write_uncorrectable: return false;
  }
  return false;
}

}  // namespace

IoQueue::IoQueue(TargetShard& shard, transport::TargetQpair& qpair, const ControllerRef& controller,
                 SubsystemShard& subsystem, uint64_t token, uint16_t qid)
    : shard_(shard),
      qpair_(qpair),
      controller_(controller),
      token_(token),
      qid_(qid),
      dispatch_(shard.reactor(), subsystem.namespaces(), shard.latencies(), *this,
                {controller.instance, subsystem.config().extension.get()}) {}

void IoQueue::on_request(Request& request) {
  ++outstanding_;
  if (is_fabrics(request)) return answer_fabrics(request);
  dispatch_.on_request(request);
}

// NVMe Base Specification 2.1, "Fabrics Command Set": which commands are for which queue (rows F19, F21,
// F30).
void IoQueue::answer_fabrics(Request& request) {
  nvme::Status status = nvme::status::invalid_opcode.with_dnr();
  switch (static_cast<nvme::FabricsType>(request.command.nsid & 0xff)) {
    case nvme::FabricsType::connect: status = nvme::status::command_sequence_error.with_dnr(); break;
    case nvme::FabricsType::disconnect:
      if (load<nvme::DisconnectCommand>(bytes_of(request.command)).record_format != 0) {
        status = nvme::status::connect_incompatible_format.with_dnr();
      } else {
        status = nvme::status::success;
        disconnect_ = &request;
      }
      break;
    default: break;
  }
  nvme::Completion completion;
  completion.set_status(status);
  qpair_.reply(request, completion);
}

void IoQueue::on_fetched(Request& request, nvme::Status status) { dispatch_.on_fetched(request, status); }

void IoQueue::on_buffer(Request& request) { dispatch_.on_buffer(request); }

void IoQueue::on_released(Request& request) {
  if (!is_fabrics(request)) dispatch_.on_released(request);
  BALLAST_ASSERT(outstanding_ > 0);
  --outstanding_;
  if (disconnect_ == &request && !closed_) close();
  retire_if_over();
}

void IoQueue::on_closed(transport::TargetQpair&, transport::CloseReason) {
  closed_ = true;
  dispatch_.close();
  retire_if_over();
}

bool IoQueue::try_abort(uint16_t cid) {
  Request* const request = qpair_.find_request(cid);
  if (request == nullptr || is_fabrics(*request)) return false;
  return dispatch_.try_abort(*request);
}

void IoQueue::on_io_error(const nvme::Command& command, nvme::Status status) {
  nvme::ErrorLogEntry entry = error_log_entry(command, status, qid_);
  if (has_lba(command.opcode)) entry.lba = uint64_t{command.cdw11} << 32 | command.cdw10;
  errors_.add(entry);
  if (!errors_on_the_way_) tell_errors();
}

void IoQueue::tell_errors() {
  errors_on_the_way_ = true;
  shard_.tell_io_errors(controller_, {shard_.index(), token_}, std::exchange(errors_, {}));
}

void IoQueue::errors_were_logged() {
  errors_on_the_way_ = false;
  if (errors_.entries_count > 0) tell_errors();
}

void IoQueue::retire_if_over() {
  if (!closed_ || outstanding_ > 0 || retired_) return;
  retired_ = true;
  BALLAST_ASSERT(dispatch_.in_flight() == 0);
  shard_.release_connection(qpair_);
  shard_.tell_queue_gone(controller_, qid_, token_);
  shard_.retire_io_queue(token_);
}

}  // namespace ballast::target
