// What the host end does with a target that behaves: what is on the wire, and what arrives where.
#include "host_fixture.h"

namespace ballast::test {
namespace {

class HostQpairWire : public HostQpairTest {};

TEST_F(HostQpairWire, a_connection_that_is_refused_says_so) {
  SimulatedPeer::stop_listening(world_, address_);
  world_.on(reactor_, [this] { qpair_ = transport::tcp::connect_host_qpair(reactor_, options_, *this); });
  EXPECT_FALSE(closed_) << "on_closed() must not come from inside";
  world_.run_until([this] { return closed_; });
  EXPECT_TRUE(closed_);
  EXPECT_EQ(qpair_->connect_error(), Errc::connection_refused);
}

TEST_F(HostQpairWire, submit_after_close_answers_host_pathing_error) {
  establish();
  world_.on(reactor_, [this] { qpair_->close(transport::CloseReason::local_request); });
  HostIo flush(k_flush);
  submit(flush);
  expect_pathing_error(flush);
}

TEST_F(HostQpairWire, submit_above_the_depth_is_refused_and_works_after_a_completion) {
  options_.queue_entries = 3;
  establish();
  std::vector<std::unique_ptr<HostIo>> ios;
  std::vector<uint16_t> cids;
  for (int i = 0; i < 3; ++i) {
    ios.push_back(std::make_unique<HostIo>(k_flush));
    cids.push_back(submit_and_receive(*ios.back()));
  }
  HostIo fourth(k_flush);
  world_.on(reactor_, [&] { EXPECT_FALSE(qpair_->submit(fourth.request)); });
  EXPECT_EQ(qpair_->in_flight(), 3);
  respond(cids[1]);
  EXPECT_TRUE(ios[1]->ok());
  respond(submit_and_receive(fourth));
  EXPECT_TRUE(fourth.ok());
  respond(cids[0]);
  respond(cids[2]);
}

TEST_F(HostQpairWire, ic_req_is_as_specified) {
  options_.header_digest = options_.data_digest = true;
  open_and_receive_ic_req();
  EXPECT_EQ(ic_req_.ch.hlen, 128);
  EXPECT_EQ(ic_req_.ch.plen, 128u);
  EXPECT_EQ(ic_req_.pfv, 0);
  EXPECT_EQ(ic_req_.hpda, 0);
  EXPECT_EQ(ic_req_.dgst, 3);
  EXPECT_EQ(ic_req_.maxr2t, 3u);
}

TEST_F(HostQpairWire, a_small_write_travels_in_the_capsule) {
  establish();
  HostIo write(k_write, 4096, 5, 1000);
  const uint16_t cid = submit_and_receive(write);
  const auto sqe = last_capsule_.as<tcp::CapsuleCmd>().ccsqe;
  EXPECT_EQ(sqe.sgl.identifier, 0x01);
  EXPECT_EQ(sqe.sgl.length_bytes, 4096u);
  EXPECT_EQ(sqe.sgl.address, 0u);
  EXPECT_EQ(sqe.psdt(), nvme::k_psdt_sgl);
  EXPECT_EQ(last_capsule_.data, pattern(4096, 5));
  respond(cid);
  EXPECT_TRUE(write.ok());
  EXPECT_EQ(write.request.transferred_bytes, 4096u);
}

TEST_F(HostQpairWire, a_large_write_waits_for_r2t_and_comes_in_pieces_of_maxh2cdata) {
  establish(0, 4096);
  HostIo write(k_write, 16 * 1024, 5, 5000);
  const uint16_t cid = submit_and_receive(write);
  EXPECT_EQ(last_capsule_.as<tcp::CapsuleCmd>().ccsqe.sgl.identifier, 0x5a);
  EXPECT_TRUE(last_capsule_.data.empty());
  Bytes r2ts = build_r2t(cid, 77, 0, 10000);
  append(r2ts, build_r2t(cid, 78, 10000, 6384));
  send(r2ts);
  Bytes received;
  while (received.size() < 16 * 1024) {
    const auto pdu = receive();
    ASSERT_TRUE(pdu.has_value());
    ASSERT_TRUE(pdu->is(tcp::PduType::h2c_data));
    const auto header = pdu->as<tcp::H2CData>();
    EXPECT_EQ(header.datao, received.size());
    EXPECT_EQ(header.datal, pdu->data.size());
    EXPECT_LE(header.datal, 4096u);
    EXPECT_EQ(header.ttag, received.size() < 10000 ? 77 : 78);
    append(received, pdu->data);
    const bool last_of_r2t = received.size() == 10000 || received.size() == 16384;
    EXPECT_EQ(pdu->has_flag(tcp::k_flag_last_pdu), last_of_r2t);
  }
  EXPECT_EQ(received, pattern(16 * 1024, 5));
  respond(cid);
  EXPECT_TRUE(write.ok());
}

TEST_F(HostQpairWire, cpda_is_honoured_in_capsules_and_data) {
  establish(31);
  HostIo small(k_write, 512, 5);
  uint16_t cid = submit_and_receive(small);
  EXPECT_EQ(last_capsule_.ch.pdo, 128);
  EXPECT_EQ(last_capsule_.data, pattern(512, 5));
  respond(cid);
  HostIo large(k_write, 8192, 6);
  cid = submit_and_receive(large);
  EXPECT_EQ(last_capsule_.ch.plen, 72u);
  send(build_r2t(cid, 1, 0, 8192));
  const auto pdu = receive();
  ASSERT_TRUE(pdu.has_value());
  EXPECT_EQ(pdu->ch.pdo, 128);
  EXPECT_EQ(pdu->data, pattern(8192, 6));
  respond(cid);
  EXPECT_TRUE(large.ok());
}

TEST_F(HostQpairWire, digests_are_right_in_both_directions) {
  options_.header_digest = options_.data_digest = true;
  establish();
  HostIo write(k_write, 4096, 5, 1000);
  uint16_t cid = submit_and_receive(write);
  EXPECT_TRUE(last_capsule_.has_flag(tcp::k_flag_hdgst));
  EXPECT_TRUE(last_capsule_.has_flag(tcp::k_flag_ddgst));
  EXPECT_TRUE(last_capsule_.header_digest_ok);
  EXPECT_TRUE(last_capsule_.data_digest_ok);
  respond(cid);
  EXPECT_TRUE(write.ok());
  HostIo large(k_write, 8192, 6, 3000);
  cid = submit_and_receive(large);
  EXPECT_FALSE(last_capsule_.has_flag(tcp::k_flag_ddgst));
  send(build_r2t(cid, 1, 0, 8192, pdu_options_));
  const auto pdu = receive();
  ASSERT_TRUE(pdu.has_value());
  EXPECT_TRUE(pdu->header_digest_ok);
  EXPECT_TRUE(pdu->data_digest_ok);
  EXPECT_EQ(pdu->data, pattern(8192, 6));
  respond(cid);
  HostIo read(k_read, 8192, 0, 1500);
  cid = submit_and_receive(read);
  send(c2h_data(cid, 0, pattern(8192), true, true));
  EXPECT_TRUE(read.ok());
  EXPECT_EQ(read.memory, pattern(8192));
}

TEST_F(HostQpairWire, a_read_ends_with_the_success_flag_or_a_response) {
  establish();
  HostIo by_flag(k_read, 4096);
  HostIo by_response(k_read, 4096);
  const uint16_t cid_flag = submit_and_receive(by_flag);
  const uint16_t cid_response = submit_and_receive(by_response);
  send(c2h_data(cid_response, 0, pattern(4096, 2)));
  EXPECT_EQ(by_response.done_count, 0);
  send(c2h_data(cid_flag, 0, pattern(4096, 1), true, true));
  EXPECT_TRUE(by_flag.ok());
  respond(cid_response);
  EXPECT_TRUE(by_response.ok());
  EXPECT_EQ(by_flag.memory, pattern(4096, 1));
  EXPECT_EQ(by_response.memory, pattern(4096, 2));
}

TEST_F(HostQpairWire, data_of_several_reads_may_interleave) {
  establish();
  HostIo first(k_read, 8192, 0, 4096);
  HostIo second(k_read, 8192, 0, 100 * 41);
  const uint16_t cid_first = submit_and_receive(first);
  const uint16_t cid_second = submit_and_receive(second);
  const Bytes one = pattern(8192, 1);
  const Bytes two = pattern(8192, 2);
  Bytes stream = c2h_data(cid_first, 0, ByteSpan(one).first(3000), false);
  append(stream, c2h_data(cid_second, 0, ByteSpan(two).first(5000), false));
  append(stream, c2h_data(cid_first, 3000, ByteSpan(one).subspan(3000), true, true));
  append(stream, c2h_data(cid_second, 5000, ByteSpan(two).subspan(5000), true, true));
  send(stream);
  EXPECT_TRUE(first.ok());
  EXPECT_TRUE(second.ok());
  EXPECT_EQ(first.memory, one);
  EXPECT_EQ(second.memory, two);
}

TEST_F(HostQpairWire, an_error_status_is_handed_up_as_it_came) {
  establish();
  HostIo read(k_read, 4096);
  respond(submit_and_receive(read), nvme::status::lba_out_of_range.with_dnr());
  EXPECT_TRUE(read.completion.status().is(nvme::status::lba_out_of_range));
  EXPECT_TRUE(read.completion.status().do_not_retry());
}

TEST_F(HostQpairWire, requests_of_one_turn_leave_in_one_piece) {
  establish();
  std::vector<std::unique_ptr<HostIo>> ios;
  world_.on(reactor_, [&] {
    for (int i = 0; i < 10; ++i) {
      ios.push_back(std::make_unique<HostIo>(k_read, 512));
      ASSERT_TRUE(qpair_->submit(ios.back()->request));
    }
    EXPECT_TRUE(target_->receive().empty());
    reactor_.turn();
  });
  EXPECT_EQ(target_->receive_exactly(10 * 72).size(), 10u * 72);
  world_.on(reactor_, [this] { qpair_->close(transport::CloseReason::local_request); });
}

TEST_F(HostQpairWire, a_completion_may_submit_the_next_request_or_close) {
  establish();
  HostIo first(k_flush);
  HostIo second(k_flush);
  HostIo third(k_flush);
  first.then = [&] { ASSERT_TRUE(qpair_->submit(second.request)); };
  second.then = [&] { qpair_->close(transport::CloseReason::local_request); };
  const uint16_t cid_first = submit_and_receive(first);
  submit_and_receive(third);
  respond(cid_first);
  EXPECT_TRUE(first.ok());
  const auto capsule = receive();
  ASSERT_TRUE(capsule.has_value());
  respond(capsule->as<tcp::CapsuleCmd>().ccsqe.cid);
  EXPECT_TRUE(second.ok());
  expect_pathing_error(third);
  world_.settle();
  EXPECT_TRUE(closed_);
}

TEST_F(HostQpairWire, a_command_identifier_of_ffffh_is_never_used) {
  options_.queue_entries = 2;
  establish();
  for (int i = 0; i < 70'000; ++i) {
    HostIo flush(k_flush);
    world_.on(reactor_, [&] { ASSERT_TRUE(qpair_->submit(flush.request)); });
    world_.settle();
    const Bytes bytes = target_->receive();
    ASSERT_EQ(bytes.size(), 72u);
    const auto cid = load<tcp::CapsuleCmd>(bytes).ccsqe.cid;
    ASSERT_NE(cid, 0xffff);
    nvme::Completion completion;
    completion.cid = cid;
    target_->send(build_response(completion));
    world_.settle();
    ASSERT_TRUE(flush.ok());
  }
}

// The stream of a conversation delivered in every way of cutting it: the results do not change.
class HostQpairCuts : public HostQpairTest, public testing::WithParamInterface<size_t> {};

TEST_P(HostQpairCuts, the_same_stream_in_pieces_gives_the_same_results) {
  options_.header_digest = options_.data_digest = true;
  if (GetParam() == 0) {
    world_.network().random_cuts = true;
  } else {
    world_.network().receive_bytes_max = GetParam();
  }
  establish();
  std::vector<std::unique_ptr<HostIo>> reads;
  Bytes stream;
  for (uint32_t i = 0; i < 8; ++i) {
    const size_t size_bytes = i % 2 == 0 ? 512 : 20'000;
    reads.push_back(std::make_unique<HostIo>(k_read, size_bytes, 0, size_bytes / 3 + 1));
    const uint16_t cid = submit_and_receive(*reads.back());
    const Bytes data = pattern(size_bytes, i + 1);
    if (i % 3 == 0) {
      append(stream, c2h_data(cid, 0, ByteSpan(data).first(100), false));
      append(stream, c2h_data(cid, 100, ByteSpan(data).subspan(100)));
      nvme::Completion completion;
      completion.cid = cid;
      append(stream, build_response(completion, pdu_options_));
    } else {
      append(stream, c2h_data(cid, 0, data, true, true));
    }
  }
  send(stream);
  for (uint32_t i = 0; i < 8; ++i) {
    EXPECT_TRUE(reads[i]->ok()) << i;
    EXPECT_EQ(reads[i]->memory, pattern(reads[i]->memory.size(), i + 1)) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Pieces, HostQpairCuts, testing::Values(0, 1, 2, 7, 24, 28, 100, 4096, 65536));

TEST_F(HostQpairWire, a_target_that_reads_slowly_gets_every_byte_in_order) {
  establish();
  world_.network().window_bytes = 3000;
  target_->stop_receiving(true);
  std::vector<std::unique_ptr<HostIo>> writes;
  for (uint32_t i = 0; i < 16; ++i) {
    writes.push_back(std::make_unique<HostIo>(k_write, 4096, i + 1, 1111));
    submit(*writes.back());
  }
  world_.settle();
  target_->stop_receiving(false);
  for (uint32_t i = 0; i < 16; ++i) {
    const auto pdu = receive();
    ASSERT_TRUE(pdu.has_value());
    EXPECT_EQ(pdu->data, pattern(4096, i + 1));
    respond(pdu->as<tcp::CapsuleCmd>().ccsqe.cid);
    EXPECT_TRUE(writes[i]->ok());
  }
}

// A connection cut after every possible number of bytes of the target's answer: everything is given back
// once.
TEST_F(HostQpairWire, a_reset_after_any_byte_gives_every_request_back_once) {
  for (size_t cut = 0; cut < 24 + 512 + 24; cut += 3) {
    ready_ = closed_ = false;
    establish();
    HostIo read(k_read, 512);
    HostIo write(k_write, 512, 4);
    const uint16_t cid = submit_and_receive(read);
    const uint16_t write_cid = submit_and_receive(write);
    Bytes stream = c2h_data(cid, 0, pattern(512), true, true);
    nvme::Completion completion;
    completion.cid = write_cid;
    append(stream, build_response(completion));
    stream.resize(cut);
    send(stream);
    target_->reset();
    world_.run_until([this] { return closed_; });
    ASSERT_TRUE(closed_);
    ASSERT_EQ(read.done_count, 1);
    ASSERT_EQ(write.done_count, 1);
    ASSERT_EQ(read.completion.status().ok(), cut >= 24 + 512) << cut;
    qpair_.reset();
  }
}

}  // namespace
}  // namespace ballast::test
