// Turns commands into bytes for the socket: capsules and H2CData PDUs, gathered into one vectored send.
// Headers and digests are staged in memory of this object, data is sent from where it lies in the caller's
// memory. Owned and called by HostQpair. A batch that the socket does not take whole stays as it is until the
// rest has left; only then is the next one built, so PDUs never interleave.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "transport/tcp/host_command.h"

namespace ballast::transport::tcp {

// What the ICResp said about what we may send.
struct HostSendRules {
  bool header_digest = false;
  bool data_digest = false;
  uint8_t cpda = 0;
  uint32_t maxh2cdata = k_maxh2cdata_min;
};

class HostSender {
 public:
  explicit HostSender(uint16_t entries);
  ~HostSender();
  void set_rules(const HostSendRules& rules) { rules_ = rules; }

  // The command has something to send: its capsule, or data for its first open R2T. Once until it has left.
  void queue(HostCommand& command);
  // Bytes in front of everything: the ICReq. Only when nothing is queued; at most k_header_bytes_max.
  void queue_bytes(ByteSpan bytes);
  // Takes the command out of line; for failing what is in flight.
  void forget_all();

  // What the socket is to send next; empty if there is nothing. Builds a batch when the last one is through.
  std::span<const Segment> next_batch();
  // The socket took this many bytes. True if the batch has left entirely: take_sent() tells what it carried.
  bool advance(size_t sent_bytes);
  // A command whose data left with the finished batch, one at a time; null at the end.
  HostCommand* take_sent();
  // A part of a PDU is with the peer and the rest is not: nothing else may be sent.
  bool in_middle() const { return vector_first_ < vector_.size(); }

 private:
  bool batch_has_room() const;
  void build_capsule(HostCommand& command);
  void build_h2c_data(HostCommand& command);
  void finish_header(std::span<uint8_t> staged, size_t header_bytes, size_t data_start);
  void append_data(const HostCommand& command, uint32_t offset, uint32_t size_bytes);
  std::span<uint8_t> stage(size_t size_bytes);

  // 227 capsules without data: more than the usual depth of a queue in one send.
  static constexpr size_t k_staging_bytes = 16 * 1024;
  // The most that one PDU stages: header, digest, padding to 128 bytes, data digest.
  static constexpr size_t k_staged_per_pdu_max = 256;
  static constexpr size_t k_segments_per_pdu_max = 10;  // staged, 8 of data, staged
  // One send call copies this much at most, so that a deep queue of large writes does not hold up the
  // reactor.
  static constexpr size_t k_batch_bytes_max = 1 << 20;

  HostSendRules rules_;
  IntrusiveList<HostCommand, &HostCommand::send_node> waiting_;
  std::unique_ptr<uint8_t[]> staging_;
  size_t staged_bytes_ = 0;
  std::vector<Segment> vector_;  // capacity k_send_segments_max
  size_t vector_first_ = 0;      // before it: sent
  size_t batch_bytes_ = 0;
  std::vector<HostCommand*> carried_;  // commands with data in the batch
};

}  // namespace ballast::transport::tcp
