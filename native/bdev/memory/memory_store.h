// What the channels of one memory device share: the memory, the stripe locks, and who uses it. The first
// reactor to open a channel works without locks and may map reads. A second one asks it by message to start
// locking, and holds its own I/O until the first has answered, which it does when no read is mapped any more:
// mapped bytes must not be changed by another reactor. From then on every reactor locks and none maps.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "bdev/bdev.h"
#include "bdev/memory/stripe_locks.h"
#include "reactor/reactor.h"

namespace ballast::bdev {

class MemoryStore : public std::enable_shared_from_this<MemoryStore> {
 public:
  static Result<std::shared_ptr<MemoryStore>> create(uint64_t size_bytes);
  ~MemoryStore();
  MemoryStore(const MemoryStore&) = delete;
  MemoryStore& operator=(const MemoryStore&) = delete;

  uint8_t* base() { return base_; }
  StripeLocks& locks() { return locks_; }

  // On `reactor`. True: it is the first, go ahead. False: `ready` runs on it, once, when it may start.
  bool join(Reactor& reactor, std::function<void()> ready);
  // On any reactor that may start: whether it must lock.
  bool must_lock(const Reactor& reactor) const {
    return first_.load(std::memory_order_relaxed) != &reactor || shared_;
  }
  // On the first reactor only.
  bool try_pin(const Reactor& reactor);
  void unpin();

  // [offset, offset + size_bytes) reads zeroes and takes no memory; whole pages only. Under the locks.
  void give_back(uint64_t offset, uint64_t size_bytes);

 private:
  MemoryStore(uint8_t* base, uint64_t size_bytes, Segment mapping)
      : base_(base), size_bytes_(size_bytes), mapping_(mapping) {}
  void start_sharing(std::function<void()> answer);

  uint8_t* base_;
  uint64_t size_bytes_;
  Segment mapping_;  // what base_ lies in
  StripeLocks locks_;
  std::atomic<Reactor*> first_{nullptr};
  // The first reactor's alone. (Others never ask: must_lock() is true for them either way.)
  bool shared_ = false;
  uint32_t pins_count_ = 0;
  std::vector<std::function<void()>> waiting_for_pins_;
};

}  // namespace ballast::bdev
