// What every refusal test of the TCP target shares: a witness connection that must go on working, and the
// exact C2HTermReq that a host must get.
#pragma once

#include "native/transport_tcp/echo_target.h"

namespace ballast::test {

class Refusal : public ::testing::Test {
 protected:
  // For tests that need other options than the default ones: before anything else.
  void restart(const transport::tcp::TargetOptions& options, const BufferArenaSizes& arena = {}) {
    witness_.reset();
    target_ = std::make_unique<EchoTarget>(options, arena);
    witness_ = target_->connect();
  }
  void SetUp() override { restart({}); }
  void TearDown() override {
    expect_works(*witness_, 9);
    EXPECT_EQ(target_->device[k_device_bytes - 1], 0);  // never written by any test
    witness_.reset();
    target_->world.settle();
    target_->expect_released();
    target_.reset();
  }

  EchoTarget& target() { return *target_; }
  RawHost raw() { return RawHost(target_->world, target_->address()); }
  EchoQpair& newest() { return *target_->qpairs.back(); }

  // The host gets exactly this C2HTermReq, then the connection ends within the linger time; the observer has
  // been told, and everything is given back.
  void expect_term(RawHost& host, uint16_t fes, uint32_t fei, ByteSpan offending) {
    const uint64_t errors = fes < 7 ? target_->counters().pdu_errors[fes].load() : 0;
    const auto pdu = host.receive_pdu(k_ns_per_s);
    ASSERT_TRUE(pdu.has_value());
    ASSERT_EQ(pdu->ch.type, tcp::PduType::c2h_term_req);
    EXPECT_LE(pdu->ch.plen, tcp::k_term_plen_max);
    EXPECT_EQ(pdu->ch.hlen, 24);
    EXPECT_EQ(pdu->ch.flags, 0);  // no digest, whatever was negotiated
    const auto term = pdu->as<tcp::TermReq>();
    EXPECT_EQ(term.fes, fes);
    EXPECT_EQ(term.fei(), fei);
    ASSERT_GE(pdu->data.size(), 8u);
    ASSERT_LE(pdu->data.size(), offending.size());
    EXPECT_TRUE(std::equal(pdu->data.begin(), pdu->data.end(), offending.begin()));
    EXPECT_GE(target_->counters().pdu_errors[fes].load(), std::max<uint64_t>(errors, 1));
    EXPECT_TRUE(newest().closed);
    EXPECT_EQ(newest().close_reason, CloseReason::protocol_error);
    // Nothing that comes now is looked at.
    host.send(build_capsule(read_command(1, 0, 8)));
    EXPECT_FALSE(host.receive_pdu(10 * k_ns_per_s).has_value());
    EXPECT_TRUE(host.peer().peer_closed());
    host.peer().close();
    target_->world.settle();
    expect_works(*witness_);
    target_->expect_released();
  }
  void expect_term(RawHost& host, uint16_t fes, uint32_t fei, const Bytes& sent, bool) {
    host.send(sent);
    expect_term(host, fes, fei, sent);
  }
  // The connection ends and not a byte is sent.
  void expect_silent_close(RawHost& host, CloseReason reason) {
    EXPECT_TRUE(host.peer().receive_exactly(1, 100 * k_ns_per_s).empty());
    EXPECT_TRUE(host.peer().peer_closed());
    EXPECT_TRUE(newest().closed);
    EXPECT_EQ(newest().close_reason, reason);
    expect_works(*witness_);
    target_->expect_released();
  }
  // The command is answered with this status and the connection goes on.
  void expect_status(RawHost& host, uint16_t cid, nvme::Status status) {
    const Answer answer = host.receive_answer(cid);
    ASSERT_TRUE(answer.answered);
    EXPECT_TRUE(answer.status().is(status)) << nvme::status_name(answer.status());
    expect_works(host);
    expect_works(*witness_);
    target_->expect_released();
  }
  Bytes device_before() const { return target_->device; }

  std::unique_ptr<EchoTarget> target_;
  std::unique_ptr<RawHost> witness_;
};

}  // namespace ballast::test
