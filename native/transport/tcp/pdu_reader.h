// Splits a TCP byte stream into PDUs. Its owner feeds it what it received and may receive the rest of a
// payload straight into its place. Holds at most one partial header or data digest (132 bytes), never data.
// NVMe/TCP Transport Specification 1.0, "Transport Overview": PDUs and TCP segments have no common borders.
#pragma once

#include <array>

#include "base/segment.h"
#include "transport/tcp/pdu_framing.h"

namespace ballast::transport::tcp {

// Gets the PDUs of one stream, in order. Called from inside PduReader::feed() and accept_direct(); must not
// destroy the reader.
class PduSink {
 public:
  enum class Verdict : uint8_t {
    place,    // DATA goes to `into`, which has room for all of it
    discard,  // DATA is skipped, its digest not looked at
    wait,     // there is no place now: ask again with the same header when resumed
    stop,     // no further PDU of this stream is wanted
  };
  struct Placement {
    Verdict verdict = Verdict::discard;
    uint8_t* into = nullptr;
    bool may_lend = false;  // place: DATA that has been received as a whole is not copied, see lent()
  };
  // A header that agrees with the framing rules and its digest. `header` lives only during the call.
  virtual Placement on_header(const PduLayout& layout, ByteSpan header) = 0;
  // All of it has arrived. The digest of discarded or absent data is reported as right. False: stop.
  virtual bool on_pdu(const PduLayout& layout, bool data_digest_ok) = 0;
  // The stream is beyond repair; `header` is what was being processed. Reading stops.
  virtual void on_fatal(Fatal fatal, ByteSpan header) = 0;
  // A TermReq of impossible length: to be answered by closing. Reading stops.
  virtual void on_impossible_term() = 0;

 protected:
  ~PduSink() = default;
};

class PduReader {
 public:
  enum class Outcome : uint8_t { needs_more, waiting, stopped };

  explicit PduReader(PduSink& sink) : sink_(sink) {}
  // May be changed from inside on_header() and on_pdu(); holds for the PDUs after that one.
  FramingRules& rules() { return rules_; }

  // Takes PDUs from the front of `bytes` and leaves in it what was not consumed: nothing after needs_more.
  // After `waiting`, feed() again (with what was left) once there is a place.
  Outcome feed(ByteSpan& bytes);

  // Where the rest of the payload in progress goes; null when none is, or it is being discarded.
  Segment direct_target() const;
  // The first bytes_count bytes of direct_target() have been filled.
  void accept_direct(size_t bytes_count);
  // How many bytes to give feed() at most so that it needs no place for anything behind the present header
  // or payload; for receiving while memory is short.
  size_t bytes_to_next_decision() const;
  // A PDU has begun and not ended.
  bool in_progress() const { return stage_ != Stage::header || stash_bytes_ != 0; }
  // From inside on_pdu(): the payload where feed() got it, valid as long as those bytes are; null if it was
  // placed.
  const uint8_t* lent() const { return lent_; }
  // PDUs ended so far; changes whenever the PDU in progress is another one.
  uint64_t pdus_count() const { return pdus_count_; }

 private:
  enum class Stage : uint8_t {
    header,       // common header, rest of the header, header digest
    pad,          // up to PDO
    data,         // to its place or skipped
    data_digest,  // the last four bytes
    stopped,
  };

  ByteSpan gather(ByteSpan& bytes, size_t bytes_wanted);
  bool feed_header(ByteSpan& bytes);
  bool feed_pad(ByteSpan& bytes);
  bool feed_data(ByteSpan& bytes);
  bool feed_data_digest(ByteSpan& bytes);
  bool stop();
  void digest_piece(const uint8_t* base, size_t bytes_count);
  bool finish(bool data_digest_ok);

  PduSink& sink_;
  FramingRules rules_;
  PduLayout layout_;
  Stage stage_ = Stage::header;
  bool layout_known_ = false;
  bool waiting_ = false;
  bool discarding_ = false;
  uint8_t stash_bytes_ = 0;
  uint8_t pad_left_ = 0;
  uint32_t data_left_ = 0;
  uint32_t crc_ = 0;
  uint8_t* place_ = nullptr;  // of the next byte of DATA
  bool may_lend_ = false;
  const uint8_t* lent_ = nullptr;
  uint64_t pdus_count_ = 0;
  std::array<uint8_t, k_header_bytes_max + k_digest_bytes> stash_;
};

}  // namespace ballast::transport::tcp
