// Row H23 and friends: what a target says of itself, read with suspicion.
#include "initiator/interpret.h"

#include <gtest/gtest.h>

#include <cstring>

#include "initiator/backoff.h"
#include "initiator/discovery_log.h"

namespace ballast::initiator {
namespace {

class Interpret : public testing::Test {
 protected:
  Interpret() {
    identify_.sgls = 1;
    identify_.ioccsz = 4;
    capabilities_.set_mqes(127);
    options_.subsystem_nqn = "nqn.2026-11.dev.ballast:volume:asked";
  }
  Outcome interpret() { return interpret_controller(identify_, capabilities_, options_, info_); }

  nvme::IdentifyController identify_;
  nvme::Capabilities capabilities_;
  ControllerOptions options_;
  ControllerInfo info_;
};

TEST_F(Interpret, H23_mdts_of_31_and_255_does_not_overflow) {
  for (const uint8_t mdts : {0, 20, 31, 255}) {
    identify_.mdts = mdts;
    ASSERT_TRUE(interpret().ok());
    EXPECT_EQ(info_.transfer_bytes_max, k_host_transfer_bytes_max);
  }
  identify_.mdts = 1;
  ASSERT_TRUE(interpret().ok());
  EXPECT_EQ(info_.transfer_bytes_max, 8192u);
}

TEST_F(Interpret, H23_ioccsz_below_4_means_no_in_capsule_data) {
  for (const uint32_t ioccsz : {0u, 1u, 3u, 4u}) {
    identify_.ioccsz = ioccsz;
    ASSERT_TRUE(interpret().ok());
    EXPECT_EQ(info_.in_capsule_bytes, 0u);
  }
}

TEST_F(Interpret, H23_ioccsz_of_ffffffffh_is_bounded) {
  identify_.ioccsz = 0xffffffff;
  ASSERT_TRUE(interpret().ok());
  EXPECT_EQ(info_.in_capsule_bytes, k_host_transfer_bytes_max);
}

TEST_F(Interpret, refuses_a_controller_without_sgls) {
  identify_.sgls = 0;
  EXPECT_EQ(interpret().errc(), Errc::unsupported);
}

TEST_F(Interpret, refuses_an_in_capsule_data_offset) {
  identify_.icdoff = 1;
  EXPECT_EQ(interpret().errc(), Errc::protocol_error);
}

TEST_F(Interpret, refuses_queues_of_one_entry) {
  capabilities_.set_mqes(0);
  EXPECT_EQ(interpret().errc(), Errc::protocol_error);
}

TEST_F(Interpret, queue_entries_are_limited_by_mqes_and_maxcmd) {
  options_.queue_entries = 1024;
  ASSERT_TRUE(interpret().ok());
  EXPECT_EQ(info_.queue_entries, 128);
  identify_.maxcmd = 32;
  ASSERT_TRUE(interpret().ok());
  EXPECT_EQ(info_.queue_entries, 32);
}

TEST_F(Interpret, text_is_trimmed_and_made_printable) {
  std::memcpy(identify_.serial_number, " A\x1b[2J\xff  ", 9);
  ASSERT_TRUE(interpret().ok());
  EXPECT_EQ(info_.serial_number, "A?[2J?");
  EXPECT_EQ(info_.subsystem_nqn, options_.subsystem_nqn) << "an unterminated or empty NQN is not taken";
}

TEST_F(Interpret, H23_a_namespace_of_no_blocks_is_not_active) {
  nvme::IdentifyNamespace identify;
  identify.lba_formats[0].data_size_log2 = 12;
  EXPECT_EQ(interpret_namespace(1, identify, 0).errc(), Errc::not_found);
}

TEST_F(Interpret, H23_block_sizes_that_make_no_sense_are_refused_without_shifting) {
  nvme::IdentifyNamespace identify;
  identify.nsze = 100;
  for (const uint8_t lbads : {0, 1, 8, 17, 31, 32, 63, 64, 255}) {
    identify.lba_formats[0].data_size_log2 = lbads;
    EXPECT_EQ(interpret_namespace(1, identify, 0).errc(), Errc::unsupported) << int{lbads};
  }
  identify.lba_formats[0].data_size_log2 = 12;
  const auto info = interpret_namespace(1, identify, nvme::k_oncs_compare);
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info.value().block_size_bytes, 4096u);
  EXPECT_TRUE(info.value().supports_compare);
  EXPECT_FALSE(info.value().supports_deallocate);
}

TEST_F(Interpret, H23_more_bytes_than_64_bits_can_count_are_refused) {
  nvme::IdentifyNamespace identify;
  identify.lba_formats[0].data_size_log2 = 12;
  identify.nsze = (uint64_t{1} << 52) - 1;
  EXPECT_TRUE(interpret_namespace(1, identify, 0).ok());
  identify.nsze = uint64_t{1} << 52;
  EXPECT_EQ(interpret_namespace(1, identify, 0).errc(), Errc::unsupported);
}

TEST_F(Interpret, blocks_with_metadata_are_refused) {
  nvme::IdentifyNamespace identify;
  identify.nsze = 100;
  identify.lba_formats[0].data_size_log2 = 12;
  identify.lba_formats[0].metadata_bytes = 8;
  EXPECT_EQ(interpret_namespace(1, identify, 0).errc(), Errc::unsupported);
}

TEST_F(Interpret, the_upper_bits_of_flbas_count_only_with_more_than_16_formats) {
  nvme::IdentifyNamespace identify;
  identify.nsze = 100;
  identify.lba_formats[1].data_size_log2 = 9;
  identify.lba_formats[17].data_size_log2 = 12;
  identify.flbas = 1 << 5 | 1;
  identify.nlbaf = 15;
  EXPECT_EQ(interpret_namespace(1, identify, 0).value().block_size_bytes, 512u);
  identify.nlbaf = 17;
  EXPECT_EQ(interpret_namespace(1, identify, 0).value().block_size_bytes, 4096u);
}

TEST_F(Interpret, H23_a_list_of_namespaces_that_does_not_ascend_is_refused) {
  std::vector<uint32_t> nsids{5};
  nvme::NamespaceList list;
  list.nsids[0] = 5;
  EXPECT_EQ(append_active_namespaces(list, nsids).errc(), Errc::protocol_error);
  nsids.clear();
  list.nsids[0] = nvme::k_nsid_broadcast;
  EXPECT_EQ(append_active_namespaces(list, nsids).errc(), Errc::protocol_error);
}

TEST_F(Interpret, H23_a_full_list_asks_for_more_until_the_bound) {
  std::vector<uint32_t> nsids;
  nvme::NamespaceList list;
  for (uint32_t i = 0; i < nvme::k_namespace_list_entries; ++i) list.nsids[i] = 2 * i + 1;
  const auto more = append_active_namespaces(list, nsids);
  ASSERT_TRUE(more.ok());
  EXPECT_FALSE(more.value()) << "1024 are all that is looked at";
  EXPECT_EQ(nsids.size(), k_host_namespaces_max);
}

TEST_F(Interpret, descriptors_are_read_and_damaged_lists_end_where_they_are_damaged) {
  std::vector<uint8_t> list(64);
  list[0] = 2;
  list[1] = 16;
  std::fill_n(list.begin() + 4, 16, uint8_t{0xaa});
  list[20] = 3;
  list[21] = 16;
  std::fill_n(list.begin() + 24, 16, uint8_t{0xbb});
  NamespaceInfo info;
  interpret_descriptors(list, info);
  EXPECT_EQ(info.nguid[0], 0xaa);
  EXPECT_EQ(info.uuid.bytes[15], 0xbb);
  NamespaceInfo damaged;
  list[21] = 200;  // longer than the list
  interpret_descriptors(list, damaged);
  EXPECT_EQ(damaged.nguid[0], 0xaa);
  EXPECT_TRUE(damaged.uuid.is_nil());
  list[1] = 8;  // NGUID of the wrong length
  NamespaceInfo wrong;
  interpret_descriptors(list, wrong);
  EXPECT_EQ(wrong.nguid[0], 0);
}

TEST(Backoff, doubles_to_its_limit_with_jitter) {
  Prng prng(7);
  Backoff backoff(100, 1000);
  uint64_t step = 100;
  for (int i = 0; i < 20; ++i) {
    const uint64_t delay = backoff.next_ns(prng);
    EXPECT_GE(delay, step / 2);
    EXPECT_LE(delay, step);
    step = std::min<uint64_t>(step * 2, 1000);
  }
  backoff.reset();
  EXPECT_LE(backoff.next_ns(prng), 100u);
}

class DiscoveryEntryTest : public testing::Test {
 protected:
  DiscoveryEntryTest() {
    entry_.transport_type = nvme::k_transport_type_tcp;
    entry_.address_family = nvme::k_address_family_ipv4;
    entry_.subsystem_type = nvme::k_subsystem_type_nvm;
    entry_.port_id = 7;
    set(entry_.service_id, "4420");
    set(entry_.transport_address, "192.0.2.1");
    set(entry_.subsystem_nqn, "nqn.2026-11.dev.ballast:volume:x");
  }
  template <size_t size>
  static void set(char (&field)[size], const char* text) {
    std::memset(field, ' ', size);
    std::memcpy(field, text, std::strlen(text) + 1);
  }
  nvme::DiscoveryLogEntry entry_;
};

TEST_F(DiscoveryEntryTest, a_good_entry_is_taken) {
  const auto entry = interpret_discovery_entry(entry_);
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->port, "4420");
  EXPECT_EQ(entry->address, "192.0.2.1");
  EXPECT_EQ(entry->transport, "tcp");
  EXPECT_EQ(entry->subsystem_type, "nvme");
  EXPECT_EQ(entry->port_id, 7);
}

TEST_F(DiscoveryEntryTest, H21_a_port_that_is_not_a_decimal_number_is_ignored) {
  for (const char* const port :
       {"", "44x0", "0x1144", "-1", "+4420", "65536", "99999", "0", "44 20", "444420"}) {
    set(entry_.service_id, port);
    EXPECT_FALSE(interpret_discovery_entry(entry_).has_value()) << port;
  }
  std::memset(entry_.service_id, '4', sizeof(entry_.service_id));
  EXPECT_FALSE(interpret_discovery_entry(entry_).has_value());
}

TEST_F(DiscoveryEntryTest, a_port_padded_with_spaces_is_taken) {
  std::memset(entry_.service_id, ' ', sizeof(entry_.service_id));
  std::memcpy(entry_.service_id, "8009", 4);
  ASSERT_TRUE(interpret_discovery_entry(entry_).has_value());
  EXPECT_EQ(interpret_discovery_entry(entry_)->port, "8009");
}

TEST_F(DiscoveryEntryTest, H21_an_unterminated_nqn_is_ignored) {
  std::memset(entry_.subsystem_nqn, 'n', sizeof(entry_.subsystem_nqn));
  EXPECT_FALSE(interpret_discovery_entry(entry_).has_value());
}

TEST_F(DiscoveryEntryTest, an_address_with_control_characters_is_ignored) {
  set(entry_.transport_address, "1.2.3.4\x1b[2J");
  EXPECT_FALSE(interpret_discovery_entry(entry_).has_value());
}

TEST_F(DiscoveryEntryTest, reserved_types_are_ignored) {
  entry_.subsystem_type = 9;
  EXPECT_FALSE(interpret_discovery_entry(entry_).has_value());
  entry_.subsystem_type = nvme::k_subsystem_type_nvm;
  entry_.transport_type = 77;
  EXPECT_FALSE(interpret_discovery_entry(entry_).has_value());
}

}  // namespace
}  // namespace ballast::initiator
