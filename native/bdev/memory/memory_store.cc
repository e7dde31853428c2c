#include "bdev/memory/memory_store.h"

#include <sys/mman.h>

#include <utility>

namespace ballast::bdev {

Result<std::shared_ptr<MemoryStore>> MemoryStore::create(uint64_t size_bytes) {
  void* const mapped = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) {
    return Error{Errc::no_memory, "no " + std::to_string(size_bytes) + " bytes of memory to be had"};
  }
  return std::shared_ptr<MemoryStore>(new MemoryStore(static_cast<uint8_t*>(mapped), size_bytes));
}

MemoryStore::~MemoryStore() {
  BALLAST_ASSERT(pins_count_ == 0);
  munmap(base_, size_bytes_);
}

bool MemoryStore::join(Reactor& reactor, std::function<void()> ready) {
  Reactor* first = nullptr;
  if (first_.compare_exchange_strong(first, &reactor, std::memory_order_acq_rel) || first == &reactor) {
    return true;
  }
  send_task(*first, [self = shared_from_this(), &reactor, ready = std::move(ready)]() mutable {
    self->start_sharing([self, &reactor, ready = std::move(ready)]() mutable {
      // The store is kept until the answer has arrived.
      send_task(reactor, [self, ready = std::move(ready)] { ready(); });
    });
  });
  return false;
}

void MemoryStore::start_sharing(std::function<void()> answer) {
  shared_ = true;
  if (pins_count_ == 0) {
    answer();
  } else {
    waiting_for_pins_.push_back(std::move(answer));
  }
}

bool MemoryStore::try_pin(const Reactor& reactor) {
  if (must_lock(reactor)) return false;
  ++pins_count_;
  return true;
}

void MemoryStore::unpin() {
  BALLAST_ASSERT(pins_count_ > 0);
  if (--pins_count_ > 0) return;
  std::vector<std::function<void()>> waiting;
  waiting.swap(waiting_for_pins_);
  for (std::function<void()>& answer : waiting) answer();
}

void MemoryStore::give_back(uint64_t offset, uint64_t size_bytes) {
  BALLAST_ASSERT(offset + size_bytes <= size_bytes_);
  // Fails only for arguments that are wrong; then what is there must not be taken for zeroes.
  BALLAST_ASSERT(madvise(base_ + offset, size_bytes, MADV_DONTNEED) == 0);
}

}  // namespace ballast::bdev
