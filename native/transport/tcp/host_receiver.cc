#include "transport/tcp/host_receiver.h"

#include <algorithm>

#include "base/crc32c.h"

namespace ballast::transport::tcp {

namespace {

// One scratch per thread, used only inside receive_once(): every queue pair of a reactor shares the cache
// lines. Sixteen answers to 4 KiB reads fit, so a deep queue is read with few calls; each of their payloads
// is copied once.
constexpr size_t k_scratch_bytes = 64 * 1024;
// While payloads are at least this large, little is received beyond what can be placed directly.
constexpr uint32_t k_large_payload_bytes = 16 * 1024;
constexpr size_t k_scratch_bytes_when_large = 2 * 1024;

MutableByteSpan thread_scratch() {
  alignas(64) static thread_local uint8_t scratch[k_scratch_bytes];
  return scratch;
}

}  // namespace

int64_t HostReceiver::discard_once(Socket& socket) {
  const MutableByteSpan scratch = thread_scratch();
  const Segment segment{scratch.data(), scratch.size()};
  return socket.receive({&segment, 1});
}

int64_t HostReceiver::receive_once(Socket& socket, bool& drained, bool& go_on) {
  const MutableByteSpan scratch = thread_scratch();
  std::array<Segment, 9> into;
  size_t into_count = 0;
  size_t direct_bytes = 0;
  if (stage_ == Stage::data && destination_ != nullptr) {
    const std::span<const Segment> segments = destination_->request->data;
    size_t offset = cursor_offset_;
    for (size_t i = cursor_segment_; i < segments.size() && direct_bytes < stage_remaining_; ++i) {
      const size_t size_bytes = std::min(segments[i].size_bytes - offset, stage_remaining_ - direct_bytes);
      if (size_bytes > 0) into[into_count++] = {segments[i].base + offset, size_bytes};
      direct_bytes += size_bytes;
      offset = 0;
    }
  }
  const size_t scratch_bytes = expects_large_ ? k_scratch_bytes_when_large : k_scratch_bytes;
  into[into_count++] = {scratch.data(), scratch_bytes};

  const int64_t received = socket.receive({into.data(), into_count});
  if (received <= 0) return received;
  const auto received_bytes = static_cast<size_t>(received);
  drained = received_bytes < direct_bytes + scratch_bytes;
  const size_t placed_bytes = std::min(received_bytes, direct_bytes);
  if (placed_bytes > 0) {
    account_direct(placed_bytes);
    if (stage_remaining_ == 0 && stage_ == Stage::data) {
      stage_ = Stage::digest;
      stage_remaining_ = layout_.data_digest_bytes;
      if (stage_remaining_ == 0 && !finish_pdu()) {
        go_on = false;
        return received;
      }
    }
  }
  go_on = consume(scratch.first(received_bytes - placed_bytes));
  return received;
}

// False when the handler said to stop.
bool HostReceiver::consume(ByteSpan bytes) {
  while (!bytes.empty()) {
    bool go_on = true;
    switch (stage_) {
      case Stage::header: bytes = bytes.subspan(consume_header(bytes, go_on)); break;
      case Stage::pad: {
        const size_t skipped = std::min<size_t>(bytes.size(), stage_remaining_);
        bytes = bytes.subspan(skipped);
        stage_remaining_ -= static_cast<uint32_t>(skipped);
        if (stage_remaining_ == 0) {
          stage_ = Stage::data;
          stage_remaining_ = layout_.data_bytes;
        }
        break;
      }
      case Stage::data:
        bytes = bytes.subspan(place(bytes));
        if (stage_remaining_ == 0) {
          stage_ = Stage::digest;
          stage_remaining_ = layout_.data_digest_bytes;
          if (stage_remaining_ == 0) go_on = finish_pdu();
        }
        break;
      case Stage::digest: {
        const size_t taken = std::min<size_t>(bytes.size(), stage_remaining_);
        std::copy_n(bytes.begin(), taken, digest_.begin() + (k_digest_bytes - stage_remaining_));
        bytes = bytes.subspan(taken);
        stage_remaining_ -= static_cast<uint32_t>(taken);
        if (stage_remaining_ == 0) go_on = finish_pdu();
        break;
      }
    }
    if (!go_on) return false;
  }
  return true;
}

// Takes what it can of the header; parses it in place when it is there as a whole. Returns the bytes taken.
size_t HostReceiver::consume_header(ByteSpan bytes, bool& go_on) {
  if (header_bytes_ == 0 && bytes.size() >= sizeof(CommonHeader)) {
    const Framing framing = check_common_header(rules_, load<CommonHeader>(bytes));
    if (framing.ok() && bytes.size() >= framing.layout.header_and_digest_bytes()) {
      layout_ = framing.layout;
      const size_t taken = layout_.header_and_digest_bytes();
      go_on = finish_header(bytes.first(taken));
      return taken;
    }
  }
  const size_t wanted = layout_known_ ? layout_.header_and_digest_bytes() : sizeof(CommonHeader);
  const size_t taken = std::min(bytes.size(), wanted - header_bytes_);
  std::copy_n(bytes.begin(), taken, header_.begin() + static_cast<ptrdiff_t>(header_bytes_));
  header_bytes_ += taken;
  if (header_bytes_ < wanted) return taken;
  if (!layout_known_) {
    go_on = check_common();
    return taken;
  }
  header_bytes_ = 0;
  layout_known_ = false;
  go_on = finish_header(ByteSpan(header_).first(layout_.header_and_digest_bytes()));
  return taken;
}

bool HostReceiver::check_common() {
  const Framing framing = check_common_header(rules_, load<CommonHeader>(header_));
  if (framing.close_at_once) {
    handler_.on_bad_term_req();
    return false;
  }
  if (framing.fatal) {
    handler_.on_fatal(framing.fatal, ByteSpan(header_).first(sizeof(CommonHeader)));
    return false;
  }
  layout_ = framing.layout;
  layout_known_ = true;
  return true;
}

bool HostReceiver::finish_header(ByteSpan header) {
  if (const Fatal fatal = check_header_digest(layout_, header)) {
    handler_.on_fatal(fatal, header.first(layout_.header_bytes));
    return false;
  }
  destination_ = nullptr;
  uint32_t offset = 0;
  if (!handler_.on_header(layout_, header.first(layout_.header_bytes), destination_, offset)) return false;
  if (layout_.data_bytes == 0) return true;  // the next header follows
  expects_large_ = layout_.data_bytes >= k_large_payload_bytes;
  crc_ = k_crc32c_seed;
  if (destination_ != nullptr) seek(offset);
  stage_ = layout_.pad_bytes > 0 ? Stage::pad : Stage::data;
  stage_remaining_ = layout_.pad_bytes > 0 ? layout_.pad_bytes : layout_.data_bytes;
  return true;
}

bool HostReceiver::finish_pdu() {
  stage_ = Stage::header;
  bool digest_ok = true;
  if (layout_.data_digest_bytes != 0) digest_ok = load<uint32_t>(digest_) == crc32c_finish(crc_);
  HostCommand* const destination = destination_;
  destination_ = nullptr;
  return handler_.on_data_end(layout_, destination, digest_ok);
}

size_t HostReceiver::place(ByteSpan bytes) {
  bytes = bytes.first(std::min<size_t>(bytes.size(), stage_remaining_));
  stage_remaining_ -= static_cast<uint32_t>(bytes.size());
  const size_t taken = bytes.size();
  if (destination_ == nullptr) return taken;
  if (layout_.data_digest_bytes != 0) crc_ = crc32c_update(crc_, bytes);
  while (!bytes.empty()) {
    const Segment& segment = destination_->request->data[cursor_segment_];
    const size_t part = std::min(bytes.size(), segment.size_bytes - cursor_offset_);
    std::copy_n(bytes.begin(), part, segment.base + cursor_offset_);
    advance_cursor(part);
    bytes = bytes.subspan(part);
  }
  return taken;
}

// The kernel has put size_bytes at the cursor.
void HostReceiver::account_direct(size_t size_bytes) {
  stage_remaining_ -= static_cast<uint32_t>(size_bytes);
  while (size_bytes > 0) {
    const Segment& segment = destination_->request->data[cursor_segment_];
    const size_t part = std::min(size_bytes, segment.size_bytes - cursor_offset_);
    if (layout_.data_digest_bytes != 0) crc_ = crc32c_update(crc_, {segment.base + cursor_offset_, part});
    advance_cursor(part);
    size_bytes -= part;
  }
}

void HostReceiver::advance_cursor(size_t size_bytes) {
  cursor_offset_ += size_bytes;
  if (cursor_offset_ == destination_->request->data[cursor_segment_].size_bytes) {
    ++cursor_segment_;
    cursor_offset_ = 0;
  }
}

// The range has been checked against the command's data by the handler.
void HostReceiver::seek(uint32_t offset) {
  cursor_segment_ = 0;
  cursor_offset_ = offset;
  const std::span<const Segment> segments = destination_->request->data;
  while (cursor_segment_ < segments.size() && cursor_offset_ >= segments[cursor_segment_].size_bytes) {
    cursor_offset_ -= segments[cursor_segment_].size_bytes;
    ++cursor_segment_;
  }
}

}  // namespace ballast::transport::tcp
