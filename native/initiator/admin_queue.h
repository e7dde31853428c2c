// The admin queue of one association: a connection, commands with a time limit each, and continuations.
// Control path only, on the controller's first reactor. Every command's continuation runs exactly once, with
// 3/70h when the connection is lost.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "initiator/initiator.h"
#include "reactor/reactor.h"

namespace ballast::initiator {

class AdminQueueObserver {
 public:
  virtual void on_admin_ready() = 0;
  // Later than the continuations of everything in flight; the queue may be destroyed.
  virtual void on_admin_closed(const Error& error) = 0;

 protected:
  ~AdminQueueObserver() = default;
};

class AdminQueue final : transport::HostQpairObserver {
 public:
  // Linux hosts use 32 too; it bounds what users may have in flight.
  static constexpr uint16_t k_entries = 32;
  using Done = std::function<void(nvme::Completion)>;

  AdminQueue(Reactor& reactor, const ControllerOptions& options, AdminQueueObserver& observer);
  ~AdminQueue() override;

  void open();
  // `data` must stay valid until `done`. A command without an answer within timeout_ns (0: no limit) ends the
  // connection. False if k_entries commands are in flight.
  [[nodiscard]] bool submit(const nvme::Command& command, Segment data, uint64_t timeout_ns, Done done);
  void close();
  uint16_t in_flight() const { return static_cast<uint16_t>(k_entries - free_.size()); }

 private:
  struct Pending {
    Pending();
    transport::HostRequest host;
    Segment segment;
    Done done;
    AdminQueue* queue = nullptr;
    Timer timer;
  };

  void on_ready(transport::HostQpair& qpair) override;
  void on_closed(transport::HostQpair& qpair, transport::CloseReason reason,
                 const std::string& text) override;
  static void host_done(transport::HostRequest& request, const nvme::Completion& completion);
  void on_timed_out(const Pending& pending);

  Reactor& reactor_;
  const ControllerOptions& options_;
  AdminQueueObserver& observer_;
  std::unique_ptr<transport::HostQpair> qpair_;
  std::unique_ptr<Pending[]> pending_;
  std::vector<Pending*> free_;
  std::string timed_out_text_;
};

// How a connection that could not be opened, or was lost, is told upwards.
Error connection_error(const transport::HostQpair& qpair, transport::CloseReason reason,
                       const std::string& text, const SocketAddress& address);

}  // namespace ballast::initiator
