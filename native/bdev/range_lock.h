// Makes an operation of several steps (read, compare, write) atomic against every other I/O of a device, on
// all its reactors, without a lock in memory: one reactor, the first to use the device, is home. A lock is
// asked of home, which tells every reactor to hold new I/O in the range and to answer when what it had in
// flight there is done; then the lock is granted. Used by devices through one RangeLockShard per reactor.
//
//   requester --lock--> home --hold--> all --quiet--> home --granted--> requester (works) --unlock--> home
//   --release--> all --released--> home --unlocked--> requester
//
// After `unlocked` no message of the lock is on its way, so a device whose channels have no I/O in flight may
// be destroyed. Locks that overlap wait in line in the order home got them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/intrusive_list.h"
#include "bdev/bdev.h"
#include "reactor/reactor.h"

namespace ballast::bdev {

class RangeLockShard;

// One lock, from lock() to unlocked(); a member of the operation that wants it. Callbacks run on the
// requester's reactor, possibly from inside lock() and unlock().
struct RangeLockRequest : Message {
  using Callback = void (*)(RangeLockRequest&);
  RangeLockRequest() : Message(nullptr) {}
  uint64_t lba = 0;
  uint64_t blocks_count = 0;
  Callback granted = nullptr;
  Callback unlocked = nullptr;
  void* context = nullptr;

  // Of the lock.
  RangeLockShard* shard = nullptr;
  uint32_t slot = 0;
  ListNode node;
};

// Locks that are active at the same time on one device; more wait in line. Each costs a message node per
// reactor.
inline constexpr uint32_t k_range_locks_max = 8;

class RangeLock : public std::enable_shared_from_this<RangeLock> {
 public:
  static std::shared_ptr<RangeLock> create();
  ~RangeLock();

  // The shard of this reactor, made on first use and kept as long as the lock. Called on the reactor.
  RangeLockShard& shard(Reactor& reactor);

 private:
  friend class RangeLockShard;
  static constexpr uint32_t k_shards_max = 64;  // k_reactors_max
  enum class Phase : uint8_t {
    idle,
    holding,    // waits for every shard to be quiet
    granted,    // the requester works
    releasing,  // waits for every shard to have let its held I/O go
  };
  struct Slot {
    Phase phase = Phase::idle;
    RangeLockRequest* request = nullptr;
    uint32_t waiting_for_count = 0;
  };
  using Line = IntrusiveList<RangeLockRequest, &RangeLockRequest::node>;

  RangeLock() = default;
  // All on home.
  void on_join(RangeLockShard& shard);
  void admit_joining();
  void on_lock(RangeLockRequest& request);
  void start_waiting();
  void start_line();
  bool must_wait(RangeLockRequest& request);
  void start(uint32_t slot, RangeLockRequest& request);
  void on_quiet(uint32_t slot);
  void on_unlock(RangeLockRequest& request);
  void on_released(uint32_t slot);
  bool any_active() const;

  std::atomic<Reactor*> home_{nullptr};
  // Each element is its reactor's alone.
  std::array<std::unique_ptr<RangeLockShard>, k_shards_max> shards_;
  // Home's.
  std::array<Slot, k_range_locks_max> slots_;
  std::array<RangeLockShard*, k_shards_max> joined_{};
  uint32_t joined_count_ = 0;
  std::array<RangeLockShard*, k_shards_max> joining_{};  // wait until no lock is active
  uint32_t joining_count_ = 0;
  Line line_;
  bool starting_ = false;
  bool start_again_ = false;
};

// The gate of one reactor. Every I/O of the device that has a range passes it.
class RangeLockShard {
 public:
  // How much of the front of Io::layer_scratch the gate uses while an I/O is in or before it.
  static constexpr size_t k_scratch_bytes = sizeof(ListNode);
  using Resume = void (*)(Io& io);

  RangeLockShard(RangeLock& lock, Reactor& reactor) : lock_(lock), reactor_(reactor) {}
  ~RangeLockShard();

  // True: the I/O is in; start it. False: `resume(io)` runs when it is in. A write of a copy counts with both
  // of its ranges.
  bool try_enter(Io& io, Resume resume);
  // What it did is over (before its done() is called).
  void leave(Io& io);

  void lock(RangeLockRequest& request);
  void unlock(RangeLockRequest& request);

  // For layers that need a place in the same scratch while an I/O is not in a gate.
  struct Place {
    ListNode node;
  };
  using Places = IntrusiveList<Place, &Place::node>;
  static Place& place_in(Io& io);  // constructed anew
  static Io& io_of(Place& place);

 private:
  friend class RangeLock;
  // What this shard knows of one active lock, and the message that goes to and fro about it.
  struct Hold : Message {
    Hold() : Message(nullptr) {}
    RangeLockShard* shard = nullptr;
    uint32_t slot = 0;
    uint64_t lba = 0;
    uint64_t blocks_count = 0;
    bool active = false;
    uint32_t in_flight_count = 0;  // overlapping I/O that was in before the hold
  };

  bool is_home() const { return lock_.home_.load(std::memory_order_relaxed) == &reactor_; }
  void tell_home(Hold& hold, Message::Run run);
  void tell_quiet(Hold& hold);
  void on_hold(Hold& hold);
  void on_release(Hold& hold);
  void on_joined();
  void resume_held();
  bool is_held(const Io& io) const;

  RangeLock& lock_;
  Reactor& reactor_;
  bool joined_ = false;  // until home knows this shard, everything is held
  uint32_t holds_active_count_ = 0;
  std::array<Hold, k_range_locks_max> holds_;
  Places in_flight_;
  Places held_;
  Resume resume_ = nullptr;
};

}  // namespace ballast::bdev
