#include "target/connecting_queue.h"

#include "base/log.h"
#include "nvme/limits.h"
#include "target/controller.h"
#include "target/controller_queue.h"

namespace ballast::target {

using transport::Request;

namespace {

bool is_connect(const nvme::Command& command) {
  return command.opcode == nvme::k_opcode_fabrics &&
         (command.nsid & 0xff) == static_cast<uint8_t>(nvme::FabricsType::connect);
}

}  // namespace

ConnectingQueue::ConnectingQueue(TargetShard& shard, transport::TargetQpair& qpair, uint64_t token)
    : shard_(shard),
      qpair_(qpair),
      token_(token),
      timer_(
          [](Timer&, void* self) {
            static_cast<ConnectingQueue*>(self)->qpair_.close(transport::CloseReason::timed_out);
          },
          this) {
  shard_.reactor().arm(timer_, shard_.context().options.connect_timeout_ns);
}

ConnectingQueue::~ConnectingQueue() { shard_.reactor().cancel(timer_); }

void ConnectingQueue::on_request(Request& request) {
  ++outstanding_;
  request_ = &request;
  if (state_ != State::waiting || !is_connect(request.command)) {
    return refuse({nvme::status::command_sequence_error.with_dnr()});
  }
  if (request.sgl_length_bytes < sizeof(nvme::ConnectData)) {
    return refuse({nvme::status::data_sgl_length_invalid.with_dnr()});
  }
  state_ = State::fetching;
  qpair_.fetch(request, sizeof(nvme::ConnectData), transport::DataUse::until_released);
}

void ConnectingQueue::on_fetched(Request& request, nvme::Status status) {
  BALLAST_ASSERT(&request == request_);
  if (!status.ok()) return refuse({status});
  asked_ = ConnectRequest{};
  const ByteSpan data(request.data.base, request.data.size_bytes);
  if (const auto refusal = parse_connect(request.command, data, asked_)) return refuse(*refusal);
  connect();
}

void ConnectingQueue::on_buffer(Request&) { BALLAST_ASSERT(false); }  // a Connect has no reply data

void ConnectingQueue::connect() {
  SubsystemShard* const subsystem = shard_.find_subsystem(asked_.subsystem_nqn);
  if (subsystem == nullptr || subsystem->closing) {
    // May come back (a target that is starting): worth a retry, so without DNR.
    return refuse({nvme::status::connect_invalid_parameters,
                   nvme::connect_invalid_in_data(offsetof(nvme::ConnectData, subsystem_nqn))});
  }
  if (!subsystem->allows(asked_.host_nqn)) {
    return refuse({nvme::status::connect_invalid_host.with_dnr()});
  }
  if (asked_.qid != 0) {
    // A discovery controller has no I/O queues.
    if (subsystem->is_discovery()) return refuse(invalid_command_field(offsetof(nvme::ConnectCommand, qid)));
    return ask_owner();
  }
  if (subsystem->is_discovery()) return finish_admin();
  ask_home();
}

void ConnectingQueue::ask_home() {
  state_ = State::asking;
  shard_.question_sent();
  const QueueRef self{shard_.index(), token_};
  shard_.send(shard_.home_of(asked_.subsystem_nqn), [asked = asked_, self](TargetShard& home) {
    const bool granted = home.claims().claim(asked.subsystem_nqn, asked.host_id, asked.host_nqn);
    home.send(self.shard, [granted, asked, self](TargetShard& shard) {
      ConnectingQueue* const queue = shard.question_answered(self.token);
      if (queue != nullptr) return queue->on_claim_answer(granted);
      if (granted) shard.release_claim(asked.subsystem_nqn, asked.host_id);
    });
  });
}

void ConnectingQueue::on_claim_answer(bool granted) {
  if (!granted) return refuse(invalid_data_field(offsetof(nvme::ConnectData, host_id)));
  finish_admin();
}

void ConnectingQueue::finish_admin() {
  // Looked up again, because the answer of the home may have taken a while.
  SubsystemShard* const subsystem = shard_.find_subsystem(asked_.subsystem_nqn);
  nvme::Status status = nvme::status::connect_controller_busy;
  if (subsystem != nullptr && !subsystem->closing && shard_.controller_id_available()) {
    const transport::QpairParameters parameters{asked_.queue_entries, asked_.flow_control_disabled, 0};
    if (!subsystem->allows(asked_.host_nqn)) {
      status = nvme::status::connect_invalid_host.with_dnr();
    } else if (qpair_.activate(parameters).ok()) {
      Controller& controller = shard_.add_controller(qpair_, *subsystem, asked_);
      return hand_over(controller, controller.id());
    }
  }
  if (asked_.subsystem_nqn != nvme::k_discovery_nqn) {
    shard_.release_claim(asked_.subsystem_nqn, asked_.host_id);
  }
  refuse({status});
}

void ConnectingQueue::ask_owner() {
  const uint32_t owner =
      shard_of_controller_id(shard_.context().options, shard_.shards_count(), asked_.controller_id);
  if (owner == shard_.shards_count()) {
    return refuse(invalid_data_field(offsetof(nvme::ConnectData, controller_id)));
  }
  state_ = State::asking;
  shard_.question_sent();
  shard_.send(owner, [asked = asked_, self = QueueRef{shard_.index(), token_}](TargetShard& there) {
    there.connect_io_queue(asked, self);
  });
}

void ConnectingQueue::on_connect_answer(const ConnectAnswer& answer) {
  if (!answer.refusal.status.ok()) return refuse(answer.refusal);
  // The controller counts us among its queues, so the subsystem stays until we say that we are gone.
  SubsystemShard* const subsystem = shard_.find_subsystem(asked_.subsystem_nqn);
  BALLAST_ASSERT(subsystem != nullptr);
  const transport::QpairParameters parameters{asked_.queue_entries, asked_.flow_control_disabled, asked_.qid};
  if (!qpair_.activate(parameters).ok()) {
    shard_.tell_queue_gone(answer.controller, asked_.qid, token_);
    return refuse({nvme::status::connect_controller_busy});
  }
  IoQueue& queue = shard_.add_io_queue(qpair_, answer.controller, *subsystem, token_, asked_.qid);
  hand_over(queue, answer.controller.controller_id);
}

void ConnectingQueue::refuse(const ConnectRefusal& refusal) {
  if (!closed_) {
    state_ = State::waiting;
    log(LogLevel::info, "target", "%s: refused %s: %s", qpair_.peer_address().text().c_str(),
        is_connect(request_->command) ? "Connect" : "a command before Connect",
        refusal_text(refusal).c_str());
  }
  Request& request = *request_;
  request_ = nullptr;
  nvme::Completion completion;
  completion.dw0 = refusal.dw0;
  completion.set_status(refusal.status);
  qpair_.reply(request, completion);
}

// The new observer has been told of the Connect request: it gets its on_released().
void ConnectingQueue::hand_over(transport::QpairObserver& observer, uint16_t controller_id) {
  Request& request = *request_;
  request_ = nullptr;
  state_ = State::over;
  shard_.reactor().cancel(timer_);
  qpair_.set_observer(observer);
  shard_.retire_connecting(token_);
  nvme::Completion completion;
  completion.dw0 = controller_id;
  qpair_.reply(request, completion);
}

void ConnectingQueue::on_released(Request&) {
  --outstanding_;
  retire_if_over();
}

void ConnectingQueue::on_closed(transport::TargetQpair&, transport::CloseReason) {
  closed_ = true;
  shard_.reactor().cancel(timer_);
  const bool asking = state_ == State::asking;
  state_ = State::over;
  if (asking) refuse({nvme::status::aborted_sq_deletion});  // only gives the request back
  retire_if_over();
}

void ConnectingQueue::retire_if_over() {
  if (!closed_ || outstanding_ > 0 || retired_) return;
  retired_ = true;
  shard_.release_connection(qpair_);
  shard_.retire_connecting(token_);
}

}  // namespace ballast::target
