// The discovery subsystem: who finds what, and who is told when it changes.
#include <gtest/gtest.h>

#include "support/native/raw_controller.h"

namespace ballast::test {
namespace {

namespace status = nvme::status;

constexpr char k_second[] = "nqn.2026-11.dev.ballast:volume:two";

class Discovery : public ::testing::TestWithParam<uint32_t> {
 protected:
  Discovery() : target(GetParam()) {
    EXPECT_TRUE(target.add_subsystem());
    target::SubsystemConfig second;
    second.nqn = k_second;
    second.allow_any_host = false;
    second.hosts = {k_other_host};
    EXPECT_TRUE(target.add_subsystem(second));
    EXPECT_TRUE(set_listeners({{{"192.0.2.1", 4420}, 1}, {{"2001:db8::1", 4421}, 2}}));
  }
  bool set_listeners(std::vector<target::ListenerConfig> listeners) {
    return target.change([&](auto done) { return target.target().set_listeners(listeners, done); });
  }
  RawController::Options discovery(const char* host = k_host, uint32_t kato_ms = 0) {
    RawController::Options options;
    options.subsystem_nqn = nvme::k_discovery_nqn;
    options.host_nqn = host;
    options.kato_ms = kato_ms;
    return options;
  }
  std::vector<nvme::DiscoveryLogEntry> read_log(RawController& controller, uint64_t* generation = nullptr) {
    const auto header = controller.log<nvme::DiscoveryLogHeader>(nvme::LogPage::discovery, 0);
    if (generation != nullptr) *generation = header.generation;
    std::vector<nvme::DiscoveryLogEntry> entries;
    for (uint64_t i = 0; i < header.records_count; ++i) {
      const Answer answer =
          controller.execute(log_command(nvme::LogPage::discovery, 1024, 1024 * (i + 1), 0));
      EXPECT_TRUE(answer.status().ok());
      entries.push_back(load<nvme::DiscoveryLogEntry>(answer.data));
    }
    return entries;
  }
  TargetWorld target;
};
INSTANTIATE_TEST_SUITE_P(Reactors, Discovery, ::testing::Values(1, 3));

TEST_P(Discovery, lists_only_what_the_host_may_connect_to) {
  RawController controller(target, GetParam() - 1, discovery());
  std::set<std::string> found;
  for (const auto& entry : read_log(controller)) found.insert(entry.subsystem_nqn);
  EXPECT_EQ(found, (std::set<std::string>{nvme::k_discovery_nqn, k_subsystem}));
  RawController other(target, 0, discovery(k_other_host));
  found.clear();
  for (const auto& entry : read_log(other)) found.insert(entry.subsystem_nqn);
  EXPECT_EQ(found, (std::set<std::string>{nvme::k_discovery_nqn, k_subsystem, k_second}));
}

TEST_P(Discovery, has_an_entry_for_every_listener) {
  RawController controller(target, 0, discovery());
  std::vector<nvme::DiscoveryLogEntry> entries;
  for (const auto& entry : read_log(controller)) {
    if (std::string(entry.subsystem_nqn) == k_subsystem) entries.push_back(entry);
  }
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_STREQ(entries[0].transport_address, "192.0.2.1");
  EXPECT_STREQ(entries[0].service_id, "4420");
  EXPECT_EQ(entries[0].transport_type, nvme::k_transport_type_tcp);
  EXPECT_EQ(entries[0].address_family, nvme::k_address_family_ipv4);
  EXPECT_EQ(entries[0].subsystem_type, nvme::k_subsystem_type_nvm);
  EXPECT_EQ(entries[0].controller_id, 0xffff);
  EXPECT_EQ(entries[0].port_id, 1);
  EXPECT_EQ(entries[0].admin_queue_entries_max, nvme::k_admin_queue_entries_max);
  EXPECT_STREQ(entries[1].transport_address, "2001:db8::1");
  EXPECT_EQ(entries[1].address_family, nvme::k_address_family_ipv6);
  EXPECT_EQ(entries[1].port_id, 2);
}

TEST_P(Discovery, a_listener_on_all_addresses_is_told_as_the_one_the_host_came_to) {
  ASSERT_TRUE(set_listeners({{{"0.0.0.0", 4420}, 1}}));
  RawController controller(target, 0, discovery());
  const auto entries = read_log(controller);
  ASSERT_FALSE(entries.empty());
  EXPECT_STREQ(entries[0].transport_address, "127.0.0.1");
}

TEST_P(Discovery, changes_are_counted_and_told_to_who_wants_to_know) {
  RawController controller(target, GetParam() - 1, discovery(k_host, 30'000));
  EXPECT_TRUE(controller
                  .execute(set_features_command(nvme::FeatureId::async_event_configuration,
                                                nvme::k_event_discovery_change))
                  .status()
                  .ok());
  uint64_t before = 0;
  read_log(controller, &before);
  RawHost& host = controller.admin().host();
  for (uint16_t cid = 50; cid < 53; ++cid) {
    host.send_command(admin_command(nvme::AdminOpcode::async_event_request, cid));
  }
  const auto expect_event = [&] {
    const auto pdu = host.receive_pdu(k_ns_per_s);
    ASSERT_TRUE(pdu);
    EXPECT_EQ(pdu->as<tcp::CapsuleResp>().rccqe.dw0, 0x0070'f002u);
    uint64_t after = 0;
    read_log(controller, &after);
    EXPECT_GT(after, before);
    before = after;
  };
  ASSERT_TRUE(target.add_subsystem("nqn.2026-11.dev.ballast:volume:three"));
  expect_event();
  ASSERT_TRUE(set_listeners({{{"192.0.2.1", 4420}, 1}}));
  expect_event();
  ASSERT_TRUE(target.change([&](auto done) { return target.target().set_hosts(k_second, true, {}, done); }));
  expect_event();
}

TEST_P(Discovery, a_silent_host_without_keep_alive_is_closed_after_two_minutes) {
  RawController controller(target, 0, discovery());
  for (int i = 0; i < 5; ++i) {
    target.world().advance(100 * k_ns_per_s);
    EXPECT_TRUE(controller.csts().ready());
  }
  EXPECT_TRUE(closes_within(target, controller.admin(), 125 * k_ns_per_s));
}

TEST_P(Discovery, has_no_pages_features_or_io_of_an_io_controller) {
  RawController controller(target, 0, discovery());
  EXPECT_TRUE(
      controller.execute(log_command(nvme::LogPage::smart, 512)).status().is(status::invalid_log_page));
  EXPECT_TRUE(controller.execute(set_features_command(nvme::FeatureId::number_of_queues, 0))
                  .status()
                  .is(status::invalid_field));
  RawController io(target, 0);
  EXPECT_TRUE(io.execute(log_command(nvme::LogPage::discovery, 1024)).status().is(status::invalid_log_page));
}

TEST_P(Discovery, a_log_of_hundreds_of_subsystems_is_read_in_windows) {
  for (uint32_t i = 0; i < 300; ++i) {
    ASSERT_TRUE(target.add_subsystem("nqn.2026-11.dev.ballast:many:" + std::to_string(i)));
  }
  RawController controller(target, 0, discovery());
  const auto header = controller.log<nvme::DiscoveryLogHeader>(nvme::LogPage::discovery, 0);
  EXPECT_EQ(header.records_count, 302u * 2);
  const Answer answer =
      controller.execute(log_command(nvme::LogPage::discovery, 65'536, 1024 * 541 + 512, 0));
  ASSERT_EQ(answer.data.size(), 65'536u);
  const auto entry = load<nvme::DiscoveryLogEntry>(ByteSpan(answer.data).subspan(512));
  EXPECT_EQ(std::string(entry.subsystem_nqn).substr(0, 20), "nqn.2026-11.dev.ball");
  EXPECT_EQ(Bytes(answer.data.end() - 512, answer.data.end()), Bytes(512)) << "beyond the end";
}

}  // namespace
}  // namespace ballast::test
