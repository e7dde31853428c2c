#include "initiator/io_queue.h"

#include <cstddef>
#include <utility>

#include "base/bytes.h"
#include "initiator/admin_queue.h"
#include "initiator/commands.h"
#include "transport/tcp/pdu.h"
#include "transport/tcp/tcp.h"

namespace ballast::initiator {

using transport::CloseReason;

namespace {
// How often the oldest request in flight is looked at, as a part of the command time-out.
constexpr uint64_t k_watches_per_timeout = 4;

// The transport hands back the HostRequest that is the first member of ours.
IoRequest& io_of(transport::HostRequest& host) {
  static_assert(std::is_standard_layout_v<IoRequest> && offsetof(IoRequest, host) == 0);
  return reinterpret_cast<IoRequest&>(host);
}
}  // namespace

IoQueueImpl::IoQueueImpl(Reactor& reactor, const ControllerOptions& options, uint16_t qid,
                         uint16_t queue_entries, PathQueueObserver* observer)
    : reactor_(reactor),
      options_(options),
      qid_(qid),
      queue_entries_(queue_entries),
      observer_(observer),
      watch_([](Timer&, void* context) { static_cast<IoQueueImpl*>(context)->on_watch(); }, this) {}

IoQueueImpl::~IoQueueImpl() {
  BALLAST_ASSERT(qpair_ == nullptr);
  BALLAST_ASSERT(in_flight_.empty() && waiting_.empty());
}

bool IoQueueImpl::submit(IoRequest& request) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  if (observer_ != nullptr && !live()) return false;
  if (state_ == State::dead || ending_) {
    refuse(request);
    return true;
  }
  if (in_flight_.size() + waiting_.size() >= queue_entries_) return false;
  request.host.done = &IoQueueImpl::host_done;
  request.host.context = this;
  request.retries = 0;
  if (state_ == State::live) {
    send(request);
  } else {
    waiting_.push_back(request);
  }
  return true;
}

void IoQueueImpl::send(IoRequest& request) {
  request.submitted_ns = reactor_.now_ns();
  in_flight_.push_back(request);
  const bool taken = qpair_->submit(request.host);  // may answer from inside if the connection is just going
  BALLAST_ASSERT(taken);                            // in flight is bounded by queue_entries_, its size
}

void IoQueueImpl::host_done(transport::HostRequest& host, const nvme::Completion& completion) {
  static_cast<IoQueueImpl*>(host.context)->on_host_done(io_of(host), completion);
}

void IoQueueImpl::on_host_done(IoRequest& request, const nvme::Completion& completion) {
  in_flight_.remove(request);
  const nvme::Status status = completion.status();
  if (!status.ok()) [[unlikely]] {
    if (qpair_->is_closing() && status.is(nvme::status::host_pathing_error)) {
      // Not the target's answer: the connection is gone. Whether it was executed is unknown; it is repeated.
      if (ending_ || observer_ != nullptr) {
        refuse(request);
      } else {
        waiting_.push_back(request);
      }
      return;
    }
    if (status.is(nvme::status::transient_transport_error) && !status.do_not_retry() &&
        request.retries < k_retries_max) {
      ++request.retries;
      send(request);
      return;
    }
  }
  finish(request, completion);
}

void IoQueueImpl::finish(IoRequest& request, const nvme::Completion& completion) {
  if (observer_ != nullptr) return observer_->on_path_done(request, completion);
  request.done(request, completion);
}

void IoQueueImpl::refuse(IoRequest& request) {
  nvme::Completion completion;
  completion.set_status(nvme::status::host_pathing_error);
  finish(request, completion);
}

void IoQueueImpl::connect(const IoQueueParameters& parameters, Connected connected, Lost lost) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  BALLAST_ASSERT(state_ == State::idle || state_ == State::dead);
  if (state_ == State::dead) {
    connected(Error{Errc::shutting_down, "the controller is closed"});
    return;
  }
  parameters_ = parameters;
  connected_ = std::move(connected);
  lost_ = std::move(lost);
  close_text_.clear();
  state_ = State::opening;
  transport::HostQpairOptions options;
  options.address = options_.address;
  options.queue_entries = queue_entries_;
  options.header_digest = options_.header_digest;
  options.data_digest = options_.data_digest;
  options.connect_timeout_ns = options_.connect_timeout_ns;
  options.in_capsule_bytes = transport::tcp::k_admin_capsule_data_bytes_max;  // for Connect
  qpair_ = transport::tcp::connect_host_qpair(reactor_, options, *this);
}

void IoQueueImpl::on_ready(transport::HostQpair&) {
  if (state_ != State::opening) return;
  state_ = State::connecting;
  connect_data_ = connect_data(options_, parameters_.controller_id);
  const MutableByteSpan bytes = mutable_bytes_of(connect_data_);
  connect_segment_ = {bytes.data(), bytes.size()};
  connect_request_.command = connect_command(qid_, queue_entries_, 0);
  connect_request_.data = {&connect_segment_, 1};
  connect_request_.context = this;
  connect_request_.done = [](transport::HostRequest& request, const nvme::Completion& completion) {
    static_cast<IoQueueImpl*>(request.context)->on_connect_done(completion);
  };
  reactor_.arm(watch_, options_.connect_timeout_ns);
  const bool taken = qpair_->submit(connect_request_);
  BALLAST_ASSERT(taken);
}

void IoQueueImpl::on_connect_done(const nvme::Completion& completion) {
  if (state_ != State::connecting || qpair_->is_closing()) return;  // on_closed() will tell
  reactor_.cancel(watch_);
  if (!completion.status().ok()) {
    close_text_ = describe("Connect of an I/O queue", completion.status());
    fail_connect(Error{Errc::refused_by_peer, close_text_});
    qpair_->close(CloseReason::local_request);
    return;
  }
  state_ = State::live;
  qpair_->set_in_capsule_bytes(parameters_.in_capsule_bytes);
  if (options_.command_timeout_ns != 0) {
    reactor_.arm(watch_, options_.command_timeout_ns / k_watches_per_timeout);
  }
  send_waiting();
  const Connected connected = std::exchange(connected_, nullptr);
  if (connected) connected(Unit{});
}

void IoQueueImpl::send_waiting() {
  while (state_ == State::live && !qpair_->is_closing()) {
    IoRequest* const request = waiting_.pop_front();
    if (request == nullptr) return;
    send(*request);
  }
}

void IoQueueImpl::fail_connect(Error error) {
  lost_ = nullptr;  // it was never there
  const Connected connected = std::exchange(connected_, nullptr);
  if (connected) connected(std::move(error));
}

// Connect without an answer, or a request that is in flight for too long: the connection is not to be
// trusted.
void IoQueueImpl::on_watch() {
  if (state_ == State::connecting) {
    close_text_ = "no answer to Connect within the limit";
    qpair_->close(CloseReason::timed_out);
    return;
  }
  if (state_ != State::live) return;
  const IoRequest* const oldest = in_flight_.front();
  if (oldest != nullptr && reactor_.now_ns() - oldest->submitted_ns >= options_.command_timeout_ns) {
    close_text_ = "an I/O command was not answered within the limit";
    qpair_->close(CloseReason::timed_out);
    return;
  }
  reactor_.arm(watch_, options_.command_timeout_ns / k_watches_per_timeout);
}

void IoQueueImpl::on_closed(transport::HostQpair& qpair, CloseReason reason, const std::string& text) {
  const Error error =
      connection_error(qpair, reason, close_text_.empty() ? text : close_text_, options_.address);
  BALLAST_ASSERT(in_flight_.empty());
  reactor_.cancel(watch_);
  qpair_.reset();
  state_ = ending_ ? State::dead : State::idle;
  if (connected_) {
    fail_connect(error);
  } else if (const Lost lost = std::exchange(lost_, nullptr); lost && disconnected_ == nullptr) {
    lost(error);
  }
  if (ending_) refuse_waiting();
  const Done disconnected = std::exchange(disconnected_, nullptr);
  if (disconnected) disconnected();  // may destroy this
}

void IoQueueImpl::disconnect(Done done) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  BALLAST_ASSERT(disconnected_ == nullptr);
  if (qpair_ == nullptr) {
    if (ending_) state_ = State::dead;
    done();
    return;
  }
  disconnected_ = std::move(done);
  state_ = State::closing;
  qpair_->close(CloseReason::local_request);
}

void IoQueueImpl::end(Done done) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  ending_ = true;
  refuse_waiting();
  disconnect(std::move(done));
}

void IoQueueImpl::refuse_waiting() {
  while (IoRequest* const request = waiting_.pop_front()) refuse(*request);
}

}  // namespace ballast::initiator
