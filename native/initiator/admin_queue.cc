#include "initiator/admin_queue.h"

#include <cstdio>

#include "transport/tcp/pdu.h"
#include "transport/tcp/tcp.h"

namespace ballast::initiator {

using transport::CloseReason;

AdminQueue::Pending::Pending()
    : timer(
          [](Timer&, void* context) {
            auto* const self = static_cast<Pending*>(context);
            self->queue->on_timed_out(*self);
          },
          this) {}

AdminQueue::AdminQueue(Reactor& reactor, const ControllerOptions& options, AdminQueueObserver& observer)
    : reactor_(reactor), options_(options), observer_(observer), pending_(new Pending[k_entries]) {
  free_.reserve(k_entries);
  for (uint16_t i = 0; i < k_entries; ++i) {
    pending_[i].queue = this;
    free_.push_back(&pending_[i]);
  }
}

AdminQueue::~AdminQueue() { BALLAST_ASSERT(qpair_ == nullptr); }

void AdminQueue::open() {
  BALLAST_ASSERT(qpair_ == nullptr);
  transport::HostQpairOptions options;
  options.address = options_.address;
  options.queue_entries = k_entries;
  options.header_digest = options_.header_digest;
  options.data_digest = options_.data_digest;
  options.connect_timeout_ns = options_.connect_timeout_ns;
  options.in_capsule_bytes = transport::tcp::k_admin_capsule_data_bytes_max;
  qpair_ = transport::tcp::connect_host_qpair(reactor_, options, *this);
}

bool AdminQueue::submit(const nvme::Command& command, Segment data, uint64_t timeout_ns, Done done) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  BALLAST_ASSERT(qpair_ != nullptr);
  if (free_.empty()) return false;
  Pending& pending = *free_.back();
  free_.pop_back();
  pending.host.command = command;
  pending.segment = data;
  if (data.size_bytes > 0) {
    pending.host.data = {&pending.segment, 1};
  } else {
    pending.host.data = {};
  }
  pending.host.done = &AdminQueue::host_done;
  pending.host.context = &pending;
  pending.done = std::move(done);
  if (timeout_ns != 0) reactor_.arm(pending.timer, timeout_ns);
  const bool taken = qpair_->submit(pending.host);
  BALLAST_ASSERT(taken);  // it has as many slots as we
  return true;
}

void AdminQueue::host_done(transport::HostRequest& request, const nvme::Completion& completion) {
  Pending& pending = *static_cast<Pending*>(request.context);
  AdminQueue& queue = *pending.queue;
  queue.reactor_.cancel(pending.timer);
  const Done done = std::move(pending.done);
  pending.done = nullptr;
  queue.free_.push_back(&pending);
  done(completion);
}

void AdminQueue::on_timed_out(const Pending& pending) {
  char text[64];
  std::snprintf(text, sizeof(text), "no answer to admin command %02xh within the limit",
                pending.host.command.opcode);
  timed_out_text_ = text;
  qpair_->close(CloseReason::timed_out);
}

void AdminQueue::close() {
  if (qpair_ != nullptr) qpair_->close(CloseReason::local_request);
}

void AdminQueue::on_ready(transport::HostQpair&) { observer_.on_admin_ready(); }

void AdminQueue::on_closed(transport::HostQpair& qpair, CloseReason reason, const std::string& text) {
  const Error error =
      connection_error(qpair, reason, timed_out_text_.empty() ? text : timed_out_text_, options_.address);
  qpair_.reset();
  observer_.on_admin_closed(error);  // may destroy this
}

Error connection_error(const transport::HostQpair& qpair, CloseReason reason, const std::string& text,
                       const SocketAddress& address) {
  Errc errc = qpair.connect_error();
  if (errc == Errc::ok) {
    switch (reason) {
      case CloseReason::peer_closed: errc = Errc::connection_lost; break;
      case CloseReason::protocol_error:
      case CloseReason::peer_terminated: errc = Errc::protocol_error; break;
      case CloseReason::timed_out: errc = Errc::timed_out; break;
      case CloseReason::local_request: errc = Errc::aborted; break;
      case CloseReason::no_memory: errc = Errc::no_memory; break;
    }
  }
  return {errc, address.text() + ": " + text};
}

}  // namespace ballast::initiator
