// Fused Compare and Write: the first half is held until the second follows it on the same queue, both fetch
// their data, and the device does them as one compare_and_write. NVMe Base Specification 2.1, "Fused
// Operations". Part of IoDispatch.
#include "base/assert.h"
#include "target/io_context.h"
#include "target/io_dispatch.h"

namespace ballast::target {

// Looks at where a command stands to the one before it. False: it has been answered.
bool IoDispatch::take_fused(IoContext& context) {
  const nvme::Command& command = context.request.command;
  const bool first_failed = first_failed_;
  first_failed_ = false;
  if (command.fuse() != nvme::k_fuse_second) {
    if (first_ != nullptr) drop_first(nvme::status::aborted_missing_fused);
    return true;
  }
  if (first_ == nullptr) {
    reply(context, first_failed ? nvme::status::aborted_failed_fused : nvme::status::aborted_missing_fused);
    return false;
  }
  if (command.opcode == static_cast<uint8_t>(nvme::NvmOpcode::write)) return true;
  // Something else stands where the second half should: check_io_command() will say what is wrong with it.
  drop_first(nvme::status::aborted_missing_fused);
  return true;
}

// Ends a first half without a partner. Its data may be on the way still: then it ends when that has arrived.
void IoDispatch::drop_first(nvme::Status status) {
  IoContext& first = *first_;
  first_ = nullptr;
  end_half(first, status);
}

// Base 2.1, "Fused Operations": the LBA ranges of both halves shall be the same.
bool IoDispatch::pair_up(IoContext& second) {
  IoContext& first = *first_;
  first_ = nullptr;
  if (first.command.nsid != second.command.nsid || first.generation != second.generation ||
      first.command.lba != second.command.lba || first.command.blocks_count != second.command.blocks_count) {
    end_half(first, nvme::status::invalid_field.with_dnr());
    reply(second, nvme::status::invalid_field.with_dnr());
    return false;
  }
  first.partner = &second;
  second.partner = &first;
  return true;
}

// One half has its data.
void IoDispatch::hold(IoContext& context) {
  context.stage = IoContext::Stage::holding;
  if (context.partner == nullptr || context.partner->stage != IoContext::Stage::holding) return;
  const bool is_second = context.request.command.fuse() == nvme::k_fuse_second;
  execute_pair(is_second ? context : *context.partner);
}

// Answers `context`, any command, with an error before it has reached a device; takes its other half along.
void IoDispatch::fail_half(IoContext& context, nvme::Status status) {
  IoContext* const partner = context.partner;
  context.partner = nullptr;
  if (partner != nullptr) {
    partner->partner = nullptr;
    reply(context, status);
    return end_half(*partner, nvme::status::aborted_failed_fused);
  }
  const uint8_t fuse = context.request.command.fuse();
  if (fuse == nvme::k_fuse_first) {
    if (first_ == &context) first_ = nullptr;
    first_failed_ = true;
  }
  // A second half that fails its own checks has a first half waiting, but is no pair with it yet.
  if (fuse == nvme::k_fuse_second && first_ != nullptr) drop_first(nvme::status::aborted_failed_fused);
  reply(context, status);
}

void IoDispatch::end_half(IoContext& context, nvme::Status status) {
  BALLAST_ASSERT(context.partner == nullptr);
  if (context.stage == IoContext::Stage::holding || context.request.qpair->try_withdraw(context.request)) {
    return reply(context, status);
  }
  context.doomed = status;  // on_fetched() will come
}

void IoDispatch::execute_pair(IoContext& second) {
  IoContext& first = *second.partner;
  if (const nvme::Status entered = enter_namespace(second); !entered.ok()) {
    first.partner = second.partner = nullptr;
    reply(first, entered);
    return reply(second, nvme::status::aborted_failed_fused);
  }
  first.stage = second.stage = IoContext::Stage::device;
  second.io.fua = second.command.fua;
  second.io.association = origin_.association;
  second.io.context = &second;
  second.io.done = device_done;
  submit_next(second);
}

// A failed compare is the first half's failure alone. What else a device reports may concern either half, so
// both are told.
void IoDispatch::finish_pair(IoContext& second, bdev::Status status) {
  IoContext& first = *second.partner;
  first.partner = second.partner = nullptr;
  const nvme::Status answer = status_of(second, status);
  reply(first, answer);
  reply(second, status == bdev::Status::compare_mismatch ? nvme::status::aborted_failed_fused : answer);
}

}  // namespace ballast::target
