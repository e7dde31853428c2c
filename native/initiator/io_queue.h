// One I/O queue: requests in flight over a connection, and the requests that wait while there is none. Lives
// on its reactor from the first connect to the controller's end and survives reconnects; the association
// connects and disconnects it by message. The I/O path is submit() and host_done(): no allocation, no
// message.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "initiator/initiator.h"
#include "nvme/fabrics.h"
#include "reactor/reactor.h"

namespace ballast::initiator {

struct IoQueueParameters {  // of one association
  uint16_t controller_id = 0;
  uint32_t in_capsule_bytes = 0;
};

// Who stands above the I/O queues of one of several paths: a request goes back there, and not to who made it.
class PathQueueObserver {
 public:
  // As IoRequest::done. 3/70h while the queue is not live: the connection is gone, with no byte of the
  // request's memory left to be sent or received over it.
  virtual void on_path_done(IoRequest& request, const nvme::Completion& completion) = 0;

 protected:
  ~PathQueueObserver() = default;
};

class IoQueueImpl final : public IoQueue, transport::HostQpairObserver {
 public:
  // A transient transport error (a digest that was wrong on the way) is worth another try on the same path.
  static constexpr uint8_t k_retries_max = 4;

  using Connected = std::function<void(Outcome)>;
  using Lost = std::function<void(const Error&)>;
  using Done = std::function<void()>;

  // options and observer must outlive it. qid from 1. With an observer nothing waits here: what is submitted
  // while the queue is not live is not taken, and what was in flight when the connection was lost is given
  // back.
  IoQueueImpl(Reactor& reactor, const ControllerOptions& options, uint16_t qid, uint16_t queue_entries,
              PathQueueObserver* observer);
  ~IoQueueImpl() override;

  Reactor& reactor() override { return reactor_; }
  bool submit(IoRequest& request) override;
  uint16_t queue_entries() const override { return queue_entries_; }
  bool live() const { return state_ == State::live && !qpair_->is_closing(); }

  // --- on the reactor; the callbacks run there ---
  // `connected` once. `lost` at most once, after `connected` said ok and before disconnect()'s `done`: the
  // connection is gone, its requests wait.
  void connect(const IoQueueParameters& parameters, Connected connected, Lost lost);
  void disconnect(Done done);  // requests in flight will be sent again after the next connect()
  void end(Done done);         // for good: every request, now and later, is answered 3/70h

 private:
  enum class State : uint8_t {
    idle,        // no connection; requests wait
    opening,     // transport connection
    connecting,  // Connect command sent
    live,
    closing,  // waiting for the qpair's on_closed()
    dead,     // requests are refused
  };
  using Requests = IntrusiveList<IoRequest, &IoRequest::node>;

  void on_ready(transport::HostQpair& qpair) override;
  void on_closed(transport::HostQpair& qpair, transport::CloseReason reason,
                 const std::string& text) override;
  static void host_done(transport::HostRequest& host, const nvme::Completion& completion);
  void on_host_done(IoRequest& request, const nvme::Completion& completion);
  void on_connect_done(const nvme::Completion& completion);
  void send(IoRequest& request);
  void send_waiting();
  void finish(IoRequest& request, const nvme::Completion& completion);
  void refuse(IoRequest& request);
  void refuse_waiting();
  void on_watch();
  void fail_connect(Error error);

  Reactor& reactor_;
  const ControllerOptions& options_;
  const uint16_t qid_;
  const uint16_t queue_entries_;
  PathQueueObserver* const observer_;
  State state_ = State::idle;
  bool ending_ = false;
  IoQueueParameters parameters_;
  std::unique_ptr<transport::HostQpair> qpair_;
  Requests in_flight_;  // oldest first
  Requests waiting_;
  Connected connected_;
  Lost lost_;
  Done disconnected_;
  nvme::ConnectData connect_data_;
  Segment connect_segment_;
  transport::HostRequest connect_request_;
  std::string close_text_;  // why we closed the connection, if it was us
  Timer watch_;             // Connect's limit; live: looks for a request that is in flight too long
};

}  // namespace ballast::initiator
