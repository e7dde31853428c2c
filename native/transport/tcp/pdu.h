// The nine PDUs of NVMe/TCP as they lie on the wire, and their constants. Used by both ends and by the tests.
// NVMe/TCP Transport Specification 1.0, "NVMe/TCP PDUs". Names of fields are the specification's own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/command.h"

namespace ballast::transport::tcp {

// "NVMe/TCP PDU Types". Bit 0 is the direction: 0 host to controller, 1 controller to host.
enum class PduType : uint8_t {
  ic_req = 0x00,
  ic_resp = 0x01,
  h2c_term_req = 0x02,
  c2h_term_req = 0x03,
  capsule_cmd = 0x04,
  capsule_resp = 0x05,
  h2c_data = 0x06,
  c2h_data = 0x07,
  r2t = 0x09,
};

// FLAGS of the common header.
inline constexpr uint8_t k_flag_hdgst = 1 << 0;
inline constexpr uint8_t k_flag_ddgst = 1 << 1;
inline constexpr uint8_t k_flag_last_pdu = 1 << 2;  // H2CData, C2HData
inline constexpr uint8_t k_flag_success = 1 << 3;   // C2HData

// DGST of ICReq and ICResp.
inline constexpr uint8_t k_dgst_header = 1 << 0;
inline constexpr uint8_t k_dgst_data = 1 << 1;

inline constexpr size_t k_digest_bytes = 4;
inline constexpr size_t k_header_bytes_max = 128;     // ICReq and ICResp
inline constexpr size_t k_term_data_bytes_max = 128;  // "Transport Error Handling"
inline constexpr uint32_t k_term_plen_max = 152;      // 24 bytes of header and those 128
inline constexpr uint8_t k_alignment_field_max = 31;  // HPDA, CPDA: 0's based dwords, 128 bytes at most
inline constexpr uint32_t k_maxh2cdata_min = 4096;    // "Initialize Connection Response PDU"
inline constexpr uint32_t k_admin_capsule_data_bytes_max = 8192;  // "Capsules": Fabrics and Admin Commands

// FES of a TermReq. Value 5 is named by direction: a controller reports Data Transfer Limit Exceeded, a host
// R2T Limit Exceeded.
enum class FatalError : uint16_t {
  none = 0,
  invalid_pdu_header_field = 1,  // FEI: offset of the field
  pdu_sequence_error = 2,
  header_digest_error = 3,  // FEI: the HDGST that was received
  data_transfer_out_of_range = 4,
  data_transfer_limit_exceeded = 5,
  r2t_limit_exceeded = 5,
  unsupported_parameter = 6,  // FEI: offset of the field
};

// Why a connection must be terminated, as a TermReq says it.
struct Fatal {
  FatalError fes = FatalError::none;
  uint32_t fei = 0;
  explicit operator bool() const { return fes != FatalError::none; }
  bool operator==(const Fatal&) const = default;
};
inline constexpr Fatal invalid_field_at(size_t offset) {
  return {FatalError::invalid_pdu_header_field, static_cast<uint32_t>(offset)};
}

// "PDU Common Header (CH)".
struct CommonHeader {
  PduType type = PduType::ic_req;
  uint8_t flags = 0;
  uint8_t hlen = 0;   // bytes of header, without HDGST
  uint8_t pdo = 0;    // where DATA starts, from the start of the PDU
  uint32_t plen = 0;  // everything: header, HDGST, PAD, DATA, DDGST
};
static_assert(sizeof(CommonHeader) == 8 && offsetof(CommonHeader, pdo) == 3 &&
              offsetof(CommonHeader, plen) == 4);

// "Initialize Connection Request PDU".
struct IcReq {
  CommonHeader ch;
  uint16_t pfv = 0;
  uint8_t hpda = 0;
  uint8_t dgst = 0;
  uint32_t maxr2t = 0;  // 0's based
  uint8_t reserved[112] = {};
};
static_assert(sizeof(IcReq) == 128 && offsetof(IcReq, pfv) == 8 && offsetof(IcReq, hpda) == 10 &&
              offsetof(IcReq, dgst) == 11 && offsetof(IcReq, maxr2t) == 12);

// "Initialize Connection Response PDU".
struct IcResp {
  CommonHeader ch;
  uint16_t pfv = 0;
  uint8_t cpda = 0;
  uint8_t dgst = 0;
  uint32_t maxh2cdata = 0;
  uint8_t reserved[112] = {};
};
static_assert(sizeof(IcResp) == 128 && offsetof(IcResp, pfv) == 8 && offsetof(IcResp, cpda) == 10 &&
              offsetof(IcResp, dgst) == 11 && offsetof(IcResp, maxh2cdata) == 12);

// H2CTermReq and C2HTermReq: the header; up to 128 bytes of the offending header follow as data.
// FEI is not aligned, hence its halves.
struct TermReq {
  CommonHeader ch;
  uint16_t fes = 0;
  uint16_t fei_low = 0;
  uint16_t fei_high = 0;
  uint8_t reserved[10] = {};

  uint32_t fei() const { return static_cast<uint32_t>(fei_high) << 16 | fei_low; }
  void set_fei(uint32_t fei) {
    fei_low = static_cast<uint16_t>(fei);
    fei_high = static_cast<uint16_t>(fei >> 16);
  }
};
static_assert(sizeof(TermReq) == 24 && offsetof(TermReq, fes) == 8 && offsetof(TermReq, fei_low) == 10);

// "Command Capsule PDU".
struct CapsuleCmd {
  CommonHeader ch;
  nvme::Command ccsqe;
};
static_assert(sizeof(CapsuleCmd) == 72 && offsetof(CapsuleCmd, ccsqe) == 8);

// "Response Capsule PDU".
struct CapsuleResp {
  CommonHeader ch;
  nvme::Completion rccqe;
};
static_assert(sizeof(CapsuleResp) == 24 && offsetof(CapsuleResp, rccqe) == 8);

// H2CData ("Host To Controller Data Transfer PDU") and C2HData, where the TTAG is reserved.
struct DataPdu {
  CommonHeader ch;
  uint16_t cccid = 0;
  uint16_t ttag = 0;
  uint32_t datao = 0;
  uint32_t datal = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(DataPdu) == 24 && offsetof(DataPdu, cccid) == 8 && offsetof(DataPdu, ttag) == 10 &&
              offsetof(DataPdu, datao) == 12 && offsetof(DataPdu, datal) == 16);
using H2CData = DataPdu;
using C2HData = DataPdu;

// "Ready to Transfer PDU".
struct R2T {
  CommonHeader ch;
  uint16_t cccid = 0;
  uint16_t ttag = 0;
  uint32_t r2to = 0;
  uint32_t r2tl = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(R2T) == 24 && offsetof(R2T, cccid) == 8 && offsetof(R2T, ttag) == 10 &&
              offsetof(R2T, r2to) == 12 && offsetof(R2T, r2tl) == 16);

}  // namespace ballast::transport::tcp
