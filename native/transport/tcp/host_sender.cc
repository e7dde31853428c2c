#include "transport/tcp/host_sender.h"

#include <algorithm>

#include "base/crc32c.h"
#include "transport/tcp/pdu_framing.h"

namespace ballast::transport::tcp {

HostSender::HostSender(uint16_t entries) : staging_(new uint8_t[k_staging_bytes]) {
  vector_.reserve(k_send_segments_max);
  carried_.reserve(std::max<size_t>(entries, k_send_segments_max));
}

HostSender::~HostSender() { forget_all(); }

void HostSender::queue(HostCommand& command) {
  if (!command.send_node.is_linked()) waiting_.push_back(command);
}

void HostSender::queue_bytes(ByteSpan bytes) {
  BALLAST_ASSERT(!in_middle() && waiting_.empty());
  BALLAST_ASSERT(bytes.size() <= k_header_bytes_max);
  const std::span<uint8_t> staged = stage(bytes.size());
  std::copy(bytes.begin(), bytes.end(), staged.begin());
}

void HostSender::forget_all() {
  while (waiting_.pop_front() != nullptr) {
  }
  vector_.clear();
  carried_.clear();
  vector_first_ = staged_bytes_ = batch_bytes_ = 0;
}

std::span<const Segment> HostSender::next_batch() {
  if (!in_middle()) {
    while (!waiting_.empty() && batch_has_room()) {
      HostCommand& command = *waiting_.pop_front();
      if (!command.sent) {
        build_capsule(command);
      } else {
        build_h2c_data(command);
      }
      if (command.transfers_count > 0) waiting_.push_back(command);  // behind the others: fair
    }
  }
  return std::span<const Segment>(vector_).subspan(vector_first_);
}

bool HostSender::batch_has_room() const {
  return staged_bytes_ + k_staged_per_pdu_max <= k_staging_bytes &&
         vector_.size() + k_segments_per_pdu_max <= k_send_segments_max && batch_bytes_ < k_batch_bytes_max &&
         carried_.size() < carried_.capacity();
}

bool HostSender::advance(size_t sent_bytes) {
  while (sent_bytes > 0) {
    BALLAST_ASSERT(in_middle());
    Segment& segment = vector_[vector_first_];
    const size_t taken = std::min(sent_bytes, segment.size_bytes);
    segment.base += taken;
    segment.size_bytes -= taken;
    sent_bytes -= taken;
    if (segment.size_bytes == 0) ++vector_first_;
  }
  if (in_middle()) return false;
  vector_.clear();
  vector_first_ = staged_bytes_ = batch_bytes_ = 0;
  return true;
}

HostCommand* HostSender::take_sent() {
  if (carried_.empty()) return nullptr;
  HostCommand* const command = carried_.back();
  carried_.pop_back();
  return command;
}

std::span<uint8_t> HostSender::stage(size_t size_bytes) {
  BALLAST_ASSERT(staged_bytes_ + size_bytes <= k_staging_bytes);
  uint8_t* const start = staging_.get() + staged_bytes_;
  staged_bytes_ += size_bytes;
  batch_bytes_ += size_bytes;
  // Headers that follow each other are one segment: the kernel walks segments slowly.
  if (!vector_.empty() && vector_.back().base + vector_.back().size_bytes == start) {
    vector_.back().size_bytes += size_bytes;
  } else {
    vector_.push_back({start, size_bytes});
  }
  return {start, size_bytes};
}

// Digest and padding behind a header of header_bytes at the start of `staged`.
void HostSender::finish_header(std::span<uint8_t> staged, size_t header_bytes, size_t data_start) {
  size_t at = header_bytes;
  if (rules_.header_digest) {
    store(staged.subspan(at), crc32c(staged.first(header_bytes)));
    at += k_digest_bytes;
  }
  std::fill(staged.begin() + static_cast<ptrdiff_t>(at), staged.begin() + static_cast<ptrdiff_t>(data_start),
            uint8_t{0});
}

// Data of the command, its digest behind it if there is one.
void HostSender::append_data(const HostCommand& command, uint32_t offset, uint32_t size_bytes) {
  uint32_t crc = k_crc32c_seed;
  size_t skip = offset;
  size_t remaining = size_bytes;
  for (const Segment& segment : command.request->data) {
    if (remaining == 0) break;
    if (skip >= segment.size_bytes) {
      skip -= segment.size_bytes;
      continue;
    }
    const Segment part{segment.base + skip, std::min(segment.size_bytes - skip, remaining)};
    skip = 0;
    remaining -= part.size_bytes;
    batch_bytes_ += part.size_bytes;
    vector_.push_back(part);
    if (rules_.data_digest) crc = crc32c_update(crc, {part.base, part.size_bytes});
  }
  BALLAST_ASSERT(remaining == 0);
  if (rules_.data_digest) store(stage(k_digest_bytes), crc32c_finish(crc));
}

// NVMe/TCP Transport Specification 1.0, "Command Capsule PDU".
void HostSender::build_capsule(HostCommand& command) {
  command.sent = true;
  CapsuleCmd capsule;
  capsule.ch.type = PduType::capsule_cmd;
  capsule.ch.hlen = sizeof(CapsuleCmd);
  if (rules_.header_digest) capsule.ch.flags |= k_flag_hdgst;
  size_t start = sizeof(CapsuleCmd) + (rules_.header_digest ? k_digest_bytes : 0);
  size_t plen = start;
  if (command.in_capsule) {
    start = capsule.ch.pdo = data_offset(sizeof(CapsuleCmd), rules_.header_digest, rules_.cpda);
    plen = start + command.data_bytes + (rules_.data_digest ? k_digest_bytes : 0);
    if (rules_.data_digest) capsule.ch.flags |= k_flag_ddgst;
  }
  capsule.ch.plen = static_cast<uint32_t>(plen);
  capsule.ccsqe = command.request->command;
  const std::span<uint8_t> staged = stage(start);
  store(staged, capsule);
  finish_header(staged, sizeof(CapsuleCmd), start);
  if (command.in_capsule) {
    append_data(command, 0, command.data_bytes);
    ++command.sends_unfinished;
    carried_.push_back(&command);
  }
}

// One PDU of at most MAXH2CDATA bytes for the first open R2T. "Host to Controller Command Data Buffer
// Transfers": R2Ts of a command are served in order.
void HostSender::build_h2c_data(HostCommand& command) {
  HostTransfer& transfer = command.transfers[command.transfers_first];
  const uint32_t data_bytes = std::min(transfer.remaining, rules_.maxh2cdata);
  H2CData pdu;
  pdu.ch.type = PduType::h2c_data;
  pdu.ch.hlen = sizeof(H2CData);
  if (rules_.header_digest) pdu.ch.flags |= k_flag_hdgst;
  if (rules_.data_digest) pdu.ch.flags |= k_flag_ddgst;
  if (data_bytes == transfer.remaining) pdu.ch.flags |= k_flag_last_pdu;
  pdu.ch.pdo = data_offset(sizeof(H2CData), rules_.header_digest, rules_.cpda);
  pdu.ch.plen = pdu.ch.pdo + data_bytes + (rules_.data_digest ? uint32_t{k_digest_bytes} : 0);
  pdu.cccid = command.cid;
  pdu.ttag = transfer.ttag;
  pdu.datao = transfer.offset;
  pdu.datal = data_bytes;
  const std::span<uint8_t> staged = stage(pdu.ch.pdo);
  store(staged, pdu);
  finish_header(staged, sizeof(H2CData), pdu.ch.pdo);
  append_data(command, transfer.offset, data_bytes);
  ++command.sends_unfinished;
  carried_.push_back(&command);

  transfer.offset += data_bytes;
  transfer.remaining -= data_bytes;
  if (transfer.remaining == 0) {
    command.transfers_first = static_cast<uint8_t>((command.transfers_first + 1) % k_host_r2ts_max);
    --command.transfers_count;
  }
}

}  // namespace ballast::transport::tcp
