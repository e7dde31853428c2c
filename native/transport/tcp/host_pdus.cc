// What the host end does with each PDU of a target. Every check stands before the first use of what it
// checks: a refused PDU has changed nothing.
#include "base/log.h"
#include "reactor/reactor.h"
#include "transport/tcp/host_qpair.h"

namespace ballast::transport::tcp {

namespace {
constexpr size_t k_cqe_cid_offset = offsetof(CapsuleResp, rccqe) + offsetof(nvme::Completion, cid);
}

bool TcpHostQpair::refuse(Fatal fatal, ByteSpan header) {
  on_fatal(fatal, header);
  return false;
}

bool TcpHostQpair::on_header(const PduLayout& layout, ByteSpan header, HostCommand*& destination,
                             uint32_t& destination_offset) {
  switch (layout.type) {
    case PduType::ic_resp: return on_ic_resp(header);
    case PduType::c2h_term_req: return on_c2h_term_req(header);
    case PduType::capsule_resp: return on_capsule_resp(header);
    case PduType::c2h_data: return on_c2h_data(header, layout, destination, destination_offset);
    case PduType::r2t: return on_r2t(header);
    case PduType::ic_req:
    case PduType::h2c_term_req:
    case PduType::capsule_cmd:
    case PduType::h2c_data: break;  // check_common_header() lets none of them through to a host
  }
  return refuse(invalid_field_at(0), header);
}

// "Initialize Connection Response PDU". The fields are judged in their order, the lowest wrong one is told.
bool TcpHostQpair::on_ic_resp(ByteSpan header) {
  const auto response = load<IcResp>(header);
  if (response.pfv != 0) return refuse({FatalError::unsupported_parameter, offsetof(IcResp, pfv)}, header);
  if (response.cpda > k_alignment_field_max) return refuse(invalid_field_at(offsetof(IcResp, cpda)), header);
  const bool header_digest = (response.dgst & k_dgst_header) != 0;
  const bool data_digest = (response.dgst & k_dgst_data) != 0;
  if ((header_digest && !options_.header_digest) || (data_digest && !options_.data_digest)) {
    return refuse(invalid_field_at(offsetof(IcResp, dgst)), header);
  }
  if (response.maxh2cdata < k_maxh2cdata_min || response.maxh2cdata % 4 != 0) {
    return refuse(invalid_field_at(offsetof(IcResp, maxh2cdata)), header);
  }
  if (options_.require_digest &&
      (header_digest != options_.header_digest || data_digest != options_.data_digest)) {
    connect_error_ = Errc::unsupported;
    end(CloseReason::protocol_error, "the target does not grant the digests that were asked for");
    return false;
  }
  receiver_.rules().established = true;
  receiver_.rules().header_digest = header_digest;
  receiver_.rules().data_digest = data_digest;
  sender_.set_rules({header_digest, data_digest, response.cpda, response.maxh2cdata});
  reactor_.cancel(timer_);
  state_ = State::ready;
  observer_.on_ready(*this);
  return is_open();
}

bool TcpHostQpair::on_c2h_term_req(ByteSpan header) {
  const auto term = load<TermReq>(header);
  const std::string text = std::string("terminated by the target: ") +
                           fatal_error_text(Role::controller, term.fes) + " (FES " +
                           std::to_string(term.fes) + ", FEI " + std::to_string(term.fei()) + ")";
  log(LogLevel::warning, "transport/tcp", "%s: %s", options_.address.text().c_str(), text.c_str());
  end(CloseReason::peer_terminated, text);
  return false;
}

bool TcpHostQpair::on_capsule_resp(ByteSpan header) {
  const auto response = load<CapsuleResp>(header);
  HostCommand* const command = commands_.find(response.rccqe.cid);
  if (command == nullptr) return refuse(invalid_field_at(k_cqe_cid_offset), header);
  answer(*command, response.rccqe);
  return is_open();
}

// "Controller to Host Command Data Buffer Transfers".
bool TcpHostQpair::on_c2h_data(ByteSpan header, const PduLayout& layout, HostCommand*& destination,
                               uint32_t& destination_offset) {
  const auto pdu = load<C2HData>(header);
  const bool last = layout.has_flag(k_flag_last_pdu);
  if (layout.has_flag(k_flag_success) && !last) {
    return refuse(invalid_field_at(offsetof(CommonHeader, flags)), header);
  }
  HostCommand* const command = commands_.find(pdu.cccid);
  if (command == nullptr) return refuse(invalid_field_at(offsetof(C2HData, cccid)), header);
  if (command->direction != nvme::DataDirection::controller_to_host || command->last_received) {
    return refuse({FatalError::pdu_sequence_error, 0}, header);
  }
  if (pdu.datal == 0 || pdu.datal != layout.data_bytes) {
    return refuse(invalid_field_at(offsetof(C2HData, datal)), header);
  }
  if (uint64_t{pdu.datao} + pdu.datal > command->data_bytes) {
    return refuse({FatalError::data_transfer_out_of_range, 0}, header);
  }
  if (pdu.datao != command->received_bytes) return refuse({FatalError::pdu_sequence_error, 0}, header);
  command->received_bytes += pdu.datal;
  command->last_received = last;
  destination = command;
  destination_offset = pdu.datao;
  return true;
}

bool TcpHostQpair::on_data_end(const PduLayout& layout, HostCommand* destination, bool digest_ok) {
  if (destination == nullptr) return true;  // data that nobody wanted
  if (!digest_ok) destination->data_digest_failed = true;
  if (!layout.has_flag(k_flag_success)) return true;
  answer(*destination, {});  // no response capsule will come: success, all fields zero
  return is_open();
}

// "Host to Controller Command Data Buffer Transfers". What is asked for must lie in the command's data, or
// other memory of this process would be sent.
bool TcpHostQpair::on_r2t(ByteSpan header) {
  const auto pdu = load<R2T>(header);
  HostCommand* const command = commands_.find(pdu.cccid);
  if (command == nullptr || command->direction != nvme::DataDirection::host_to_controller) {
    return refuse(invalid_field_at(offsetof(R2T, cccid)), header);
  }
  if (command->in_capsule) return refuse({FatalError::pdu_sequence_error, 0}, header);  // it has the data
  if (pdu.r2tl == 0) return refuse(invalid_field_at(offsetof(R2T, r2tl)), header);
  if (uint64_t{pdu.r2to} + pdu.r2tl > command->data_bytes) {
    return refuse({FatalError::data_transfer_out_of_range, 0}, header);
  }
  if (pdu.r2to != command->requested_bytes) return refuse({FatalError::pdu_sequence_error, 0}, header);
  if (command->transfers_count == k_host_r2ts_max) {
    return refuse({FatalError::r2t_limit_exceeded, 0}, header);
  }
  const size_t at = (command->transfers_first + command->transfers_count) % k_host_r2ts_max;
  command->transfers[at] = {pdu.ttag, pdu.r2to, pdu.r2tl};
  ++command->transfers_count;
  command->requested_bytes += pdu.r2tl;
  sender_.queue(*command);
  reactor_.queue_flush(*this);
  return true;
}

}  // namespace ballast::transport::tcp
