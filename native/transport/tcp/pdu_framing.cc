#include "transport/tcp/pdu_framing.h"

#include <algorithm>

#include "base/crc32c.h"

namespace ballast::transport::tcp {
namespace {

// What a type may look like. An entry of the receive table of one role.
struct Shape {
  enum class Body : uint8_t { none, data, term };
  uint8_t header_bytes = 0;  // 0: this type never comes to this role
  Body body = Body::none;
};

Shape shape_of(Role role, PduType type) {
  const bool controller = role == Role::controller;
  switch (type) {
    case PduType::ic_req: return controller ? Shape{sizeof(IcReq), Shape::Body::none} : Shape{};
    case PduType::ic_resp: return controller ? Shape{} : Shape{sizeof(IcResp), Shape::Body::none};
    case PduType::h2c_term_req: return controller ? Shape{sizeof(TermReq), Shape::Body::term} : Shape{};
    case PduType::c2h_term_req: return controller ? Shape{} : Shape{sizeof(TermReq), Shape::Body::term};
    case PduType::capsule_cmd: return controller ? Shape{sizeof(CapsuleCmd), Shape::Body::data} : Shape{};
    case PduType::capsule_resp: return controller ? Shape{} : Shape{sizeof(CapsuleResp), Shape::Body::none};
    case PduType::h2c_data: return controller ? Shape{sizeof(H2CData), Shape::Body::data} : Shape{};
    case PduType::c2h_data: return controller ? Shape{} : Shape{sizeof(C2HData), Shape::Body::data};
    case PduType::r2t: return controller ? Shape{} : Shape{sizeof(R2T), Shape::Body::none};
  }
  return {};  // reserved
}

constexpr size_t k_flags_offset = offsetof(CommonHeader, flags);
constexpr size_t k_hlen_offset = offsetof(CommonHeader, hlen);
constexpr size_t k_pdo_offset = offsetof(CommonHeader, pdo);
constexpr size_t k_plen_offset = offsetof(CommonHeader, plen);

bool is_initialization(PduType type) { return type == PduType::ic_req || type == PduType::ic_resp; }

Framing refuse(Fatal fatal) { return {{}, fatal, false}; }

// ICReq, ICResp, TermReq: no digests, and PDO and FLAGS are reserved.
Framing check_plain(const FramingRules& rules, const CommonHeader& header, const Shape& shape) {
  const bool term = shape.body == Shape::Body::term;
  if (term && (header.plen < shape.header_bytes || header.plen > k_term_plen_max)) return {{}, {}, true};
  if (rules.strict && header.flags != 0) return refuse(invalid_field_at(k_flags_offset));
  if (header.hlen != shape.header_bytes) return refuse(invalid_field_at(k_hlen_offset));
  if (rules.strict && header.pdo != 0) return refuse(invalid_field_at(k_pdo_offset));
  if (!term && header.plen != shape.header_bytes) return refuse(invalid_field_at(k_plen_offset));
  PduLayout layout{.type = header.type, .flags = header.flags, .header_bytes = header.hlen};
  layout.data_bytes = header.plen - header.hlen;
  return {layout, {}, false};
}

// DATA behind the header. The caller has checked that PLEN covers header and header digest.
Framing check_data(const FramingRules& rules, const CommonHeader& header, PduLayout layout) {
  const uint32_t before_pad = static_cast<uint32_t>(layout.header_and_digest_bytes());
  const bool has_data = header.plen > before_pad;
  if (!has_data) {
    if (rules.strict && header.pdo != 0) return refuse(invalid_field_at(k_pdo_offset));
    return {layout, {}, false};
  }
  const uint32_t alignment = (rules.alignment_field + 1u) * 4;
  if (header.pdo < before_pad || header.pdo > header.plen || header.pdo % alignment != 0) {
    return refuse(invalid_field_at(k_pdo_offset));
  }
  const uint32_t digest_bytes = rules.data_digest ? k_digest_bytes : 0;
  if (header.plen - header.pdo <= digest_bytes) return refuse(invalid_field_at(k_plen_offset));
  layout.pad_bytes = static_cast<uint8_t>(header.pdo - before_pad);
  layout.data_digest_bytes = static_cast<uint8_t>(digest_bytes);
  layout.data_bytes = header.plen - header.pdo - digest_bytes;
  const uint32_t limit =
      header.type == PduType::capsule_cmd ? rules.capsule_data_bytes_max : rules.data_bytes_max;
  if (layout.data_bytes > limit) return refuse({FatalError::data_transfer_limit_exceeded, 0});
  return {layout, {}, false};
}

// A set DDGSTF is tolerated on a capsule without data: there is nothing for it to protect.
bool flags_agree(const FramingRules& rules, const CommonHeader& header, const Shape& shape) {
  const bool header_digest = (header.flags & k_flag_hdgst) != 0;
  if (header_digest != rules.header_digest) return false;
  if (shape.body != Shape::Body::data) return true;  // DDGSTF is a reserved bit there
  const bool data_digest = (header.flags & k_flag_ddgst) != 0;
  const uint32_t without_data = shape.header_bytes + (rules.header_digest ? k_digest_bytes : 0);
  const bool must_have = header.type != PduType::capsule_cmd || header.plen > without_data;
  return rules.data_digest ? data_digest || !must_have : !data_digest;
}

}  // namespace

Framing check_common_header(const FramingRules& rules, const CommonHeader& header) {
  const Shape shape = shape_of(rules.role, header.type);
  if (shape.header_bytes == 0) return refuse(invalid_field_at(0));
  if (shape.body == Shape::Body::term) return check_plain(rules, header, shape);
  if (is_initialization(header.type) == rules.established) {
    return refuse({FatalError::pdu_sequence_error, 0});
  }
  if (is_initialization(header.type)) return check_plain(rules, header, shape);

  // The lowest wrong field is the one to report, so the order of these checks is that of the fields; only a
  // PLEN that ends inside the header is told before PDO, which cannot be judged then.
  if (!flags_agree(rules, header, shape)) return refuse(invalid_field_at(k_flags_offset));
  if (header.hlen != shape.header_bytes) return refuse(invalid_field_at(k_hlen_offset));
  PduLayout layout{.type = header.type, .flags = header.flags, .header_bytes = header.hlen};
  layout.header_digest_bytes = rules.header_digest ? k_digest_bytes : 0;
  if (header.plen < layout.header_and_digest_bytes()) return refuse(invalid_field_at(k_plen_offset));
  if (shape.body == Shape::Body::data) return check_data(rules, header, layout);
  if (header.plen != layout.header_and_digest_bytes()) return refuse(invalid_field_at(k_plen_offset));
  return {layout, {}, false};
}

Fatal check_header_digest(const PduLayout& layout, ByteSpan bytes) {
  if (layout.header_digest_bytes == 0) return {};
  const uint32_t received = load<uint32_t>(bytes.subspan(layout.header_bytes));
  if (received == crc32c(bytes.first(layout.header_bytes))) return {};
  return {FatalError::header_digest_error, received};
}

uint8_t data_offset(size_t header_bytes, bool header_digest, uint8_t alignment_field) {
  const size_t alignment = (alignment_field + size_t{1}) * 4;
  const size_t start = header_bytes + (header_digest ? k_digest_bytes : 0);
  return static_cast<uint8_t>((start + alignment - 1) / alignment * alignment);
}

size_t build_term_req(Role role, Fatal fatal, ByteSpan offending_header,
                      std::span<uint8_t, k_term_plen_max> into) {
  const size_t data_bytes = std::min(offending_header.size(), k_term_data_bytes_max);
  TermReq term;
  term.ch.type = role == Role::controller ? PduType::c2h_term_req : PduType::h2c_term_req;
  term.ch.hlen = sizeof(TermReq);
  term.ch.plen = static_cast<uint32_t>(sizeof(TermReq) + data_bytes);
  term.fes = static_cast<uint16_t>(fatal.fes);
  term.set_fei(fatal.fei);
  store(into, term);
  std::copy_n(offending_header.begin(), data_bytes, into.begin() + sizeof(TermReq));
  return term.ch.plen;
}

const char* fatal_error_text(Role reporter, uint16_t fes) {
  switch (fes) {
    case 1: return "invalid PDU header field";
    case 2: return "PDU sequence error";
    case 3: return "header digest error";
    case 4: return "data transfer out of range";
    case 5: return reporter == Role::controller ? "data transfer limit exceeded" : "R2T limit exceeded";
    case 6: return "unsupported parameter";
    default: return "reserved";
  }
}

}  // namespace ballast::transport::tcp
