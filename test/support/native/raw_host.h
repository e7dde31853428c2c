// A host that speaks NVMe/TCP in raw PDUs over a SimulatedPeer: sends exactly what a test tells it and parses
// what comes back without hiding anything. For tests of the target side. Header only.
#pragma once

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "reactor/simulated_world.h"
#include "support/native/pdu_builder.h"

namespace ballast::test {

// A PDU as it came. header is HLEN bytes.
struct ReceivedPdu {
  tcp::CommonHeader ch;
  Bytes header;
  Bytes data;  // for a TermReq the copy of the offending header
  bool header_digest_ok = true;
  bool data_digest_ok = true;

  template <typename Header>
  Header as() const {
    return load<Header>(header);
  }
  bool is(tcp::PduType type) const { return ch.type == type; }
  bool has_flag(uint8_t flag) const { return (ch.flags & flag) != 0; }
};

// The next whole PDU of `peer`; nothing if the peer closed or the time is over before that.
inline std::optional<ReceivedPdu> receive_pdu_from(SimulatedPeer& peer, uint64_t for_ns) {
  ReceivedPdu pdu;
  const Bytes common = peer.receive_exactly(sizeof(tcp::CommonHeader), for_ns);
  if (common.size() != sizeof(tcp::CommonHeader)) return std::nullopt;
  pdu.ch = load<tcp::CommonHeader>(common);
  if (pdu.ch.plen < sizeof(tcp::CommonHeader)) return std::nullopt;
  Bytes whole = common;
  append(whole, peer.receive_exactly(pdu.ch.plen - sizeof(tcp::CommonHeader), for_ns));
  if (whole.size() != pdu.ch.plen || pdu.ch.hlen > whole.size()) return std::nullopt;
  pdu.header.assign(whole.begin(), whole.begin() + pdu.ch.hlen);
  const bool term = pdu.is(tcp::PduType::c2h_term_req) || pdu.is(tcp::PduType::h2c_term_req);
  if (!term && pdu.has_flag(tcp::k_flag_hdgst)) {
    pdu.header_digest_ok = load<uint32_t>(ByteSpan(whole).subspan(pdu.ch.hlen)) == crc32c(pdu.header);
  }
  const bool has_data =
      pdu.is(tcp::PduType::c2h_data) || pdu.is(tcp::PduType::h2c_data) || pdu.is(tcp::PduType::capsule_cmd);
  const bool data_digest = has_data && pdu.has_flag(tcp::k_flag_ddgst);
  const size_t start = term ? pdu.ch.hlen : has_data && pdu.ch.pdo != 0 ? pdu.ch.pdo : whole.size();
  const size_t end = whole.size() - (data_digest ? tcp::k_digest_bytes : 0);
  if (start < end) {
    pdu.data.assign(whole.begin() + static_cast<ptrdiff_t>(start),
                    whole.begin() + static_cast<ptrdiff_t>(end));
  }
  if (data_digest) {
    pdu.data_digest_ok = load<uint32_t>(ByteSpan(whole).subspan(end)) == crc32c(pdu.data);
  }
  return pdu;
}

// Everything that came for one command: its data put together and its completion.
struct Answer {
  bool answered = false;
  nvme::Completion completion;
  bool success_flag = false;  // the completion was a SUCCESS flag, and is made up here
  Bytes data;
  uint32_t data_pdus = 0;
  bool digests_ok = true;

  nvme::Status status() const { return completion.status(); }
};

class RawHost {
 public:
  RawHost(SimulatedWorld& world, const SocketAddress& address) : peer_(world, address) {}

  SimulatedPeer& peer() { return peer_; }
  // Used by the builders below; set by initialize() to what the controller granted.
  PduOptions& options() { return options_; }
  const tcp::IcResp& ic_resp() const { return ic_resp_; }

  void send(const Bytes& bytes) { peer_.send(bytes); }
  std::optional<ReceivedPdu> receive_pdu(uint64_t for_ns = 60 * k_ns_per_s) {
    return receive_pdu_from(peer_, for_ns);
  }

  // ICReq and ICResp; false if there was no proper ICResp.
  bool initialize(const IcReqFields& fields = {}) {
    send(build_ic_req(fields));
    const auto pdu = receive_pdu();
    if (!pdu || !pdu->is(tcp::PduType::ic_resp) || pdu->header.size() != sizeof(tcp::IcResp)) return false;
    ic_resp_ = pdu->as<tcp::IcResp>();
    options_.header_digest = (ic_resp_.dgst & tcp::k_dgst_header) != 0;
    options_.data_digest = (ic_resp_.dgst & tcp::k_dgst_data) != 0;
    options_.alignment_field = ic_resp_.cpda;
    return true;
  }

  void send_command(const nvme::Command& command, ByteSpan capsule_data = {}) {
    send(build_capsule(command, capsule_data, options_));
  }
  // Sends and waits for the end; answers R2Ts with pieces of `data`.
  Answer execute(const nvme::Command& command, ByteSpan data = {}, bool in_capsule = true) {
    if (data.empty()) {
      send_command(command);
    } else if (in_capsule) {
      send_command(with_capsule_data(command, static_cast<uint32_t>(data.size())), data);
    } else {
      send_command(with_transport_data(command, static_cast<uint32_t>(data.size())));
    }
    return receive_answer(command.cid, data);
  }
  // Collects PDUs until command `cid` is complete. PDUs of other commands are a mistake of the test.
  Answer receive_answer(uint16_t cid, ByteSpan data_for_r2t = {}, uint64_t for_ns = 60 * k_ns_per_s) {
    Answer answer;
    answer.completion.cid = cid;
    while (!answer.answered) {
      const auto pdu = receive_pdu(for_ns);
      if (!pdu) break;
      answer.digests_ok = answer.digests_ok && pdu->header_digest_ok && pdu->data_digest_ok;
      if (pdu->is(tcp::PduType::c2h_data)) {
        take_data(*pdu, answer);
      } else if (pdu->is(tcp::PduType::r2t)) {
        answer_r2t(pdu->as<tcp::R2T>(), data_for_r2t);
      } else if (pdu->is(tcp::PduType::capsule_resp)) {
        answer.completion = pdu->as<tcp::CapsuleResp>().rccqe;
        answer.answered = true;
      } else {
        break;
      }
    }
    return answer;
  }
  void answer_r2t(const tcp::R2T& r2t, ByteSpan data) {
    const uint32_t piece_max = ic_resp_.maxh2cdata != 0 ? ic_resp_.maxh2cdata : 4096;
    for (uint32_t done = 0; done < r2t.r2tl;) {
      const uint32_t piece = std::min(piece_max, r2t.r2tl - done);
      const DataFields fields{
          .cccid = r2t.cccid, .ttag = r2t.ttag, .datao = r2t.r2to + done, .last = done + piece == r2t.r2tl};
      send(build_data(fields, data.subspan(r2t.r2to + done, piece), options_));
      done += piece;
    }
  }

 private:
  static void take_data(const ReceivedPdu& pdu, Answer& answer) {
    const auto header = pdu.as<tcp::C2HData>();
    answer.data.resize(std::max<size_t>(answer.data.size(), header.datao + pdu.data.size()));
    std::copy(pdu.data.begin(), pdu.data.end(), answer.data.begin() + header.datao);
    ++answer.data_pdus;
    if (pdu.has_flag(tcp::k_flag_success)) answer.answered = answer.success_flag = true;
  }

  SimulatedPeer peer_;
  PduOptions options_;
  tcp::IcResp ic_resp_;
};

// --- Fabrics: what a host sends first on every queue. NVMe Base Specification 2.1, "Connect Command" ---

struct ConnectFields {
  uint16_t cid = 0;
  uint16_t qid = 0;
  uint16_t sqsize = 31;  // 0's based
  uint8_t cattr = 0;     // bit 2: no flow control
  uint32_t kato_ms = 0;
  uint16_t cntlid = 0xffff;
  std::string host_nqn = "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555";
  std::string subsystem_nqn;
  uint8_t host_id_byte = 0x5a;  // all 16 bytes of HOSTID
};

inline nvme::Command connect_command(const ConnectFields& fields) {
  nvme::Command command = command_of(nvme::k_opcode_fabrics, fields.cid, 0x01);  // FCTYPE is in byte 4
  command.cdw10 = static_cast<uint32_t>(fields.qid) << 16;                       // RECFMT 0, QID
  command.cdw11 = fields.sqsize | static_cast<uint32_t>(fields.cattr) << 16;
  command.cdw12 = fields.kato_ms;
  return command;
}

inline Bytes connect_data(const ConnectFields& fields) {
  Bytes data(1024);
  std::fill_n(data.begin(), 16, fields.host_id_byte);
  std::memcpy(&data[16], &fields.cntlid, 2);
  std::copy(fields.subsystem_nqn.begin(), fields.subsystem_nqn.end(), data.begin() + 256);
  std::copy(fields.host_nqn.begin(), fields.host_nqn.end(), data.begin() + 512);
  return data;
}

}  // namespace ballast::test
