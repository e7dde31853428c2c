#include "tools/fio/client.h"

#include <algorithm>
#include <bit>
#include <cerrno>

#include "base/log.h"
#include "initiator/commands.h"
#include "tools/fio/status_errno.h"

namespace ballast::fio {
namespace {

constexpr char k_room[] = "fio";
// The reactor's time is that of its last turn. When fio slept longer than this it is brought up to date
// before a request is stamped with it, or the request would look old at once.
constexpr uint64_t k_stale_ns = k_ns_per_s;

const char* operation_text(uint8_t opcode) {
  switch (static_cast<nvme::NvmOpcode>(opcode)) {
    case nvme::NvmOpcode::read: return "read";
    case nvme::NvmOpcode::write: return "write";
    case nvme::NvmOpcode::flush: return "flush";
    case nvme::NvmOpcode::dataset_management: return "trim";
    default: return "command";
  }
}

}  // namespace

Client::Request& Client::attach(uint32_t index, void* owner) {
  BALLAST_ASSERT(index < options_.queue_depth);
  Request& request = requests_[index];
  request.client = this;
  request.owner = owner;
  request.io.context = &request;
  request.io.done = [](initiator::IoRequest& io, nvme::Completion completion) {
    Request& ended = *static_cast<Request*>(io.context);
    ended.client->on_done(ended, completion.status());
  };
  return request;
}

int Client::submit(Request& request, Operation operation, uint64_t offset, void* data,
                   uint64_t length_bytes) {
  const uint32_t block_bytes = volume_.block_bytes;  // a power of two
  const auto shift = static_cast<uint32_t>(std::countr_zero(block_bytes));
  const uint64_t blocks_count = length_bytes >> shift;
  const bool has_range = operation != BALLAST_FIO_FLUSH;
  if (has_range && (((offset | length_bytes) & (block_bytes - 1)) != 0 || blocks_count == 0)) return EINVAL;

  nvme::Command& command = request.io.host.command;
  command = {};
  command.nsid = options_.nsid;
  request.io.host.data = {};
  switch (operation) {
    case BALLAST_FIO_READ:
    case BALLAST_FIO_WRITE:
      if (length_bytes > volume_.transfer_bytes_max) return EINVAL;
      command.opcode = static_cast<uint8_t>(operation == BALLAST_FIO_READ ? nvme::NvmOpcode::read
                                                                          : nvme::NvmOpcode::write);
      nvme::set_blocks(command, offset >> shift, static_cast<uint32_t>(blocks_count));
      request.segment = {static_cast<uint8_t*>(data), length_bytes};
      request.io.host.data = {&request.segment, 1};
      break;
    case BALLAST_FIO_FLUSH: command.opcode = static_cast<uint8_t>(nvme::NvmOpcode::flush); break;
    case BALLAST_FIO_DEALLOCATE:
      if (blocks_count > UINT32_MAX) return EINVAL;
      command.opcode = static_cast<uint8_t>(nvme::NvmOpcode::dataset_management);
      command.cdw11 = nvme::k_dataset_deallocate;
      request.range.blocks_count = static_cast<uint32_t>(blocks_count);
      request.range.lba = offset >> shift;
      request.segment = {reinterpret_cast<uint8_t*>(&request.range), sizeof(request.range)};
      request.io.host.data = {&request.segment, 1};
      break;
    default: return EINVAL;
  }

  if (held_back_count_ == k_held_back_max) turn();
  if (in_flight_count_ == 0 && clock_.now_ns() - reactor_->now_ns() > k_stale_ns) turn();
  ++in_flight_count_;
  if (!queue_->submit(request.io)) {  // may finish it from inside
    --in_flight_count_;
    return k_full;
  }
  held_back_[held_back_count_++] = request.owner;
  return 0;
}

// They leave with the turn that follows.
void Client::release_held() {
  if (held_back_count_ != 0 && options_.on_send != nullptr) {
    options_.on_send(options_.context, held_back_.data(), held_back_count_);
  }
  held_back_count_ = 0;
}

void Client::turn() {
  release_held();
  reactor_->turn();
}

void Client::send_held() {
  if (held_back_count_ != 0) turn();
}

uint32_t Client::collect(uint32_t min, uint32_t max) {
  first_ += taken_count_;
  taken_count_ = 0;
  min = std::min(min, finished_count() + in_flight_count_);
  if (finished_count() < min) {
    wait_for_finished(min);
  } else if (finished_count() == 0) {
    turn();
  }
  taken_count_ = std::min(finished_count(), max);
  return taken_count_;
}

void Client::wait_for_finished(uint32_t count) {
  release_held();
  reactor_->run_until([this, count] { return finished_count() >= count || gives_up_; });
  if (finished_count() >= count) return;
  log(LogLevel::warning, k_room, "stopped while the target is away: %u I/Os are given up", in_flight_count_);
  close();
}

void Client::on_done(Request& request, nvme::Status status) {
  --in_flight_count_;
  request.error = errno_of(status);
  if (request.error != 0) [[unlikely]] {
    report(request, status);
  }
  finished_[last_++ & finished_mask_] = &request;
}

void Client::report(const Request& request, nvme::Status status) {
  const auto same = [status](nvme::Status other) { return other.is(status); };
  if (reported_.size() == k_reported_max || std::any_of(reported_.begin(), reported_.end(), same)) return;
  reported_.push_back(status);
  log(LogLevel::error, k_room, "%s of namespace %u: %s", operation_text(request.io.host.command.opcode),
      options_.nsid, initiator::describe("status", status).c_str());
}

}  // namespace ballast::fio
