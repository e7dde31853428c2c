// What the PDUs of a host mean to the controller: initialization, commands, data and termination. Called by
// the parser; nothing here calls an observer.
#include <algorithm>
#include <new>

#include "base/log.h"
#include "nvme/limits.h"
#include "transport/tcp/target_qpair.h"

namespace ballast::transport::tcp {

PduSink::Placement TargetTcpQpair::on_header(const PduLayout& layout, ByteSpan header) {
  switch (layout.type) {
    case PduType::capsule_cmd: return on_capsule(layout, header);
    case PduType::h2c_data: return on_h2c_data(layout, header);
    case PduType::ic_req: return on_ic_req(header);
    case PduType::h2c_term_req: return on_term_req(header);
    default: return stop_with(invalid_field_at(0), header);  // framing lets none of these through
  }
}

bool TargetTcpQpair::on_pdu(const PduLayout& layout, bool data_digest_ok) {
  if (!data_digest_ok) count(context_.counters.data_digest_errors);
  if (layout.type == PduType::capsule_cmd) finish_capsule(data_digest_ok);
  if (layout.type == PduType::h2c_data) finish_h2c_data(layout, data_digest_ok);
  return true;
}

// The TermReq is built here, while the offending header is at hand, and sent once the commands before it have
// been dispatched.
void TargetTcpQpair::on_fatal(Fatal fatal, ByteSpan header) {
  end_ = End::terminate;
  const auto fes = static_cast<uint16_t>(fatal.fes);
  count(context_.counters.pdu_errors[fes < std::size(context_.counters.pdu_errors) ? fes : 0]);
  log(LogLevel::warning, "transport", "%s: %s (FES %u, FEI %u) in PDU type %02x",
      peer_address_.text().c_str(), fatal_error_text(Role::controller, fes), fes, fatal.fei, header[0]);
  term_.reset(new (std::nothrow) ControlPdu);
  if (term_ != nullptr) term_bytes_ = build_term_req(Role::controller, fatal, header, term_->bytes);
}

PduSink::Placement TargetTcpQpair::stop_with(Fatal fatal, ByteSpan header) {
  on_fatal(fatal, header);
  return {Verdict::stop, nullptr};
}

PduSink::Placement TargetTcpQpair::on_ic_req(ByteSpan header) {
  const auto request = load<IcReq>(header);
  if (request.pfv != 0) {
    return stop_with({FatalError::unsupported_parameter, offsetof(IcReq, pfv)}, header);
  }
  if (request.hpda > k_alignment_field_max) return stop_with(invalid_field_at(offsetof(IcReq, hpda)), header);
  if (context_.options.strict && (request.dgst & ~(k_dgst_header | k_dgst_data)) != 0) {
    return stop_with(invalid_field_at(offsetof(IcReq, dgst)), header);
  }
  FramingRules& rules = reader_.rules();
  rules.established = true;
  rules.header_digest = (request.dgst & k_dgst_header) != 0 && context_.options.header_digest;
  rules.data_digest = (request.dgst & k_dgst_data) != 0 && context_.options.data_digest;
  hpda_ = request.hpda;
  // MAXR2T is 0's based: FFFFFFFFh plus one would be none.
  r2ts_per_command_ = std::min(request.maxr2t, k_r2ts_per_command_max - 1) + 1;

  IcResp response;
  response.ch = {PduType::ic_resp, 0, sizeof(IcResp), 0, sizeof(IcResp)};
  response.dgst =
      static_cast<uint8_t>((rules.header_digest ? k_dgst_header : 0) | (rules.data_digest ? k_dgst_data : 0));
  response.maxh2cdata = context_.options.max_h2c_data_bytes;
  ic_resp_.reset(new (std::nothrow) ControlPdu);
  if (ic_resp_ == nullptr) {
    end_ = End::no_memory;
    return {Verdict::stop, nullptr};
  }
  store(ic_resp_->bytes, response);
  queue_control(ic_resp_, sizeof(response));
  stage_ = Stage::established;
  ic_deadline_ns_ = 0;
  return {Verdict::discard, nullptr};
}

PduSink::Placement TargetTcpQpair::on_term_req(ByteSpan header) {
  const auto term = load<TermReq>(header);
  log(LogLevel::warning, "transport", "%s: host terminates: %s (FES %u, FEI %u)",
      peer_address_.text().c_str(), fatal_error_text(Role::host, term.fes), term.fes, term.fei());
  end_ = End::peer_terminated;
  return {Verdict::stop, nullptr};
}

// NVMe/TCP Transport Specification 1.0, "Capsules" and "Command Data Buffers and SGLs".
PduSink::Placement TargetTcpQpair::on_capsule(const PduLayout& layout, ByteSpan header) {
  const auto sqe = load<nvme::Command>(header.subspan(offsetof(CapsuleCmd, ccsqe)));
  // The framing lets Fabrics commands have their 8 KiB on every queue.
  if (active_ && parameters_.qid != 0 && sqe.opcode != nvme::k_opcode_fabrics &&
      layout.data_bytes > context_.options.in_capsule_bytes) {
    return stop_with({FatalError::data_transfer_limit_exceeded, 0}, header);
  }
  if (in_flight_.size() >= requests_max_) {
    log(LogLevel::warning, "transport", "%s: more than %u commands at once on queue %u",
        peer_address_.text().c_str(), requests_max_, parameters_.qid);
    count(context_.counters.pdu_errors[0]);
    end_ = End::flow_control_broken;
    return {Verdict::stop, nullptr};
  }
  const bool conflict = find(sqe.cid) != nullptr;
  const nvme::Status refusal =
      conflict ? nvme::status::command_id_conflict : check_sgl(sqe, layout.data_bytes);
  Segment buffer;
  if (refusal.ok() && layout.data_bytes != 0) {
    buffer = granted_.base != nullptr
                 ? granted_
                 : context_.reactor.buffers().try_acquire(layout.data_bytes, BufferArena::Purpose::capsule);
    granted_ = {};
    if (buffer.base == nullptr) {
      context_.reactor.buffers().wait(capsule_waiter_, layout.data_bytes, BufferArena::Purpose::capsule);
      return {Verdict::wait, nullptr};
    }
  }
  TargetRequest& request = context_.requests.acquire();
  request.begin(*this, sqe);
  request.refusal = refusal;
  in_flight_.push_front(request);
  if (!conflict) make_findable(request);
  current_ = &request;
  if (!refusal.ok()) return {Verdict::discard, nullptr};
  request.sgl_length_bytes = sqe.sgl.length_bytes;
  if (buffer.base == nullptr) return {Verdict::discard, nullptr};
  request.data_in_capsule = true;
  request.data = request.buffer = buffer;
  return {Verdict::place, buffer.base, true};
}

nvme::Status TargetTcpQpair::check_sgl(const nvme::Command& command, uint32_t capsule_data_bytes) const {
  using namespace nvme;
  if (command.psdt() != k_psdt_sgl) return status::invalid_field.with_dnr();
  const SglDescriptor& sgl = command.sgl;
  const bool in_capsule = sgl.type() == k_sgl_data_block && sgl.subtype() == k_sgl_subtype_offset;
  const bool by_transport =
      sgl.type() == k_sgl_transport_data_block && sgl.subtype() == k_sgl_subtype_transport;
  // A descriptor of zeroes: what a command without data may have instead of a proper one.
  const bool nothing = sgl.identifier == 0 && sgl.length_bytes == 0;
  if (in_capsule) {
    if (sgl.length_bytes != capsule_data_bytes) return status::data_sgl_length_invalid.with_dnr();
    if (capsule_data_bytes != 0 && sgl.address != 0) return status::sgl_offset_invalid.with_dnr();
    // There is no room for an answer's data in a capsule that came.
    const bool to_host = data_direction(command) == DataDirection::controller_to_host;
    return to_host && capsule_data_bytes != 0 ? status::invalid_field.with_dnr() : status::success;
  }
  if (!by_transport && !nothing) return status::sgl_descriptor_type_invalid.with_dnr();
  if (capsule_data_bytes != 0) return status::invalid_field.with_dnr();
  if (sgl.length_bytes > k_transfer_bytes_max) return status::invalid_field.with_dnr();
  return status::success;
}

void TargetTcpQpair::finish_capsule(bool data_digest_ok) {
  TargetRequest& request = *current_;
  current_ = nullptr;
  if (request.refusal.ok() && data_digest_ok) {
    request.lent = reader_.lent();
    return queue_event(request, TargetRequest::Event::arrived);
  }
  answer_refused(request, request.refusal.ok() ? nvme::status::transient_transport_error : request.refusal);
}

// "Host to Controller Command Data Buffer Transfers".
PduSink::Placement TargetTcpQpair::on_h2c_data(const PduLayout& layout, ByteSpan header) {
  const auto data = load<H2CData>(header);
  TargetRequest* request = nullptr;
  if (const Fatal fatal = check_h2c_data(layout, data, request)) return stop_with(fatal, header);
  current_ = request;
  return {Verdict::place, request->data.base + data.datao};
}

Fatal TargetTcpQpair::check_h2c_data(const PduLayout& layout, const H2CData& header,
                                     TargetRequest*& request) {
  request = find(header.cccid);
  const auto awaits = [&header](TargetRequest& candidate, uint32_t position) {
    const Transfer& transfer =
        candidate.transfers[(candidate.transfer_first + position) % k_r2ts_per_command_max];
    return position < candidate.transfers_count && transfer.state == Transfer::State::awaiting &&
           transfer.ttag == header.ttag;
  };
  if (request == nullptr || !awaits(*request, 0)) {
    // A later R2T of the same command must not be served before the first one is.
    if (request != nullptr && awaits(*request, 1)) return {FatalError::pdu_sequence_error, 0};
    for (TargetRequest* other = in_flight_.front(); other != nullptr; other = in_flight_.after(*other)) {
      if (awaits(*other, 0) || awaits(*other, 1)) return invalid_field_at(offsetof(H2CData, cccid));
    }
    return invalid_field_at(offsetof(H2CData, ttag));
  }
  const Transfer& transfer = request->oldest_transfer();
  const uint64_t end = uint64_t{transfer.r2to} + transfer.r2tl;
  const uint64_t data_end = uint64_t{header.datao} + header.datal;
  if (header.datal > context_.options.max_h2c_data_bytes) {
    return {FatalError::data_transfer_limit_exceeded, 0};
  }
  if (header.datao % 4 != 0) return invalid_field_at(offsetof(H2CData, datao));
  // Only a command whose length is no multiple of dwords ends with less than one.
  if (header.datal == 0 || header.datal != layout.data_bytes || (header.datal % 4 != 0 && data_end != end)) {
    return invalid_field_at(offsetof(H2CData, datal));
  }
  if (header.datao < transfer.r2to || data_end > end) return {FatalError::data_transfer_out_of_range, 0};
  if (header.datao != request->arrived_bytes) return {FatalError::pdu_sequence_error, 0};
  if (layout.has_flag(k_flag_last_pdu) != (data_end == end)) return {FatalError::pdu_sequence_error, 0};
  return {};
}

void TargetTcpQpair::finish_h2c_data(const PduLayout& layout, bool data_digest_ok) {
  TargetRequest& request = *current_;
  current_ = nullptr;
  Transfer& transfer = request.oldest_transfer();
  request.arrived_bytes += layout.data_bytes;
  awaited_bytes_ -= layout.data_bytes;
  if (!data_digest_ok) request.data_digest_wrong = true;
  if (request.arrived_bytes == transfer.r2to + transfer.r2tl) {
    transfer.state = Transfer::State::free;
    request.transfer_first = static_cast<uint8_t>((request.transfer_first + 1) % k_r2ts_per_command_max);
    --request.transfers_count;
    --awaited_count_;
  }
  transfer_deadline_ns_ = 0;
  if (awaited_count_ != 0) watch(transfer_deadline_ns_, context_.options.send_timeout_ns);
  if (request.arrived_bytes == request.data.size_bytes) {
    leave_window(request);
    queue_event(request, TargetRequest::Event::fetched);
  } else {
    issue_r2ts(request);
  }
}

TargetRequest* TargetTcpQpair::find(uint16_t cid) {
  TargetRequest* request = *bucket(cid);
  while (request != nullptr && request->command.cid != cid) request = request->next_in_bucket;
  return request;
}

void TargetTcpQpair::make_findable(TargetRequest& request) {
  TargetRequest** const head = bucket(request.command.cid);
  request.next_in_bucket = *head;
  *head = &request;
  request.findable = true;
}

void TargetTcpQpair::make_unfindable(TargetRequest& request) {
  if (!request.findable) return;
  TargetRequest** link = bucket(request.command.cid);
  while (*link != &request) link = &(*link)->next_in_bucket;
  *link = request.next_in_bucket;
  request.findable = false;
}

Request* TargetTcpQpair::find_request(uint16_t cid) {
  TargetRequest* const request = find(cid);
  return request != nullptr && request->shown ? request : nullptr;
}

}  // namespace ballast::transport::tcp
