// Answers: C2HData and CapsuleResp of one command, built once and queued as one item.
// NVMe/TCP Transport Specification 1.0, "Controller to Host Command Data Buffer Transfers".
#include <algorithm>

#include "base/crc32c.h"
#include "transport/tcp/target_qpair.h"

namespace ballast::transport::tcp {
namespace {

// PAD: reserved bytes, sent as zeroes.
uint8_t k_zeroes[k_header_bytes_max] = {};

constexpr uint8_t k_fctype_connect = 0x01;

bool is_connect(const nvme::Command& command) {
  return command.opcode == nvme::k_opcode_fabrics && static_cast<uint8_t>(command.nsid) == k_fctype_connect;
}

uint64_t total_bytes(std::span<const Segment> data) {
  uint64_t total = 0;
  for (const Segment& segment : data) total += segment.size_bytes;
  return total;
}

}  // namespace

void TargetTcpQpair::reply(Request& base, nvme::Completion completion, std::span<const Segment> data,
                           bool data_is_mapped) {
  const Entered entered(*this);
  auto& request = static_cast<TargetRequest&>(base);
  BALLAST_ASSERT(request.state == Request::State::received || request.state == Request::State::executing);
  BALLAST_ASSERT(data.size() <= k_reply_segments_max);
  if (request.abandoned) return finish_request(request);
  if (total_bytes(data) > request.sgl_length_bytes) {
    // More than the host has room for must never leave.
    data = {};
    completion.set_status(nvme::status::data_sgl_length_invalid.with_dnr());
  }
  request.data_is_mapped = data_is_mapped && !data.empty();
  build_answer(request, completion, data);
  if (data.empty()) release_buffer(request);
  push_answer(request);
}

void TargetTcpQpair::answer_refused(TargetRequest& request, nvme::Status status) {
  nvme::Completion completion;
  completion.set_status(status);
  request.data_is_mapped = false;
  build_answer(request, completion, {});
  release_buffer(request);
  push_answer(request);
}

void TargetTcpQpair::push_answer(TargetRequest& request) {
  request.state = Request::State::replying;
  queue_.push(request.answer);
  context_.reactor.queue_flush(*this);
}

// NVMe Base Specification 2.1, "Connect Command and Response": FFFFh tells that flow control is off; after
// that the field is reserved.
uint16_t TargetTcpQpair::sqhd_for(const TargetRequest& request) {
  if (!active_) return 0;
  if (parameters_.flow_control_disabled) return is_connect(request.command) ? 0xffff : 0;
  sqhd_ = static_cast<uint16_t>((sqhd_ + 1u) % parameters_.queue_entries);
  return sqhd_;
}

void TargetTcpQpair::build_answer(TargetRequest& request, nvme::Completion completion,
                                  std::span<const Segment> data) {
  const FramingRules& rules = reader_.rules();
  completion.cid = request.command.cid;
  completion.sqid = 0;
  completion.sqhd = sqhd_for(request);
  uint8_t parts_count = 0;
  uint32_t bytes_count = 0;
  const auto add = [&](uint8_t* base, size_t size_bytes) {
    request.parts[parts_count++] = {base, size_bytes};
    bytes_count += static_cast<uint32_t>(size_bytes);
  };
  const uint8_t header_digest = rules.header_digest ? k_flag_hdgst : 0;
  const size_t digest_bytes = rules.header_digest ? k_digest_bytes : 0;
  const auto data_bytes = static_cast<uint32_t>(total_bytes(data));
  bool success_in_data = false;
  request.data_digest_pending = false;
  request.data_parts_count = 0;
  if (data_bytes != 0) {
    success_in_data = active_ && parameters_.flow_control_disabled && completion.status_and_phase == 0 &&
                      completion.dw0 == 0 && completion.dw1 == 0;
    C2HData header;
    header.ch.type = PduType::c2h_data;
    header.ch.flags =
        static_cast<uint8_t>(header_digest | k_flag_last_pdu | (rules.data_digest ? k_flag_ddgst : 0) |
                             (success_in_data ? k_flag_success : 0));
    header.ch.hlen = sizeof(C2HData);
    header.ch.pdo = data_offset(sizeof(C2HData), rules.header_digest, hpda_);
    header.ch.plen = header.ch.pdo + data_bytes + (rules.data_digest ? uint32_t{k_digest_bytes} : 0);
    header.cccid = request.command.cid;
    header.datal = data_bytes;
    store(request.data_header, header);
    if (rules.header_digest) {
      store(MutableByteSpan(request.data_header).subspan(sizeof(C2HData)), crc32c(bytes_of(header)));
    }
    add(request.data_header.data(), sizeof(C2HData) + digest_bytes);
    const size_t pad_bytes = header.ch.pdo - (sizeof(C2HData) + digest_bytes);
    if (pad_bytes != 0) add(k_zeroes, pad_bytes);
    request.data_part_first = parts_count;
    for (const Segment& segment : data) {
      if (segment.size_bytes != 0) add(segment.base, segment.size_bytes);
    }
    request.data_parts_count = static_cast<uint8_t>(parts_count - request.data_part_first);
    if (rules.data_digest) {
      request.data_digest_pending = true;  // computed when it is sent: mapped data may change until then
      add(reinterpret_cast<uint8_t*>(&request.data_digest), k_digest_bytes);
    }
  }
  if (!success_in_data) {
    CapsuleResp header;
    header.ch = {PduType::capsule_resp, header_digest, sizeof(CapsuleResp), 0,
                 static_cast<uint32_t>(sizeof(CapsuleResp) + digest_bytes)};
    header.rccqe = completion;
    store(request.response, header);
    if (rules.header_digest) {
      store(MutableByteSpan(request.response).subspan(sizeof(CapsuleResp)), crc32c(bytes_of(header)));
    }
    add(request.response.data(), sizeof(CapsuleResp) + digest_bytes);
  }
  request.answer.parts = request.parts.data();
  request.answer.parts_count = parts_count;
  request.answer.bytes_count = bytes_count;
  request.answer.kind = SendItem::Kind::answer;
  request.answer.owner = &request;
}

// The answer has left, or never will: the request is over.
void TargetTcpQpair::finish_request(TargetRequest& request) {
  // Out of every list first: what the observer does now may end the connection.
  make_unfindable(request);
  in_flight_.remove(request);
  if (request.shown) observer_->on_released(request);
  release_buffer(request);
  context_.requests.release(request);
}

}  // namespace ballast::transport::tcp
