// What the host end does with a hostile or broken target: rows H1 to H20 and H24 of the table of bad inputs.
#include "host_fixture.h"

namespace ballast::test {
namespace {

class HostBadInput : public HostQpairTest {};

Bytes ic_resp_with(const std::function<void(tcp::IcResp&)>& damage) {
  tcp::IcResp header;
  header.ch.type = tcp::PduType::ic_resp;
  header.ch.hlen = sizeof(header);
  header.ch.plen = sizeof(header);
  header.maxh2cdata = 8192;
  damage(header);
  Bytes bytes;
  append(bytes, bytes_of(header));
  return bytes;
}

TEST_F(HostBadInput, H1_maxh2cdata_below_4096_is_refused) {
  open_and_receive_ic_req();
  send(build_ic_resp(0, false, false, 4092));
  expect_terminated(1, 12);
  EXPECT_FALSE(ready_);
}

TEST_F(HostBadInput, H1_maxh2cdata_not_a_multiple_of_4_is_refused) {
  open_and_receive_ic_req();
  send(build_ic_resp(0, false, false, 8193));
  expect_terminated(1, 12);
}

TEST_F(HostBadInput, H1_maxh2cdata_of_0_is_refused) {
  open_and_receive_ic_req();
  send(build_ic_resp(0, false, false, 0));
  expect_terminated(1, 12);
}

TEST_F(HostBadInput, H2_a_digest_that_was_not_asked_for_is_refused) {
  open_and_receive_ic_req();
  EXPECT_EQ(ic_req_.dgst, 0);
  send(build_ic_resp(0, true, false));
  expect_terminated(1, 11);
}

TEST_F(HostBadInput, H2_a_data_digest_when_only_header_digest_was_asked_for_is_refused) {
  options_.header_digest = true;
  open_and_receive_ic_req();
  send(build_ic_resp(0, true, true));
  expect_terminated(1, 11);
}

TEST_F(HostBadInput, H3_a_digest_not_granted_ends_the_connection_when_required) {
  options_.data_digest = true;
  open_and_receive_ic_req();
  send(build_ic_resp(0, false, false));
  world_.run_until([this] { return closed_; });
  EXPECT_TRUE(closed_);
  EXPECT_FALSE(ready_);
  EXPECT_NE(text_.find("digest"), std::string::npos);
}

TEST_F(HostBadInput, H3_a_digest_not_granted_is_done_without_when_not_required) {
  options_.data_digest = true;
  options_.require_digest = false;
  open_and_receive_ic_req();
  EXPECT_EQ(ic_req_.dgst, tcp::k_dgst_data);
  send(build_ic_resp(0, false, false));
  ASSERT_TRUE(ready_);
  HostIo write(k_write, 512, 7);
  const uint16_t cid = submit_and_receive(write);
  EXPECT_FALSE(last_capsule_.has_flag(tcp::k_flag_ddgst));
  respond(cid);
  EXPECT_TRUE(write.ok());
}

TEST_F(HostBadInput, H4_another_pdu_format_version_is_refused) {
  open_and_receive_ic_req();
  send(ic_resp_with([](tcp::IcResp& header) { header.pfv = 1; }));
  expect_terminated(6, 8);
}

TEST_F(HostBadInput, H4_cpda_above_31_is_refused) {
  open_and_receive_ic_req();
  send(build_ic_resp(32));
  expect_terminated(1, 10);
}

TEST_F(HostBadInput, H4_several_wrong_fields_report_the_lowest) {
  open_and_receive_ic_req();
  send(build_ic_resp(32, true, true, 1));
  expect_terminated(1, 10);
}

TEST_F(HostBadInput, H5_a_second_ic_resp_is_refused) {
  establish();
  send(build_ic_resp());
  expect_terminated(2, 0);
}

TEST_F(HostBadInput, H5_a_response_before_ic_resp_is_refused) {
  open_and_receive_ic_req();
  send(build_response({}));
  expect_terminated(2, 0);
}

TEST_F(HostBadInput, H6_hlen_255_with_header_digest_is_refused_before_the_digest) {
  options_.header_digest = true;
  establish();
  Bytes pdu = build_response({}, pdu_options_);
  pdu[2] = 255;
  pdu.resize(512);
  send(pdu);
  expect_terminated(1, 2);
}

TEST_F(HostBadInput, H7_a_response_for_a_command_that_was_never_sent_is_refused) {
  establish();
  HostIo read(k_read, 4096);
  const uint16_t cid = submit_and_receive(read);
  respond(static_cast<uint16_t>(cid + 1));
  expect_terminated(1, 20);
  expect_pathing_error(read);
}

TEST_F(HostBadInput, H7_a_second_response_is_refused_and_completes_nothing) {
  establish();
  HostIo flush(k_flush);
  HostIo other(k_flush);
  const uint16_t cid = submit_and_receive(flush);
  submit_and_receive(other);
  respond(cid);
  EXPECT_TRUE(flush.ok());
  EXPECT_EQ(other.done_count, 0);
  respond(cid);
  expect_terminated(1, 20);
  EXPECT_EQ(flush.done_count, 1);
  expect_pathing_error(other);
}

TEST_F(HostBadInput, H7_a_late_response_does_not_complete_the_next_user_of_the_slot) {
  establish();
  HostIo first(k_flush);
  HostIo second(k_flush);
  const uint16_t cid = submit_and_receive(first);
  respond(cid);
  const uint16_t cid_again = submit_and_receive(second);
  EXPECT_NE(cid, cid_again);
  respond(cid);
  expect_terminated(1, 20);
  expect_pathing_error(second);
}

TEST_F(HostBadInput, H7_every_command_identifier_but_the_one_in_flight_is_refused) {
  establish();
  HostIo flush(k_flush);
  const uint16_t cid = submit_and_receive(flush);
  respond(static_cast<uint16_t>(cid ^ 0x8000));
  expect_terminated(1, 20);
}

TEST_F(HostBadInput, H8_data_for_an_unknown_command_is_refused) {
  establish();
  HostIo read(k_read, 4096);
  const uint16_t cid = submit_and_receive(read);
  send(c2h_data(static_cast<uint16_t>(cid + 1), 0, pattern(4096)));
  expect_terminated(1, 8);
  EXPECT_EQ(read.memory, Bytes(4096));
}

TEST_F(HostBadInput, H9_data_with_a_gap_is_refused) {
  establish();
  HostIo read(k_read, 4096);
  const uint16_t cid = submit_and_receive(read);
  send(c2h_data(cid, 0, pattern(1024), false));
  send(c2h_data(cid, 2048, pattern(1024), false));
  expect_terminated(2, 0);
}

TEST_F(HostBadInput, H9_data_that_comes_twice_is_refused) {
  establish();
  HostIo read(k_read, 4096);
  const uint16_t cid = submit_and_receive(read);
  send(c2h_data(cid, 0, pattern(1024), false));
  send(c2h_data(cid, 0, pattern(1024), false));
  expect_terminated(2, 0);
}

TEST_F(HostBadInput, H10_data_beyond_the_buffer_is_refused_and_writes_nothing) {
  establish();
  HostIo read(k_read, 4096);
  const uint16_t cid = submit_and_receive(read);
  send(c2h_data(cid, 0, pattern(4100)));
  expect_terminated(4, 0);
  EXPECT_EQ(read.memory, Bytes(4096));
}

TEST_F(HostBadInput, H10_data_offset_plus_length_that_wraps_is_refused) {
  establish();
  HostIo read(k_read, 4096);
  const uint16_t cid = submit_and_receive(read);
  send(c2h_data(cid, 0xfffffc00, pattern(1024)));
  expect_terminated(4, 0);
  EXPECT_EQ(read.memory, Bytes(4096));
}

TEST_F(HostBadInput, data_length_that_differs_from_the_pdu_is_refused) {
  establish();
  HostIo read(k_read, 4096);
  const uint16_t cid = submit_and_receive(read);
  Bytes pdu = c2h_data(cid, 0, pattern(1024));
  pdu[16] = 4;  // DATAL
  pdu[17] = 0;
  send(pdu);
  expect_terminated(1, 16);
}

TEST_F(HostBadInput, data_of_no_bytes_is_refused) {
  establish();
  HostIo read(k_read, 4096);
  const uint16_t cid = submit_and_receive(read);
  send(c2h_data(cid, 0, {}, false));
  expect_terminated(1, 16);
}

TEST_F(HostBadInput, H11_success_without_last_is_refused) {
  establish();
  HostIo read(k_read, 4096);
  const uint16_t cid = submit_and_receive(read);
  send(c2h_data(cid, 0, pattern(4096), false, true));
  expect_terminated(1, 1);
  expect_pathing_error(read);
}

TEST_F(HostBadInput, H12_data_after_last_is_refused) {
  establish();
  HostIo read(k_read, 4096);
  const uint16_t cid = submit_and_receive(read);
  send(c2h_data(cid, 0, pattern(1024), true));
  send(c2h_data(cid, 1024, pattern(1024), true));
  expect_terminated(2, 0);
}

TEST_F(HostBadInput, H12_data_for_a_write_is_refused) {
  establish();
  HostIo write(k_write, 8192, 3);
  const uint16_t cid = submit_and_receive(write);
  send(c2h_data(cid, 0, Bytes(4096)));
  expect_terminated(2, 0);
  EXPECT_EQ(write.memory, pattern(8192, 3));
}

TEST_F(HostBadInput, H12_data_for_a_command_without_data_is_refused) {
  establish();
  HostIo flush(k_flush);
  const uint16_t cid = submit_and_receive(flush);
  send(c2h_data(cid, 0, Bytes(512)));
  expect_terminated(2, 0);
}

TEST_F(HostBadInput, H13_success_with_too_few_bytes_fails_the_command) {
  establish();
  HostIo read(k_read, 4096);
  const uint16_t cid = submit_and_receive(read);
  send(c2h_data(cid, 0, pattern(1024)));
  respond(cid);
  EXPECT_EQ(read.done_count, 1);
  EXPECT_TRUE(read.completion.status().is(nvme::status::data_transfer_error));
  EXPECT_EQ(read.request.transferred_bytes, 1024u);
  EXPECT_FALSE(closed_);
}

TEST_F(HostBadInput, H13_success_flag_with_too_few_bytes_fails_the_command) {
  establish();
  HostIo read(k_read, 4096);
  const uint16_t cid = submit_and_receive(read);
  send(c2h_data(cid, 0, pattern(2048), true, true));
  EXPECT_EQ(read.done_count, 1);
  EXPECT_TRUE(read.completion.status().is(nvme::status::data_transfer_error));
}

TEST_F(HostBadInput, H13_success_of_a_write_whose_data_was_not_fetched_fails_the_command) {
  establish();
  HostIo write(k_write, 8192, 3);
  respond(submit_and_receive(write));
  EXPECT_TRUE(write.completion.status().is(nvme::status::data_transfer_error));
}

TEST_F(HostBadInput, H14_r2t_for_an_unknown_command_is_refused) {
  establish();
  HostIo write(k_write, 8192, 3);
  const uint16_t cid = submit_and_receive(write);
  send(build_r2t(static_cast<uint16_t>(cid + 1), 1, 0, 4096));
  expect_terminated(1, 8);
}

TEST_F(HostBadInput, H14_r2t_for_a_read_is_refused) {
  establish();
  HostIo read(k_read, 8192);
  const uint16_t cid = submit_and_receive(read);
  send(build_r2t(cid, 1, 0, 4096));
  expect_terminated(1, 8);
}

TEST_F(HostBadInput, r2t_for_data_that_was_in_the_capsule_is_refused) {
  establish();
  HostIo write(k_write, 4096, 3);
  const uint16_t cid = submit_and_receive(write);
  send(build_r2t(cid, 1, 0, 4096));
  expect_terminated(2, 0);
}

TEST_F(HostBadInput, H15_r2t_with_a_gap_is_refused) {
  establish();
  HostIo write(k_write, 8192, 3);
  const uint16_t cid = submit_and_receive(write);
  send(build_r2t(cid, 1, 4096, 4096));
  expect_terminated(2, 0);
}

TEST_F(HostBadInput, H15_r2t_for_what_was_asked_before_is_refused) {
  establish();
  HostIo write(k_write, 8192, 3);
  const uint16_t cid = submit_and_receive(write);
  Bytes both = build_r2t(cid, 1, 0, 4096);
  append(both, build_r2t(cid, 2, 0, 4096));
  send(both);
  expect_terminated(2, 0);
}

TEST_F(HostBadInput, H16_r2t_beyond_the_buffer_is_refused_and_leaks_nothing) {
  establish();
  HostIo write(k_write, 8192, 3);
  const uint16_t cid = submit_and_receive(write);
  send(build_r2t(cid, 1, 0, 8196));
  expect_terminated(4, 0);
}

TEST_F(HostBadInput, H16_r2t_offset_plus_length_that_wraps_is_refused) {
  establish();
  HostIo write(k_write, 8192, 3);
  const uint16_t cid = submit_and_receive(write);
  send(build_r2t(cid, 1, 0xffffff00, 0x200));
  expect_terminated(4, 0);
}

TEST_F(HostBadInput, r2t_for_no_bytes_is_refused) {
  establish();
  HostIo write(k_write, 8192, 3);
  const uint16_t cid = submit_and_receive(write);
  send(build_r2t(cid, 1, 0, 0));
  expect_terminated(1, 16);
}

// As many R2Ts as told, of 4 KiB each, in one piece: they are all judged before any can be answered.
Bytes many_r2ts(uint16_t cid, uint32_t count) {
  Bytes r2ts;
  for (uint32_t i = 0; i < count; ++i) append(r2ts, build_r2t(cid, static_cast<uint16_t>(i), i * 4096, 4096));
  return r2ts;
}

TEST_F(HostBadInput, H17_more_r2ts_than_announced_are_refused) {
  establish();
  HostIo write(k_write, 64 * 1024, 3);
  const uint16_t cid = submit_and_receive(write);
  send(many_r2ts(cid, ic_req_.maxr2t + 2));
  expect_terminated(5, 0);
  expect_pathing_error(write);
}

TEST_F(HostBadInput, as_many_r2ts_as_announced_are_served) {
  establish();
  HostIo write(k_write, 16 * 1024, 3);
  const uint16_t cid = submit_and_receive(write);
  send(many_r2ts(cid, ic_req_.maxr2t + 1));
  for (uint32_t i = 0; i <= ic_req_.maxr2t; ++i) {
    const auto pdu = receive();
    ASSERT_TRUE(pdu.has_value() && pdu->is(tcp::PduType::h2c_data));
    EXPECT_EQ(pdu->as<tcp::H2CData>().ttag, i);
  }
  respond(cid);
  EXPECT_TRUE(write.ok());
}

TEST_F(HostBadInput, a_fatal_error_in_the_middle_of_a_pdu_of_ours_resets_the_connection) {
  establish();
  HostIo write(k_write, 64 * 1024, 3);
  const uint16_t cid = submit_and_receive(write);
  target_->stop_receiving(true);
  world_.network().window_bytes = 4096;
  send(build_r2t(cid, 1, 0, 64 * 1024));
  target_->send(build_ic_resp());
  world_.settle();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(reason_, transport::CloseReason::protocol_error);
  expect_pathing_error(write);
}

TEST_F(HostBadInput, H18_term_req_that_is_too_long_closes_at_once_and_sends_nothing) {
  establish();
  HostIo flush(k_flush);
  submit_and_receive(flush);
  Bytes term = build_term(tcp::PduType::c2h_term_req, 1, 8, Bytes(129));
  send(term);
  world_.run_until([this] { return closed_; });
  EXPECT_EQ(reason_, transport::CloseReason::peer_terminated);
  EXPECT_TRUE(target_->receive().empty());
  expect_pathing_error(flush);
}

TEST_F(HostBadInput, H18_term_req_that_is_too_short_closes_at_once_and_sends_nothing) {
  establish();
  Bytes term = build_term(tcp::PduType::c2h_term_req, 1, 8);
  term[4] = 23;
  send(term);
  world_.run_until([this] { return closed_; });
  EXPECT_EQ(reason_, transport::CloseReason::peer_terminated);
  EXPECT_TRUE(target_->receive().empty());
}

TEST_F(HostBadInput, term_req_names_its_reason_in_the_text) {
  establish();
  send(build_term(tcp::PduType::c2h_term_req, 4, 0, Bytes(24)));
  world_.run_until([this] { return closed_; });
  EXPECT_EQ(reason_, transport::CloseReason::peer_terminated);
  EXPECT_NE(text_.find("out of range"), std::string::npos);
  EXPECT_TRUE(target_->receive().empty());
}

TEST_F(HostBadInput, H19_a_wrong_data_digest_fails_the_command_and_keeps_the_connection) {
  options_.data_digest = true;
  establish();
  HostIo read(k_read, 4096);
  uint16_t cid = submit_and_receive(read);
  Bytes pdu = c2h_data(cid, 0, pattern(4096), true, true);
  pdu.back() ^= 1;
  send(pdu);
  EXPECT_EQ(read.done_count, 1);
  EXPECT_TRUE(read.completion.status().is(nvme::status::transient_transport_error));
  HostIo again(k_read, 4096);
  cid = submit_and_receive(again);
  send(c2h_data(cid, 0, pattern(4096), true, true));
  EXPECT_TRUE(again.ok());
  EXPECT_EQ(again.memory, pattern(4096));
}

TEST_F(HostBadInput, H19_a_wrong_data_digest_in_the_first_of_several_is_not_forgotten) {
  options_.data_digest = true;
  establish();
  HostIo read(k_read, 4096);
  const uint16_t cid = submit_and_receive(read);
  Bytes pdu = c2h_data(cid, 0, pattern(2048), false);
  pdu[30] ^= 1;
  send(pdu);
  send(c2h_data(cid, 2048, pattern(2048)));
  EXPECT_EQ(read.done_count, 0);
  respond(cid);
  EXPECT_TRUE(read.completion.status().is(nvme::status::transient_transport_error));
}

TEST_F(HostBadInput, a_wrong_header_digest_is_fatal_and_reported) {
  options_.header_digest = true;
  establish();
  HostIo flush(k_flush);
  const uint16_t cid = submit_and_receive(flush);
  nvme::Completion completion;
  completion.cid = cid;
  Bytes pdu = build_response(completion, pdu_options_);
  pdu[24] ^= 1;
  send(pdu);
  expect_terminated(3, load<uint32_t>(ByteSpan(pdu).subspan(24)));
  expect_pathing_error(flush);
}

TEST_F(HostBadInput, H20_no_ic_resp_within_the_limit_ends_the_connection) {
  open_and_receive_ic_req();
  world_.advance(options_.connect_timeout_ns - k_ns_per_ms);
  EXPECT_FALSE(closed_);
  world_.advance(2 * k_ns_per_ms);
  EXPECT_TRUE(closed_);
  EXPECT_EQ(reason_, transport::CloseReason::timed_out);
  EXPECT_EQ(qpair_->connect_error(), Errc::timed_out);
}

TEST_F(HostBadInput, H20_half_an_ic_resp_within_the_limit_ends_the_connection) {
  open_and_receive_ic_req();
  Bytes half = build_ic_resp();
  half.resize(64);
  send(half);
  world_.advance(options_.connect_timeout_ns + k_ns_per_ms);
  EXPECT_TRUE(closed_);
  EXPECT_EQ(reason_, transport::CloseReason::timed_out);
}

TEST_F(HostBadInput, H24_a_write_answered_before_its_data_has_left_completes_only_afterwards) {
  establish();
  HostIo write(k_write, 64 * 1024, 3);
  const uint16_t cid = submit_and_receive(write);
  target_->stop_receiving(true);
  world_.network().window_bytes = 4096;
  send(build_r2t(cid, 9, 0, 64 * 1024));
  respond(cid);
  EXPECT_EQ(write.done_count, 0) << "bytes of it are still to be sent";
  target_->stop_receiving(false);
  const auto pdu = receive();
  ASSERT_TRUE(pdu.has_value());
  EXPECT_EQ(pdu->data, pattern(64 * 1024, 3));
  EXPECT_TRUE(write.ok());
}

TEST_F(HostBadInput, H24_a_lost_connection_completes_a_write_after_its_socket_is_gone) {
  establish();
  HostIo write(k_write, 64 * 1024, 3);
  const uint16_t cid = submit_and_receive(write);
  target_->stop_receiving(true);
  world_.network().window_bytes = 4096;
  send(build_r2t(cid, 9, 0, 64 * 1024));
  // The memory is overwritten as soon as it is the caller's again: nothing of that may be seen by the target.
  write.then = [&write] { std::fill(write.memory.begin(), write.memory.end(), uint8_t{0xee}); };
  world_.on(reactor_, [this] { qpair_->close(transport::CloseReason::local_request); });
  expect_pathing_error(write);
  target_->stop_receiving(false);
  world_.settle();
  const Bytes seen = target_->receive();
  const Bytes sent = pattern(64 * 1024, 3);
  for (size_t i = 24; i < seen.size(); ++i) ASSERT_EQ(seen[i], sent[i - 24]);
}

TEST_F(HostBadInput, H24_a_read_is_not_written_to_after_it_was_failed) {
  establish();
  HostIo read(k_read, 64 * 1024);
  const uint16_t cid = submit_and_receive(read);
  Bytes pdu = c2h_data(cid, 0, pattern(64 * 1024));
  pdu.resize(pdu.size() / 2);
  send(pdu);
  world_.on(reactor_, [this] { qpair_->close(transport::CloseReason::local_request); });
  expect_pathing_error(read);
  const Bytes when_done = read.memory_when_done;
  target_->send(pattern(64 * 1024));
  world_.settle();
  EXPECT_EQ(read.memory, when_done);
}

TEST_F(HostBadInput, a_target_that_does_not_close_after_the_term_req_is_left_after_a_second) {
  establish();
  send(build_ic_resp());
  EXPECT_FALSE(closed_);
  world_.advance(k_ns_per_s + k_ns_per_ms);
  EXPECT_TRUE(closed_);
  EXPECT_EQ(reason_, transport::CloseReason::protocol_error);
}

TEST_F(HostBadInput, types_of_the_wrong_direction_and_reserved_types_are_refused) {
  for (const uint8_t type : {0x00, 0x02, 0x04, 0x06, 0x08, 0x0a, 0xff}) {
    ready_ = closed_ = false;
    establish();
    Bytes pdu(32);
    pdu[0] = type;
    pdu[2] = 24;
    pdu[4] = 24;
    send(pdu);
    expect_terminated(1, 0);
    qpair_.reset();
  }
}

}  // namespace
}  // namespace ballast::test
