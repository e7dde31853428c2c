#include "bdev/crypt/crypt_channel.h"

#include <sys/mman.h>

#include <new>

#include "bdev/check.h"

namespace ballast::bdev {

CryptChannel::CryptChannel(Reactor& reactor, const CryptDevice& device)
    : reactor_(reactor),
      device_(device),
      below_(device.below->open(reactor)),
      cipher_(XtsCipher::create(device.key, device.below->geometry().block_size_bytes)),
      gate_(device.range_lock->shard(reactor)),
      tasks_(k_tasks_max) {
  constexpr size_t k_memory_bytes = k_tasks_max * CryptTask::k_piece_bytes;
  void* const mapped =
      mmap(nullptr, k_memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return;
  task_memory_ = {static_cast<uint8_t*>(mapped), k_memory_bytes};
  for (size_t i = 0; i < k_tasks_max; ++i) {
    tasks_.at(i).bind(*this, task_memory_.base + i * CryptTask::k_piece_bytes);
  }
}

CryptChannel::~CryptChannel() {
  BALLAST_ASSERT(waiting_for_task_.empty());
  if (task_memory_.base != nullptr) munmap(task_memory_.base, task_memory_.size_bytes);
}

void CryptChannel::submit(Io& io) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  const Status status = check_io(device_.below->geometry(), io);
  if (status != Status::ok) return io.done(io, status);
  // No data of theirs passes: the Io itself goes down.
  const bool passes =
      io.type == IoType::flush || io.type == IoType::verify || io.type == IoType::read_allocation;
  if (passes) return below_->submit(io);
  if (cipher_ == nullptr || task_memory_.base == nullptr) return io.done(io, Status::busy);
  Scratch& scratch = *new (io.layer_scratch) Scratch;
  CryptTask* const task = waiting_for_task_.empty() ? tasks_.try_acquire() : nullptr;
  if (task == nullptr) return waiting_for_task_.push_back(scratch.place);
  start(io, *task);
}

void CryptChannel::start(Io& io, CryptTask& task) {
  scratch_of(io).task = &task;
  if (io.type == IoType::compare_and_write || gate_.try_enter(io, resume)) task.start(io);
}

void CryptChannel::resume(Io& io) { scratch_of(io).task->start(io); }

void CryptChannel::finish_task(Io& io, Status status) {
  if (io.type != IoType::compare_and_write) gate_.leave(io);
  tasks_.release(*scratch_of(io).task);
  start_waiting();
  io.done(io, status);  // last: the submitter may end this channel
}

// In a loop, not by recursion: a device below that answers within submit() ends the next one here at once.
// Whoever called this has not answered its own Io yet, so the channel stays.
void CryptChannel::start_waiting() {
  if (starting_waiting_) return;
  starting_waiting_ = true;
  while (!waiting_for_task_.empty()) {
    CryptTask* const task = tasks_.try_acquire();
    if (task == nullptr) break;
    start(RangeLockShard::io_of(*waiting_for_task_.pop_front()), *task);
  }
  starting_waiting_ = false;
}

}  // namespace ballast::bdev
