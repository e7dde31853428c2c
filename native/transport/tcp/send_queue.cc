#include "transport/tcp/send_queue.h"

namespace ballast::transport::tcp {

void SendQueue::push(SendItem& item) {
  BALLAST_ASSERT(item.bytes_count > 0);
  items_.push_back(item);
  bytes_count_ += item.bytes_count;
}

void SendQueue::remove(SendItem& item) {
  BALLAST_ASSERT(!has_begun(item));
  items_.remove(item);
  bytes_count_ -= item.bytes_count;
}

void SendQueue::clear() {
  while (items_.pop_front() != nullptr) {
  }
  bytes_count_ = 0;
  head_sent_bytes_ = 0;
}

void SendQueue::add_parts(const SendItem& item, uint32_t skip, std::span<Segment, k_send_segments_max> into,
                          Gathered& gathered) {
  for (const Segment& part : std::span(item.parts, item.parts_count)) {
    if (skip >= part.size_bytes) {
      skip -= static_cast<uint32_t>(part.size_bytes);
      continue;
    }
    into[gathered.segments_count++] = {part.base + skip, part.size_bytes - skip};
    gathered.bytes_count += part.size_bytes - skip;
    skip = 0;
  }
}

SendItem* SendQueue::consume(size_t& bytes_sent) {
  SendItem* const item = items_.front();
  if (item == nullptr || bytes_sent == 0) return nullptr;
  const uint32_t left = item->bytes_count - head_sent_bytes_;
  if (bytes_sent < left) {
    head_sent_bytes_ += static_cast<uint32_t>(bytes_sent);
    bytes_count_ -= bytes_sent;
    bytes_sent = 0;
    return nullptr;
  }
  bytes_sent -= left;
  bytes_count_ -= left;
  head_sent_bytes_ = 0;
  items_.remove(*item);
  return item;
}

}  // namespace ballast::transport::tcp
