// The judgement of common headers as a pure function: every type byte for both roles, and digests of both
// kinds in the layout.
#include "transport/tcp/pdu_framing.h"

#include <gtest/gtest.h>

#include "support/native/pdu_builder.h"

namespace ballast::test {
namespace {

using tcp::CommonHeader;
using tcp::FatalError;
using tcp::FramingRules;
using tcp::PduType;
using tcp::Role;

CommonHeader header_of(uint8_t type, uint8_t hlen, uint32_t plen, uint8_t pdo = 0, uint8_t flags = 0) {
  return {static_cast<PduType>(type), flags, hlen, pdo, plen};
}

TEST(PduFramingBadInput, P3_P4_only_the_types_of_the_other_direction_are_ever_taken) {
  for (const bool established : {false, true}) {
    for (const Role role : {Role::controller, Role::host}) {
      for (uint32_t type = 0; type < 256; ++type) {
        const bool known = type <= 7 || type == 9;
        const bool to_host = (type & 1) != 0;
        const tcp::Framing framing =
            check_common_header({.role = role, .established = established, .capsule_data_bytes_max = 8192},
                                header_of(static_cast<uint8_t>(type), 1, 1));
        if (!known || to_host != (role == Role::host)) {
          EXPECT_EQ(framing.fatal, tcp::invalid_field_at(0)) << type;
        } else {
          EXPECT_NE(framing.fatal, tcp::invalid_field_at(0)) << type;
          EXPECT_FALSE(framing.ok()) << type;
        }
      }
    }
  }
}

TEST(PduFraming, lays_out_a_capsule_with_pad_and_digests) {
  const FramingRules rules{.established = true,
                           .header_digest = true,
                           .data_digest = true,
                           .alignment_field = 31,
                           .capsule_data_bytes_max = 8192};
  const uint8_t flags = tcp::k_flag_hdgst | tcp::k_flag_ddgst;
  const tcp::Framing framing = check_common_header(rules, header_of(4, 72, 128 + 512 + 4, 128, flags));
  ASSERT_TRUE(framing.ok());
  EXPECT_EQ(framing.layout.header_and_digest_bytes(), 76u);
  EXPECT_EQ(framing.layout.pad_bytes, 52);
  EXPECT_EQ(framing.layout.data_bytes, 512u);
  EXPECT_EQ(framing.layout.data_digest_bytes, 4);
  EXPECT_EQ(tcp::data_offset(72, true, 31), 128);
}

TEST(PduFraming, lays_out_the_pdus_of_a_controller) {
  const FramingRules rules{.role = Role::host, .established = true, .header_digest = true};
  EXPECT_TRUE(check_common_header(rules, header_of(5, 24, 28, 0, tcp::k_flag_hdgst)).ok());
  EXPECT_TRUE(check_common_header(rules, header_of(9, 24, 28, 0, tcp::k_flag_hdgst)).ok());
  const auto data = check_common_header(rules, header_of(7, 24, 28 + 4096, 28, tcp::k_flag_hdgst));
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(data.layout.data_bytes, 4096u);
  EXPECT_EQ(check_common_header(rules, header_of(5, 24, 29, 0, tcp::k_flag_hdgst)).fatal,
            tcp::invalid_field_at(4));
  EXPECT_EQ(check_common_header(rules, header_of(7, 255, 4096, 28, tcp::k_flag_hdgst)).fatal,
            tcp::invalid_field_at(2));
}

TEST(PduFraming, tolerates_a_ddgst_flag_on_a_capsule_without_data) {
  const FramingRules rules{.established = true, .data_digest = true, .capsule_data_bytes_max = 8192};
  EXPECT_TRUE(check_common_header(rules, header_of(4, 72, 72, 0, tcp::k_flag_ddgst)).ok());
  EXPECT_TRUE(check_common_header(rules, header_of(4, 72, 72)).ok());
}

TEST(PduFraming, builds_term_reqs_of_at_most_152_bytes) {
  std::array<uint8_t, tcp::k_term_plen_max> into{};
  const Bytes long_header = pattern(400);
  EXPECT_EQ(
      build_term_req(Role::controller, {FatalError::header_digest_error, 0xdeadbeef}, long_header, into),
      152u);
  const auto term = load<tcp::TermReq>(into);
  EXPECT_EQ(term.ch.type, PduType::c2h_term_req);
  EXPECT_EQ(term.fes, 3);
  EXPECT_EQ(term.fei(), 0xdeadbeefu);
  EXPECT_EQ(build_term_req(Role::host, {FatalError::r2t_limit_exceeded, 0}, {}, into), 24u);
  EXPECT_EQ(load<tcp::TermReq>(into).ch.type, PduType::h2c_term_req);
}

TEST(PduFraming, names_every_fatal_error_number) {
  for (uint32_t fes = 0; fes <= 0xffff; ++fes) {
    ASSERT_NE(tcp::fatal_error_text(Role::host, static_cast<uint16_t>(fes)), nullptr);
  }
  EXPECT_STREQ(tcp::fatal_error_text(Role::host, 5), "R2T limit exceeded");
}

}  // namespace
}  // namespace ballast::test
