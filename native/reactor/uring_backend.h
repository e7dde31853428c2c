// IoBackend over the kernel. While busy, sockets that were active lately ("hot") are read by direct
// non-blocking calls; an io_uring carries files, wake-ups and sleeping, and one-shot polls of the sockets
// that are quiet. Create, use and destroy it on one thread; wake() alone may be called on any.
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/intrusive_list.h"
#include "reactor/io_backend.h"
#include "reactor/uring_ring.h"

namespace ballast {

class UringSocket;

class UringBackend final : public IoBackend {
 public:
  // clock must be CLOCK_MONOTONIC and outlive the backend. Errc: unsupported, no_memory, too_many (no
  // descriptor left).
  static Result<std::unique_ptr<UringBackend>> create(Clock& clock,
                                                      UringLevel best = UringLevel::defer_taskrun);
  ~UringBackend() override;  // no socket, listener or file operation may be left

  Result<std::unique_ptr<ListenSocket>> listen(const SocketAddress& address,
                                               AcceptObserver& observer) override;
  Result<std::unique_ptr<Socket>> adopt(Descriptor accepted, SocketObserver& observer) override;
  Result<std::unique_ptr<Socket>> connect(const SocketAddress& address, SocketObserver& observer) override;
  Result<std::unique_ptr<Socket>> adopt_device(Descriptor device, SocketObserver& observer) override;
  void close_descriptor(Descriptor accepted) override;
  void submit(FileOp& op) override;
  void register_memory(Segment arena) override { arena_ = arena; }

  uint32_t poll() override;
  void flush() override;
  void sleep(uint64_t deadline_ns) override;
  void wake() override;

  UringLevel level() const { return ring_.level(); }

 private:
  friend class UringSocket;
  friend class UringListener;

  // Marks the user data of a FileOp's completion; a RingOp's is its address as it is.
  static constexpr uint64_t k_file_tag = 1;

  explicit UringBackend(Clock& clock);
  Outcome open(UringLevel best);

  // --- ring operations ---
  void start_poll(RingOp& op, int descriptor, uint32_t events);
  void start_timeout(RingOp& op, uint64_t after_ns);
  void start_nop(RingOp& op);
  void start_wake_read();
  void start(RingOp& op);
  bool try_start(RingOp& op);
  void start_waiting();
  // Takes an operation from its dying owner: cancels it if it is in flight.
  void abandon(std::unique_ptr<RingOp> op);

  // --- hot sockets ---
  void heat(UringSocket& socket);
  void leave_hot(UringSocket& socket);
  void forget(UringSocket& socket);  // it is being destroyed
  void cool(UringSocket& socket);
  uint32_t poll_hot();
  void arm_all_hot();

  // --- completions and files ---
  uint32_t poll_completions();
  bool complete(const RingCompletion& completion);
  bool try_start(FileOp& op);
  bool is_registered(const Segment& data);

  Clock& clock_;
  UringRing ring_;
  int wake_descriptor_ = -1;
  uint64_t wake_value_ = 0;
  RingOp wake_op_;
  // Empty unless the kernel is out of memory.
  IntrusiveList<RingOp, &RingOp::node> waiting_;
  // In flight, but their owners are gone.
  IntrusiveList<RingOp, &RingOp::node> orphans_;

  // Linked through a node of UringSocket, which is complete only in uring_socket.h.
  struct HotSockets;
  std::unique_ptr<HotSockets> hot_;

  // File operations that the ring had no room for, oldest first.
  std::vector<FileOp*> waiting_files_;
  uint32_t unsubmitted_files_count_ = 0;  // since the last submission, at most
  Segment arena_;
  enum class Registration : uint8_t { untried, done, refused } registration_ = Registration::untried;
};

}  // namespace ballast
