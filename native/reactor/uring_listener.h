// A listening socket of a UringBackend. Private to reactor/.
#pragma once

#include <memory>

#include "reactor/io_backend.h"
#include "reactor/uring_backend.h"

namespace ballast {

class UringListener final : public ListenSocket {
 public:
  // Owns the descriptor, which listens already.
  UringListener(UringBackend& backend, int descriptor, SocketAddress address, AcceptObserver& observer);
  ~UringListener() override;
  SocketAddress local_address() const override { return address_; }

  static Result<int> open_descriptor(const SocketAddress& address, SocketAddress& bound);

 private:
  void accept_some();
  void watch();
  void back_off(int error);

  UringBackend& backend_;
  int descriptor_;
  SocketAddress address_;
  AcceptObserver& observer_;
  std::unique_ptr<RingOp> poll_;
  std::unique_ptr<RingOp> back_off_;
  bool* destroyed_ = nullptr;       // set while an observer runs: tells accept_some() to stop
  bool is_short_of_files_ = false;  // the warning of this shortage has been logged
};

}  // namespace ballast
