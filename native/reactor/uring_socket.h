// A kernel stream socket of a UringBackend. Private to reactor/.
#pragma once

#include <memory>

#include "base/intrusive_list.h"
#include "reactor/io_backend.h"
#include "reactor/uring_backend.h"

namespace ballast {

class UringSocket final : public Socket {
 public:
  enum class Start : uint8_t { connected, connecting, connect_failed, device };
  // Owns the descriptor. connect_failed: `error` is told to the observer in a later turn.
  UringSocket(UringBackend& backend, int descriptor, SocketObserver& observer, Start start, int error = 0);
  ~UringSocket() override;

  int64_t receive(std::span<const Segment> into) override;
  int64_t send(std::span<const Segment> data) override;
  void set_reading(bool on) override;
  void notify_writable() override;
  void shutdown_send() override;
  void discard_unsent_on_close() override;
  SocketAddress local_address() const override;
  SocketAddress peer_address() const override;

 private:
  friend class UringBackend;

  void poll_in_done();
  void poll_out_done();
  void connect_done();
  bool wants_reading() const { return reading_ && !connecting_ && !ended_; }
  void watch_writable();

  UringBackend& backend_;
  int descriptor_;
  SocketObserver& observer_;
  std::unique_ptr<RingOp> poll_in_;
  std::unique_ptr<RingOp> poll_out_;
  int connect_error_;
  bool connecting_;
  const bool is_device_;  // read and written as a file
  bool ended_ = false;    // receive() gave the end or an error: nothing can come any more
  bool reading_ = true;
  bool wants_writable_ = false;

  // The backend's.
  ListNode hot_node_;
  uint32_t misses_count_ = 0;  // polls in a row that found nothing
  uint64_t polled_number_ = 0;
};

struct UringBackend::HotSockets {
  IntrusiveList<UringSocket, &UringSocket::hot_node_> list;
  UringSocket* calling = nullptr;  // whose observer is being called; null once it was destroyed
  uint64_t poll_number = 0;
};

}  // namespace ballast
