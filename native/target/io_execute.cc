// From a command that has its data to device I/O, in one or many pieces, and back. Part of IoDispatch.
#include <algorithm>

#include "base/assert.h"
#include "target/io_context.h"
#include "target/io_dispatch.h"
#include "target/io_limits.h"
#include "target/io_ranges.h"
#include "target/status_map.h"

namespace ballast::target {

using nvme::NvmOpcode;

namespace {

std::span<const uint8_t> host_data(const IoContext& context) {
  return {context.request.data.base, context.command.data_bytes};
}

IoKind kind_of(NvmOpcode opcode) {
  switch (opcode) {
    case NvmOpcode::read:
    case NvmOpcode::compare:
    case NvmOpcode::verify: return IoKind::read;
    case NvmOpcode::write:
    case NvmOpcode::copy:
    case NvmOpcode::write_uncorrectable: return IoKind::write;
    case NvmOpcode::flush: return IoKind::flush;
    case NvmOpcode::write_zeroes:
    case NvmOpcode::dataset_management: return IoKind::unmap;
  }
  return IoKind::read;
}

bool is_flush_of_all(const IoCommand& command) {
  return command.opcode == NvmOpcode::flush && command.nsid == k_nsid_all;
}

}  // namespace

void IoDispatch::execute(IoContext& context) {
  if (!is_flush_of_all(context.command)) {
    if (const nvme::Status entered = enter_namespace(context); !entered.ok()) return reply(context, entered);
    if (const nvme::Status ranges = prepare_ranges(context); !ranges.ok()) {
      leave_namespace(context);
      return reply(context, ranges);
    }
  }
  context.stage = IoContext::Stage::device;
  context.io.fua = context.command.fua;
  context.io.association = origin_.association;
  context.io.context = &context;
  context.io.done = device_done;
  submit_next(context);
}

nvme::Status IoDispatch::prepare_ranges(IoContext& context) {
  const IoCommand& command = context.command;
  const bdev::Geometry& geometry = context.shard->geometry();
  if (command.opcode == NvmOpcode::dataset_management) {
    return check_dataset_ranges(host_data(context), command.ranges_count, geometry);
  }
  if (command.opcode == NvmOpcode::copy) {
    return check_copy_ranges(host_data(context), command.ranges_count, command.lba, geometry);
  }
  return nvme::status::success;
}

// Submits one device I/O after the other. Those that are done inside submit() come round this loop instead of
// nesting, so a command of 256 ranges uses no more stack than one of one.
void IoDispatch::submit_next(IoContext& context) {
  while (next_io(context)) {
    // A resize may have come between two pieces.
    if (context.io.type != bdev::IoType::flush &&
        !context.shard->geometry().contains(context.io.lba, context.io.blocks_count)) {
      return finish(context, bdev::Status::out_of_range);
    }
    context.in_submit = true;
    context.done_inside = false;
    context.shard->channel().submit(context.io);
    context.in_submit = false;
    if (!context.done_inside) return;
    if (context.status != bdev::Status::ok) return finish(context, context.status);
  }
  finish(context, bdev::Status::ok);
}

void IoDispatch::device_done(bdev::Io& io, bdev::Status status) {
  IoContext& context = *static_cast<IoContext*>(io.context);
  if (context.in_submit) {
    context.done_inside = true;
    context.status = status;
    return;
  }
  if (status != bdev::Status::ok) return context.dispatch.finish(context, status);
  context.dispatch.submit_next(context);
}

// Fills context.io with the next device I/O; false when there is none.
bool IoDispatch::next_io(IoContext& context) {
  const IoCommand& command = context.command;
  switch (command.opcode) {
    case NvmOpcode::read: return next_piece(context, bdev::IoType::read);
    case NvmOpcode::write:
      return next_piece(context,
                        context.partner != nullptr ? bdev::IoType::compare_and_write : bdev::IoType::write);
    case NvmOpcode::compare: return next_piece(context, bdev::IoType::compare);
    case NvmOpcode::verify: return next_piece(context, bdev::IoType::verify);
    case NvmOpcode::write_zeroes:
      return next_piece(context, command.deallocate ? bdev::IoType::unmap : bdev::IoType::write_zeroes);
    case NvmOpcode::dataset_management: return next_dataset_range(context);
    case NvmOpcode::copy: return next_copy_range(context);
    case NvmOpcode::flush: return next_flush(context);
    case NvmOpcode::write_uncorrectable: break;
  }
  return false;
}

// The data of a transfer goes in one piece; what has no data is bounded by k_piece_bytes_max.
bool IoDispatch::next_piece(IoContext& context, bdev::IoType type) {
  const IoCommand& command = context.command;
  const uint64_t left = command.blocks_count - context.blocks_done;
  if (left == 0) return false;
  const uint64_t piece_blocks_max = k_piece_bytes_max / context.shard->geometry().block_size_bytes;
  const uint64_t blocks = command.data_bytes > 0 ? left : std::min(left, piece_blocks_max);
  context.io.type = type;
  context.io.lba = command.lba + context.blocks_done;
  context.io.blocks_count = static_cast<uint32_t>(blocks);
  context.blocks_done += blocks;
  if (command.data_bytes == 0) return true;
  const Segment own{context.request.data.base, command.data_bytes};
  if (type == bdev::IoType::compare_and_write) {
    context.segments[0] = {context.partner->request.data.base, command.data_bytes};
    context.segments[1] = own;
    context.io.data = context.segments;
  } else {
    context.segments[0] = own;
    context.io.data = {context.segments, 1};
  }
  return true;
}

// Ranges that follow each other become one: a host's trim of one file often comes so.
bool IoDispatch::next_dataset_range(IoContext& context) {
  const IoCommand& command = context.command;
  // The other attributes are hints that change nothing here; a device that cannot unmap takes this one so
  // too.
  if (!command.deallocate || !context.shard->capabilities().unmap) return false;
  uint64_t lba = 0, blocks = 0;
  for (; context.ranges_done < command.ranges_count; ++context.ranges_done) {
    const DatasetRange range = dataset_range(host_data(context), context.ranges_done);
    if (range.blocks_count == 0) continue;
    if (blocks == 0) lba = range.lba;
    if (range.lba != lba + blocks || blocks + range.blocks_count > UINT32_MAX) break;
    blocks += range.blocks_count;
  }
  context.io.type = bdev::IoType::unmap;
  context.io.lba = lba;
  context.io.blocks_count = static_cast<uint32_t>(blocks);
  return blocks > 0;
}

bool IoDispatch::next_copy_range(IoContext& context) {
  if (context.ranges_done == context.command.ranges_count) return false;
  const CopyRange range = copy_range(host_data(context), context.ranges_done++);
  context.io.type = bdev::IoType::copy;
  context.io.lba = context.command.lba + context.blocks_done;
  context.io.copy_source_lba = range.lba;
  context.io.blocks_count = range.blocks_count();
  context.blocks_done += range.blocks_count();
  return true;
}

// One namespace, or one after the other: blocks_done is the nsid that was flushed last.
bool IoDispatch::next_flush(IoContext& context) {
  const uint64_t nsid_before = context.blocks_done;
  if (is_flush_of_all(context.command)) {
    if (context.shard != nullptr) {
      count(context, bdev::Status::ok);
      leave_namespace(context);
    }
    NamespaceShard* const shard = namespaces_.next(static_cast<uint32_t>(nsid_before));
    if (shard == nullptr || !shard->try_enter()) return false;
    context.shard = shard;
  } else if (nsid_before != 0) {
    return false;
  }
  context.blocks_done = context.shard->nsid();
  context.io.type = bdev::IoType::flush;
  context.io.blocks_count = 0;
  return true;
}

void IoDispatch::finish(IoContext& context, bdev::Status status) {
  if (context.shard != nullptr) {  // null after the last of a flush of all
    count(context, status);
    leave_namespace(context);
  }
  if (context.partner != nullptr) return finish_pair(context, status);
  reply(context, status_of(context, status));
}

nvme::Status IoDispatch::status_of(const IoContext& context, bdev::Status status) const {
  if (status == bdev::Status::fenced && origin_.extension != nullptr) {
    return origin_.extension->fenced_status(context.io.refusal);
  }
  return nvme_status(status, context.io.type);
}

void IoDispatch::count(IoContext& context, bdev::Status status) {
  IoCounters& counters = context.shard->counters();
  latencies_.add(counters.latency_of(kind_of(context.command.opcode)), context.received_ns);
  if (status != bdev::Status::ok && status != bdev::Status::compare_mismatch) {
    return IoCounters::add(counters.errors, 1);
  }
  const uint64_t bytes = uint64_t{context.command.blocks_count} * context.shard->geometry().block_size_bytes;
  switch (context.command.opcode) {
    case NvmOpcode::read:
    case NvmOpcode::compare:
    case NvmOpcode::verify:
      IoCounters::add(counters.reads, 1);
      return IoCounters::add(counters.read_bytes, bytes);
    case NvmOpcode::write:
    case NvmOpcode::write_zeroes:
      IoCounters::add(counters.writes, 1);
      return IoCounters::add(counters.write_bytes, bytes);
    case NvmOpcode::copy:
      IoCounters::add(counters.writes, 1);
      return IoCounters::add(counters.write_bytes,
                             context.blocks_done * context.shard->geometry().block_size_bytes);
    case NvmOpcode::flush:
    case NvmOpcode::dataset_management:
    case NvmOpcode::write_uncorrectable: return;
  }
}

}  // namespace ballast::target
