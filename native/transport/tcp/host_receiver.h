// Splits the stream from the target into PDUs and places C2HData payload into the caller's memory. Holds at
// most one partial header; payload that is known to come is received straight to its place, what arrives with
// it behind it goes through a scratch buffer of the thread. Owned and called by HostQpair, which judges
// headers.
#pragma once

#include <array>

#include "transport/tcp/host_command.h"
#include "transport/tcp/pdu_framing.h"

namespace ballast::transport::tcp {

class HostPduHandler {
 public:
  // A whole header, its digest checked. Data that follows goes to `destination->request->data` at
  // `destination_offset`, or is skipped if it stays null. False: stop, the connection is being ended.
  virtual bool on_header(const PduLayout& layout, ByteSpan header, HostCommand*& destination,
                         uint32_t& destination_offset) = 0;
  // All data of the PDU has been placed. digest_ok is false if there was a digest and it was wrong.
  virtual bool on_data_end(const PduLayout& layout, HostCommand* destination, bool digest_ok) = 0;
  // `header` is as much of the offending PDU as is there.
  virtual void on_fatal(Fatal fatal, ByteSpan header) = 0;
  virtual void on_bad_term_req() = 0;

 protected:
  ~HostPduHandler() = default;
};

class HostReceiver {
 public:
  explicit HostReceiver(HostPduHandler& handler) : handler_(handler) { rules_.role = Role::host; }

  FramingRules& rules() { return rules_; }

  // Receives once. Bytes received, 0 when the peer closed, or -errno; `drained` when the socket gave less
  // than there was room for. False in `go_on` when the handler said to stop.
  int64_t receive_once(Socket& socket, bool& drained, bool& go_on);
  // Receives and throws away, for a connection that is being terminated.
  static int64_t discard_once(Socket& socket);

  // The PDU being received writes into this command's data.
  const HostCommand* destination() const { return destination_; }

 private:
  enum class Stage : uint8_t {
    header,  // collecting the common header, then the rest of header and digest
    pad,     // skipping
    data,    // placing, or skipping where there is no destination
    digest,  // collecting DDGST
  };

  bool consume(ByteSpan bytes);
  size_t consume_header(ByteSpan bytes, bool& go_on);
  bool check_common();
  bool finish_header(ByteSpan header);
  bool finish_pdu();
  size_t place(ByteSpan bytes);
  void seek(uint32_t offset);
  void account_direct(size_t size_bytes);
  void advance_cursor(size_t size_bytes);

  HostPduHandler& handler_;
  FramingRules rules_;
  Stage stage_ = Stage::header;
  PduLayout layout_;
  bool layout_known_ = false;
  bool expects_large_ = false;  // the last payload was large: keep the scratch small
  uint32_t stage_remaining_ = 0;
  size_t header_bytes_ = 0;  // collected in header_
  std::array<uint8_t, k_header_bytes_max + k_digest_bytes> header_;
  std::array<uint8_t, k_digest_bytes> digest_;
  HostCommand* destination_ = nullptr;
  size_t cursor_segment_ = 0;  // where the next payload byte goes
  size_t cursor_offset_ = 0;
  uint32_t crc_ = 0;
};

}  // namespace ballast::transport::tcp
