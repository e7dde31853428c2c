#include "target/io_dispatch.h"

#include <algorithm>

#include "base/assert.h"
#include "target/io_context.h"

namespace ballast::target {

using transport::Request;

namespace {

bool belongs_in_error_log(nvme::Status status) {
  return !status.ok() && !status.is(nvme::status::compare_failure) &&
         !status.is(nvme::status::abort_requested) && !status.is(nvme::status::aborted_sq_deletion) &&
         !status.is(nvme::status::aborted_failed_fused) && !status.is(nvme::status::aborted_missing_fused);
}

}  // namespace

IoDispatch::IoDispatch(Reactor& reactor, NamespaceTable& namespaces, LatencyRecorder& latencies,
                       IoErrorObserver& errors, const IoOrigin& origin)
    : reactor_(reactor), namespaces_(namespaces), latencies_(latencies), errors_(errors), origin_(origin) {}

IoDispatch::~IoDispatch() { BALLAST_ASSERT(in_flight_ == 0); }

void IoDispatch::on_request(Request& request) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  ++in_flight_;
  IoContext& context = *new (request.observer_state.data()) IoContext(*this, request);
  context.received_ns = reactor_.now_ns();
  if (closed_) return reply(context, nvme::status::aborted_sq_deletion);
  if (!take_fused(context)) return;
  const nvme::Status checked =
      check_io_command(request.command, request.sgl_length_bytes, namespaces_, context.command);
  if (NamespaceShard* const shard = namespaces_.find(request.command.nsid); shard != nullptr) {
    context.generation = shard->generation();
    context.in_flight = true;
    IoCounters::add(shard->counters().in_flight, 1);
  }
  if (!checked.ok()) return fail_half(context, checked);
  if (request.command.fuse() == nvme::k_fuse_first) first_ = &context;
  if (request.command.fuse() == nvme::k_fuse_second && !pair_up(context)) return;
  start(context);
}

void IoDispatch::start(IoContext& context) {
  if (context.command.opcode == nvme::NvmOpcode::read) return start_read(context);
  if (!context.command.takes_host_data()) return execute(context);
  context.stage = IoContext::Stage::fetching;
  context.request.qpair->fetch(context.request, context.command.data_bytes, data_use(context));
}

// A plain write goes to its device from inside on_fetched(), in one piece.
transport::DataUse IoDispatch::data_use(const IoContext& context) {
  const bool is_plain_write =
      context.command.opcode == nvme::NvmOpcode::write && context.request.command.fuse() == nvme::k_fuse_none;
  NamespaceShard* const shard = is_plain_write ? namespaces_.find(context.command.nsid) : nullptr;
  const bool is_brief = shard != nullptr && shard->channel().takes_data_at_submit();
  return is_brief ? transport::DataUse::until_on_fetched_returns : transport::DataUse::until_released;
}

// Straight from where the data lies if the device allows it, else through a buffer.
void IoDispatch::start_read(IoContext& context) {
  const IoCommand& command = context.command;
  if (const nvme::Status entered = enter_namespace(context); !entered.ok()) return reply(context, entered);
  NamespaceShard& shard = *context.shard;
  const bool behind_cache = command.fua && shard.capabilities().volatile_write_cache;
  if (!behind_cache) context.segments[0] = shard.channel().map_read(command.lba, command.blocks_count);
  if (context.segments[0].base != nullptr) {
    context.mapped = true;
    context.io.type = bdev::IoType::read;
    count(context, bdev::Status::ok);
    context.stage = IoContext::Stage::replying;
    answered(context, nvme::status::success);
    return context.request.qpair->reply(context.request, {}, {context.segments, 1}, true);
  }
  leave_namespace(context);
  context.stage = IoContext::Stage::waiting_buffer;
  context.request.qpair->alloc_reply_buffer(context.request, command.data_bytes);
}

void IoDispatch::on_buffer(Request& request) {
  IoContext& context = IoContext::of(request);
  if (closed_ || request.data.base == nullptr) return reply(context, nvme::status::aborted_sq_deletion);
  execute(context);
}

void IoDispatch::on_fetched(Request& request, nvme::Status status) {
  IoContext& context = IoContext::of(request);
  if (!context.doomed.ok()) return reply(context, context.doomed);
  if (closed_) return fail_half(context, nvme::status::aborted_sq_deletion);
  if (!status.ok()) return fail_half(context, status);
  if (request.command.fuse() != nvme::k_fuse_none) return hold(context);
  execute(context);
}

void IoDispatch::on_released(Request& request) {
  IoContext& context = IoContext::of(request);
  BALLAST_ASSERT(context.stage == IoContext::Stage::replying);
  if (context.mapped) {
    context.shard->channel().unmap_read(context.segments[0]);
    leave_namespace(context);
  }
  BALLAST_ASSERT(context.shard == nullptr);
  context.~IoContext();
  BALLAST_ASSERT(in_flight_ > 0);
  --in_flight_;
}

bool IoDispatch::try_abort(Request& request) {
  IoContext& context = IoContext::of(request);
  switch (context.stage) {
    case IoContext::Stage::fetching:
    case IoContext::Stage::waiting_buffer:
      if (!context.doomed.ok() || !request.qpair->try_withdraw(request)) return false;
      break;
    case IoContext::Stage::holding: break;
    case IoContext::Stage::device:
    case IoContext::Stage::replying: return false;
  }
  fail_half(context, nvme::status::abort_requested);
  return true;
}

void IoDispatch::close() {
  closed_ = true;
  if (first_ != nullptr && first_->stage == IoContext::Stage::holding) {
    drop_first(nvme::status::aborted_sq_deletion);
  }
}

// The namespace is still the one that the command was checked against, and still allows it.
nvme::Status IoDispatch::enter_namespace(IoContext& context) {
  BALLAST_ASSERT(context.shard == nullptr);
  NamespaceShard* const shard = namespaces_.find(context.command.nsid);
  if (shard == nullptr || shard->generation() != context.generation) {
    return nvme::status::invalid_namespace_or_format.with_dnr();
  }
  if (const nvme::Status state = check_namespace_state(context.command, *shard); !state.ok()) return state;
  if (!shard->try_enter()) return nvme::status::invalid_namespace_or_format.with_dnr();
  context.shard = shard;
  return nvme::status::success;
}

void IoDispatch::leave_namespace(IoContext& context) {
  NamespaceShard* const shard = context.shard;
  context.shard = nullptr;
  shard->leave();
}

// Counts are of the namespace that the command was for; where that has gone, so have they.
void IoDispatch::answered(IoContext& context, nvme::Status status) {
  if (!context.in_flight) return;
  NamespaceShard* const shard = namespaces_.find(context.request.command.nsid);
  if (shard == nullptr || shard->generation() != context.generation) return;
  IoCounters::add(shard->counters().in_flight, uint64_t{0} - 1);
  if (!belongs_in_error_log(status)) return;
  const auto type = std::min<size_t>(static_cast<size_t>(status.type()), k_error_types_count - 1);
  IoCounters::add(shard->counters().error_types[type], 1);
}

// The last thing done with a command here: on_released() may come from inside, and the dispatch may end.
void IoDispatch::reply(IoContext& context, nvme::Status status) {
  BALLAST_ASSERT(context.shard == nullptr);
  context.stage = IoContext::Stage::replying;
  answered(context, status);
  if (belongs_in_error_log(status)) errors_.on_io_error(context.request.command, status);
  nvme::Completion completion;
  completion.set_status(status);
  const bool has_data = status.ok() && context.command.opcode == nvme::NvmOpcode::read;
  if (!has_data) return context.request.qpair->reply(context.request, completion);
  context.request.qpair->reply(context.request, completion, {context.segments, 1});
}

}  // namespace ballast::target
