// The I/O memory of one reactor: two sizes of page-aligned buffers cut from one mapping, handed out without
// allocating. An empty arena answers a null Segment, and the asker waits in line; it never fails a command.
#pragma once

#include <cstddef>
#include <cstdint>
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

  // Waits in line for a buffer; a member of its owner. ready() gets the buffer and owns it.
  struct Waiter {
    using Ready = void (*)(Waiter& waiter, Segment buffer);
    Waiter(Ready ready_function, void* context_pointer) : ready(ready_function), context(context_pointer) {}
    Ready ready;
    void* context;
    size_t size_bytes = 0;
    Purpose purpose = Purpose::transfer;
    ListNode node;
  };

  static Result<BufferArena*> create(
      const BufferArenaSizes& sizes);  // owned by the caller; no_memory if it cannot be mapped
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
  uint32_t small_free() const { return static_cast<uint32_t>(small_free_.size()); }
  uint32_t large_free() const { return static_cast<uint32_t>(large_free_.size()); }

 private:
  using Line = IntrusiveList<Waiter, &Waiter::node>;
  BufferArena(const BufferArenaSizes& sizes, Segment mapping);
  bool is_large(const uint8_t* base) const;
  void serve_line();

  BufferArenaSizes sizes_;
  Segment mapping_;
  std::vector<uint8_t*> small_free_;
  std::vector<uint8_t*> large_free_;
  Line capsule_line_;
  Line transfer_line_;
  bool serving_ = false;
};

}  // namespace ballast
