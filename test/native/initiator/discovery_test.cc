// Reading the discovery log of a target that may not mean well: row H21.
#include <cstring>

#include "initiator_fixture.h"

namespace ballast::test {
namespace {

class Discovery : public ControllerTest {
 protected:
  Discovery() { target_->intercept = nullptr; }

  void set_log(size_t entries_count, uint64_t generation = 1) {
    nvme::DiscoveryLogHeader header;
    header.generation = generation;
    header.records_count = entries_count;
    target_->discovery_log.clear();
    append(target_->discovery_log, bytes_of(header));
    for (size_t i = 0; i < entries_count; ++i) {
      nvme::DiscoveryLogEntry entry;
      entry.transport_type = nvme::k_transport_type_tcp;
      entry.address_family = nvme::k_address_family_ipv4;
      entry.subsystem_type = nvme::k_subsystem_type_nvm;
      std::strcpy(entry.service_id, "4420");
      std::strcpy(entry.transport_address, "192.0.2.1");
      std::strcpy(entry.subsystem_nqn, ("nqn.2026-11.dev.ballast:volume:" + std::to_string(i)).c_str());
      append(target_->discovery_log, bytes_of(entry));
    }
  }
  Result<std::vector<initiator::DiscoveryEntry>> discover() {
    std::unique_ptr<Result<std::vector<initiator::DiscoveryEntry>>> told;
    world_.on(*reactors_[0], [&] {
      initiator::discover(*reactors_[0], options_, [&told](auto result) {
        told = std::make_unique<Result<std::vector<initiator::DiscoveryEntry>>>(std::move(result));
      });
    });
    world_.run_until([&told] { return told != nullptr; }, 300 * k_ns_per_s);
    if (told == nullptr) return Error{Errc::aborted, "never told"};
    world_.settle();
    EXPECT_EQ(target_->queue(0), nullptr) << "the connection is closed";
    return *told;
  }
};

TEST_F(Discovery, a_target_that_is_not_there_is_an_error) {
  target_->stop_listening();
  EXPECT_EQ(discover().errc(), Errc::connection_refused);
}

TEST_F(Discovery, a_connection_lost_while_reading_is_an_error) {
  set_log(4);
  target_->intercept = [](FakeConnection& connection, const nvme::Command& command, ByteSpan) {
    const bool is_log = command.opcode == static_cast<uint8_t>(nvme::AdminOpcode::get_log_page);
    if (is_log) connection.drop();
    return is_log;
  };
  EXPECT_FALSE(discover().ok());
}

TEST_F(Discovery, H21_a_log_that_changes_while_it_is_read_is_read_again) {
  set_log(2, 1);
  int header_reads = 0;
  target_->intercept = [&](FakeConnection&, const nvme::Command& command, ByteSpan) {
    const bool is_header =
        command.opcode == static_cast<uint8_t>(nvme::AdminOpcode::get_log_page) && command.cdw12 == 0;
    if (is_header && ++header_reads == 2) set_log(5, 2);
    return false;
  };
  const auto entries = discover();
  ASSERT_TRUE(entries.ok());
  EXPECT_EQ(entries.value().size(), 5u);
}

TEST_F(Discovery, H21_a_log_that_never_stops_changing_is_given_up) {
  uint64_t generation = 0;
  target_->intercept = [&](FakeConnection&, const nvme::Command& command, ByteSpan) {
    if (command.opcode == static_cast<uint8_t>(nvme::AdminOpcode::get_log_page)) set_log(2, ++generation);
    return false;
  };
  EXPECT_EQ(discover().errc(), Errc::timed_out);
}

TEST_F(Discovery, H21_a_record_count_of_2_to_the_63_is_capped) {
  set_log(3);
  const uint64_t count = uint64_t{1} << 63;
  std::memcpy(&target_->discovery_log[8], &count, 8);
  const auto entries = discover();
  ASSERT_TRUE(entries.ok());
  EXPECT_EQ(entries.value().size(), 3u) << "the rest of what it claims is zeroes, and ignored";
}

TEST_F(Discovery, H21_entries_that_make_no_sense_are_ignored) {
  set_log(3);
  std::memcpy(&target_->discovery_log[1024 + 1024 + 32], "44xx", 4);
  const auto entries = discover();
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries.value().size(), 2u);
  EXPECT_EQ(entries.value()[1].subsystem_nqn, "nqn.2026-11.dev.ballast:volume:2");
}

TEST_F(Discovery, a_long_log_is_read_in_pieces) {
  set_log(100);
  const auto entries = discover();
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries.value().size(), 100u);
  EXPECT_EQ(entries.value()[99].subsystem_nqn, "nqn.2026-11.dev.ballast:volume:99");
  EXPECT_EQ(std::string(target_->connects[0].subsystem_nqn), "nqn.2014-08.org.nvmexpress.discovery");
}

}  // namespace
}  // namespace ballast::test
