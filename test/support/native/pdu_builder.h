// Builds NVMe/TCP PDUs byte by byte for tests, right by default and wrong on demand: every builder returns a
// plain vector that a test may damage. Header only.
#pragma once

#include <cstdint>
#include <vector>

#include "base/crc32c.h"
#include "transport/tcp/pdu.h"

namespace ballast::test {

namespace tcp = transport::tcp;
using Bytes = std::vector<uint8_t>;

// What the two ends agreed on, as a sender needs it.
struct PduOptions {
  bool header_digest = false;
  bool data_digest = false;
  uint8_t alignment_field = 0;  // the receiver's CPDA or HPDA
};

inline void append(Bytes& to, ByteSpan bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }
inline void append_u32(Bytes& to, uint32_t value) { append(to, bytes_of(value)); }

// Lays out header, digests, pad and data, and fills in the common header except the type and special flags.
template <typename Header>
Bytes build_pdu(Header header, ByteSpan data, const PduOptions& options) {
  const size_t unpadded = sizeof(Header) + (options.header_digest ? tcp::k_digest_bytes : 0);
  const size_t alignment = (options.alignment_field + size_t{1}) * 4;
  const size_t start = data.empty() ? unpadded : (unpadded + alignment - 1) / alignment * alignment;
  const bool data_digest = options.data_digest && !data.empty();
  header.ch.hlen = sizeof(Header);
  header.ch.pdo = data.empty() ? 0 : static_cast<uint8_t>(start);
  header.ch.plen = static_cast<uint32_t>(start + data.size() + (data_digest ? tcp::k_digest_bytes : 0));
  if (options.header_digest) header.ch.flags |= tcp::k_flag_hdgst;
  if (data_digest) header.ch.flags |= tcp::k_flag_ddgst;
  Bytes pdu;
  append(pdu, bytes_of(header));
  if (options.header_digest) append_u32(pdu, crc32c(bytes_of(header)));
  pdu.resize(start);
  append(pdu, data);
  if (data_digest) append_u32(pdu, crc32c(data));
  return pdu;
}

struct IcReqFields {
  uint16_t pfv = 0;
  uint8_t hpda = 0;
  bool header_digest = false;
  bool data_digest = false;
  uint32_t maxr2t = 0;  // 0's based
};

inline uint8_t dgst_field(bool header_digest, bool data_digest) {
  return static_cast<uint8_t>((header_digest ? tcp::k_dgst_header : 0) |
                              (data_digest ? tcp::k_dgst_data : 0));
}

inline Bytes build_ic_req(const IcReqFields& fields = {}) {
  tcp::IcReq header;
  header.ch.type = tcp::PduType::ic_req;
  header.pfv = fields.pfv;
  header.hpda = fields.hpda;
  header.dgst = dgst_field(fields.header_digest, fields.data_digest);
  header.maxr2t = fields.maxr2t;
  return build_pdu(header, {}, {});
}

inline Bytes build_ic_resp(uint8_t cpda = 0, bool header_digest = false, bool data_digest = false,
                           uint32_t maxh2cdata = 128 * 1024) {
  tcp::IcResp header;
  header.ch.type = tcp::PduType::ic_resp;
  header.cpda = cpda;
  header.dgst = dgst_field(header_digest, data_digest);
  header.maxh2cdata = maxh2cdata;
  return build_pdu(header, {}, {});
}

inline Bytes build_capsule(const nvme::Command& command, ByteSpan data = {}, const PduOptions& options = {}) {
  tcp::CapsuleCmd header;
  header.ch.type = tcp::PduType::capsule_cmd;
  header.ccsqe = command;
  return build_pdu(header, data, options);
}

inline Bytes build_response(const nvme::Completion& completion, const PduOptions& options = {}) {
  tcp::CapsuleResp header;
  header.ch.type = tcp::PduType::capsule_resp;
  header.rccqe = completion;
  return build_pdu(header, {}, options);
}

struct DataFields {
  tcp::PduType type = tcp::PduType::h2c_data;
  uint16_t cccid = 0;
  uint16_t ttag = 0;
  uint32_t datao = 0;
  bool last = true;
  bool success = false;  // C2HData only
};

inline Bytes build_data(const DataFields& fields, ByteSpan data, const PduOptions& options = {}) {
  tcp::DataPdu header;
  header.ch.type = fields.type;
  header.ch.flags = static_cast<uint8_t>((fields.last ? tcp::k_flag_last_pdu : 0) |
                                         (fields.success ? tcp::k_flag_success : 0));
  header.cccid = fields.cccid;
  header.ttag = fields.ttag;
  header.datao = fields.datao;
  header.datal = static_cast<uint32_t>(data.size());
  return build_pdu(header, data, options);
}

inline Bytes build_r2t(uint16_t cccid, uint16_t ttag, uint32_t r2to, uint32_t r2tl,
                       const PduOptions& options = {}) {
  tcp::R2T header;
  header.ch.type = tcp::PduType::r2t;
  header.cccid = cccid;
  header.ttag = ttag;
  header.r2to = r2to;
  header.r2tl = r2tl;
  return build_pdu(header, {}, options);
}

// TermReq of either end; its data follows the header at once and it never has digests.
inline Bytes build_term(tcp::PduType type, uint16_t fes, uint32_t fei, ByteSpan offending = {}) {
  tcp::TermReq header;
  header.ch.type = type;
  header.ch.hlen = sizeof(header);
  header.ch.plen = static_cast<uint32_t>(sizeof(header) + offending.size());
  header.fes = fes;
  header.set_fei(fei);
  Bytes pdu;
  append(pdu, bytes_of(header));
  append(pdu, offending);
  return pdu;
}

// --- commands with the SGL descriptor that NVMe/TCP wants ---

inline nvme::Command command_of(uint8_t opcode, uint16_t cid, uint32_t nsid = 0) {
  nvme::Command command;
  command.opcode = opcode;
  command.flags = nvme::k_psdt_sgl << 6;
  command.cid = cid;
  command.nsid = nsid;
  return command;
}

inline nvme::Command with_capsule_data(nvme::Command command, uint32_t length_bytes) {
  command.sgl = {};
  command.sgl.length_bytes = length_bytes;
  command.sgl.identifier = nvme::k_sgl_data_block << 4 | nvme::k_sgl_subtype_offset;
  return command;
}

inline nvme::Command with_transport_data(nvme::Command command, uint32_t length_bytes) {
  command.sgl = {};
  command.sgl.length_bytes = length_bytes;
  command.sgl.identifier = nvme::k_sgl_transport_data_block << 4 | nvme::k_sgl_subtype_transport;
  return command;
}

// `blocks_count` counts from 1.
inline nvme::Command io_command(nvme::NvmOpcode opcode, uint16_t cid, uint32_t nsid, uint64_t lba,
                                uint32_t blocks_count) {
  nvme::Command command = command_of(static_cast<uint8_t>(opcode), cid, nsid);
  command.cdw10 = static_cast<uint32_t>(lba);
  command.cdw11 = static_cast<uint32_t>(lba >> 32);
  command.cdw12 = blocks_count - 1;
  return command;
}

// A recognisable pattern that differs by seed and position.
inline Bytes pattern(size_t bytes_count, uint32_t seed = 1) {
  Bytes bytes(bytes_count);
  uint32_t state = seed * 2654435761u + 1;
  for (uint8_t& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<uint8_t>(state >> 24);
  }
  return bytes;
}

}  // namespace ballast::test
