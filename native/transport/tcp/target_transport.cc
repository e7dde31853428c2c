// The TargetTransport of a reactor: makes a queue pair of every accepted descriptor and keeps the list of
// them. Used by the engine, through tcp.h.
#include <new>
#include <utility>

#include "base/log.h"
#include "transport/tcp/target_qpair.h"

namespace ballast::transport::tcp {
namespace {

class ReactorTargetTransport final : public TargetTransport, private TargetContext {
 public:
  ReactorTargetTransport(Reactor& reactor_of_all, const TargetOptions& target_options,
                         ConnectionObserver& observer)
      : TargetContext(reactor_of_all, target_options, &TargetTcpQpair::request_buffer_ready),
        observer_(observer) {
    gone = [](TargetContext& context, TargetTcpQpair& qpair) {
      static_cast<ReactorTargetTransport&>(context).destroy(qpair);
    };
  }
  ~ReactorTargetTransport() override { BALLAST_ASSERT(qpairs_.empty()); }

  void add_connection(Descriptor accepted, const SocketAddress& peer) override;
  void close_all(CloseReason reason, std::function<void()> closed) override;
  const TargetCounters& counters() const override { return TargetContext::counters; }

 private:
  void destroy(TargetTcpQpair& qpair);

  ConnectionObserver& observer_;
  IntrusiveList<TargetTcpQpair, &TargetTcpQpair::transport_node> qpairs_;
  bool closing_ = false;
  bool in_close_all_ = false;
  std::function<void()> closed_;
};

void ReactorTargetTransport::add_connection(Descriptor accepted, const SocketAddress& peer) {
  if (closing_) return reactor.io().close_descriptor(accepted);
  std::unique_ptr<TargetTcpQpair> qpair(new (std::nothrow) TargetTcpQpair(*this, peer));
  if (qpair == nullptr) return reactor.io().close_descriptor(accepted);
  const Outcome started = qpair->start(accepted);
  if (!started.ok()) {
    log(LogLevel::warning, "transport", "%s: cannot take the connection: %s", peer.text().c_str(),
        errc_text(started.errc()));
    return;
  }
  QpairObserver* const observer = observer_.on_connection(*qpair);
  if (observer == nullptr) return qpair->refuse();
  qpair->set_observer(*observer);
  count(TargetContext::counters.connections);
  count(TargetContext::counters.connections_total);
  qpairs_.push_back(*qpair.release());
}

void ReactorTargetTransport::close_all(CloseReason reason, std::function<void()> closed) {
  closing_ = true;
  closed_ = std::move(closed);
  // Closing one may end others (an admin queue takes its I/O queues along), so no position in the list is
  // kept: each is moved to the end before it is closed, and closing twice does nothing.
  in_close_all_ = true;
  for (size_t left = qpairs_.size(); left > 0 && !qpairs_.empty(); --left) {
    TargetTcpQpair* const qpair = qpairs_.pop_front();
    qpairs_.push_back(*qpair);
    qpair->close(reason);
  }
  in_close_all_ = false;
  if (qpairs_.empty()) std::exchange(closed_, nullptr)();
}

void ReactorTargetTransport::destroy(TargetTcpQpair& qpair) {
  qpairs_.remove(qpair);
  delete &qpair;
  std::atomic<uint64_t>& connections = TargetContext::counters.connections;
  connections.store(connections.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  // Last: it may destroy this object.
  if (closing_ && !in_close_all_ && qpairs_.empty()) std::exchange(closed_, nullptr)();
}

}  // namespace

std::unique_ptr<TargetTransport> TargetTransport::create(Reactor& reactor, const TargetOptions& options,
                                                         ConnectionObserver& observer) {
  return std::make_unique<ReactorTargetTransport>(reactor, options, observer);
}

}  // namespace ballast::transport::tcp
