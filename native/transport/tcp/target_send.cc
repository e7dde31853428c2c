// The end of a turn: one vectored send for everything that the connection has to say.
#include <cerrno>
#include <cstring>
#include <new>

#include "base/crc32c.h"
#include "transport/tcp/target_qpair.h"

namespace ballast::transport::tcp {
namespace {

// Sends in one flush: only more than k_gather_bytes_max or k_send_segments_max needs a second.
constexpr int k_sends_per_flush_max = 4;

void digest_data(TargetRequest& request) {
  uint32_t crc = k_crc32c_seed;
  for (uint32_t i = 0; i < request.data_parts_count; ++i) {
    const Segment& part = request.parts[request.data_part_first + i];
    crc = crc32c_update(crc, {part.base, part.size_bytes});
  }
  request.data_digest = crc32c_finish(crc);
}

}  // namespace

void TargetTcpQpair::flush() {
  const Entered entered(*this);
  if (resume_pending_ && socket_ != nullptr && stage_ != Stage::lingering) resume();
  dispatch();
  send_pending();
  update_reading();
}

void TargetTcpQpair::on_writable() {
  const Entered entered(*this);
  blocked_ = false;
  send_pending();
  update_reading();
}

void TargetTcpQpair::send_pending() {
  if (socket_ == nullptr || blocked_ || queue_.empty()) return;
  count(context_.counters.flushes);
  for (int i = 0; i < k_sends_per_flush_max && socket_ != nullptr && !blocked_ && !queue_.empty(); ++i) {
    if (!send_once()) return;
  }
  if (socket_ != nullptr && !blocked_ && !queue_.empty()) context_.reactor.queue_flush(*this);
}

// False if the connection ended.
bool TargetTcpQpair::send_once() {
  const SendQueue::Gathered gathered = queue_.gather(context_.segments, [](SendItem& item) {
    if (item.kind != SendItem::Kind::answer) return;
    auto& request = *static_cast<TargetRequest*>(item.owner);
    if (!request.data_digest_pending) return;
    digest_data(request);
    request.data_digest_pending = request.data_is_mapped;
  });
  int64_t result = socket_->send(std::span(context_.segments).first(gathered.segments_count));
  count(context_.counters.sends);
  if (result == -EAGAIN || result == -EINTR) result = 0;
  if (result < 0) {
    stage_ == Stage::lingering ? finish_linger() : close(CloseReason::peer_closed);
    return false;
  }
  auto sent = static_cast<size_t>(result);
  count(context_.counters.bytes_sent, sent);
  if (sent < gathered.bytes_count) {
    blocked_ = true;
    if (sent != 0 || send_deadline_ns_ == 0) watch(send_deadline_ns_, context_.options.send_timeout_ns);
  } else {
    send_deadline_ns_ = 0;
  }
  while (SendItem* const item = queue_.consume(sent)) item_sent(*item);
  // item_sent() tells observers, who may have ended it all.
  if (socket_ == nullptr) return false;
  if (!blocked_) return true;
  if (!protect_mapped_head()) {
    close(CloseReason::no_memory);
    return false;
  }
  socket_->notify_writable();
  return true;
}

void TargetTcpQpair::item_sent(SendItem& item) {
  if (item.kind == SendItem::Kind::r2t) {
    auto& transfer = *static_cast<Transfer*>(item.owner);
    transfer.state = Transfer::State::awaiting;
    awaited_bytes_ += transfer.r2tl;
    ++awaited_count_;
    watch(transfer_deadline_ns_, context_.options.send_timeout_ns);
    return;
  }
  if (item.kind == SendItem::Kind::answer) {
    if (stable_.base != nullptr) {
      context_.reactor.buffers().release(stable_);
      stable_ = {};
    }
    stable_heap_.reset();
    return finish_request(*static_cast<TargetRequest*>(item.owner));
  }
  if (ic_resp_ != nullptr && &item == &ic_resp_->item) {
    ic_resp_.reset();
    return;
  }
  term_.reset();
  socket_->shutdown_send();
}

// Part of the first answer has left. If the rest of its data lies in a device, a later write could change it
// in the middle of a block, and its digest is on its way or already computed: it is copied now.
bool TargetTcpQpair::protect_mapped_head() {
  SendItem* const head = queue_.head();
  if (head == nullptr || queue_.head_sent_bytes() == 0 || head->kind != SendItem::Kind::answer) return true;
  auto& request = *static_cast<TargetRequest*>(head->owner);
  if (!request.data_is_mapped) return true;
  request.data_is_mapped = false;
  request.data_digest_pending = false;
  // Behind the data: its digest and the response, which stay as they are.
  const uint32_t data_end = request.data_part_first + request.data_parts_count;
  uint32_t sent = queue_.head_sent_bytes();
  uint32_t part = 0;
  while (part < data_end && sent >= request.parts[part].size_bytes) {
    sent -= static_cast<uint32_t>(request.parts[part++].size_bytes);
  }
  if (part < request.data_part_first) {
    part = request.data_part_first;
    sent = 0;
  }
  size_t left = 0;
  for (uint32_t i = part; i < data_end; ++i) left += request.parts[i].size_bytes;
  left -= part < data_end ? sent : 0;
  if (left == 0) return true;

  uint8_t* copy = nullptr;
  if (left <= BufferArenaSizes::k_large_bytes) {
    stable_ = context_.reactor.buffers().try_acquire(left, BufferArena::Purpose::transfer);
    copy = stable_.base;
  }
  if (copy == nullptr) {
    stable_heap_.reset(new (std::nothrow) uint8_t[left]);
    copy = stable_heap_.get();
  }
  if (copy == nullptr) return false;
  for (uint32_t i = part; i < data_end; ++i) {
    Segment& segment = request.parts[i];
    const size_t kept = segment.size_bytes - sent;
    std::memcpy(copy, segment.base + sent, kept);
    // What has been sent of the segment stays counted in front of the copy.
    segment.base = copy - sent;
    copy += kept;
    sent = 0;
  }
  return true;
}

void TargetTcpQpair::queue_control(std::unique_ptr<ControlPdu>& control, size_t bytes_count) {
  control->part = {control->bytes.data(), bytes_count};
  control->item.parts = &control->part;
  control->item.parts_count = 1;
  control->item.bytes_count = static_cast<uint32_t>(bytes_count);
  control->item.kind = SendItem::Kind::control;
  queue_.push(control->item);
  context_.reactor.queue_flush(*this);
}

}  // namespace ballast::transport::tcp
