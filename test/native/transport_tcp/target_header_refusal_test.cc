// Rows P1 to P27 of the refusals: what the TCP target answers to PDUs whose headers or digests are wrong.
#include "native/transport_tcp/refusal.h"

namespace ballast::test {
namespace {

class PduHeaderBadInput : public Refusal {
 protected:
  static Bytes with(Bytes pdu, size_t offset, uint8_t value) {
    pdu[offset] = value;
    return pdu;
  }
  static Bytes with_plen(Bytes pdu, uint32_t plen) {
    std::memcpy(&pdu[4], &plen, 4);
    return pdu;
  }
  // Computes the header digest again after a change of the header.
  static Bytes redigest(Bytes pdu) {
    const uint32_t digest = crc32c(ByteSpan(pdu).first(pdu[2]));
    std::memcpy(&pdu[pdu[2]], &digest, 4);
    return pdu;
  }
  static Bytes write_capsule(const PduOptions& options = {}) {
    return build_capsule(with_capsule_data(write_command(1, 0, 1), 512), pattern(512), options);
  }
};

TEST_F(PduHeaderBadInput, P1_any_pdu_before_ic_req_is_refused) {
  for (const Bytes& pdu : {write_capsule(), build_data({}, pattern(512))}) {
    RawHost host = raw();
    expect_term(host, 2, 0, pdu, true);
  }
}

TEST_F(PduHeaderBadInput, P2_second_ic_req_is_refused) {
  RawHost host = raw();
  ASSERT_TRUE(host.initialize());
  expect_term(host, 2, 0, build_ic_req(), true);
  const auto connected = target().connect();
  expect_term(*connected, 2, 0, build_ic_req(), true);
}

TEST_F(PduHeaderBadInput, P3_reserved_pdu_types_are_refused) {
  for (const uint8_t type : {0x08, 0x0a, 0x0b, 0x7f, 0x80, 0xff}) {
    RawHost host = raw();
    expect_term(host, 1, 0, with(build_ic_req(), 0, type), true);
    const auto connected = target().connect();
    expect_term(*connected, 1, 0, with(write_capsule(), 0, type), true);
  }
}

TEST_F(PduHeaderBadInput, P4_pdus_of_the_wrong_direction_are_refused) {
  const Bytes pdus[] = {build_ic_resp(), build_response({}), build_r2t(0, 1, 0, 512),
                        build_data({.type = tcp::PduType::c2h_data}, pattern(512)),
                        build_term(tcp::PduType::c2h_term_req, 1, 0)};
  for (const Bytes& pdu : pdus) {
    const auto host = target().connect();
    expect_term(*host, 1, 0, pdu, true);
  }
}

TEST_F(PduHeaderBadInput, P5_ic_req_with_wrong_hlen_is_refused) {
  for (const uint8_t hlen : {0, 8, 127, 129, 255}) {
    RawHost host = raw();
    expect_term(host, 1, 2, with(build_ic_req(), 2, hlen), true);
  }
}

TEST_F(PduHeaderBadInput, P6_ic_req_with_wrong_plen_is_refused) {
  for (const uint32_t plen : {0u, 8u, 127u, 129u, 0xffffffffu}) {
    RawHost host = raw();
    expect_term(host, 1, 4, with_plen(build_ic_req(), plen), true);
  }
}

TEST_F(PduHeaderBadInput, P7_ic_req_with_an_unknown_format_version_is_refused) {
  for (const uint16_t pfv : {1, 256, 0xffff}) {
    RawHost host = raw();
    expect_term(host, 6, 8, build_ic_req({.pfv = pfv}), true);
  }
}

TEST_F(PduHeaderBadInput, P8_ic_req_with_hpda_above_31_is_refused) {
  for (const uint8_t hpda : {32, 255}) {
    RawHost host = raw();
    expect_term(host, 1, 10, build_ic_req({.hpda = hpda}), true);
  }
}

TEST_F(PduHeaderBadInput, P9_reserved_dgst_bits_are_ignored_unless_strict) {
  const Bytes pdu = with(build_ic_req(), 11, 0xfd);
  {
    RawHost tolerated = raw();
    tolerated.send(pdu);
    const auto response = tolerated.receive_pdu();
    ASSERT_TRUE(response && response->is(tcp::PduType::ic_resp));
    EXPECT_EQ(response->as<tcp::IcResp>().dgst, tcp::k_dgst_header);
  }
  restart({.strict = true});
  RawHost host = raw();
  expect_term(host, 1, 11, pdu, true);
}

TEST_F(PduHeaderBadInput, P10_flags_and_pdo_of_ic_req_are_ignored_unless_strict) {
  const Bytes flags = with(build_ic_req(), 1, 0x0f), pdo = with(build_ic_req(), 3, 24);
  for (const Bytes& pdu : {flags, pdo}) {
    RawHost tolerated = raw();
    tolerated.send(pdu);
    const auto response = tolerated.receive_pdu();
    EXPECT_TRUE(response && response->is(tcp::PduType::ic_resp));
  }
  restart({.strict = true});
  RawHost first = raw();
  expect_term(first, 1, 1, flags, true);
  RawHost second = raw();
  expect_term(second, 1, 3, pdo, true);
}

TEST_F(PduHeaderBadInput, P11_maxr2t_of_all_ones_is_clamped) {
  const auto host = target().connect({.maxr2t = 0xffffffff});
  const Bytes data = pattern(128 * 1024);
  EXPECT_TRUE(host->execute(write_command(1, 0, 256), data, false).status().ok());
  expect_works(*host);
}

TEST_F(PduHeaderBadInput, P12_capsule_with_wrong_hlen_is_refused) {
  for (const uint8_t hlen : {0, 24, 71, 73, 128, 255}) {
    const auto host = target().connect();
    expect_term(*host, 1, 2, with(write_capsule(), 2, hlen), true);
  }
}

TEST_F(PduHeaderBadInput, P13_data_and_term_req_with_wrong_hlen_are_refused) {
  for (const uint8_t hlen : {0, 23, 25, 72, 255}) {
    const auto host = target().connect();
    expect_term(*host, 1, 2, with(build_data({.ttag = 1}, pattern(512)), 2, hlen), true);
    const auto other = target().connect();
    expect_term(*other, 1, 2, with(build_term(tcp::PduType::h2c_term_req, 1, 0), 2, hlen), true);
  }
}

TEST_F(PduHeaderBadInput, P14_P15_plen_that_ends_inside_the_header_is_refused_without_waiting) {
  for (const uint32_t plen : {0u, 1u, 7u, 8u, 24u, 71u}) {
    const auto host = target().connect();
    expect_term(*host, 1, 4, with_plen(write_capsule(), plen), true);
  }
  for (const uint32_t plen : {0u, 7u, 23u}) {
    const auto host = target().connect();
    expect_term(*host, 1, 4, with_plen(build_data({.ttag = 1}, pattern(512)), plen), true);
  }
}

TEST_F(PduHeaderBadInput, P15_eight_bytes_of_header_are_enough_to_refuse) {
  const auto host = target().connect();
  const Bytes pdu = with_plen(write_capsule(), 3);
  host->send({pdu.begin(), pdu.begin() + 8});
  expect_term(*host, 1, 4, pdu);
}

TEST_F(PduHeaderBadInput, P16_huge_plen_of_a_capsule_is_refused_before_any_allocation) {
  for (const uint32_t plen : {0xffffffffu, 0x80000000u, 72u + 8193u}) {
    const auto host = target().connect();
    const Bytes pdu = with_plen(write_capsule(), plen);
    host->send({pdu.begin(), pdu.begin() + 8});
    expect_term(*host, 5, 0, pdu);
  }
}

TEST_F(PduHeaderBadInput, P17_pdo_below_header_length_is_refused) {
  for (const uint8_t pdo : {0, 1, 24, 68}) {
    const auto host = target().connect();
    expect_term(*host, 1, 3, with(write_capsule(), 3, pdo), true);
  }
  const auto digested = target().connect({.header_digest = true});
  expect_term(*digested, 1, 3, redigest(with(write_capsule(digested->options()), 3, 72)), true);
}

TEST_F(PduHeaderBadInput, P18_pdo_beyond_plen_is_refused) {
  const auto host = target().connect();
  const Bytes small = build_capsule(with_capsule_data(write_command(1, 0, 1), 8), pattern(8));
  expect_term(*host, 1, 3, with(small, 3, 252), true);
}

TEST_F(PduHeaderBadInput, P19_pdo_off_its_alignment_is_refused) {
  for (const uint8_t pdo : {73, 74, 75, 77}) {
    const auto host = target().connect();
    expect_term(*host, 1, 3, with(write_capsule(), 3, pdo), true);
  }
}

TEST_F(PduHeaderBadInput, P20_pdo_without_data_is_ignored_unless_strict) {
  const Bytes pdu = with(build_capsule(read_command(1, 0, 1)), 3, 200);
  auto host = target().connect();
  host->send(pdu);
  EXPECT_TRUE(host->receive_answer(1).status().ok());
  host.reset();
  restart({.strict = true});
  const auto strict = target().connect();
  expect_term(*strict, 1, 3, pdu, true);
}

TEST_F(PduHeaderBadInput, P21_missing_header_digest_flag_is_refused) {
  const auto host = target().connect({.header_digest = true});
  expect_term(*host, 1, 1, write_capsule(), true);
}

TEST_F(PduHeaderBadInput, P22_header_digest_flag_that_was_not_agreed_is_refused) {
  const auto host = target().connect();
  expect_term(*host, 1, 1, write_capsule({.header_digest = true}), true);
}

TEST_F(PduHeaderBadInput, P23_data_digest_flag_that_does_not_agree_is_refused) {
  const auto without = target().connect();
  expect_term(*without, 1, 1, write_capsule({.data_digest = true}), true);
  const auto with_digest = target().connect({.data_digest = true});
  expect_term(*with_digest, 1, 1, write_capsule(), true);
  const auto data = target().connect({.data_digest = true});
  expect_term(*data, 1, 1, build_data({.ttag = 1}, pattern(512)), true);
}

TEST_F(PduHeaderBadInput, P24_wrong_header_digest_is_refused_with_the_digest_received) {
  const auto host = target().connect({.header_digest = true});
  Bytes pdu = write_capsule(host->options());
  pdu[40] ^= 1;
  const uint32_t received = load<uint32_t>(ByteSpan(pdu).subspan(72));
  expect_term(*host, 3, received, pdu, true);
  const auto other = target().connect({.header_digest = true});
  pdu = write_capsule(other->options());
  std::fill_n(pdu.begin() + 72, 4, uint8_t{0xee});
  expect_term(*other, 3, 0xeeeeeeee, pdu, true);
}

TEST_F(PduHeaderBadInput, P25_wrong_digest_of_capsule_data_fails_the_command_only) {
  const auto host = target().connect({.data_digest = true});
  const Bytes before = device_before();
  const uint32_t shown = newest().shown;
  Bytes pdu = write_capsule(host->options());
  pdu[100] ^= 0x10;
  host->send(pdu);
  const Answer answer = host->receive_answer(1);
  EXPECT_TRUE(answer.status().is(nvme::status::transient_transport_error));
  EXPECT_EQ(target().device, before);
  EXPECT_EQ(newest().shown, shown);  // the observer never saw it
  EXPECT_EQ(target().counters().data_digest_errors.load(), 1u);
  expect_works(*host);
}

TEST_F(PduHeaderBadInput, P26_wrong_digest_of_one_h2c_data_fails_the_command_after_the_last) {
  restart({.max_h2c_data_bytes = 4096});
  for (int wrong = 0; wrong < 4; ++wrong) {
    const auto host = target().connect({.data_digest = true});
    const Bytes before = device_before();
    const Bytes data = pattern(16 * 1024);
    host->send_command(with_transport_data(write_command(1, 0, 32), 16 * 1024));
    const auto r2t = host->receive_pdu();
    ASSERT_TRUE(r2t && r2t->is(tcp::PduType::r2t));
    for (uint32_t i = 0; i < 4; ++i) {
      const DataFields fields{
          .cccid = 1, .ttag = r2t->as<tcp::R2T>().ttag, .datao = i * 4096, .last = i == 3};
      Bytes pdu = build_data(fields, ByteSpan(data).subspan(i * 4096, 4096), host->options());
      if (static_cast<int>(i) == wrong) pdu[200] ^= 1;
      host->send(pdu);
      target().world.settle();
      if (i < 3) {
        EXPECT_TRUE(host->peer().receive().empty());
      }
    }
    EXPECT_TRUE(host->receive_answer(1).status().is(nvme::status::transient_transport_error));
    EXPECT_EQ(target().device, before);
    expect_works(*host);
  }
}

TEST_F(PduHeaderBadInput, P27_plen_too_short_for_its_digests_is_refused) {
  const auto header = target().connect({.header_digest = true});
  for (const uint32_t plen : {72u, 75u}) {
    const auto host = target().connect({.header_digest = true});
    const Bytes pdu = with_plen(build_capsule(read_command(1, 0, 1), {}, host->options()), plen);
    expect_term(*host, 1, 4, redigest(pdu), true);
  }
  for (const uint32_t plen : {73u, 75u, 76u}) {
    const auto host = target().connect({.data_digest = true});
    expect_term(*host, 1, 4, with_plen(write_capsule(host->options()), plen), true);
  }
}

}  // namespace
}  // namespace ballast::test
