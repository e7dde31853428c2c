#include "bdev/mirror/replica_local.h"

#include <utility>

#include "bdev/mirror/replica_port.h"

namespace ballast::bdev::mirror {
namespace {

// Everything but the members that say "home" runs on the head's reactor. Messages keep their order, so what
// home says of this association is here before it has said that the association is closed.
class LocalConnection final : public ReplicaConnection {
 public:
  LocalConnection(Replica& replica, Reactor& reactor, ReplicaConnector::Lost lost)
      : replica_(replica),
        reactor_(reactor),
        association_(replica.take_association_number()),
        lost_(std::move(lost)),
        port_(replica, reactor) {
    port_.on_done = [this] { finish_close_if_idle(); };
  }
  ~LocalConnection() override { BALLAST_ASSERT(is_at_end_); }

  // `opened` is called here, later.
  void open(std::function<void(bool)> opened) {
    send_task(replica_.home(), [this, opened = std::move(opened)]() mutable {
      const bool is_open =
          replica_.open_association(association_, [this] { send_task(reactor_, [this] { lose(); }); });
      send_task(reactor_, [opened = std::move(opened), is_open] { opened(is_open); });
    });
  }
  // It could not be opened.
  void give_up() { is_at_end_ = true; }

  const Geometry& geometry() const override { return replica_.geometry(); }
  const Capabilities& capabilities() const override { return replica_.capabilities(); }

  void request(const ReplicaRequest& request, Done done) override {
    BALLAST_ASSERT_ON_REACTOR(reactor_);
    BALLAST_ASSERT(!is_closing_);
    Request* const one = new Request(*this, std::move(done));
    one->order.association = association_;
    one->order.command = replica_command(request.words, request.data, request.out);
    one->order.context = one;
    one->order.done = order_done;
    ++requests_count_;
    replica_.home().send(*one);
  }

  void submit(Io& io) override {
    BALLAST_ASSERT(!is_closing_);
    io.association = association_;
    port_.submit(io);
  }

  void close(std::function<void()> closed) override {
    BALLAST_ASSERT_ON_REACTOR(reactor_);
    BALLAST_ASSERT(!is_closing_);
    is_closing_ = true;
    closed_ = std::move(closed);
    port_.stop();
    // First of all: what waits there would wait for others otherwise.
    send_task(replica_.home(), [this] {
      replica_.close_association(association_);
      send_task(reactor_, [this] {
        is_closed_at_home_ = true;
        finish_close_if_idle();
      });
    });
  }

 private:
  // On its way, there and back. Allocated: no I/O comes this way.
  struct Request : Message {
    Request(LocalConnection& of, Done when_done)
        : Message(order_arrived), connection(of), done(std::move(when_done)) {}
    LocalConnection& connection;
    Done done;
    ReplicaOrder order;
    ReplicaAnswer answer;
  };

  static void order_arrived(Message& message) {  // home
    Request& request = static_cast<Request&>(message);
    request.connection.replica_.command(request.order);
  }
  static void order_done(ReplicaOrder& order, Status status, Refusal refusal) {  // home
    Request& request = *static_cast<Request*>(order.context);
    request.answer = {status, refusal};
    request.run = [](Message& message) {
      const std::unique_ptr<Request> ended(static_cast<Request*>(&message));
      ended->connection.finish_request(*ended);
    };
    request.connection.reactor_.send(request);
  }

  void finish_request(Request& request) {
    if (is_closing_ && request.answer.status == Status::ok) request.answer.status = Status::io_error;
    BALLAST_ASSERT(requests_count_ > 0);
    --requests_count_;
    finish_close_if_idle();
    request.done(request.answer);
  }

  void lose() {
    if (!is_closing_) lost_("another head has sealed the replica, or it is being closed");
  }

  void finish_close_if_idle() {
    if (!is_closed_at_home_ || is_at_end_ || requests_count_ > 0 || port_.in_flight() > 0) return;
    is_at_end_ = true;
    // Later: what has ended last has not been told yet.
    send_task(reactor_, [closed = std::move(closed_)] { closed(); });
  }

  Replica& replica_;
  Reactor& reactor_;
  const uint64_t association_;
  const ReplicaConnector::Lost lost_;
  ReplicaPort port_;
  uint32_t requests_count_ = 0;
  bool is_closing_ = false;
  bool is_closed_at_home_ = false;
  bool is_at_end_ = false;
  std::function<void()> closed_;
};

class LocalConnector final : public ReplicaConnector {
 public:
  LocalConnector(Replica& replica, Reactor& reactor) : replica_(replica), reactor_(reactor) {}
  ~LocalConnector() override { BALLAST_ASSERT(!connected_); }

  void connect(Connected connected, Lost lost) override {
    BALLAST_ASSERT_ON_REACTOR(reactor_);
    BALLAST_ASSERT(!connected_);
    connected_ = std::move(connected);
    is_cancelled_ = false;
    attempt_ = std::make_unique<LocalConnection>(replica_, reactor_, std::move(lost));
    attempt_->open([this](bool is_open) { opened(is_open); });
  }
  void cancel() override { is_cancelled_ = true; }

 private:
  void opened(bool is_open) {
    if (!is_open) {
      attempt_->give_up();
      attempt_.reset();
      return tell(
          Error{Errc::too_many, "the replica has all the associations that it can have, or is closed"});
    }
    if (!is_cancelled_) return tell(std::unique_ptr<ReplicaConnection>(std::move(attempt_)));
    attempt_->close([this] {
      attempt_.reset();
      tell(Errc::aborted);
    });
  }
  void tell(Result<std::unique_ptr<ReplicaConnection>> result) {
    const Connected connected = std::exchange(connected_, nullptr);
    connected(std::move(result));
  }

  Replica& replica_;
  Reactor& reactor_;
  Connected connected_;
  bool is_cancelled_ = false;
  std::unique_ptr<LocalConnection> attempt_;
};

}  // namespace

std::unique_ptr<ReplicaConnector> make_local_connector(Replica& replica, Reactor& reactor) {
  return std::make_unique<LocalConnector>(replica, reactor);
}

}  // namespace ballast::bdev::mirror
