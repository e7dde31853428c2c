// An encrypted device as one reactor sees it. Flush and verify go down as they are; everything else is a
// CryptTask, of which there is a fixed number: what finds none waits in line.
#pragma once

#include <memory>

#include "base/object_pool.h"
#include "bdev/bdev.h"
#include "bdev/crypt/crypt_device.h"
#include "bdev/crypt/crypt_task.h"
#include "bdev/crypt/xts_cipher.h"
#include "bdev/range_lock.h"
#include "reactor/reactor.h"

namespace ballast::bdev {

class CryptChannel final : public Channel {
 public:
  // `device` must outlive the channel.
  CryptChannel(Reactor& reactor, const CryptDevice& device);
  ~CryptChannel() override;

  void submit(Io& io) override;

 private:
  friend class CryptTask;
  // In Io::layer_scratch. `place` is first: the gate's.
  struct Scratch {
    RangeLockShard::Place place;
    CryptTask* task;
  };
  static_assert(sizeof(Scratch) <= sizeof(Io::layer_scratch));
  static Scratch& scratch_of(Io& io) { return *reinterpret_cast<Scratch*>(io.layer_scratch); }

  void start(Io& io, CryptTask& task);
  static void resume(Io& io);  // the gate has let it in
  // The Io is answered with `status`; its task is free.
  void finish_task(Io& io, Status status);
  void start_waiting();

  Reactor& reactor_;
  const CryptDevice& device_;
  std::unique_ptr<Channel> below_;
  std::unique_ptr<XtsCipher> cipher_;  // null: no memory for it; every I/O is busy
  RangeLockShard& gate_;
  // 32 reads or writes of 4 KiB in flight are more than a core can encrypt in the time a disk takes for one.
  // Waiting I/O is not in the gate, so no lock can be waiting for it.
  static constexpr size_t k_tasks_max = 32;
  ObjectPool<CryptTask> tasks_;
  RangeLockShard::Places waiting_for_task_;
  bool starting_waiting_ = false;
  // A buffer per task for ciphertext, 4 MiB of addresses of which only what is used becomes memory. Of the
  // channel's own: the arena's buffers hold the data of those who wait for one here, so enough of them would
  // wait for each other for ever.
  Segment task_memory_;
};

}  // namespace ballast::bdev
