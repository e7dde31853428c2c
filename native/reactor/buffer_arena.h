// The I/O memory of one reactor: two sizes of page-aligned buffers cut from one mapping, handed out without
// allocating. An empty arena answers a null Segment, and the asker waits in line; it never fails a command.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/intrusive_list.h"
#include "base/result.h"
#include "base/segment.h"

namespace ballast {

struct BufferArenaSizes {
  // Small: in-capsule data and small I/O. 8 KiB is the in-capsule limit of admin capsules (NVMe/TCP Transport
  // Specification 1.0, "Capsules") and our default for I/O.
  static constexpr size_t k_small_bytes = 8 * 1024;
  // Large: one whole I/O of the maximum data transfer size that we advertise (MDTS).
  static constexpr size_t k_large_bytes = 128 * 1024;
  uint32_t small_count = 2048;  // 16 queues x 128 commands in flight
  uint32_t large_count = 256;   // 2 queues x 128 large commands in flight
  // Small buffers that only in-capsule data may take. A connection that waits for one has stopped reading, so
  // a transfer whose data is behind it could never finish: transfers must not be able to take the last ones.
  uint32_t small_reserved_for_capsules = 64;
  // The same for large ones, used when the in-capsule size is configured above k_small_bytes.
  uint32_t large_reserved_for_capsules = 8;
};

class BufferArena {
 public:
  enum class Purpose : uint8_t { capsule, transfer };

  // Waits in line for a buffer; a member of its owner. ready() gets the buffer and owns it; it may run from
  // inside release(), never from inside wait().
  struct Waiter {
    using Ready = void (*)(Waiter& waiter, Segment buffer);
    Waiter(Ready ready_function, void* context_pointer) : ready(ready_function), context(context_pointer) {}
    Ready ready;
    void* context;
    size_t size_bytes = 0;
    Purpose purpose = Purpose::transfer;
    uint64_t ticket = 0;  // the arena's: who came first
    ListNode node;
  };

  // no_memory if it cannot be mapped, invalid_argument if a reserve is not below its count.
  static Result<std::unique_ptr<BufferArena>> create(const BufferArenaSizes& sizes);
  ~BufferArena();
  BufferArena(const BufferArena&) = delete;
  BufferArena& operator=(const BufferArena&) = delete;

  // A buffer of at least size_bytes (1 .. k_large_bytes), its size_bytes set to what was asked; base is null
  // if none is free or others wait already.
  [[nodiscard]] Segment try_acquire(size_t size_bytes, Purpose purpose);
  void wait(Waiter& waiter, size_t size_bytes, Purpose purpose);
  void cancel(Waiter& waiter);  // nothing happens when it does not wait
  // Gives a buffer back (by its base); serves those in line from inside.
  void release(Segment buffer);

  bool contains(const uint8_t* address) const {
    return address >= mapping_.base && address < mapping_.base + mapping_.size_bytes;
  }
  Segment mapping() const { return mapping_; }
  // What transfers could take now, in buffers of the kind that serves size_bytes.
  size_t transfer_bytes_free(size_t size_bytes) const {
    const SizeClass& kind = size_bytes <= BufferArenaSizes::k_small_bytes ? small_ : large_;
    return std::min<size_t>(kind.free.size(), kind.transfers_held_max - kind.transfers_held) *
           kind.buffer_bytes;
  }
  uint32_t small_free() const { return static_cast<uint32_t>(small_.free.size()); }
  uint32_t large_free() const { return static_cast<uint32_t>(large_.free.size()); }

 private:
  using Line = IntrusiveList<Waiter, &Waiter::node>;

  // The buffers of one size. Transfers are limited by how many they hold, not by how many are left: so the
  // reserve is kept, and a stream of capsules cannot starve transfers either (the older waiter goes first).
  struct SizeClass {
    size_t buffer_bytes = 0;
    uint8_t* base = nullptr;
    uint32_t transfers_held_max = 0;
    uint32_t transfers_held = 0;
    std::vector<uint8_t*> free;     // last in, first out: the one most likely still in the cache
    std::vector<uint8_t> held_for;  // by index: k_is_free, or Purpose + 1
    Line capsule_line;
    Line transfer_line;

    Line& line(Purpose purpose) { return purpose == Purpose::capsule ? capsule_line : transfer_line; }
    bool may_take(Purpose purpose) const;
    Waiter* next_to_serve();
  };

  BufferArena(const BufferArenaSizes& sizes, Segment mapping);
  static void set_up(SizeClass& size_class, uint8_t* base, size_t buffer_bytes, uint32_t count,
                     uint32_t reserved);
  SizeClass& class_of_size(size_t size_bytes);
  SizeClass& class_of_base(const uint8_t* base);
  Segment take(SizeClass& size_class, size_t size_bytes, Purpose purpose);
  void serve_lines();
  bool serve_first(SizeClass& size_class);

  Segment mapping_;
  SizeClass small_;
  SizeClass large_;
  uint64_t next_ticket_ = 0;
  bool serving_ = false;
};

}  // namespace ballast
