// What a well-behaved host gets from the TCP target: initialization, both ways of sending data, reads with
// and without a response capsule, digests, alignment and flow control.
#include "native/transport_tcp/echo_target.h"

namespace ballast::test {
namespace {

TEST(TargetTcp, answers_ic_req_with_what_it_grants) {
  transport::tcp::TargetOptions options;
  options.data_digest = false;
  EchoTarget target(options);
  RawHost host(target.world, target.address());
  ASSERT_TRUE(host.initialize({.header_digest = true, .data_digest = true}));
  EXPECT_EQ(host.ic_resp().pfv, 0);
  EXPECT_EQ(host.ic_resp().dgst, tcp::k_dgst_header);
  EXPECT_EQ(host.ic_resp().maxh2cdata, options.max_h2c_data_bytes);
}

TEST(TargetTcp, writes_from_the_capsule_and_reads_back) {
  EchoTarget target;
  const auto host = target.connect();
  expect_works(*host);
  EXPECT_EQ(target.qpairs[0]->fetched, 2u);
}

TEST(TargetTcp, fetches_a_write_by_r2t_and_h2c_data) {
  EchoTarget target;
  const auto host = target.connect();
  const Bytes data = pattern(128 * 1024);
  ASSERT_TRUE(host->execute(write_command(1, 0, 256), data, false).status().ok());
  const Answer read = host->execute(read_command(2, 0, 256));
  EXPECT_EQ(read.data, data);
  EXPECT_EQ(read.data_pdus, 1u);
}

TEST(TargetTcp, splits_h2c_data_at_maxh2cdata_and_r2ts_by_maxr2t) {
  transport::tcp::TargetOptions options;
  options.max_h2c_data_bytes = 16 * 1024;
  EchoTarget target(options);
  const auto host = target.connect({.maxr2t = 7});
  const Bytes data = pattern(100 * 1024);
  host->send_command(with_transport_data(write_command(5, 0, 200), 100 * 1024));
  const auto first = host->receive_pdu();
  const auto second = host->receive_pdu();
  ASSERT_TRUE(first && second && first->is(tcp::PduType::r2t) && second->is(tcp::PduType::r2t));
  EXPECT_EQ(first->as<tcp::R2T>().r2tl, 16u * 1024);
  EXPECT_EQ(second->as<tcp::R2T>().r2to, 16u * 1024);
  EXPECT_NE(first->as<tcp::R2T>().ttag, second->as<tcp::R2T>().ttag);
  host->answer_r2t(first->as<tcp::R2T>(), data);
  host->answer_r2t(second->as<tcp::R2T>(), data);
  EXPECT_TRUE(host->receive_answer(5, data).status().ok());
  EXPECT_EQ(host->execute(read_command(6, 0, 200)).data, data);
}

TEST(TargetTcp, capsule_data_that_is_not_fetched_at_once_survives_what_is_received_behind_it) {
  EchoTarget target;
  const auto host = target.connect();
  target.qpairs[0]->hold = true;
  for (uint16_t cid = 0; cid < 8; ++cid) {
    host->send_command(with_capsule_data(write_command(cid, cid * 8u, 8), 4096), pattern(4096, cid));
    target.world.settle();
  }
  target.world.on(target.reactor, [&] { target.qpairs[0]->resume_held(); });
  for (uint16_t cid = 0; cid < 8; ++cid) {
    EXPECT_TRUE(host->receive_answer(cid, pattern(128 * 1024)).status().ok());
  }
  for (uint16_t cid = 0; cid < 8; ++cid) {
    EXPECT_EQ(host->execute(read_command(9, cid * 8u, 8)).data, pattern(4096, cid)) << cid;
  }
}

// A mistake of ours above the transport must not write beyond the host's buffer.
TEST(TargetTcp, an_answer_longer_than_the_host_asked_for_becomes_an_error) {
  EchoTarget target;
  target.behaviour.surplus_bytes = 512;
  const auto host = target.connect();
  const Answer read = host->execute(read_command(2, 0, 8));
  EXPECT_TRUE(read.status().is(nvme::status::data_sgl_length_invalid));
  EXPECT_EQ(read.data_pdus, 0u);
}

TEST(TargetTcp, serves_many_transfers_at_once) {
  EchoTarget target;
  const auto host = target.connect();
  for (uint16_t cid = 0; cid < 16; ++cid) {
    host->send_command(with_transport_data(write_command(cid, cid * 32u, 32), 16 * 1024));
  }
  std::vector<tcp::R2T> r2ts;
  for (int i = 0; i < 16; ++i) {
    const auto pdu = host->receive_pdu();
    ASSERT_TRUE(pdu && pdu->is(tcp::PduType::r2t));
    r2ts.push_back(pdu->as<tcp::R2T>());
  }
  // In the opposite order.
  for (int i = 15; i >= 0; --i) {
    const tcp::R2T& r2t = r2ts[static_cast<size_t>(i)];
    host->answer_r2t(r2t, pattern(16 * 1024, r2t.cccid));
    EXPECT_TRUE(host->receive_answer(r2t.cccid).status().ok());
  }
  for (uint16_t cid = 0; cid < 16; ++cid) {
    EXPECT_EQ(host->execute(read_command(100, cid * 32u, 32)).data, pattern(16 * 1024, cid));
  }
}

TEST(TargetTcp, sends_success_in_c2h_data_only_without_flow_control) {
  EchoTarget target;
  const auto with = target.connect();
  EXPECT_FALSE(with->execute(read_command(1, 0, 8)).success_flag);
  const auto without = target.connect({}, {.cattr = 4});
  const Answer answer = without->execute(read_command(1, 0, 8));
  EXPECT_TRUE(answer.success_flag);
  EXPECT_EQ(answer.data.size(), 4096u);
}

TEST(TargetTcp, counts_sqhd_modulo_the_queue_size) {
  EchoTarget target;
  const auto host = target.connect({}, {.sqsize = 3});
  const uint16_t expected[] = {2, 3, 0, 1, 2};
  for (const uint16_t sqhd : expected) {
    EXPECT_EQ(host->execute(read_command(9, 0, 1)).completion.sqhd, sqhd);
  }
}

TEST(TargetTcp, tells_a_host_that_flow_control_is_off) {
  EchoTarget target;
  RawHost host(target.world, target.address());
  ASSERT_TRUE(host.initialize());
  const ConnectFields fields{.cattr = 4};
  EXPECT_EQ(host.execute(connect_command(fields), connect_data(fields)).completion.sqhd, 0xffff);
}

TEST(TargetTcp, keeps_both_digests_right_in_both_directions) {
  for (const bool mapped : {true, false}) {
    EchoTarget target;
    target.behaviour.mapped_reads = mapped;
    const auto host = target.connect({.header_digest = true, .data_digest = true});
    EXPECT_TRUE(host->options().header_digest && host->options().data_digest);
    expect_works(*host);
    const Bytes data = pattern(64 * 1024, 3);
    EXPECT_TRUE(host->execute(write_command(1, 0, 128), data, false).status().ok());
    const Answer read = host->execute(read_command(2, 0, 128));
    EXPECT_TRUE(read.digests_ok);
    EXPECT_EQ(read.data, data);
  }
}

TEST(TargetTcp, pads_c2h_data_to_the_alignment_the_host_wants) {
  for (const uint8_t hpda : {uint8_t{0}, uint8_t{1}, uint8_t{3}, uint8_t{15}, uint8_t{31}}) {
    for (const bool digest : {false, true}) {
      EchoTarget target;
      const auto host = target.connect({.hpda = hpda, .header_digest = digest, .data_digest = digest});
      host->send_command(read_command(1, 0, 1));
      const auto pdu = host->receive_pdu();
      ASSERT_TRUE(pdu && pdu->is(tcp::PduType::c2h_data));
      EXPECT_EQ(pdu->ch.pdo % ((hpda + 1) * 4), 0);
      EXPECT_EQ(pdu->data.size(), 512u);
      EXPECT_TRUE(pdu->header_digest_ok && pdu->data_digest_ok);
    }
  }
}

TEST(TargetTcp, sends_everything_of_a_turn_in_one_call) {
  EchoTarget target;
  const auto host = target.connect();
  Bytes burst;
  for (uint16_t cid = 0; cid < 30; ++cid) append(burst, build_capsule(read_command(cid, cid, 1)));
  const uint64_t sends = target.counters().sends;
  const uint64_t receives = target.counters().receives;
  host->send(burst);
  for (uint16_t cid = 0; cid < 30; ++cid) ASSERT_TRUE(host->receive_answer(cid).answered);
  EXPECT_EQ(target.counters().sends - sends, 1u);
  EXPECT_EQ(target.counters().receives - receives, 1u);
}

TEST(TargetTcp, finds_commands_in_flight_by_cid) {
  EchoTarget target;
  const auto host = target.connect();
  target.qpairs[0]->hold = true;
  for (const uint16_t cid : {7, 0x1007, 0xf007, 3}) host->send_command(read_command(cid, 0, 1));
  target.world.settle();
  TargetQpair& qpair = target.qpairs[0]->qpair();
  for (const uint16_t cid : {7, 0x1007, 0xf007, 3}) {
    ASSERT_NE(qpair.find_request(cid), nullptr);
    EXPECT_EQ(qpair.find_request(cid)->command.cid, cid);
  }
  EXPECT_EQ(qpair.find_request(0x2007), nullptr);
  target.world.on(target.reactor, [&] { target.qpairs[0]->resume_held(); });
  target.world.settle();
  EXPECT_EQ(qpair.find_request(7), nullptr);
}

TEST(TargetTcp, takes_back_a_fetch_that_waits_for_a_buffer_but_not_one_under_way) {
  BufferArenaSizes arena;
  arena.large_count = 2;
  arena.large_reserved_for_capsules = 1;
  EchoTarget target({}, arena);
  const auto host = target.connect();
  host->send_command(with_transport_data(write_command(1, 0, 128), 64 * 1024));
  host->send_command(with_transport_data(write_command(2, 0, 128), 64 * 1024));
  const auto r2t = host->receive_pdu();
  ASSERT_TRUE(r2t && r2t->is(tcp::PduType::r2t));
  TargetQpair& qpair = target.qpairs[0]->qpair();
  Request* const waiting = qpair.find_request(2);
  ASSERT_NE(waiting, nullptr);
  target.world.on(target.reactor, [&] {
    EXPECT_FALSE(qpair.try_withdraw(*qpair.find_request(1)));
    EXPECT_TRUE(qpair.try_withdraw(*waiting));
    nvme::Completion completion;
    completion.set_status(nvme::status::abort_requested);
    qpair.reply(*waiting, completion);
  });
  EXPECT_TRUE(host->receive_answer(2).status().is(nvme::status::abort_requested));
  host->answer_r2t(r2t->as<tcp::R2T>(), pattern(64 * 1024));
  EXPECT_TRUE(host->receive_answer(1).status().ok());
}

// Sends writes of 128 KiB and gives the R2Ts that come without any data being sent.
std::vector<tcp::R2T> solicit(RawHost& host, uint16_t writes_count) {
  for (uint16_t cid = 0; cid < writes_count; ++cid) {
    host.send_command(with_transport_data(write_command(cid, 0, 256), 128 * 1024));
  }
  std::vector<tcp::R2T> r2ts;
  while (const auto pdu = host.receive_pdu(k_ns_per_s)) {
    EXPECT_TRUE(pdu->is(tcp::PduType::r2t));
    r2ts.push_back(pdu->as<tcp::R2T>());
  }
  return r2ts;
}

TEST(TargetTcp, asks_a_connection_for_a_mebibyte_at_a_time_and_for_more_as_it_comes) {
  EchoTarget target;
  const auto host = target.connect();
  const std::vector<tcp::R2T> first = solicit(*host, 20);
  ASSERT_EQ(first.size(), 8u);
  host->answer_r2t(first[0], pattern(128 * 1024));
  // The answer of the first and the R2T of the ninth, and nothing more.
  uint32_t r2ts = 0;
  while (const auto pdu = host->receive_pdu(k_ns_per_s)) {
    if (!pdu->is(tcp::PduType::r2t)) continue;
    EXPECT_EQ(pdu->as<tcp::R2T>().cccid, 8);
    ++r2ts;
  }
  EXPECT_EQ(r2ts, 1u);
}

TEST(TargetTcp, reads_do_not_wait_for_writes_that_wait_to_be_fetched) {
  EchoTarget target;
  target.behaviour.mapped_reads = false;
  const auto host = target.connect();
  ASSERT_EQ(solicit(*host, 20).size(), 8u);
  EXPECT_EQ(host->execute(read_command(100, 0, 256)).data.size(), 128u * 1024);
}

TEST(TargetTcp, takes_back_a_fetch_that_waits_for_its_turn) {
  EchoTarget target;
  const auto host = target.connect();
  const std::vector<tcp::R2T> first = solicit(*host, 10);
  ASSERT_EQ(first.size(), 8u);
  TargetQpair& qpair = target.qpairs[0]->qpair();
  Request* const waiting = qpair.find_request(8);
  ASSERT_NE(waiting, nullptr);
  target.world.on(target.reactor, [&] {
    EXPECT_TRUE(qpair.try_withdraw(*waiting));
    nvme::Completion completion;
    completion.set_status(nvme::status::abort_requested);
    qpair.reply(*waiting, completion);
  });
  EXPECT_TRUE(host->receive_answer(8).status().is(nvme::status::abort_requested));
  for (const tcp::R2T& r2t : first) host->answer_r2t(r2t, pattern(128 * 1024));
  for (uint16_t cid = 0; cid < 8; ++cid) {
    EXPECT_TRUE(host->receive_answer(cid, pattern(128 * 1024)).status().ok());
  }
  EXPECT_TRUE(host->receive_answer(9, pattern(128 * 1024)).status().ok());
}

TEST(TargetTcp, close_all_ends_every_connection_and_says_so_once) {
  EchoTarget target;
  const auto first = target.connect();
  const auto second = target.connect();
  int closed = 0;
  target.world.on(target.reactor,
                  [&] { target.transport->close_all(CloseReason::local_request, [&] { ++closed; }); });
  target.world.settle();
  EXPECT_EQ(closed, 1);
  EXPECT_TRUE(first->peer().peer_closed() && second->peer().peer_closed());
  EXPECT_EQ(target.counters().connections.load(), 0u);
}

}  // namespace
}  // namespace ballast::test
