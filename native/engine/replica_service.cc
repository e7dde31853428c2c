#include "engine/replica_service.h"

#include <memory>
#include <utility>

#include "base/log.h"
#include "bdev/mirror/replica_command.h"

namespace ballast::engine {
namespace {

using bdev::Status;
using bdev::mirror::Refusal;

bdev::mirror::CommandWords words_of(const nvme::Command& command) {
  return {.opcode = static_cast<bdev::mirror::ReplicaOpcode>(command.opcode),
          .cdw10 = command.cdw10,
          .cdw11 = command.cdw11,
          .cdw12 = command.cdw12,
          .cdw13 = command.cdw13};
}

nvme::Status status_of_refusal(Refusal refusal) {
  return nvme::make_status(nvme::StatusCodeType::vendor, bdev::mirror::status_code_of(refusal)).with_dnr();
}

// Of a command. A device is at fault in what is not listed: the head treats the member as failed.
nvme::Status status_of_command(Status status, Refusal refusal) {
  if (refusal != Refusal::none) return status_of_refusal(refusal);
  switch (status) {
    case Status::ok: return nvme::status::success;
    case Status::invalid:
    case Status::out_of_range: return nvme::status::invalid_field.with_dnr();
    case Status::unsupported: return nvme::status::invalid_opcode.with_dnr();
    case Status::media_error: return nvme::status::unrecovered_read_error;
    case Status::busy: return nvme::status::namespace_not_ready;
    case Status::no_space: return nvme::status::capacity_exceeded.with_dnr();
    default: return nvme::status::internal_error;
  }
}

// A command from the admin queue's reactor to the replica's home and back. Allocated: no I/O comes this way,
// and a queue has so many commands at most.
struct Work {
  bdev::mirror::ReplicaOrder order;
  std::function<void(nvme::Status)> answer;
  Reactor* reactor = nullptr;
};

void work_done(bdev::mirror::ReplicaOrder& order, Status status, Refusal refusal) {
  Work* const work = static_cast<Work*>(order.context);
  send_task(*work->reactor, [work, answered = status_of_command(status, refusal)] {
    const std::unique_ptr<Work> owned(work);
    owned->answer(answered);
  });
}

}  // namespace

bool ReplicaService::has_opcode(uint8_t opcode) const {
  return bdev::mirror::replica_opcode(opcode).has_value();
}

target::SubsystemExtension::Transfer ReplicaService::transfer_of(const nvme::Command& command) const {
  const auto transfer = bdev::mirror::transfer_of(words_of(command));
  const bool is_clear = command.nsid == 0 && command.cdw14 == 0 && command.cdw15 == 0;
  if (!transfer || !is_clear) return {nvme::status::invalid_field.with_dnr()};
  return {nvme::status::success, transfer->request_bytes + transfer->answer_bytes};
}

nvme::Status ReplicaService::fenced_status(uint8_t refusal) const {
  const auto known = static_cast<Refusal>(refusal);
  return status_of_refusal(known == Refusal::none ? Refusal::fenced : known);
}

void ReplicaService::execute(target::ExtensionCommand command) {
  const bdev::mirror::CommandWords words = words_of(command.command);
  const auto transfer = bdev::mirror::transfer_of(words);
  BALLAST_ASSERT(transfer.has_value());
  Work* const work = new Work;
  work->answer = std::move(command.answer);
  work->reactor = Reactor::current();
  work->order.association = command.association;
  work->order.command =
      bdev::mirror::replica_command(words, ByteSpan(command.data).first(transfer->request_bytes),
                                    command.data.first(transfer->answer_bytes));
  work->order.done = work_done;
  work->order.context = work;
  send_task(replica_.home(), [this, work] { replica_.command(work->order); });
}

void ReplicaService::on_controller_began(uint64_t association, std::function<void()> drop) {
  send_task(replica_.home(), [this, association, drop = std::move(drop)] {
    if (replica_.open_association(association, drop)) return;
    log(LogLevel::warning, "engine", "replica %s: has all the associations that it can have",
        replica_.uuid().text().c_str());
    drop();
  });
}

void ReplicaService::on_controller_ended(uint64_t association) {
  send_task(replica_.home(), [this, association] { replica_.close_association(association); });
}

}  // namespace ballast::engine
