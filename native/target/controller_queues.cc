// The I/O queues of a controller, seen from its owner: who may connect, who must close, who has gone. NVMe
// Base Specification 2.1, "Connect Command". Rows F5, F6, F8 to F10 and F12.
#include "nvme/limits.h"
#include "target/controller.h"
#include "target/controller_queue.h"

namespace ballast::target {
namespace {

// How long a Connect waits for an old queue of the same identifier to go.
constexpr uint64_t k_duplicate_queue_wait_ns = 1 * k_ns_per_s;

}  // namespace

Controller::WaitingConnect::WaitingConnect(Controller& waiting_at, const ConnectRequest& asked,
                                           const QueueRef& from)
    : controller(waiting_at),
      request(asked),
      queue(from),
      timer(
          [](Timer&, void* context) {
            const auto& self = *static_cast<WaitingConnect*>(context);
            TargetShard& shard = self.controller.shard_;
            const ConnectRefusal refusal{nvme::status::command_sequence_error};
            shard.answer_connect(self.queue, {refusal, self.controller.ref_}, self.request.qid);
            self.controller.queues_[self.request.qid].waiting.reset();
          },
          this) {
  controller.shard_.reactor().arm(timer, k_duplicate_queue_wait_ns);
}

Controller::WaitingConnect::~WaitingConnect() { controller.shard_.reactor().cancel(timer); }

// Success, or what is wrong. Whose controller it is comes first: a host that guesses CNTLIDs learns nothing
// of others' controllers but what a CNTLID that does not exist would tell it.
ConnectRefusal Controller::check_io_connect(const ConnectRequest& request) const {
  if (request.subsystem_nqn != subsystem_.config().nqn || request.host_nqn != host_nqn_ ||
      request.host_id != host_id_ || terminating_) {
    return invalid_data_field(offsetof(nvme::ConnectData, controller_id));
  }
  // The rest may be otherwise a moment later: without DNR.
  ConnectRefusal refusal{nvme::status::connect_invalid_parameters,
                         nvme::connect_invalid_in_command(offsetof(nvme::ConnectCommand, qid))};
  if (!cc_.enabled() || !csts_.ready() || draining_) return refusal;
  if (cc_.iosqes() != nvme::ControllerConfiguration::k_iosqes ||
      cc_.iocqes() != nvme::ControllerConfiguration::k_iocqes) {
    return refusal;
  }
  if (request.qid > features_.queues_granted) return refusal;
  return {nvme::status::success};
}

void Controller::connect_io_queue(const ConnectRequest& request, const QueueRef& queue) {
  const ConnectRefusal refusal = check_io_connect(request);
  if (!refusal.status.ok()) return shard_.answer_connect(queue, {refusal, ref_}, request.qid);
  QueueSlot& slot = queues_[request.qid];
  if (slot.in_use) return wait_for_queue(slot, request, queue);
  slot.in_use = true;
  slot.told_to_close = false;
  slot.queue = queue;
  ++queues_in_use_;
  shard_.answer_connect(queue, {refusal, ref_}, request.qid);
}

void Controller::wait_for_queue(QueueSlot& slot, const ConnectRequest& request, const QueueRef& queue) {
  if (slot.waiting != nullptr) {  // one may wait
    return shard_.answer_connect(queue, {{nvme::status::command_sequence_error}, ref_}, request.qid);
  }
  slot.waiting = std::make_unique<WaitingConnect>(*this, request, queue);
}

void Controller::on_queue_gone(uint16_t qid, uint64_t token) {
  QueueSlot& slot = queues_.at(qid);
  BALLAST_ASSERT(slot.in_use);
  BALLAST_ASSERT(slot.queue.token == token);
  slot.in_use = false;
  --queues_in_use_;
  if (const auto waiting = std::move(slot.waiting)) connect_io_queue(waiting->request, waiting->queue);
  advance();
}

const QueueRef* Controller::find_queue(uint16_t qid) const {
  if (qid >= queues_.size() || !queues_[qid].in_use) return nullptr;
  return &queues_[qid].queue;
}

// A queue whose Connect has been granted but not answered yet gets this after the answer: messages keep their
// order.
void Controller::close_io_queues() {
  for (QueueSlot& slot : queues_) {
    if (!slot.in_use || slot.told_to_close) continue;
    slot.told_to_close = true;
    shard_.send(slot.queue.shard, [token = slot.queue.token](TargetShard& shard) {
      if (IoQueue* const queue = shard.find_io_queue(token)) queue->close();
    });
  }
}

}  // namespace ballast::target
