// A host queue pair of ours over a simulated world, against a target that does exactly what a test tells it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "reactor/simulated_world.h"
#include "support/native/raw_host.h"
#include "transport/tcp/tcp.h"

namespace ballast::test {

// One request with memory of its own, cut into segments as told.
struct HostIo {
  explicit HostIo(uint8_t opcode, size_t data_bytes = 0, uint32_t seed = 0, size_t segment_bytes = 0)
      : memory(seed == 0 ? Bytes(data_bytes) : pattern(data_bytes, seed)) {
    const size_t step = segment_bytes == 0 ? data_bytes : segment_bytes;
    for (size_t at = 0; at < data_bytes; at += step) {
      segments.push_back({memory.data() + at, std::min(step, data_bytes - at)});
    }
    request.command.opcode = opcode;
    request.command.nsid = 1;
    request.data = segments;
    request.context = this;
    request.done = [](transport::HostRequest& done_request, const nvme::Completion& done_completion) {
      auto* const self = static_cast<HostIo*>(done_request.context);
      ++self->done_count;
      self->completion = done_completion;
      self->memory_when_done = self->memory;
      if (self->then) self->then();
    };
  }
  bool ok() const { return done_count == 1 && completion.status().ok(); }

  Bytes memory;
  Bytes memory_when_done;
  std::vector<Segment> segments;
  transport::HostRequest request;
  int done_count = 0;
  nvme::Completion completion;
  std::function<void()> then;
};

inline constexpr uint8_t k_read = static_cast<uint8_t>(nvme::NvmOpcode::read);
inline constexpr uint8_t k_write = static_cast<uint8_t>(nvme::NvmOpcode::write);
inline constexpr uint8_t k_flush = static_cast<uint8_t>(nvme::NvmOpcode::flush);

class HostQpairTest : public testing::Test, public transport::HostQpairObserver {
 protected:
  explicit HostQpairTest(uint64_t seed = 1) : world_(seed), reactor_(world_.add_reactor()) {
    SimulatedPeer::listen(world_, address_);
    options_.address = address_;
    options_.queue_entries = 16;
    options_.in_capsule_bytes = 4096;
  }
  ~HostQpairTest() override {
    if (qpair_ != nullptr && !closed_) {
      world_.on(reactor_, [this] { qpair_->close(transport::CloseReason::local_request); });
    }
    target_.reset();
    world_.run_until([this] { return qpair_ == nullptr || closed_; });
    EXPECT_TRUE(qpair_ == nullptr || closed_);
    qpair_.reset();
  }

  void on_ready(transport::HostQpair&) override { ready_ = true; }
  void on_closed(transport::HostQpair&, transport::CloseReason reason, const std::string& text) override {
    EXPECT_FALSE(closed_);
    closed_ = true;
    reason_ = reason;
    text_ = text;
  }

  // Opens the connection and takes the target's end of it; the ICReq has not been read.
  void open() {
    world_.on(reactor_, [this] { qpair_ = transport::tcp::connect_host_qpair(reactor_, options_, *this); });
    target_ = SimulatedPeer::accept(world_, address_);
    ASSERT_NE(target_, nullptr);
  }
  void open_and_receive_ic_req() {
    open();
    const auto pdu = receive();
    ASSERT_TRUE(pdu.has_value());
    ASSERT_TRUE(pdu->is(tcp::PduType::ic_req));
    ic_req_ = pdu->as<tcp::IcReq>();
  }
  // All the way to on_ready().
  void establish(uint8_t cpda = 0, uint32_t maxh2cdata = 128 * 1024) {
    open_and_receive_ic_req();
    pdu_options_ = {options_.header_digest, options_.data_digest, 0};
    send(build_ic_resp(cpda, options_.header_digest, options_.data_digest, maxh2cdata));
    ASSERT_TRUE(ready_);
  }

  std::optional<ReceivedPdu> receive() { return receive_pdu_from(*target_, k_ns_per_s); }
  void send(const Bytes& bytes) {
    target_->send(bytes);
    world_.settle();
  }
  void submit(HostIo& io) {
    world_.on(reactor_, [&] { ASSERT_TRUE(qpair_->submit(io.request)); });
  }
  // Submits and takes the capsule off the wire; returns its command identifier.
  uint16_t submit_and_receive(HostIo& io) {
    submit(io);
    const auto pdu = receive();
    EXPECT_TRUE(pdu.has_value() && pdu->is(tcp::PduType::capsule_cmd));
    if (!pdu.has_value()) return 0;
    last_capsule_ = *pdu;
    return pdu->as<tcp::CapsuleCmd>().ccsqe.cid;
  }
  void respond(uint16_t cid, nvme::Status status = nvme::status::success) {
    nvme::Completion completion;
    completion.cid = cid;
    completion.set_status(status);
    send(build_response(completion, pdu_options_));
  }
  Bytes c2h_data(uint16_t cid, uint32_t datao, ByteSpan data, bool last = true, bool success = false) const {
    return build_data(
        {.type = tcp::PduType::c2h_data, .cccid = cid, .datao = datao, .last = last, .success = success},
        data, pdu_options_);
  }

  // The host must now terminate with exactly this error, fail everything, and close once the target does.
  void expect_terminated(uint16_t fes, uint32_t fei) {
    const auto pdu = receive();
    ASSERT_TRUE(pdu.has_value()) << "no H2CTermReq; closed: " << closed_ << " " << text_;
    ASSERT_TRUE(pdu->is(tcp::PduType::h2c_term_req)) << static_cast<int>(pdu->ch.type);
    const auto term = pdu->as<tcp::TermReq>();
    EXPECT_EQ(term.fes, fes);
    EXPECT_EQ(term.fei(), fei);
    EXPECT_LE(pdu->ch.plen, tcp::k_term_plen_max);
    EXPECT_GT(pdu->data.size(), 0u);
    EXPECT_FALSE(closed_);
    target_->close();
    world_.run_until([this] { return closed_; });
    EXPECT_TRUE(closed_);
    EXPECT_EQ(reason_, transport::CloseReason::protocol_error);
    EXPECT_EQ(qpair_->in_flight(), 0);
  }
  static void expect_pathing_error(const HostIo& io) {
    EXPECT_EQ(io.done_count, 1);
    EXPECT_TRUE(io.completion.status().is(nvme::status::host_pathing_error));
  }

  SimulatedWorld world_;
  Reactor& reactor_;
  const SocketAddress address_{"10.0.0.1", 4420};
  transport::HostQpairOptions options_;
  std::unique_ptr<transport::HostQpair> qpair_;
  std::unique_ptr<SimulatedPeer> target_;
  PduOptions pdu_options_;
  tcp::IcReq ic_req_;
  ReceivedPdu last_capsule_;
  bool ready_ = false;
  bool closed_ = false;
  transport::CloseReason reason_ = transport::CloseReason::local_request;
  std::string text_;
};

}  // namespace ballast::test
