#include "transport/tcp/host_qpair.h"

#include <cerrno>

#include "base/log.h"
#include "reactor/reactor.h"

namespace ballast::transport::tcp {

namespace {
constexpr char k_room[] = "transport/tcp";
constexpr size_t k_data_segments_max = 8;  // HostRequest::data

uint32_t size_of(std::span<const Segment> data) {
  size_t size_bytes = 0;
  for (const Segment& segment : data) size_bytes += segment.size_bytes;
  BALLAST_ASSERT(size_bytes <= UINT32_MAX);
  return static_cast<uint32_t>(size_bytes);
}

nvme::Completion pathing_error() {
  nvme::Completion completion;
  completion.set_status(nvme::status::host_pathing_error);
  return completion;
}
}  // namespace

std::unique_ptr<HostQpair> connect_host_qpair(Reactor& reactor, const HostQpairOptions& options,
                                              HostQpairObserver& observer) {
  BALLAST_ASSERT_ON_REACTOR(reactor);
  auto qpair = std::make_unique<TcpHostQpair>(reactor, options, observer);
  qpair->connect();
  return qpair;
}

TcpHostQpair::TcpHostQpair(Reactor& reactor, const HostQpairOptions& options, HostQpairObserver& observer)
    : reactor_(reactor),
      options_(options),
      observer_(observer),
      commands_(options.queue_entries),
      sender_(options.queue_entries),
      receiver_(*this),
      in_capsule_bytes_(options.in_capsule_bytes),
      timer_([](Timer&, void* context) { static_cast<TcpHostQpair*>(context)->on_timer(); }, this) {}

TcpHostQpair::~TcpHostQpair() {
  BALLAST_ASSERT(state_ == State::closed);
  BALLAST_ASSERT(commands_.in_flight() == 0);
}

void TcpHostQpair::connect() {
  reactor_.arm(timer_, options_.connect_timeout_ns);
  auto socket = reactor_.io().connect(options_.address, *this);
  if (!socket.ok()) {
    connect_error_ = socket.errc();
    const std::string& text = socket.error().text;
    end(CloseReason::peer_closed, text.empty() ? errc_text(socket.errc()) : text);
    return;
  }
  socket_ = std::move(socket.value());
}

void TcpHostQpair::on_connected(Errc errc) {
  if (state_ != State::connecting) return;
  if (errc != Errc::ok) {
    connect_error_ = errc;
    end(CloseReason::peer_closed, errc_text(errc));
    return;
  }
  state_ = State::initializing;
  IcReq request;
  request.ch.type = PduType::ic_req;
  request.ch.hlen = sizeof(IcReq);
  request.ch.plen = sizeof(IcReq);
  if (options_.header_digest) request.dgst |= k_dgst_header;
  if (options_.data_digest) request.dgst |= k_dgst_data;
  request.maxr2t = k_host_r2ts_max - 1;
  sender_.queue_bytes(bytes_of(request));
  reactor_.queue_flush(*this);
}

bool TcpHostQpair::submit(HostRequest& request) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  BALLAST_ASSERT(request.data.size() <= k_data_segments_max);
  if (state_ != State::ready) {
    request.done(request, pathing_error());
    return true;
  }
  HostCommand* const command = commands_.try_acquire();
  if (command == nullptr) return false;
  prepare(*command, request);
  sender_.queue(*command);
  reactor_.queue_flush(*this);
  return true;
}

// Fills in what the transport decides: command identifier, SGL, where the data goes.
// "Command Data Buffers and SGLs": an offset SGL for data in the capsule, else a transport data block.
void TcpHostQpair::prepare(HostCommand& command, HostRequest& request) {
  using Direction = nvme::DataDirection;
  command.request = &request;
  command.direction = nvme::data_direction(request.command);
  // Nothing we send is bidirectional; its data is not transferred.
  const bool has_direction = command.direction == Direction::host_to_controller ||
                             command.direction == Direction::controller_to_host;
  command.data_bytes = has_direction ? size_of(request.data) : 0;
  command.in_capsule = command.direction == Direction::host_to_controller && command.data_bytes > 0 &&
                       command.data_bytes <= in_capsule_bytes_;
  command.sent = command.last_received = command.data_digest_failed = command.answered = false;
  command.transfers_count = command.transfers_first = 0;
  command.sends_unfinished = 0;
  command.received_bytes = command.requested_bytes = 0;

  nvme::Command& sqe = request.command;
  sqe.cid = command.cid;
  sqe.flags = static_cast<uint8_t>((sqe.flags & 0x3f) | nvme::k_psdt_sgl << 6);
  sqe.sgl = {};
  sqe.sgl.length_bytes = command.data_bytes;
  sqe.sgl.identifier = command.in_capsule
                           ? nvme::k_sgl_data_block << 4 | nvme::k_sgl_subtype_offset
                           : nvme::k_sgl_transport_data_block << 4 | nvme::k_sgl_subtype_transport;
  request.slot = command.cid;
  request.transferred_bytes = 0;
}

void TcpHostQpair::flush() {
  if (state_ == State::closing) {
    state_ = State::closed;
    observer_.on_closed(*this, close_reason_, close_text_);  // may destroy this
    return;
  }
  if (is_open() && !waits_for_writable_) send_ready();
}

void TcpHostQpair::on_writable() {
  waits_for_writable_ = false;
  if (is_open()) send_ready();
}

void TcpHostQpair::send_ready() {
  for (uint32_t i = 0; i < k_sends_per_turn_max; ++i) {
    const std::span<const Segment> batch = sender_.next_batch();
    if (batch.empty()) return;
    const int64_t sent = socket_->send(batch);
    if (sent == -EAGAIN) {
      waits_for_writable_ = true;
      socket_->notify_writable();
      return;
    }
    if (sent < 0) {
      end(CloseReason::peer_closed, errc_text(errc_from_errno(static_cast<int>(-sent))));
      return;
    }
    if (!sender_.advance(static_cast<size_t>(sent))) continue;
    while (HostCommand* const command = sender_.take_sent()) {
      --command->sends_unfinished;
      finish_if_unsent_is_none(*command);
      if (!is_open()) return;  // a done() closed us
    }
  }
  reactor_.queue_flush(*this);  // the rest in the next turn
}

bool TcpHostQpair::on_readable() {
  for (uint32_t i = 0; i < k_receives_per_turn_max; ++i) {
    bool drained = true;
    bool go_on = true;
    const int64_t received = state_ == State::terminating ? HostReceiver::discard_once(*socket_)
                                                          : receiver_.receive_once(*socket_, drained, go_on);
    if (received == -EAGAIN) return i > 0;
    if (received <= 0) {
      if (state_ == State::terminating) {
        socket_.reset();
        report_close_later(close_reason_, std::move(close_text_));
      } else {
        end(CloseReason::peer_closed,
            received == 0 ? "closed by the target" : errc_text(errc_from_errno(static_cast<int>(-received))));
      }
      return true;
    }
    if (!go_on || drained || socket_ == nullptr) return true;
  }
  return true;
}

void TcpHostQpair::answer(HostCommand& command, const nvme::Completion& completion) {
  command.completion = completion;
  command.answered = true;
  finish_if_unsent_is_none(command);
}

// A target may answer a write before all of its data has left. The caller's memory is still ours to send
// then, in the middle of a PDU even: done() waits.
void TcpHostQpair::finish_if_unsent_is_none(HostCommand& command) {
  if (command.answered && command.sends_unfinished == 0 && command.transfers_count == 0) finish(command);
}

void TcpHostQpair::finish(HostCommand& command) {
  nvme::Completion completion = command.completion;
  if (completion.status().ok()) {
    using Direction = nvme::DataDirection;
    const bool short_read =
        command.direction == Direction::controller_to_host && command.received_bytes != command.data_bytes;
    const bool short_write = command.direction == Direction::host_to_controller && !command.in_capsule &&
                             command.requested_bytes != command.data_bytes;
    if (command.data_digest_failed) {  // "Digest Error handling"
      completion.set_status(nvme::status::transient_transport_error);
    } else if (short_read || short_write) {
      completion.set_status(nvme::status::data_transfer_error);
    }
  }
  HostRequest& request = *command.request;
  request.transferred_bytes = command.direction == nvme::DataDirection::controller_to_host
                                  ? command.received_bytes
                                  : command.data_bytes;
  commands_.release(command);
  request.done(request, completion);
}

void TcpHostQpair::close(CloseReason reason) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  if (state_ == State::closing || state_ == State::closed) return;
  end(reason, close_reason_text(reason));
}

void TcpHostQpair::end(CloseReason reason, std::string text) {
  if (state_ == State::terminating) {  // requests have been failed already
    socket_.reset();
    report_close_later(reason, std::move(text));
    return;
  }
  // The socket goes first: from here no byte of a request can be sent or written. Not by the kernel either,
  // which has what it took: a write that is repeated over another path must not come over this one after
  // that.
  if (in_flight() > 0) socket_->discard_unsent_on_close();
  socket_.reset();
  report_close_later(reason, std::move(text));
  fail_requests();
}

void TcpHostQpair::fail_requests() {
  sender_.forget_all();
  for (HostCommand& command : commands_.all()) {
    if (command.request == nullptr) continue;
    HostRequest& request = *command.request;
    commands_.release(command);
    request.done(request, pathing_error());  // may submit again: that is refused, the state is not ready
  }
}

void TcpHostQpair::report_close_later(CloseReason reason, std::string text) {
  reactor_.cancel(timer_);
  state_ = State::closing;
  close_reason_ = reason;
  close_text_ = std::move(text);
  reactor_.queue_flush(*this);
}

// "Transport Error Handling": stop processing, send H2CTermReq, and reset the connection if that cannot be
// sent or the target does not close it.
void TcpHostQpair::on_fatal(Fatal fatal, ByteSpan header) {
  const std::string text = std::string("target sent a bad PDU: ") +
                           fatal_error_text(Role::host, static_cast<uint16_t>(fatal.fes)) + " (" +
                           std::to_string(fatal.fei) + ")";
  log(LogLevel::warning, k_room, "%s: %s", options_.address.text().c_str(), text.c_str());
  std::array<uint8_t, k_term_plen_max> term;
  const size_t term_bytes = build_term_req(Role::host, fatal, header, term);
  const Segment segment{term.data(), term_bytes};
  const bool sent = !sender_.in_middle() && socket_->send({&segment, 1}) == static_cast<int64_t>(term_bytes);
  if (!sent) {
    end(CloseReason::protocol_error, text);
    return;
  }
  socket_->shutdown_send();
  state_ = State::terminating;
  close_reason_ = CloseReason::protocol_error;
  close_text_ = text;
  reactor_.arm(timer_, k_terminate_linger_ns);
  fail_requests();
}

void TcpHostQpair::on_bad_term_req() {
  end(CloseReason::peer_terminated, "terminated by the target, without a readable reason");
}

void TcpHostQpair::on_timer() {
  if (state_ == State::terminating) {
    socket_.reset();
    report_close_later(close_reason_, std::move(close_text_));
    return;
  }
  connect_error_ = Errc::timed_out;
  end(CloseReason::timed_out,
      state_ == State::connecting ? "no TCP connection within the limit" : "no ICResp within the limit");
}

}  // namespace ballast::transport::tcp
