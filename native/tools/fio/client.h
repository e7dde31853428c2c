// One connection of one fio job to one namespace. There is no thread of ours: the reactor is made, turned and
// destroyed by the job's thread, and turns while that waits for completions. So a Client belongs to the
// thread that made it, and stands still between two calls.
//
// Requests are made once, one for each io_u; an I/O allocates nothing and fio's buffer is what the socket
// reads and writes.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/prng.h"
#include "base/result.h"
#include "initiator/initiator.h"
#include "nvme/io_commands.h"
#include "reactor/reactor.h"
#include "reactor/uring_backend.h"
#include "tools/fio/ballast_fio_client.h"

namespace ballast::fio {

struct ClientOptions {
  std::string uri;       // tcp://HOST[:PORT]/NQN
  std::string host_nqn;  // empty: one of this process
  std::string host_id;   // empty: the UUID of the host NQN
  uint32_t nsid = 1;
  uint32_t queue_depth = 1;  // the most requests that are attached
  uint32_t spin_us = k_spin_us_default;
  bool header_digest = false;
  bool data_digest = false;
  uint32_t keep_alive_ms = 0;
  uint64_t ctrl_loss_timeout_ns = 600 * k_ns_per_s;
  // Asked now and then while waiting for a target that is away: true gives the I/O up. May be null.
  bool (*stop_requested)(void* context) = nullptr;
  // Told of the owners of requests that leave now. May be null.
  void (*on_send)(void* context, void* const* owners, uint32_t count) = nullptr;
  void* context = nullptr;
};

class Client {
 public:
  using Volume = ballast_fio_volume;
  using Operation = ballast_fio_operation;

  // Blocks until the controller is live or the target has refused.
  static Result<std::unique_ptr<Client>> connect(const ClientOptions& options);
  // Shuts the controller down. No request may be in flight, unless its memory stays until the return.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  struct Request {
    initiator::IoRequest io;
    Segment segment;
    nvme::DatasetRange range;  // of a deallocate
    Client* client = nullptr;
    void* owner = nullptr;
    int error = 0;  // errno of the last I/O
  };

  const Volume& volume() const { return volume_; }
  // The request number `index` (< queue_depth), which stays until the client goes.
  Request& attach(uint32_t index, void* owner);
  // 0: it will be collected. k_full: collect something first. Else the errno that refuses it. It is held back
  // to leave with others: with the next collect() that has to look for finished ones, or when many are held.
  int submit(Request& request, Operation operation, uint64_t offset, void* data, uint64_t length_bytes);
  void send_held();
  // Waits for `min` finished requests (0: looks once) and takes at most `max`, which collected() names until
  // the next call.
  uint32_t collect(uint32_t min, uint32_t max);
  Request& collected(uint32_t index) { return *finished_[(first_ + index) & finished_mask_]; }

  static constexpr int k_full = BALLAST_FIO_FULL;

 private:
  static constexpr size_t k_reported_max = 8;
  // Measured, see README.md.
  static constexpr uint32_t k_held_back_max = 64;

  explicit Client(const ClientOptions& options);
  Outcome open();
  Outcome choose_namespace();
  void on_done(Request& request, nvme::Status status);
  void report(const Request& request, nvme::Status status);
  void on_tick();
  void on_state(initiator::ControllerState state);
  void close();
  uint32_t finished_count() const { return last_ - first_; }
  void wait_for_finished(uint32_t count);
  void release_held();
  void turn();

  ClientOptions options_;
  Volume volume_{};
  MonotonicClock clock_;
  Prng prng_;
  std::unique_ptr<UringBackend> backend_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Reactor::Entered> entered_;
  std::shared_ptr<initiator::Controller> controller_;
  initiator::IoQueue* queue_ = nullptr;
  Timer tick_;
  bool gives_up_ = false;
  uint64_t lost_ns_ = 0;  // since when the target is away; 0: it is there

  std::unique_ptr<Request[]> requests_;
  uint32_t in_flight_count_ = 0;
  std::array<void*, k_held_back_max> held_back_;  // owners
  uint32_t held_back_count_ = 0;
  // A ring: first_ .. last_ are finished, the first taken_count_ of them are with fio.
  std::vector<Request*> finished_;
  uint32_t finished_mask_ = 0;
  uint32_t first_ = 0;
  uint32_t last_ = 0;
  uint32_t taken_count_ = 0;

  std::vector<nvme::Status> reported_;  // each is, once
};

}  // namespace ballast::fio
