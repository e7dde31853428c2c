// Rows P28 to P53 of the refusals: H2CData that nobody asked for or that does not fit, TermReqs, and commands
// whose SGL or CID is wrong.
#include "native/transport_tcp/refusal.h"

namespace ballast::test {
namespace {

class PduDataBadInput : public Refusal {
 protected:
  // A connected host with one write of 16 KiB for which it holds an R2T.
  struct Solicited {
    std::unique_ptr<RawHost> host;
    tcp::R2T r2t;
  };
  Solicited solicited(uint32_t bytes = 16 * 1024) {
    Solicited result{target().connect(), {}};
    result.host->send_command(with_transport_data(write_command(1, 0, bytes / 512), bytes));
    const auto pdu = result.host->receive_pdu();
    EXPECT_TRUE(pdu && pdu->is(tcp::PduType::r2t));
    if (pdu) result.r2t = pdu->as<tcp::R2T>();
    return result;
  }
  DataFields fields_of(const Solicited& s, uint32_t datao = 0, bool last = true) {
    return {.cccid = 1, .ttag = s.r2t.ttag, .datao = datao, .last = last};
  }
};

TEST_F(PduDataBadInput, P28_P29_unknown_ttag_is_refused) {
  for (const uint16_t ttag : {0, 1, 2, 0x7fff, 0xfffe, 0xffff}) {
    Solicited s = solicited();
    if (ttag == s.r2t.ttag) continue;
    expect_term(*s.host, 1, 10, build_data({.cccid = 1, .ttag = ttag}, pattern(4096)), true);
    EXPECT_EQ(newest().fetch_errors, 1u);
  }
  Solicited s = solicited();
  const auto above = static_cast<uint16_t>(s.r2t.ttag + 1);
  expect_term(*s.host, 1, 10, build_data({.cccid = 1, .ttag = above}, pattern(4096)), true);
}

TEST_F(PduDataBadInput, P30_stale_ttag_is_refused) {
  Solicited s = solicited();
  s.host->answer_r2t(s.r2t, pattern(16 * 1024));
  ASSERT_TRUE(s.host->receive_answer(1).status().ok());
  // The same command identifier waits for data again, under another tag.
  s.host->send_command(with_transport_data(write_command(1, 0, 32), 16 * 1024));
  const auto again = s.host->receive_pdu();
  ASSERT_TRUE(again && again->is(tcp::PduType::r2t));
  EXPECT_NE(again->as<tcp::R2T>().ttag, s.r2t.ttag);
  const Bytes before = device_before();
  expect_term(*s.host, 1, 10, build_data(fields_of(s), pattern(16 * 1024, 5)), true);
  EXPECT_EQ(target().device[0], before[0]);
}

TEST_F(PduDataBadInput, P31_right_ttag_with_the_wrong_cccid_is_refused) {
  Solicited s = solicited();
  expect_term(*s.host, 1, 8, build_data({.cccid = 2, .ttag = s.r2t.ttag}, pattern(16 * 1024)), true);
}

TEST_F(PduDataBadInput, P32_h2c_data_that_is_not_contiguous_is_refused) {
  for (const uint32_t second : {0u, 4u, 4092u, 4100u, 8192u}) {
    Solicited s = solicited();
    s.host->send(build_data(fields_of(s, 0, false), pattern(4096)));
    const Bytes pdu = build_data(fields_of(s, second, false), pattern(1024));
    expect_term(*s.host, 2, 0, pdu, true);
  }
  Solicited gap_at_start = solicited();
  expect_term(*gap_at_start.host, 2, 0, build_data(fields_of(gap_at_start, 4, false), pattern(1024)), true);
}

TEST_F(PduDataBadInput, P33_h2c_data_outside_its_r2t_is_refused) {
  Solicited s = solicited();
  expect_term(*s.host, 4, 0, build_data(fields_of(s, 0), pattern(16 * 1024 + 4)), true);
  Solicited beyond = solicited();
  expect_term(*beyond.host, 4, 0, build_data(fields_of(beyond, 16 * 1024), pattern(4)), true);
}

TEST_F(PduDataBadInput, P34_offset_and_length_that_wrap_are_refused) {
  for (const uint32_t datao : {0xfffffffcu, 0xffffc000u, 0x80000000u}) {
    Solicited s = solicited();
    expect_term(*s.host, 4, 0, build_data(fields_of(s, datao), pattern(16 * 1024)), true);
  }
}

TEST_F(PduDataBadInput, P35_h2c_data_above_maxh2cdata_is_refused) {
  restart({.max_h2c_data_bytes = 4096});
  Solicited s = solicited();
  expect_term(*s.host, 5, 0, build_data(fields_of(s, 0, false), pattern(4100)), true);
  Solicited field_only = solicited();
  Bytes pdu = build_data(fields_of(field_only, 0, false), pattern(4096));
  const uint32_t datal = 0xfffffffc;
  std::memcpy(&pdu[16], &datal, 4);
  expect_term(*field_only.host, 5, 0, pdu, true);
}

TEST_F(PduDataBadInput, P36_P37_P38_datal_that_is_wrong_zero_or_no_dword_is_refused) {
  for (const uint32_t datal : {0u, 4u, 4092u, 4097u, 4100u}) {
    Solicited s = solicited();
    Bytes pdu = build_data(fields_of(s, 0, false), pattern(4096));
    std::memcpy(&pdu[16], &datal, 4);
    expect_term(*s.host, 1, 16, pdu, true);
  }
  Solicited empty = solicited();
  expect_term(*empty.host, 1, 16, build_data(fields_of(empty, 0, false), {}), true);
  Solicited odd_length = solicited();
  expect_term(*odd_length.host, 1, 16, build_data(fields_of(odd_length, 0, false), pattern(1022)), true);
  Solicited odd_offset = solicited();
  expect_term(*odd_offset.host, 1, 12, build_data(fields_of(odd_offset, 2, false), pattern(1024)), true);
}

TEST_F(PduDataBadInput, P39_last_pdu_flag_before_the_last_byte_is_refused) {
  Solicited s = solicited();
  expect_term(*s.host, 2, 0, build_data(fields_of(s, 0, true), pattern(4096)), true);
}

TEST_F(PduDataBadInput, P40_last_bytes_without_the_last_pdu_flag_are_refused) {
  Solicited s = solicited();
  expect_term(*s.host, 2, 0, build_data(fields_of(s, 0, false), pattern(16 * 1024)), true);
  Solicited after = solicited();
  after.host->send(build_data(fields_of(after), pattern(16 * 1024)));
  ASSERT_TRUE(after.host->receive_answer(1).status().ok());
  expect_term(*after.host, 1, 10, build_data(fields_of(after, 0, false), pattern(4)), true);
}

TEST_F(PduDataBadInput, P41_h2c_data_that_was_never_solicited_is_refused) {
  const auto nothing = target().connect();
  expect_term(*nothing, 1, 10, build_data({.cccid = 0, .ttag = 0}, pattern(4096)), true);
  // For a read in flight, for a write that waits with the observer, and for a Connect.
  for (const nvme::Command& command :
       {read_command(3, 0, 8), with_transport_data(write_command(3, 0, 8), 4096)}) {
    const auto host = target().connect();
    newest().hold = true;
    host->send_command(command);
    expect_term(*host, 1, 10, build_data({.cccid = 3, .ttag = 1}, pattern(4096)), true);
  }
  RawHost host = raw();
  ASSERT_TRUE(host.initialize());
  expect_term(host, 1, 10, build_data({.cccid = 0, .ttag = 1}, pattern(1024)), true);
}

TEST_F(PduDataBadInput, P41_h2c_data_for_an_r2t_that_has_not_left_yet_is_refused) {
  // The peer takes nothing, so that the R2T stays queued behind an answer; its tag is easy to guess.
  target().world.network().window_bytes = 64 * 1024;
  const auto host = target().connect();
  host->peer().stop_receiving(true);
  host->send_command(read_command(1, 0, 256));
  host->send_command(with_transport_data(write_command(2, 0, 8), 4096));
  target().world.settle();
  host->send(build_data({.cccid = 2, .ttag = 1}, pattern(4096)));
  target().world.settle();
  EXPECT_TRUE(newest().closed);
  EXPECT_EQ(newest().close_reason, CloseReason::protocol_error);
  EXPECT_EQ(target().counters().pdu_errors[1].load(), 1u);
}

TEST_F(PduDataBadInput, P42_term_req_of_the_host_closes_at_once_and_drops_the_queue) {
  const auto host = target().connect();
  newest().hold = true;
  host->send_command(read_command(1, 0, 8));
  host->send(build_term(tcp::PduType::h2c_term_req, 1, 4, pattern(128)));
  expect_silent_close(*host, CloseReason::peer_terminated);
}

TEST_F(PduDataBadInput, P43_term_req_of_impossible_length_closes_at_once_without_an_answer) {
  for (const uint32_t plen : {0u, 8u, 23u, 153u, 0xffffffffu}) {
    const auto host = target().connect();
    Bytes pdu = build_term(tcp::PduType::h2c_term_req, 1, 4, pattern(128));
    std::memcpy(&pdu[4], &plen, 4);
    host->send(pdu);
    expect_silent_close(*host, CloseReason::peer_terminated);
  }
}

TEST_F(PduDataBadInput, P44_term_req_with_an_unknown_number_closes) {
  for (const uint16_t fes : {0, 7, 8, 0x7fff, 0xffff}) {
    const auto host = target().connect();
    host->send(build_term(tcp::PduType::h2c_term_req, fes, 0xffffffff));
    expect_silent_close(*host, CloseReason::peer_terminated);
  }
}

TEST_F(PduDataBadInput, P45_sgl_descriptor_types_that_tcp_does_not_have_fail_the_command) {
  const auto host = target().connect();
  for (const uint8_t identifier : {0x00, 0x0a, 0x10, 0x20, 0x30, 0x40, 0x4f, 0x50, 0x51, 0xf0, 0xff}) {
    nvme::Command command = write_command(1, 0, 8);
    command.sgl.length_bytes = 4096;
    command.sgl.identifier = identifier;
    host->send_command(command);
    expect_status(*host, 1, nvme::status::sgl_descriptor_type_invalid);
  }
}

TEST_F(PduDataBadInput, P46_prps_fail_the_command) {
  const auto host = target().connect();
  for (const uint8_t flags : {0x00, 0x80, 0xc0}) {
    nvme::Command command = with_transport_data(write_command(1, 0, 8), 4096);
    command.flags = flags;
    host->send_command(command);
    const Answer answer = host->receive_answer(1);
    EXPECT_TRUE(answer.status().is(nvme::status::invalid_field));
    EXPECT_TRUE(answer.status().do_not_retry());
  }
  expect_works(*host);
}

TEST_F(PduDataBadInput, P47_in_capsule_length_that_differs_from_the_data_fails_the_command) {
  const auto host = target().connect();
  for (const uint32_t length : {0u, 508u, 516u, 0xffffffffu}) {
    host->send_command(with_capsule_data(write_command(1, 0, 1), length), pattern(512));
    expect_status(*host, 1, nvme::status::data_sgl_length_invalid);
  }
  host->send_command(with_capsule_data(write_command(1, 0, 1), 512));
  expect_status(*host, 1, nvme::status::data_sgl_length_invalid);
}

TEST_F(PduDataBadInput, P48_data_in_the_capsule_beside_a_command_buffer_fails_the_command) {
  const auto host = target().connect();
  host->send_command(with_transport_data(write_command(1, 0, 1), 512), pattern(512));
  expect_status(*host, 1, nvme::status::invalid_field);
}

TEST_F(PduDataBadInput, P49_in_capsule_offset_fails_the_command) {
  const auto host = target().connect();
  nvme::Command command = with_capsule_data(write_command(1, 0, 1), 512);
  command.sgl.address = 4;
  host->send_command(command, pattern(512));
  expect_status(*host, 1, nvme::status::sgl_offset_invalid);
}

TEST_F(PduDataBadInput, P50_more_capsule_data_than_allowed_is_refused) {
  // Before Connect and on the admin queue 8 KiB are allowed whatever the option says.
  restart({.in_capsule_bytes = 16 * 1024});
  RawHost early = raw();
  ASSERT_TRUE(early.initialize());
  const nvme::Command connect = with_capsule_data(connect_command({}), 8196);
  expect_term(early, 5, 0, build_capsule(connect, pattern(8196)), true);
  target().behaviour.qid = 0;
  const auto admin = target().connect();
  expect_term(*admin, 5, 0, build_capsule(with_capsule_data(write_command(1, 0, 1), 8196), pattern(8196)),
              true);
  target().behaviour.qid = 1;
  const auto io = target().connect();
  ASSERT_TRUE(io->execute(write_command(1, 0, 32), pattern(16 * 1024)).status().ok());
  expect_term(*io, 5, 0,
              build_capsule(with_capsule_data(write_command(1, 0, 1), 16 * 1024 + 4), pattern(16 * 1024 + 4)),
              true);
}

TEST_F(PduDataBadInput, P50_an_io_command_beyond_a_small_limit_is_refused_but_fabrics_keeps_its_8_kib) {
  restart({.in_capsule_bytes = 4096});
  const auto host = target().connect();
  const nvme::Command fabrics = command_of(nvme::k_opcode_fabrics, 1, 0x05);
  host->send_command(with_capsule_data(fabrics, 8192), pattern(8192));
  EXPECT_TRUE(host->receive_answer(1).answered);
  expect_term(*host, 5, 0, build_capsule(with_capsule_data(write_command(1, 0, 1), 4100), pattern(4100)),
              true);
}

TEST_F(PduDataBadInput, P51_sgl_length_above_mdts_fails_the_command_without_a_buffer) {
  const auto host = target().connect();
  for (const uint32_t length : {128u * 1024 + 4, 0x80000000u, 0xffffffffu}) {
    host->send_command(with_transport_data(write_command(1, 0, 1), length));
    const Answer answer = host->receive_answer(1);
    EXPECT_TRUE(answer.status().is(nvme::status::invalid_field));
    EXPECT_TRUE(answer.status().do_not_retry());
    target().expect_released();
  }
}

TEST_F(PduDataBadInput, P52_more_commands_than_the_queue_holds_close_without_an_answer) {
  const auto host = target().connect({}, {.sqsize = 3});
  newest().hold = true;
  for (uint16_t cid = 0; cid < 4; ++cid) host->send_command(read_command(cid, 0, 1));
  target().world.settle();
  EXPECT_EQ(newest().held.size(), 4u);
  EXPECT_FALSE(newest().closed);
  host->send_command(read_command(4, 0, 1));
  expect_silent_close(*host, CloseReason::protocol_error);
}

TEST_F(PduDataBadInput, P53_a_cid_that_is_in_flight_is_refused_and_the_first_unharmed) {
  const auto host = target().connect();
  EchoQpair& qpair = newest();
  qpair.hold = true;
  host->send_command(with_capsule_data(write_command(5, 0, 1), 512), pattern(512, 8));
  host->send_command(with_capsule_data(write_command(5, 1, 1), 512), pattern(512, 9));
  EXPECT_TRUE(host->receive_answer(5).status().is(nvme::status::command_id_conflict));
  target().world.on(target().reactor, [&] { qpair.resume_held(); });
  EXPECT_TRUE(host->receive_answer(5).status().ok());
  EXPECT_EQ(host->execute(read_command(5, 0, 1)).data, pattern(512, 8));
  EXPECT_EQ(host->execute(read_command(5, 1, 1)).data, Bytes(512));
}

}  // namespace
}  // namespace ballast::test
