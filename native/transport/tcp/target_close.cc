// Time-outs and the end of a connection: C2HTermReq and lingering, closing, and giving every request back.
// NVMe/TCP Transport Specification 1.0, "Transport Error Handling".
#include <algorithm>

#include "base/log.h"
#include "transport/tcp/target_qpair.h"

namespace ballast::transport::tcp {
namespace {

// What a host may still send after our C2HTermReq before we stop taking it. Unread bytes would turn our close
// into a reset, which can take the TermReq with it.
constexpr uint64_t k_linger_bytes_max = 1 << 20;

}  // namespace

// A fatal error: what has not begun to leave never will, then the TermReq.
void TargetTcpQpair::terminate() {
  send_pending();  // answers to the commands before the error
  if (socket_ == nullptr) return;
  // A half sent R2T would have to stay while its request goes: rare enough to go without the TermReq.
  const SendItem* const head = queue_.head();
  const bool r2t_begun = head != nullptr && queue_.has_begun(*head) && head->kind == SendItem::Kind::r2t;
  if (term_ == nullptr || r2t_begun) return close(CloseReason::protocol_error);
  stage_ = Stage::lingering;
  SendItem* item = queue_.head();
  while (item != nullptr) {
    SendItem* const next = queue_.after(*item);
    if (!queue_.has_begun(*item) && item->kind != SendItem::Kind::control) queue_.remove(*item);
    item = next;
  }
  queue_control(term_, term_bytes_);
  stop_io();
  socket_->set_reading(true);  // for the host's close
  reading_ = true;
  linger_bytes_left_ = k_linger_bytes_max;
  watch(linger_deadline_ns_, context_.options.terminate_linger_ns);
  abandon_all(CloseReason::protocol_error);
  if (stage_ == Stage::lingering) send_pending();
}

void TargetTcpQpair::finish_linger() {
  stage_ = Stage::closed;
  stop_io();
  SendItem* const head = queue_.head();
  queue_.clear();
  socket_.reset();
  if (head != nullptr && head->kind == SendItem::Kind::answer) item_sent(*head);
  term_.reset();
  ic_resp_.reset();
}

void TargetTcpQpair::close(CloseReason reason) {
  const Entered entered(*this);
  if (stage_ == Stage::closed) return;
  if (stage_ == Stage::lingering) return finish_linger();
  if (reason == CloseReason::local_request && stage_ == Stage::established) send_pending();
  if (stage_ == Stage::closed || stage_ == Stage::lingering) return;
  stage_ = Stage::closed;
  stop_io();
  queue_.clear();
  ic_resp_.reset();
  term_.reset();
  if (stable_.base != nullptr) context_.reactor.buffers().release(stable_);
  stable_ = {};
  stable_heap_.reset();
  socket_.reset();
  abandon_all(reason);
}

// No byte more is parsed or awaited. The socket and what is being sent are the caller's.
void TargetTcpQpair::stop_io() {
  context_.reactor.cancel(watchdog_);
  ic_deadline_ns_ = pdu_deadline_ns_ = send_deadline_ns_ = transfer_deadline_ns_ = linger_deadline_ns_ = 0;
  if (stage_ == Stage::closed) context_.reactor.cancel_flush(*this);
  context_.reactor.buffers().cancel(capsule_waiter_);
  if (granted_.base != nullptr) context_.reactor.buffers().release(granted_);
  granted_ = {};
  resume_pending_ = false;
  stalled_ = false;
  spill_.reset();
  current_ = nullptr;
}

void TargetTcpQpair::abandon_all(CloseReason reason) {
  awaited_bytes_ = 0;
  awaited_count_ = 0;
  while (over_window_.pop_front() != nullptr) {
  }
  while (over_budget_.pop_front() != nullptr) {
  }
  // First nothing of this connection waits or is to be sent any more, then the observer hears of it: what it
  // does may release buffers, which must not come here.
  for (TargetRequest* request = in_flight_.front(); request != nullptr;
       request = in_flight_.after(*request)) {
    request->abandoned = true;
    context_.reactor.buffers().cancel(request->waiter);
    if (stage_ != Stage::closed) continue;
    for (Transfer& transfer : request->transfers) transfer.state = Transfer::State::free;
  }
  while (TargetRequest* const request = events_.pop_front()) {
    request->event = TargetRequest::Event::none;
    if (!request->shown) request->state = Request::State::receiving;
  }
  if (observer_ != nullptr) observer_->on_closed(*this, reason);
  while (TargetRequest* const request = in_flight_.front()) {
    if (request->given_back) break;
    request->given_back = true;
    in_flight_.remove(*request);
    in_flight_.push_back(*request);
    give_back(*request);
  }
}

// Tells the observer that a request it waits for will get nothing more. Those that it is executing come back
// by its reply().
void TargetTcpQpair::give_back(TargetRequest& request) {
  switch (request.state) {
    case Request::State::receiving: return finish_request(request);
    case Request::State::replying:
      // The answer that is half sent before a TermReq ends with it.
      if (!request.answer.node.is_linked()) finish_request(request);
      return;
    case Request::State::waiting_buffer:
    case Request::State::fetching: {
      const bool fetching = request.want == TargetRequest::Want::fetch;
      release_buffer(request);
      request.state = Request::State::executing;
      if (fetching) return observer_->on_fetched(request, nvme::status::aborted_sq_deletion);
      return observer_->on_buffer(request);
    }
    case Request::State::received:
    case Request::State::executing:
    case Request::State::free: return;
  }
}

void TargetTcpQpair::detach() {
  const Entered entered(*this);
  BALLAST_ASSERT(!detached_);
  detached_ = true;
}

void TargetTcpQpair::leave() {
  if (stage_ == Stage::closed && detached_ && in_flight_.empty()) context_.gone(context_, *this);
}

void TargetTcpQpair::watch(uint64_t& deadline_ns, uint64_t delay_ns) {
  deadline_ns = context_.reactor.now_ns() + delay_ns;
  if (!watchdog_.armed() || watchdog_.deadline_ns() > deadline_ns) context_.reactor.arm(watchdog_, delay_ns);
}

// A PDU that has begun must end in time, unless it is we who do not read.
void TargetTcpQpair::update_pdu_deadline() {
  if (!reader_.in_progress() || stalled_ || !reading_) {
    pdu_deadline_ns_ = 0;
  } else if (pdu_deadline_ns_ == 0 || reader_.pdus_count() != pdu_watched_) {
    pdu_watched_ = reader_.pdus_count();
    watch(pdu_deadline_ns_, context_.options.pdu_timeout_ns);
  }
}

// One timer for all deadlines. Those that moved on since it was armed only re-arm it, so that I/O never does.
void TargetTcpQpair::on_watchdog() {
  const Entered entered(*this);
  const uint64_t now = context_.reactor.now_ns();
  const auto expired = [now](uint64_t deadline) { return deadline != 0 && now >= deadline; };
  if (expired(linger_deadline_ns_)) return finish_linger();
  const bool pays_attention = reading_ && !stalled_;
  if (expired(transfer_deadline_ns_) && !pays_attention) {
    transfer_deadline_ns_ = now + context_.options.send_timeout_ns;
  }
  if (expired(ic_deadline_ns_) || expired(pdu_deadline_ns_) || expired(send_deadline_ns_) ||
      expired(transfer_deadline_ns_)) {
    log(LogLevel::warning, "transport", "%s: %s", peer_address_.text().c_str(),
        expired(ic_deadline_ns_)     ? "no ICReq in time"
        : expired(pdu_deadline_ns_)  ? "a PDU was not finished in time"
        : expired(send_deadline_ns_) ? "takes no answers"
                                     : "does not send the data of a command");
    return close(CloseReason::timed_out);
  }
  uint64_t next = UINT64_MAX;
  for (const uint64_t deadline :
       {ic_deadline_ns_, pdu_deadline_ns_, send_deadline_ns_, transfer_deadline_ns_, linger_deadline_ns_}) {
    if (deadline != 0) next = std::min(next, deadline);
  }
  if (next != UINT64_MAX) context_.reactor.arm(watchdog_, next - now);
}

}  // namespace ballast::transport::tcp
