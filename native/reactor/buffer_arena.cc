#include "reactor/buffer_arena.h"

#include <sys/mman.h>

#include <string>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define BALLAST_POISON(base, size) ASAN_POISON_MEMORY_REGION(base, size)
#define BALLAST_UNPOISON(base, size) ASAN_UNPOISON_MEMORY_REGION(base, size)
#else
#define BALLAST_POISON(base, size) static_cast<void>(0)
#define BALLAST_UNPOISON(base, size) static_cast<void>(0)
#endif

namespace ballast {
namespace {

constexpr uint8_t k_is_free = 0;

uint8_t held_for_word(BufferArena::Purpose purpose) {
  return static_cast<uint8_t>(static_cast<uint8_t>(purpose) + 1);
}

}  // namespace

Result<std::unique_ptr<BufferArena>> BufferArena::create(const BufferArenaSizes& sizes) {
  if (sizes.small_reserved_for_capsules >= sizes.small_count ||
      sizes.large_reserved_for_capsules >= sizes.large_count) {
    return Error{Errc::invalid_argument, "the buffers kept for capsules must be fewer than all buffers"};
  }
  const size_t size_bytes = sizes.small_count * BufferArenaSizes::k_small_bytes +
                            sizes.large_count * BufferArenaSizes::k_large_bytes;
  // Touched page by page as buffers are used: an idle target holds address space, not memory.
  void* const base =
      mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    return Error{Errc::no_memory, "cannot map " + std::to_string(size_bytes) + " bytes of I/O buffers"};
  }
  const Segment mapping{static_cast<uint8_t*>(base), size_bytes};
  return std::unique_ptr<BufferArena>(new BufferArena(sizes, mapping));
}

BufferArena::BufferArena(const BufferArenaSizes& sizes, Segment mapping) : mapping_(mapping) {
  // Large ones first, so that they are aligned to their own size whenever the mapping is.
  set_up(large_, mapping.base, BufferArenaSizes::k_large_bytes, sizes.large_count,
         sizes.large_reserved_for_capsules);
  set_up(small_, mapping.base + sizes.large_count * BufferArenaSizes::k_large_bytes,
         BufferArenaSizes::k_small_bytes, sizes.small_count, sizes.small_reserved_for_capsules);
  BALLAST_POISON(mapping_.base, mapping_.size_bytes);
}

BufferArena::~BufferArena() {
  // A buffer that is still held would become a dangling pointer.
  BALLAST_ASSERT(small_.free.size() == small_.held_for.size());
  BALLAST_ASSERT(large_.free.size() == large_.held_for.size());
  BALLAST_UNPOISON(mapping_.base, mapping_.size_bytes);
  munmap(mapping_.base, mapping_.size_bytes);
}

void BufferArena::set_up(SizeClass& size_class, uint8_t* base, size_t buffer_bytes, uint32_t count,
                         uint32_t reserved) {
  size_class.buffer_bytes = buffer_bytes;
  size_class.base = base;
  size_class.transfers_held_max = count - reserved;
  size_class.held_for.assign(count, k_is_free);
  size_class.free.reserve(count);
  for (uint32_t i = count; i > 0; --i) size_class.free.push_back(base + (i - 1) * buffer_bytes);
}

bool BufferArena::SizeClass::may_take(Purpose purpose) const {
  return !free.empty() && (purpose == Purpose::capsule || transfers_held < transfers_held_max);
}

// Whoever came first, except that transfers at their limit let capsules pass.
BufferArena::Waiter* BufferArena::SizeClass::next_to_serve() {
  Waiter* const capsule = capsule_line.front();
  Waiter* const transfer = may_take(Purpose::transfer) ? transfer_line.front() : nullptr;
  if (capsule == nullptr) return transfer;
  if (transfer == nullptr) return capsule;
  return capsule->ticket < transfer->ticket ? capsule : transfer;
}

BufferArena::SizeClass& BufferArena::class_of_size(size_t size_bytes) {
  BALLAST_ASSERT(size_bytes > 0);
  BALLAST_ASSERT(size_bytes <= BufferArenaSizes::k_large_bytes);
  return size_bytes <= BufferArenaSizes::k_small_bytes ? small_ : large_;
}

BufferArena::SizeClass& BufferArena::class_of_base(const uint8_t* base) {
  BALLAST_ASSERT(contains(base));
  return base >= small_.base ? small_ : large_;
}

Segment BufferArena::take(SizeClass& size_class, size_t size_bytes, Purpose purpose) {
  uint8_t* const base = size_class.free.back();
  size_class.free.pop_back();
  const auto index = static_cast<size_t>(base - size_class.base) / size_class.buffer_bytes;
  size_class.held_for[index] = held_for_word(purpose);
  if (purpose == Purpose::transfer) ++size_class.transfers_held;
  BALLAST_UNPOISON(base, size_class.buffer_bytes);
  return {base, size_bytes};
}

Segment BufferArena::try_acquire(size_t size_bytes, Purpose purpose) {
  SizeClass& size_class = class_of_size(size_bytes);
  if (!size_class.may_take(purpose)) return {};
  // Those in line go first. Both lines are empty here unless this runs from inside serve_lines(), or
  // transfers wait at their limit, which must not hold a capsule up.
  if (!size_class.line(purpose).empty()) return {};
  if (size_class.next_to_serve() != nullptr) return {};
  return take(size_class, size_bytes, purpose);
}

void BufferArena::wait(Waiter& waiter, size_t size_bytes, Purpose purpose) {
  SizeClass& size_class = class_of_size(size_bytes);
  BALLAST_ASSERT(!waiter.node.is_linked());
  waiter.size_bytes = size_bytes;
  waiter.purpose = purpose;
  waiter.ticket = next_ticket_++;
  size_class.line(purpose).push_back(waiter);
}

void BufferArena::cancel(Waiter& waiter) {
  if (!waiter.node.is_linked()) return;
  class_of_size(waiter.size_bytes).line(waiter.purpose).remove(waiter);
}

void BufferArena::release(Segment buffer) {
  SizeClass& size_class = class_of_base(buffer.base);
  const auto offset = static_cast<size_t>(buffer.base - size_class.base);
  BALLAST_ASSERT(offset % size_class.buffer_bytes == 0);
  uint8_t& held_for = size_class.held_for[offset / size_class.buffer_bytes];
  BALLAST_ASSERT(held_for != k_is_free);
  if (held_for == held_for_word(Purpose::transfer)) --size_class.transfers_held;
  held_for = k_is_free;
  BALLAST_POISON(buffer.base, size_class.buffer_bytes);
  size_class.free.push_back(buffer.base);
  if (!serving_) serve_lines();
}

// ready() may acquire, wait, cancel and release buffers of either size: the lines are looked at afresh each
// time.
void BufferArena::serve_lines() {
  serving_ = true;
  while (serve_first(small_) || serve_first(large_)) {
  }
  serving_ = false;
}

bool BufferArena::serve_first(SizeClass& size_class) {
  if (size_class.free.empty()) return false;
  Waiter* const waiter = size_class.next_to_serve();
  if (waiter == nullptr) return false;
  size_class.line(waiter->purpose).remove(*waiter);
  waiter->ready(*waiter, take(size_class, waiter->size_bytes, waiter->purpose));
  return true;
}

}  // namespace ballast
