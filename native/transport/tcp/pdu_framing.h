// Judges the eight bytes that every PDU starts with, for either end, before anything is sized or placed by
// them: may this type come now, and do HLEN, PDO, PLEN and the digest flags fit together. What is left to the
// role is the meaning of the header behind them. Pure functions; no state.
// NVMe/TCP Transport Specification 1.0, "PDU Common Header (CH)", "PDU Header and Data Digests".
#pragma once

#include "base/bytes.h"
#include "transport/tcp/pdu.h"

namespace ballast::transport::tcp {

// The end that receives.
enum class Role : uint8_t { controller, host };

// What the connection has agreed on so far, as its receiving end sees it.
struct FramingRules {
  Role role = Role::controller;
  bool established = false;  // ICReq (controller) or ICResp (host) has been received
  bool header_digest = false;
  bool data_digest = false;
  uint8_t alignment_field = 0;           // the CPDA (controller) or HPDA (host) that we demanded
  uint32_t capsule_data_bytes_max = 0;   // controller: in-capsule data of a command on this queue
  uint32_t data_bytes_max = UINT32_MAX;  // DATA of one H2CData (our MAXH2CDATA) or C2HData
  bool strict = false;                   // refuse reserved fields that are not zero (rows P9, P10, P20)
};

// Where the parts of a PDU lie: header, HDGST, PAD, DATA, DDGST, in this order, each possibly empty.
struct PduLayout {
  PduType type = PduType::ic_req;
  uint8_t flags = 0;
  uint8_t header_bytes = 0;
  uint8_t header_digest_bytes = 0;  // 0 or 4
  uint8_t pad_bytes = 0;
  uint8_t data_digest_bytes = 0;  // 0 or 4; 4 only with data
  uint32_t data_bytes = 0;

  // What must be at hand before the header may be believed.
  size_t header_and_digest_bytes() const { return size_t{header_bytes} + header_digest_bytes; }
  bool has_flag(uint8_t flag) const { return (flags & flag) != 0; }
};

struct Framing {
  PduLayout layout;  // valid if ok()
  Fatal fatal;       // terminate the connection with this
  // A TermReq with an impossible PLEN: close at once and send nothing ("Transport Error Handling").
  bool close_at_once = false;
  bool ok() const { return !fatal && !close_at_once; }
};

Framing check_common_header(const FramingRules& rules, const CommonHeader& header);

// `bytes` is header and digest as laid out. No fatal error if the layout has no header digest.
Fatal check_header_digest(const PduLayout& layout, ByteSpan bytes);

// DATA starts at a multiple of (alignment_field + 1) dwords: where that is for a header of header_bytes.
uint8_t data_offset(size_t header_bytes, bool header_digest, uint8_t alignment_field);

// Writes the TermReq of `role`'s end (a controller sends C2HTermReq) with the offending header, cut to 128
// bytes, as its data. Returns the bytes written, at most k_term_plen_max.
size_t build_term_req(Role role, Fatal fatal, ByteSpan offending_header,
                      std::span<uint8_t, k_term_plen_max> into);

// The specification's name, for logs; "reserved" for a number from the wire that has none. Never null.
const char* fatal_error_text(Role reporter, uint16_t fes);

}  // namespace ballast::transport::tcp
