// Buffers for a command's data and the R2Ts that fetch it. A buffer comes from the reactor's arena, within a
// budget per connection, so that a host that never sends its data or never reads its answers holds little.
// Of the commands whose data has to be fetched only the first few have their R2Ts out: see
// k_solicited_bytes_max.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/crc32c.h"
#include "transport/tcp/target_qpair.h"

namespace ballast::transport::tcp {
namespace {

// What a connection is asked for at a time. Enough for 100 Gbit/s over a round trip of 80 us; more only
// spreads the data that arrives over more buffers than a cache holds (docs/decisions/0004).
constexpr uint64_t k_solicited_bytes_max = 1 << 20;

}  // namespace

void TargetTcpQpair::fetch(Request& base, uint32_t size_bytes, DataUse use) {
  const Entered entered(*this);
  auto& request = static_cast<TargetRequest&>(base);
  BALLAST_ASSERT(request.state == Request::State::received);
  BALLAST_ASSERT(size_bytes <= request.sgl_length_bytes);
  if (request.abandoned || size_bytes == 0 || request.data_in_capsule) {
    request.state = Request::State::executing;
    if (request.lent != nullptr && use == DataUse::until_on_fetched_returns) {
      request.data.base = const_cast<uint8_t*>(request.lent);
      request.lent = nullptr;
    }
    keep_lent(request);
    if (request.data_in_capsule) request.data.size_bytes = size_bytes;
    observer_->on_fetched(request,
                          request.abandoned ? nvme::status::aborted_sq_deletion : nvme::status::success);
    return;
  }
  want_buffer(request, size_bytes, TargetRequest::Want::fetch);
}

// Before what was received is overwritten.
void TargetTcpQpair::keep_lent(TargetRequest& request) {
  if (request.lent == nullptr) return;
  std::memcpy(request.buffer.base, request.lent, request.buffer.size_bytes);
  request.lent = nullptr;
}

void TargetTcpQpair::alloc_reply_buffer(Request& base, uint32_t size_bytes) {
  const Entered entered(*this);
  auto& request = static_cast<TargetRequest&>(base);
  BALLAST_ASSERT(request.state == Request::State::received || request.state == Request::State::executing);
  BALLAST_ASSERT(size_bytes > 0);
  release_buffer(request);
  if (!request.abandoned) {
    want_buffer(request, size_bytes, TargetRequest::Want::reply_buffer);
    if (request.buffer.base == nullptr) return;
  }
  request.state = Request::State::executing;
  observer_->on_buffer(request);
}

void TargetTcpQpair::want_buffer(TargetRequest& request, uint32_t size_bytes, TargetRequest::Want want) {
  request.state = Request::State::waiting_buffer;
  request.want = want;
  request.wanted_bytes = size_bytes;
  if (want == TargetRequest::Want::fetch) {
    if (!over_window_.empty() || !may_solicit(size_bytes)) return over_window_.push_back(request);
    enter_window(request);
  }
  ask_within_budget(request);
}

void TargetTcpQpair::ask_within_budget(TargetRequest& request) {
  if (over_budget_.empty() && may_hold(request.wanted_bytes)) return take_from_arena(request);
  over_budget_.push_back(request);
}

bool TargetTcpQpair::may_solicit(uint32_t size_bytes) const {
  return window_bytes_ == 0 || window_bytes_ + size_bytes <= k_solicited_bytes_max;
}

void TargetTcpQpair::enter_window(TargetRequest& request) {
  request.window_bytes = request.wanted_bytes;
  window_bytes_ += request.window_bytes;
}

// All data of the request is here, or none will come.
void TargetTcpQpair::leave_window(TargetRequest& request) {
  if (request.window_bytes == 0) return;
  window_bytes_ -= request.window_bytes;
  request.window_bytes = 0;
  if (!may_admit()) return;
  while (TargetRequest* const next = over_window_.front()) {
    if (!may_solicit(next->wanted_bytes)) return;
    over_window_.remove(*next);
    enter_window(*next);
    ask_within_budget(*next);
  }
}

// At most the budget, and never more than what is left for others: however many hosts take all they can and
// give nothing back, the next one still finds as much as each of them has. What waits is asked again when
// something of this connection's own is released, so a connection that holds nothing is always let in.
bool TargetTcpQpair::may_hold(uint32_t size_bytes) const {
  const uint64_t held_bytes = charged_bytes_ + uint64_t{size_bytes};
  return charged_bytes_ == 0 || (held_bytes <= context_.options.send_queue_bytes_max &&
                                 held_bytes <= context_.reactor.buffers().transfer_bytes_free(size_bytes));
}

void TargetTcpQpair::take_from_arena(TargetRequest& request) {
  request.charged_bytes = request.wanted_bytes;
  charged_bytes_ += request.wanted_bytes;
  BufferArena& arena = context_.reactor.buffers();
  const Segment buffer = arena.try_acquire(request.wanted_bytes, BufferArena::Purpose::transfer);
  if (buffer.base == nullptr) {
    arena.wait(request.waiter, request.wanted_bytes, BufferArena::Purpose::transfer);
    return;
  }
  request.data = request.buffer = buffer;
  if (request.want == TargetRequest::Want::fetch) start_transfer(request);
}

// From the arena's line: possibly deep inside another connection's calls, so observers hear of it later.
void TargetTcpQpair::buffer_arrived(TargetRequest& request, Segment buffer) {
  request.data = request.buffer = buffer;
  if (request.want == TargetRequest::Want::fetch) return start_transfer(request);
  queue_event(request, TargetRequest::Event::buffer);
  context_.reactor.queue_flush(*this);
}

void TargetTcpQpair::request_buffer_ready(BufferArena::Waiter& waiter, Segment buffer) {
  auto& request = *static_cast<TargetRequest*>(waiter.context);
  static_cast<TargetTcpQpair*>(request.qpair)->buffer_arrived(request, buffer);
}

void TargetTcpQpair::start_transfer(TargetRequest& request) {
  request.state = Request::State::fetching;
  issue_r2ts(request);
}

// One R2T covers what one H2CData may carry if the host takes several per command, all of it otherwise: the
// host then needs no further round trip.
void TargetTcpQpair::issue_r2ts(TargetRequest& request) {
  const auto size_bytes = static_cast<uint32_t>(request.data.size_bytes);
  const uint32_t piece_max = r2ts_per_command_ > 1 ? context_.options.max_h2c_data_bytes : size_bytes;
  while (request.transfers_count < r2ts_per_command_ && request.solicited_bytes < size_bytes) {
    const uint32_t index = (request.transfer_first + request.transfers_count) % k_r2ts_per_command_max;
    Transfer& transfer = request.transfers[index];
    // 0 and FFFFh are never used: they are what a confused host is most likely to send.
    ttag_last_ = ttag_last_ >= 0xfffe ? uint16_t{1} : static_cast<uint16_t>(ttag_last_ + 1);
    transfer.state = Transfer::State::queued;
    transfer.ttag = ttag_last_;
    transfer.r2to = request.solicited_bytes;
    transfer.r2tl = std::min(piece_max, size_bytes - request.solicited_bytes);
    request.solicited_bytes += transfer.r2tl;
    ++request.transfers_count;

    const bool digest = reader_.rules().header_digest;
    const size_t bytes_count = sizeof(R2T) + (digest ? k_digest_bytes : 0);
    R2T header;
    header.ch = {PduType::r2t, digest ? k_flag_hdgst : uint8_t{0}, sizeof(R2T), 0,
                 static_cast<uint32_t>(bytes_count)};
    header.cccid = request.command.cid;
    header.ttag = transfer.ttag;
    header.r2to = transfer.r2to;
    header.r2tl = transfer.r2tl;
    store(transfer.pdu, header);
    if (digest) store(MutableByteSpan(transfer.pdu).subspan(sizeof(R2T)), crc32c(bytes_of(header)));
    transfer.part = {transfer.pdu.data(), bytes_count};
    transfer.item.parts = &transfer.part;
    transfer.item.parts_count = 1;
    transfer.item.bytes_count = static_cast<uint32_t>(bytes_count);
    transfer.item.kind = SendItem::Kind::r2t;
    transfer.item.owner = &transfer;
    queue_.push(transfer.item);
    context_.reactor.queue_flush(*this);
  }
}

// Forgets the request's R2Ts, those on their way too: for the end of the connection, and for withdrawing
// before any has left.
void TargetTcpQpair::drop_r2ts(TargetRequest& request) {
  for (Transfer& transfer : request.transfers) {
    if (transfer.item.node.is_linked() && !queue_.has_begun(transfer.item)) queue_.remove(transfer.item);
  }
  request.transfers_count = 0;
}

bool TargetTcpQpair::try_withdraw(Request& base) {
  const Entered entered(*this);
  auto& request = static_cast<TargetRequest&>(base);
  if (request.state == Request::State::fetching) {
    if (request.event != TargetRequest::Event::none || request.arrived_bytes != 0) return false;
    for (uint32_t i = 0; i < request.transfers_count; ++i) {
      const Transfer& transfer = request.transfers[(request.transfer_first + i) % k_r2ts_per_command_max];
      if (transfer.state != Transfer::State::queued || queue_.has_begun(transfer.item)) return false;
    }
    drop_r2ts(request);
    request.solicited_bytes = 0;
  } else if (request.state != Request::State::waiting_buffer) {
    return false;
  }
  withdraw_from_lines(request);
  release_buffer(request);
  request.state = Request::State::received;
  return true;
}

void TargetTcpQpair::withdraw_from_lines(TargetRequest& request) {
  context_.reactor.buffers().cancel(request.waiter);
  if (!request.line_node.is_linked()) return;
  if (request.event != TargetRequest::Event::none) {
    events_.remove(request);
    request.event = TargetRequest::Event::none;
  } else if (request.want == TargetRequest::Want::fetch && request.window_bytes == 0) {
    over_window_.remove(request);
  } else {
    over_budget_.remove(request);
  }
}

// Lets the request's buffer and its share of the budget go, if it has any.
void TargetTcpQpair::release_buffer(TargetRequest& request) {
  request.data = {};
  request.lent = nullptr;
  if (request.buffer.base != nullptr) {
    context_.reactor.buffers().release(std::exchange(request.buffer, {}));
  }
  request.data_in_capsule = false;
  uncharge(request);
  leave_window(request);
}

void TargetTcpQpair::uncharge(TargetRequest& request) {
  if (request.charged_bytes == 0) return;
  charged_bytes_ -= request.charged_bytes;
  request.charged_bytes = 0;
  admit_over_budget();
}

void TargetTcpQpair::admit_over_budget() {
  if (!may_admit()) return;
  while (TargetRequest* const request = over_budget_.front()) {
    if (!may_hold(request->wanted_bytes)) return;
    over_budget_.remove(*request);
    take_from_arena(*request);
    if (request->want == TargetRequest::Want::reply_buffer && request->buffer.base != nullptr) {
      queue_event(*request, TargetRequest::Event::buffer);
      context_.reactor.queue_flush(*this);
    }
  }
}

}  // namespace ballast::transport::tcp
