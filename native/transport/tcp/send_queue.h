// What a connection has to send, in order: items whose bytes lie where their owners put them. One vectored
// send takes as many whole items as fit; what a short send left over stays, with its position. Used by
// TargetQpair; owns nothing and allocates nothing.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/intrusive_list.h"
#include "reactor/io_backend.h"

namespace ballast::transport::tcp {

// One or more PDUs that leave together. A member of its owner, whose memory the parts name.
struct SendItem {
  enum class Kind : uint8_t { answer, r2t, control };
  ListNode node;
  const Segment* parts = nullptr;
  uint32_t bytes_count = 0;  // of all parts
  uint8_t parts_count = 0;
  Kind kind = Kind::control;
  void* owner = nullptr;
};

class SendQueue {
 public:
  // How much is gathered for one send: about what a socket's send buffer takes. More would only be gathered
  // (and its data digests computed) again.
  static constexpr size_t k_gather_bytes_max = 1 << 20;

  void push(SendItem& item);
  // Nothing of it must have been sent.
  void remove(SendItem& item);
  bool empty() const { return items_.empty(); }
  SendItem* head() { return items_.front(); }
  SendItem* after(SendItem& item) { return items_.after(item); }
  // Bytes queued and not sent.
  uint64_t bytes_count() const { return bytes_count_; }
  // Bytes of head() that have left.
  uint32_t head_sent_bytes() const { return head_sent_bytes_; }
  // Forgets everything, the position too.
  void clear();
  bool has_begun(const SendItem& item) { return head_sent_bytes_ != 0 && items_.front() == &item; }

  struct Gathered {
    size_t segments_count = 0;
    size_t bytes_count = 0;
  };
  // Fills `into` from the head on; `prepare` is called for every item whose first byte is gathered, before
  // its parts are read.
  template <typename Prepare>
  Gathered gather(std::span<Segment, k_send_segments_max> into, Prepare prepare) {
    Gathered gathered;
    uint32_t skip = head_sent_bytes_;
    for (SendItem* item = items_.front(); item != nullptr; item = items_.after(*item)) {
      if (gathered.segments_count + item->parts_count > into.size()) break;
      if (gathered.bytes_count >= k_gather_bytes_max) break;
      if (skip == 0) prepare(*item);
      add_parts(*item, skip, into, gathered);
      skip = 0;
    }
    return gathered;
  }
  // Moves the position by bytes that have left; returns an item that left wholly, or null when none (more)
  // did. Call with `bytes_sent` until null.
  SendItem* consume(size_t& bytes_sent);

 private:
  static void add_parts(const SendItem& item, uint32_t skip, std::span<Segment, k_send_segments_max> into,
                        Gathered& gathered);

  IntrusiveList<SendItem, &SendItem::node> items_;
  uint64_t bytes_count_ = 0;
  uint32_t head_sent_bytes_ = 0;
};

}  // namespace ballast::transport::tcp
