// Abort. NVMe Base Specification 2.1, "Abort command". A command of an I/O queue is aborted on the queue's
// reactor; only what has not reached a device can be. Row N25.
#include "nvme/limits.h"
#include "target/admin_commands.h"
#include "target/controller_queue.h"

namespace ballast::target {
namespace {

// Dword 0 bit 0: the command was not aborted.
constexpr uint32_t k_not_aborted = 1;

void answer(Controller& controller, transport::Request& request, bool aborted) {
  --controller.aborts_under_way;
  controller.reply(request, nvme::status::success, aborted ? 0 : k_not_aborted);
}

// The controller is there until the Abort has been answered, however its connection fares.
void abort_on_queue(Controller& controller, transport::Request& request, const QueueRef& queue,
                    uint16_t cid) {
  const uint32_t home = controller.shard().index();
  controller.shard().send(
      queue.shard, [home, cid, token = queue.token, &controller, &request](TargetShard& shard) {
        IoQueue* const io_queue = shard.find_io_queue(token);
        const bool aborted = io_queue != nullptr && io_queue->try_abort(cid);
        shard.send(home,
                   [aborted, &controller, &request](TargetShard&) { answer(controller, request, aborted); });
      });
}

}  // namespace

void abort(Controller& controller, transport::Request& request) {
  if (controller.aborts_under_way >= nvme::k_abort_commands_max) {
    return controller.reply(request, nvme::status::abort_command_limit_exceeded);
  }
  ++controller.aborts_under_way;
  const uint16_t qid = static_cast<uint16_t>(request.command.cdw10);
  const uint16_t cid = static_cast<uint16_t>(request.command.cdw10 >> 16);
  // Of the admin commands only an Asynchronous Event Request waits long enough to be aborted.
  if (qid == 0) return answer(controller, request, controller.events().try_abort(cid));
  const QueueRef* const queue = controller.find_queue(qid);
  if (queue == nullptr) return answer(controller, request, false);
  abort_on_queue(controller, request, *queue, cid);
}

}  // namespace ballast::target
