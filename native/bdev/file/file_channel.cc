#include "bdev/file/file_channel.h"

#include <sys/mman.h>

#include <cstddef>
#include <new>

#include "bdev/check.h"
#include "bdev/file/file_move.h"

namespace ballast::bdev {
namespace {

bool is_change(IoType type) {
  switch (type) {
    case IoType::write:
    case IoType::flush:
    case IoType::write_zeroes:
    case IoType::unmap:
    case IoType::compare_and_write:
    case IoType::copy: return true;
    case IoType::read:
    case IoType::compare:
    case IoType::verify:
    case IoType::read_allocation: return false;
  }
  return true;
}

}  // namespace

FileChannel::FileChannel(Reactor& reactor, FileDevice& device)
    : reactor_(reactor), device_(device), gate_(device.range_lock->shard(reactor)), tasks_(k_tasks_max) {
  constexpr size_t k_memory_bytes = k_tasks_max * FileTask::k_piece_bytes;
  void* const mapped =
      mmap(nullptr, k_memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped != MAP_FAILED) task_memory_ = {static_cast<uint8_t*>(mapped), k_memory_bytes};
  for (size_t i = 0; i < k_tasks_max; ++i) {
    uint8_t* const buffer =
        task_memory_.base == nullptr ? nullptr : task_memory_.base + i * FileTask::k_piece_bytes;
    tasks_.at(i).bind(*this, buffer);
  }
}

FileChannel::~FileChannel() {
  BALLAST_ASSERT(waiting_for_task_.empty());
  if (task_memory_.base != nullptr) munmap(task_memory_.base, task_memory_.size_bytes);
}

Io& FileChannel::io_of(FileOp& op) {
  return *reinterpret_cast<Io*>(reinterpret_cast<std::byte*>(&op) - offsetof(Scratch, op) -
                                offsetof(Io, layer_scratch));
}

// A read with fua from behind a cache that may hold what is not on the medium yet: the cache goes first.
bool FileChannel::needs_task(const Io& io) const {
  if (io.type == IoType::read) return io.fua && device_.capabilities.volatile_write_cache;
  return io.type != IoType::write;
}

void FileChannel::submit(Io& io) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  Status status = check_io(device_.geometry, io);
  if (status == Status::ok && is_change(io.type) && device_.poisoned.load(std::memory_order_relaxed)) {
    status = Status::io_error;
  }
  if (status != Status::ok) return io.done(io, status);
  if (io.type == IoType::flush) return start_flush(io);
  if (needs_task(io)) return start_task(io);
  start_transfer(io);
}

// ---- flush ----

void FileChannel::start_flush(Io& io) {
  if (!device_.capabilities.volatile_write_cache) return io.done(io, Status::ok);  // durable when it was done
  Scratch& scratch = *new (io.layer_scratch) Scratch;
  scratch.task = nullptr;
  scratch.op = {.kind = FileOp::Kind::sync_data,
                .file = device_.file->descriptor(),
                .done = flush_done,
                .context = this};
  reactor_.io().submit(scratch.op);
}

void FileChannel::flush_done(FileOp& op, int64_t result) {
  FileChannel& self = *static_cast<FileChannel*>(op.context);
  Io& io = io_of(op);
  if (result < 0) self.device_.poisoned.store(true, std::memory_order_relaxed);
  io.done(io, result < 0 ? Status::io_error : Status::ok);
}

// ---- read and write ----

void FileChannel::start_transfer(Io& io) {
  Scratch& scratch = *new (io.layer_scratch) Scratch;
  scratch.task = nullptr;
  FileOp::Kind kind = FileOp::Kind::read;
  if (io.type == IoType::write) {
    kind = device_.must_be_durable(io) ? FileOp::Kind::write_durable : FileOp::Kind::write;
  }
  scratch.op = {.kind = kind,
                .file = device_.file->descriptor(),
                .offset = io.lba * device_.geometry.block_size_bytes,
                .done = transfer_done,
                .context = this};
  aim(scratch.op, scratch.slice, io.data, 0);
  if (gate_.try_enter(io, resume)) reactor_.io().submit(scratch.op);
}

void FileChannel::resume(Io& io) {
  Scratch& scratch = scratch_of(io);
  if (scratch.task != nullptr) return scratch.task->start(io);
  FileChannel& self = *static_cast<FileChannel*>(scratch.op.context);
  self.reactor_.io().submit(scratch.op);
}

void FileChannel::transfer_done(FileOp& op, int64_t result) {
  FileChannel& self = *static_cast<FileChannel*>(op.context);
  Io& io = io_of(op);
  const uint32_t block_size_bytes = self.device_.geometry.block_size_bytes;
  const uint64_t begin = io.lba * block_size_bytes;
  const Progress progress = progress_of(op, result, op.offset - begin, block_size_bytes);
  if (progress.status != Status::ok) return self.finish_transfer(io, progress.status);
  if (progress.moved_bytes == uint64_t{io.blocks_count} * block_size_bytes) {
    return self.finish_transfer(io, Status::ok);
  }
  op.offset = begin + progress.moved_bytes;
  aim(op, scratch_of(io).slice, io.data, progress.moved_bytes);
  self.reactor_.io().submit(op);
}

void FileChannel::finish_transfer(Io& io, Status status) {
  if (status == Status::io_error && io.type == IoType::write && device_.failed_write_poisons()) {
    device_.poisoned.store(true, std::memory_order_relaxed);
  }
  gate_.leave(io);
  io.done(io, status);
}

// ---- tasks ----

void FileChannel::start_task(Io& io) {
  Scratch& scratch = *new (io.layer_scratch) Scratch;
  if (task_memory_.base == nullptr) return io.done(io, Status::busy);
  scratch.task = tasks_.try_acquire();
  if (scratch.task == nullptr) return waiting_for_task_.push_back(scratch.place);
  enter_task(io);
}

void FileChannel::enter_task(Io& io) {
  if (io.type == IoType::compare_and_write || gate_.try_enter(io, resume)) scratch_of(io).task->start(io);
}

void FileChannel::finish_task(Io& io, Status status) {
  FileTask& task = *scratch_of(io).task;
  if (io.type != IoType::compare_and_write) gate_.leave(io);
  if (RangeLockShard::Place* const next = waiting_for_task_.pop_front(); next != nullptr) {
    Io& next_io = RangeLockShard::io_of(*next);
    scratch_of(next_io).task = &task;
    enter_task(next_io);
  } else {
    tasks_.release(task);
  }
  io.done(io, status);  // last: the submitter may end this channel
}

}  // namespace ballast::bdev
