// I/O of a volume that takes several steps: compare, compare-and-write, copy, verify, zeroing, what is
// allocated. Coroutines over reads and writes of the volume itself; rare, so they may allocate.
#pragma once

#include "bdev/bdev.h"
#include "bdev/pool/task.h"

namespace ballast::bdev::pool {

class OpenVolume;

// The Io is in the gate, except compare_and_write, which holds its range itself.
Task<Status> do_complex(OpenVolume& volume, Io& io);

// One read or write of a volume by a coroutine that is in its gate or holds the range.
// const Status status = co_await InsideIo(volume, IoType::read, lba, blocks, segments);
class InsideIo {
 public:
  InsideIo(OpenVolume& volume, IoType type, uint64_t lba, uint32_t blocks_count,
           std::span<const Segment> data);
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter) { waiter_ = waiter; }
  Status await_resume() const { return status_; }

 private:
  OpenVolume& volume_;
  Io io_;
  std::coroutine_handle<> waiter_;
  Status status_ = Status::ok;
  bool is_done_ = false;
};

}  // namespace ballast::bdev::pool
