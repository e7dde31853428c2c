// A file device as one reactor sees it. Reads, writes and flushes are one file operation each, kept in
// Io::layer_scratch, so any number can be in flight; what takes several steps is a FileTask.
#pragma once

#include <cstdint>
#include <memory>

#include "base/object_pool.h"
#include "bdev/bdev.h"
#include "bdev/file/file_device.h"
#include "bdev/file/file_task.h"
#include "bdev/range_lock.h"
#include "reactor/reactor.h"

namespace ballast::bdev {

class FileChannel final : public Channel {
 public:
  // `device` must outlive the channel.
  FileChannel(Reactor& reactor, FileDevice& device);
  ~FileChannel() override;

  void submit(Io& io) override;

 private:
  friend class FileTask;
  // In Io::layer_scratch. `place` is first: the gate's.
  struct Scratch {
    RangeLockShard::Place place;
    FileTask* task;  // null: the Io is its own file operation
    FileOp op;
    Segment slice;
  };
  static_assert(sizeof(Scratch) <= sizeof(Io::layer_scratch));
  static Scratch& scratch_of(Io& io) { return *reinterpret_cast<Scratch*>(io.layer_scratch); }
  static Io& io_of(FileOp& op);

  bool needs_task(const Io& io) const;
  void start_flush(Io& io);
  static void flush_done(FileOp& op, int64_t result);
  void start_transfer(Io& io);
  void submit_transfer(Io& io);
  static void transfer_done(FileOp& op, int64_t result);
  void finish_transfer(Io& io, Status status);
  static void resume(Io& io);  // the gate has let it in

  void start_task(Io& io);
  void enter_task(Io& io);
  // The Io is answered with `status`; its task goes to the next in line.
  void finish_task(Io& io, Status status);

  Reactor& reactor_;
  FileDevice& device_;
  RangeLockShard& gate_;
  // More tasks at a time would not make a disk faster; what comes on top waits in line, and a waiting Io is
  // not in the gate, so no lock can be waiting for it.
  static constexpr size_t k_tasks_max = 16;
  ObjectPool<FileTask> tasks_;
  RangeLockShard::Places waiting_for_task_;
  // A buffer per task, of the channel's own and touched only when used. Taking them from the reactor's arena
  // could deadlock: compares hold arena buffers with the host's data while they wait for one to read into.
  Segment task_memory_;
};

}  // namespace ballast::bdev
