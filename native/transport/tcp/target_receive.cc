// From the socket to the parser: how much may be received, what happens when a capsule finds no buffer, and
// the dispatch of what was parsed to the observer.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "transport/tcp/target_qpair.h"

namespace ballast::transport::tcp {
namespace {

// Receive calls in one turn of a connection, so that others get theirs.
constexpr int k_receives_per_turn_max = 2;
// A payload of this size is worth a receive of its own: only so much of what is behind it is taken through
// the scratch buffer that the next payload goes straight to its place, too.
constexpr size_t k_large_payload_bytes = 32 * 1024;
constexpr size_t k_small_scratch_bytes = 8 * 1024;

}  // namespace

bool TargetTcpQpair::on_readable() {
  const Entered entered(*this);
  if (stage_ == Stage::lingering) return drain_while_lingering();
  bool received = false;
  for (int i = 0; i < k_receives_per_turn_max; ++i) {
    if (socket_ == nullptr || stage_ == Stage::lingering || !reading_) break;
    const Received result = receive_once();
    received = received || result != Received::nothing;
    if (result != Received::more) break;
  }
  return received;
}

// Receives and parses once.
TargetTcpQpair::Received TargetTcpQpair::receive_once() {
  const Segment direct = reader_.direct_target();
  const size_t limit = scratch_limit(direct.size_bytes);
  const bool tight = !has_room_for(limit);
  // While memory is short nothing is taken from the socket but what completes the header or the payload at
  // hand: what is behind it may have no place.
  const size_t scratch_bytes = !tight ? limit : direct.base != nullptr ? 0 : reader_.bytes_to_next_decision();
  std::array<Segment, 2> into;
  size_t segments_count = 0;
  if (direct.base != nullptr && direct.size_bytes != 0) into[segments_count++] = direct;
  if (scratch_bytes != 0) {
    into[segments_count++] = {context_.scratch.get(), std::min(scratch_bytes, k_scratch_bytes)};
  }
  const int64_t result = socket_->receive(std::span(into).first(segments_count));
  if (result == -EAGAIN || result == -EINTR) return Received::nothing;
  if (result <= 0) {
    close(CloseReason::peer_closed);
    return Received::drained;
  }
  const auto received = static_cast<size_t>(result);
  count(context_.counters.receives);
  count(context_.counters.bytes_received, received);
  const size_t direct_bytes = std::min(received, direct.base != nullptr ? direct.size_bytes : 0);
  if (direct_bytes != 0) reader_.accept_direct(direct_bytes);
  consume({context_.scratch.get(), received - direct_bytes});
  return tight || received == direct.size_bytes + scratch_bytes ? Received::more : Received::drained;
}

size_t TargetTcpQpair::scratch_limit(size_t direct_bytes) const {
  if (direct_bytes >= k_large_payload_bytes) return k_small_scratch_bytes;
  // Many large H2CData are on their way: their payload should not go through the scratch buffer.
  if (awaited_bytes_ >= k_large_payload_bytes * std::max(awaited_count_, 1u)) return k_small_scratch_bytes;
  return k_scratch_bytes;
}

// Whether every capsule that bytes_count bytes can hold would find a buffer.
bool TargetTcpQpair::has_room_for(size_t bytes_count) const {
  const BufferArena& arena = context_.reactor.buffers();
  const size_t capsules = std::min<size_t>(requests_max_ - std::min<size_t>(requests_max_, in_flight_.size()),
                                           bytes_count / sizeof(CapsuleCmd) + 1);
  if (arena.small_free() < capsules) return false;
  if (context_.options.in_capsule_bytes <= BufferArenaSizes::k_small_bytes) return true;
  return arena.large_free() >= std::min(capsules, bytes_count / BufferArenaSizes::k_small_bytes + 1);
}

void TargetTcpQpair::consume(ByteSpan bytes) {
  const PduReader::Outcome outcome = reader_.feed(bytes);
  if (outcome == PduReader::Outcome::waiting) stall(bytes);
  dispatch();
  if (end_ != End::none) return end_parsing();
  if (socket_ == nullptr) return;
  update_pdu_deadline();
  update_reading();
}

// The capsule at hand has no buffer. What has been received behind it is kept: has_room_for() makes that
// rare, but buffers can go to others between its answer and now.
void TargetTcpQpair::stall(ByteSpan rest) {
  stalled_ = true;
  if (rest.empty()) {
    spill_begin_ = spill_end_ = 0;
    return;
  }
  if (spill_ != nullptr && rest.data() >= spill_.get() && rest.data() < spill_.get() + spill_end_) {
    spill_begin_ = static_cast<size_t>(rest.data() - spill_.get());
    return;
  }
  spill_.reset(new (std::nothrow) uint8_t[rest.size()]);
  if (spill_ == nullptr) {
    end_ = End::no_memory;
    return;
  }
  std::memcpy(spill_.get(), rest.data(), rest.size());
  spill_begin_ = 0;
  spill_end_ = rest.size();
}

void TargetTcpQpair::capsule_buffer_ready(BufferArena::Waiter& waiter, Segment buffer) {
  auto& self = *static_cast<TargetTcpQpair*>(waiter.context);
  self.granted_ = buffer;
  self.resume_pending_ = true;
  // Not from here: this is deep inside whoever released the buffer.
  self.context_.reactor.queue_flush(self);
}

void TargetTcpQpair::resume() {
  resume_pending_ = false;
  stalled_ = false;
  ByteSpan rest{spill_.get() + spill_begin_, spill_end_ - spill_begin_};
  if (spill_ == nullptr) rest = {};
  consume(rest);
  if (!stalled_) {
    spill_.reset();
    spill_begin_ = spill_end_ = 0;
  }
}

// Acts on why parsing stopped. Commands that came before it have been dispatched.
void TargetTcpQpair::end_parsing() {
  if (socket_ == nullptr || stage_ == Stage::lingering) return;
  switch (end_) {
    case End::none: return;
    case End::terminate: return terminate();
    case End::peer_terminated: return close(CloseReason::peer_terminated);
    case End::flow_control_broken: return close(CloseReason::protocol_error);
    case End::no_memory: return close(CloseReason::no_memory);
  }
}

void TargetTcpQpair::queue_event(TargetRequest& request, TargetRequest::Event event) {
  request.event = event;
  events_.push_back(request);
}

void TargetTcpQpair::dispatch() {
  if (dispatching_) return;  // an observer's call came back here: the loop below is still running
  dispatching_ = true;
  while (TargetRequest* const request = events_.pop_front()) {
    const TargetRequest::Event event = request->event;
    request->event = TargetRequest::Event::none;
    switch (event) {
      case TargetRequest::Event::arrived:
        request->state = Request::State::received;
        request->shown = true;
        observer_->on_request(*request);
        keep_lent(*request);
        break;
      case TargetRequest::Event::fetched:
        request->state = Request::State::executing;
        observer_->on_fetched(*request, request->data_digest_wrong ? nvme::status::transient_transport_error
                                                                   : nvme::status::success);
        break;
      case TargetRequest::Event::buffer:
        request->state = Request::State::executing;
        observer_->on_buffer(*request);
        break;
      case TargetRequest::Event::none: break;
    }
  }
  dispatching_ = false;
}

void TargetTcpQpair::update_reading() {
  if (socket_ == nullptr || stage_ == Stage::lingering) return;
  const uint64_t limit = context_.options.send_queue_bytes_max;
  // Some room first, so that a peer at the limit does not switch it with every answer.
  const bool room = reading_ ? queue_.bytes_count() <= limit : queue_.bytes_count() <= limit / 2;
  const bool wanted = !stalled_ && (room || (!blocked_ && queue_.empty()));
  if (wanted == reading_) return;
  reading_ = wanted;
  socket_->set_reading(wanted);
  update_pdu_deadline();
}

bool TargetTcpQpair::drain_while_lingering() {
  const Segment scratch{context_.scratch.get(), k_scratch_bytes};
  const int64_t result = socket_->receive({&scratch, 1});
  if (result == -EAGAIN || result == -EINTR) return false;
  if (result <= 0) {
    finish_linger();
    return true;
  }
  linger_bytes_left_ -= std::min<uint64_t>(linger_bytes_left_, static_cast<uint64_t>(result));
  if (linger_bytes_left_ == 0) socket_->set_reading(false);
  return true;
}

}  // namespace ballast::transport::tcp
