#include "initiator/remote_channel.h"

#include <algorithm>
#include <new>

namespace ballast::initiator {
namespace {

constexpr uint32_t k_blocks_per_command_max = 65536;  // NLB has 16 bits and counts from 0
constexpr uint64_t k_room_retry_ns = k_ns_per_ms;

nvme::NvmOpcode opcode_of(bdev::IoType type) {
  switch (type) {
    case bdev::IoType::read: return nvme::NvmOpcode::read;
    case bdev::IoType::write: return nvme::NvmOpcode::write;
    case bdev::IoType::write_zeroes: return nvme::NvmOpcode::write_zeroes;
    case bdev::IoType::unmap: return nvme::NvmOpcode::dataset_management;
    default: return nvme::NvmOpcode::flush;
  }
}

// Statuses that say "not now": of the path, or of a target that is starting or stopping. Our own end of the
// path (3/70h) is not among them: it comes when the controller has ended.
bool is_worth_another_try(nvme::Status status) {
  if (status.do_not_retry() || status.is(nvme::status::host_pathing_error)) return false;
  return status.type() == nvme::StatusCodeType::path || status.is(nvme::status::namespace_not_ready) ||
         status.is(nvme::status::abort_requested) || status.is(nvme::status::aborted_sq_deletion);
}

}  // namespace

bdev::Status status_of(nvme::Status status) {
  struct Row {
    nvme::Status from;
    bdev::Status to;
  };
  static constexpr Row k_rows[] = {
      {nvme::status::lba_out_of_range, bdev::Status::out_of_range},
      {nvme::status::invalid_field, bdev::Status::invalid},
      {nvme::status::invalid_opcode, bdev::Status::unsupported},
      {nvme::status::namespace_write_protected, bdev::Status::read_only},
      {nvme::status::write_fault, bdev::Status::media_error},
      {nvme::status::unrecovered_read_error, bdev::Status::media_error},
      {nvme::status::capacity_exceeded, bdev::Status::no_space},
      {nvme::status::abort_requested, bdev::Status::aborted},
      {nvme::status::aborted_sq_deletion, bdev::Status::aborted},
      {nvme::status::reservation_conflict, bdev::Status::fenced},
      {nvme::status::ana_inaccessible, bdev::Status::fenced},
      {nvme::status::ana_persistent_loss, bdev::Status::fenced},
      {nvme::status::namespace_not_ready, bdev::Status::busy},
  };
  if (status.ok()) return bdev::Status::ok;
  for (const Row& row : k_rows) {
    if (status.is(row.from)) return row.to;
  }
  return bdev::Status::io_error;
}

RemoteChannel::Command::Command()
    : retry(
          [](Timer&, void* context) {
            auto* const self = static_cast<Command*>(context);
            self->channel->resend(*self);
          },
          this) {}

RemoteChannel::RemoteChannel(IoQueue& queue, const RemoteNamespace& remote)
    : queue_(queue),
      reactor_(queue.reactor()),
      remote_(remote),
      commands_(queue.queue_entries()),
      room_([](Timer&, void* context) { static_cast<RemoteChannel*>(context)->pump(); }, this) {
  for (size_t i = 0; i < commands_.size(); ++i) {
    Command& command = commands_.at(i);
    command.channel = this;
    command.request.context = &command;
    command.request.done = &RemoteChannel::command_done;
  }
}

RemoteChannel::~RemoteChannel() {
  BALLAST_ASSERT(waiting_.empty());
  reactor_.cancel(room_);
}

RemoteChannel::Progress& RemoteChannel::progress_of(bdev::Io& io) {
  static_assert(sizeof(Progress) <= sizeof(io.layer_scratch));
  return *std::launder(reinterpret_cast<Progress*>(io.layer_scratch));
}

void RemoteChannel::submit(bdev::Io& io) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  if (io.type != bdev::IoType::flush && !remote_.geometry.contains(io.lba, io.blocks_count)) {
    return io.done(io, bdev::Status::out_of_range);
  }
  Progress& progress = *new (io.layer_scratch) Progress;
  progress.io = &io;
  progress.next_lba = io.lba;
  progress.blocks_left = io.blocks_count;
  waiting_.push_back(progress);
  pump();
}

// A command may be answered from inside submit(): the loop, not the recursion, goes on.
void RemoteChannel::pump() {
  if (pumping_) return;
  pumping_ = true;
  while (Progress* const progress = waiting_.front()) {
    Command* const command = commands_.try_acquire();
    if (command == nullptr) break;
    if (send_next(*progress, *command)) continue;
    commands_.release(*command);
    reactor_.arm(room_, k_room_retry_ns);
    break;
  }
  pumping_ = false;
}

// False if the queue takes no more now; then nothing has changed.
bool RemoteChannel::send_next(Progress& progress, Command& command) {
  const uint64_t next_lba = progress.next_lba;
  const uint32_t blocks_left = progress.blocks_left;
  const uint32_t segment = progress.segment;
  const uint32_t segment_offset = progress.segment_offset;
  bdev::Io& io = *progress.io;
  command.io = &io;
  command.retries = 0;
  command.request.host.command = {};
  command.request.host.data = {};
  command.request.host.command.opcode = static_cast<uint8_t>(opcode_of(io.type));
  command.request.host.command.nsid = remote_.nsid;
  bool possible = true;
  switch (io.type) {
    case bdev::IoType::read:
    case bdev::IoType::write: possible = fill_transfer(progress, command); break;
    case bdev::IoType::write_zeroes:
    case bdev::IoType::unmap: fill_range(progress, command); break;
    case bdev::IoType::flush: break;
    default: possible = false;
  }
  ++progress.in_flight;
  if (progress.blocks_left == 0 || !possible) {
    progress.is_sent = true;
    waiting_.remove(progress);
  }
  if (!possible) {
    finish_piece(command, bdev::Status::unsupported);
    return true;
  }
  if (queue_.submit(command.request)) return true;  // may be done already, and the Io gone
  if (progress.is_sent) waiting_.push_front(progress);
  progress.next_lba = next_lba;
  progress.blocks_left = blocks_left;
  progress.segment = segment;
  progress.segment_offset = segment_offset;
  progress.is_sent = false;
  --progress.in_flight;
  return false;
}

// As many blocks as fit a command: its largest transfer, and its pieces of memory. False if not one does.
bool RemoteChannel::fill_transfer(Progress& progress, Command& command) {
  bdev::Io& io = *progress.io;
  const uint32_t block_bytes = remote_.geometry.block_size_bytes;
  uint64_t wanted = uint64_t{std::min(progress.blocks_left, remote_.blocks_per_transfer)} * block_bytes;
  uint64_t bytes = 0;
  uint64_t whole_bytes = 0;  // of whole blocks
  size_t count = 0;
  uint32_t segment = progress.segment;
  uint64_t offset = progress.segment_offset;
  while (bytes < wanted && count < k_segments_max) {
    BALLAST_ASSERT(segment < io.data.size());
    const Segment& from = io.data[segment];
    const uint64_t piece = std::min<uint64_t>(from.size_bytes - offset, wanted - bytes);
    command.segments[count++] = {from.base + offset, static_cast<size_t>(piece)};
    bytes += piece;
    offset += piece;
    if (offset == from.size_bytes) {
      ++segment;
      offset = 0;
    }
    if (bytes % block_bytes == 0) {
      whole_bytes = bytes;
      progress.segment = segment;
      progress.segment_offset = static_cast<uint32_t>(offset);
    }
  }
  if (whole_bytes == 0) return false;
  for (uint64_t at = 0, i = 0; i < count; at += command.segments[i++].size_bytes) {
    if (at >= whole_bytes) count = i;  // what is behind the last whole block comes with the next command
  }
  const auto blocks = static_cast<uint32_t>(whole_bytes / block_bytes);
  nvme::set_blocks(command.request.host.command, progress.next_lba, blocks);
  if (io.fua) command.request.host.command.cdw12 |= nvme::k_cdw12_force_unit_access;
  command.request.host.data = {command.segments, count};
  progress.next_lba += blocks;
  progress.blocks_left -= blocks;
  return true;
}

void RemoteChannel::fill_range(Progress& progress, Command& command) {
  nvme::Command& host = command.request.host.command;
  uint32_t blocks = progress.blocks_left;
  if (progress.io->type == bdev::IoType::unmap) {
    command.range = {0, blocks, progress.next_lba};
    command.segments[0] = {reinterpret_cast<uint8_t*>(&command.range), sizeof(command.range)};
    command.request.host.data = {command.segments, 1};
    host.cdw10 = 0;  // one range
    host.cdw11 = nvme::k_dataset_deallocate;
  } else {
    blocks = std::min(blocks, k_blocks_per_command_max);
    nvme::set_blocks(host, progress.next_lba, blocks);
    if (progress.io->fua) host.cdw12 |= nvme::k_cdw12_force_unit_access;
  }
  progress.next_lba += blocks;
  progress.blocks_left -= blocks;
}

void RemoteChannel::command_done(IoRequest& request, nvme::Completion completion) {
  Command& command = *static_cast<Command*>(request.context);
  command.channel->on_command_done(command, completion.status());
}

void RemoteChannel::on_command_done(Command& command, nvme::Status status) {
  if (remote_.retries && is_worth_another_try(status) && command.retries < k_retries_max) [[unlikely]] {
    ++command.retries;
    reactor_.arm(command.retry, k_retry_ns);
    return;
  }
  finish_piece(command, remote_.is_fenced(status) ? bdev::Status::fenced : status_of(status));
  if (!waiting_.empty()) pump();
}

void RemoteChannel::resend(Command& command) {
  if (!queue_.submit(command.request)) reactor_.arm(command.retry, k_room_retry_ns);
}

void RemoteChannel::finish_piece(Command& command, bdev::Status status) {
  Progress& progress = progress_of(*command.io);
  commands_.release(command);
  --progress.in_flight;
  if (status != bdev::Status::ok && progress.status == bdev::Status::ok) {
    progress.status = status;
    if (!progress.is_sent) {  // the rest need not be tried
      progress.is_sent = true;
      waiting_.remove(progress);
    }
  }
  finish_if_done(progress);
}

void RemoteChannel::finish_if_done(Progress& progress) {
  if (!progress.is_sent || progress.in_flight != 0) return;
  bdev::Io& io = *progress.io;
  const bdev::Status status = progress.status;
  progress.~Progress();
  io.done(io, status);
}

}  // namespace ballast::initiator
