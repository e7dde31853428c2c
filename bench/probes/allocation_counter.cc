// Counts allocations per thread. Loaded into the target by LD_PRELOAD (bench/count-per-io.mjs); the counts
// lie in the file that BALLAST_ALLOCATION_COUNTS names, mapped shared, so that they are read while the target
// runs, without a signal. The file is an array of Slot. A slot belongs to one thread for ever: a thread that
// ends leaves its counts.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr size_t k_slots = 256;

struct Slot {
  uint64_t thread_id;
  std::atomic<uint64_t> allocations;
  std::atomic<uint64_t> frees;
  uint64_t reserved;
};
static_assert(sizeof(Slot) == 32);

Slot g_fallback[1];
std::atomic<Slot*> g_slots{nullptr};
std::atomic<size_t> g_slots_used{0};
// initial-exec: the first use in a thread must not allocate, which a dynamic model may do.
thread_local Slot* t_slot __attribute__((tls_model("initial-exec"))) = nullptr;

__attribute__((constructor)) void open_counts() {
  const char* path = std::getenv("BALLAST_ALLOCATION_COUNTS");
  if (path == nullptr) return;
  const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  if (ftruncate(file, sizeof(Slot) * k_slots) == 0) {
    void* memory = mmap(nullptr, sizeof(Slot) * k_slots, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory != MAP_FAILED) g_slots.store(static_cast<Slot*>(memory), std::memory_order_release);
  }
  close(file);
}

Slot& slot() {
  if (t_slot != nullptr) return *t_slot;
  Slot* slots = g_slots.load(std::memory_order_acquire);
  if (slots == nullptr) return g_fallback[0];
  const size_t index = g_slots_used.fetch_add(1);
  t_slot = index < k_slots ? &slots[index] : g_fallback;
  t_slot->thread_id = static_cast<uint64_t>(syscall(SYS_gettid));
  return *t_slot;
}

void count_allocation() { slot().allocations.fetch_add(1, std::memory_order_relaxed); }
void count_free() { slot().frees.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

// glibc exports its allocator under these names too, so nothing has to be looked up before the first
// allocation.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* pointer, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* pointer);

void* malloc(size_t size) {
  count_allocation();
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  count_allocation();
  return __libc_calloc(count, size);
}
void* realloc(void* pointer, size_t size) {
  count_allocation();
  return __libc_realloc(pointer, size);
}
void* memalign(size_t alignment, size_t size) {
  count_allocation();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  count_allocation();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** pointer, size_t alignment, size_t size) {
  count_allocation();
  *pointer = __libc_memalign(alignment, size);
  return *pointer == nullptr ? 12 /* ENOMEM */ : 0;
}
void free(void* pointer) {
  if (pointer != nullptr) count_free();
  __libc_free(pointer);
}
}
