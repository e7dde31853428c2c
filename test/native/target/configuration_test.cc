// Changes while hosts are connected: hosts, namespaces, subsystems, the end; and the limits on connections.
// Rows F18, N27 and P57 of the bad-input table.
#include <gtest/gtest.h>

#include "support/native/held_bdev.h"
#include "support/native/raw_controller.h"

namespace ballast::test {
namespace {

namespace status = nvme::status;

class Configuration : public ::testing::TestWithParam<uint32_t> {
 protected:
  Configuration() : target(GetParam()), device(std::make_shared<HeldBdev>(1024)) {
    EXPECT_TRUE(target.add_subsystem());
    EXPECT_TRUE(target.add_namespace(1, device));
  }
  uint32_t last() const { return GetParam() - 1; }
  // A queue with a write that is at the device.
  std::unique_ptr<RawQueue> queue_with_held_write(RawController& controller) {
    auto queue = controller.connect_io(1, last());
    device->hold(true);
    queue->host().send_command(with_capsule_data(io_command(nvme::NvmOpcode::write, 9, 1, 0, 1), 4096),
                               pattern(4096));
    EXPECT_TRUE(target.world().run_until([&] { return device->held_count() == 1; }));
    return queue;
  }
  TargetWorld target;
  std::shared_ptr<HeldBdev> device;
};
INSTANTIATE_TEST_SUITE_P(Reactors, Configuration, ::testing::Values(1, 3));
class ConfigurationBadInput : public Configuration {};
INSTANTIATE_TEST_SUITE_P(Reactors, ConfigurationBadInput, ::testing::Values(1, 3));

TEST_P(ConfigurationBadInput, F18_a_host_that_loses_access_loses_its_queues_and_nothing_takes_effect_after) {
  RawController::Options other_options;
  other_options.host_nqn = k_other_host;
  other_options.host_id_byte = 0x44;
  RawController other(target, 0, other_options);
  RawController controller(target, 0);
  const auto queue = queue_with_held_write(controller);
  bool done = false;
  ASSERT_TRUE(target.target().set_hosts(k_subsystem, false, {k_other_host}, [&done] { done = true; }).ok());
  EXPECT_TRUE(closes_within(target, *queue, k_ns_per_s));
  EXPECT_TRUE(closes_within(target, controller.admin(), k_ns_per_s));
  EXPECT_FALSE(done) << "a write is still at the device";
  device->hold(false);
  EXPECT_TRUE(target.world().run_until([&] { return done; }));
  EXPECT_EQ(device->in_flight(), 0u);
  EXPECT_EQ(target.target().controllers_count(), 1u);
  EXPECT_TRUE(other.csts().ready()) << "the other host has not noticed";
}

TEST_P(ConfigurationBadInput, F18_a_host_that_is_already_leaving_is_waited_for_and_listed_until_it_has_left) {
  RawController controller(target, 0);
  const auto queue = queue_with_held_write(controller);
  const auto listed = [&] {
    std::vector<std::string> hosts{"not answered"};
    EXPECT_TRUE(target.change([&](auto done) {
      return target.target().list_hosts(k_subsystem,
                                        [&hosts, done](std::vector<target::ConnectedHost> found) {
                                          hosts.clear();
                                          for (const target::ConnectedHost& host : found)
                                            hosts.push_back(host.nqn + (host.is_ending ? " ends" : ""));
                                          done();
                                        });
    }));
    return hosts;
  };
  EXPECT_EQ(listed(), std::vector<std::string>{k_host});
  bool first = false, second = false;
  ASSERT_TRUE(target.target().set_hosts(k_subsystem, false, {}, [&first] { first = true; }).ok());
  EXPECT_TRUE(closes_within(target, *queue, k_ns_per_s));
  // As somebody who asks again does: the host is not in the list any more, and its write is not over.
  ASSERT_TRUE(target.target().set_hosts(k_subsystem, false, {}, [&second] { second = true; }).ok());
  target.world().advance(k_ns_per_s);
  EXPECT_FALSE(first || second);
  EXPECT_EQ(listed(), std::vector<std::string>{std::string(k_host) + " ends"})
      << "its write can still take effect";
  device->hold(false);
  EXPECT_TRUE(target.world().run_until([&] { return first && second; }));
  EXPECT_EQ(listed(), std::vector<std::string>{});
}

class NamespaceBadInput : public Configuration {};
INSTANTIATE_TEST_SUITE_P(Reactors, NamespaceBadInput, ::testing::Values(1, 3));

TEST_P(NamespaceBadInput, N27_a_namespace_is_removed_after_its_io_and_then_is_no_more) {
  RawController controller(target, 0);
  const auto queue = queue_with_held_write(controller);
  bool done = false;
  ASSERT_TRUE(target.target().remove_namespace(k_subsystem, 1, [&done] { done = true; }).ok());
  target.world().advance(k_ns_per_s);
  EXPECT_FALSE(done);
  const Answer late = queue->execute(io_command(nvme::NvmOpcode::flush, 10, 1, 0, 1));
  EXPECT_TRUE(late.status().is(status::invalid_namespace_or_format));
  device->hold(false);
  EXPECT_TRUE(queue->host().receive_answer(9).status().ok()) << "what was in flight finishes";
  EXPECT_TRUE(target.world().run_until([&] { return done; }));
  EXPECT_EQ(controller.identify<nvme::NamespaceList>(nvme::Cns::active_namespaces).nsids[0], 0u);
  ASSERT_TRUE(target.add_memory_namespace(1));
  EXPECT_TRUE(queue->execute(io_command(nvme::NvmOpcode::flush, 11, 1, 0, 1)).status().ok());
}

TEST_P(NamespaceBadInput, N27_nothing_is_written_beyond_the_end_of_a_namespace_that_shrank) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  device->resize(16);
  ASSERT_TRUE(
      target.change([&](auto done) { return target.target().namespace_changed(k_subsystem, 1, done); }));
  const Bytes data = pattern(4096);
  EXPECT_TRUE(queue->execute(io_command(nvme::NvmOpcode::write, 1, 1, 16, 1), data)
                  .status()
                  .is(status::lba_out_of_range));
  EXPECT_TRUE(queue->execute(io_command(nvme::NvmOpcode::write, 1, 1, 15, 1), data).status().ok());
}

TEST_P(Configuration, refuses_what_breaks_a_bound_and_changes_nothing) {
  const auto nothing = [] {};
  target::Target& t = target.target();
  target::SubsystemConfig config;
  config.nqn = "nqn.broken";
  EXPECT_EQ(t.add_subsystem(config, nothing).errc(), Errc::invalid_argument);
  config.nqn = nvme::k_discovery_nqn;
  EXPECT_EQ(t.add_subsystem(config, nothing).errc(), Errc::invalid_argument);
  config.nqn = k_subsystem;
  EXPECT_EQ(t.add_subsystem(config, nothing).errc(), Errc::already_exists);
  config.nqn = "nqn.2026-11.dev.ballast:volume:two";
  config.serial_number = std::string(21, 'x');
  EXPECT_EQ(t.add_subsystem(config, nothing).errc(), Errc::invalid_argument);
  config.serial_number = "line\nbreak";
  EXPECT_EQ(t.add_subsystem(config, nothing).errc(), Errc::invalid_argument);
  config.serial_number = "x";
  config.hosts = {"no nqn"};
  EXPECT_EQ(t.add_subsystem(config, nothing).errc(), Errc::invalid_argument);

  const auto add = [&](const std::string& nqn, target::NamespaceConfig added) {
    return t.add_namespace(nqn, added, nothing).errc();
  };
  EXPECT_EQ(add("nqn.2026-11.dev.ballast:none", {2, uuid_of(2), device}), Errc::not_found);
  EXPECT_EQ(add(k_subsystem, {0, uuid_of(2), device}), Errc::invalid_argument);
  EXPECT_EQ(add(k_subsystem, {1025, uuid_of(2), device}), Errc::invalid_argument);
  EXPECT_EQ(add(k_subsystem, {2, Uuid{}, device}), Errc::invalid_argument);
  EXPECT_EQ(add(k_subsystem, {2, uuid_of(2), nullptr}), Errc::invalid_argument);
  EXPECT_EQ(add(k_subsystem, {1, uuid_of(2), device}), Errc::already_exists);
  EXPECT_EQ(t.remove_namespace(k_subsystem, 2, nothing).errc(), Errc::not_found);
  EXPECT_EQ(t.namespace_changed(k_subsystem, 2, nothing).errc(), Errc::not_found);
  EXPECT_EQ(t.remove_subsystem("nqn.2026-11.dev.ballast:none", nothing).errc(), Errc::not_found);
  EXPECT_EQ(t.set_hosts(k_subsystem, false, {"no nqn"}, nothing).errc(), Errc::invalid_argument);
  EXPECT_EQ(t.set_listeners({{{"127.0.0.1", 0}, 1}}, nothing).errc(), Errc::invalid_argument);
  RawController controller(target, 0);
  EXPECT_EQ(controller.identify<nvme::NamespaceList>(nvme::Cns::active_namespaces).nsids[1], 0u);
}

TEST_P(Configuration, a_subsystem_is_removed_after_its_controllers_and_can_be_added_again) {
  RawController controller(target, 0);
  const auto queue = queue_with_held_write(controller);
  bool done = false;
  ASSERT_TRUE(target.target().remove_subsystem(k_subsystem, [&done] { done = true; }).ok());
  EXPECT_TRUE(closes_within(target, *queue, k_ns_per_s));
  EXPECT_TRUE(closes_within(target, controller.admin(), k_ns_per_s));
  EXPECT_FALSE(done);
  EXPECT_EQ(target.target().remove_subsystem(k_subsystem, {}).errc(), Errc::not_found) << "already going";
  RawQueue late(target, 0);
  EXPECT_TRUE(late.connect(controller.connect_fields(0)).status().is(status::connect_invalid_parameters));
  device->hold(false);
  EXPECT_TRUE(target.world().run_until([&] { return done; }));
  EXPECT_EQ(device.use_count(), 1) << "no shard holds the device";
  ASSERT_TRUE(target.add_subsystem());
  ASSERT_TRUE(target.add_namespace(1, device));
  RawController again(target, 0);
  EXPECT_NE(again.connect_io(1, last()), nullptr);
}

TEST_P(Configuration, closing_waits_for_device_io_and_takes_no_connection) {
  RawController controller(target, 0);
  const auto queue = queue_with_held_write(controller);
  RawQueue idle(target, last());
  bool done = false;
  target.start_close(done);
  EXPECT_TRUE(closes_within(target, *queue, k_ns_per_s));
  EXPECT_TRUE(closes_within(target, idle, k_ns_per_s));
  EXPECT_FALSE(done);
  RawHost late(target.world(), TargetWorld::address(0));
  EXPECT_FALSE(late.initialize());
  device->hold(false);
  EXPECT_TRUE(target.world().run_until([&] { return done; }));
  EXPECT_EQ(device->in_flight(), 0u);
}

TEST_P(Configuration, namespaces_come_and_go_under_io) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  for (uint32_t i = 0; i < 50; ++i) {
    ASSERT_TRUE(target.add_memory_namespace(2));
    const Bytes data = pattern(4096, i);
    EXPECT_TRUE(queue->execute(io_command(nvme::NvmOpcode::write, 1, 2, i, 1), data).status().ok());
    const Answer read =
        queue->execute(with_transport_data(io_command(nvme::NvmOpcode::read, 1, 2, i, 1), 4096));
    EXPECT_EQ(read.data, data);
    ASSERT_TRUE(
        target.change([&](auto done) { return target.target().remove_namespace(k_subsystem, 2, done); }));
  }
}

TEST(PduBadInput, P57_connections_above_the_limit_are_refused_and_others_are_served) {
  for (const uint32_t reactors : {1u, 3u}) {
    target::TargetOptions options;
    options.connections_max = 6;
    options.connections_per_address_max = 4;
    TargetWorld target(reactors, options);
    ASSERT_TRUE(target.add_subsystem());
    std::vector<std::unique_ptr<RawQueue>> queues;
    for (uint32_t i = 0; i < 4; ++i) queues.push_back(std::make_unique<RawQueue>(target, i % reactors));
    RawHost refused(target.world(), TargetWorld::address(0));
    EXPECT_FALSE(refused.initialize());
    ConnectFields fields;
    fields.subsystem_nqn = k_subsystem;
    EXPECT_TRUE(queues.back()->connect(fields).status().ok());
    queues.erase(queues.begin());
    target.world().advance(k_ns_per_s);
    RawHost next(target.world(), TargetWorld::address(reactors - 1));
    EXPECT_TRUE(next.initialize()) << "one has gone";
  }
}

}  // namespace
}  // namespace ballast::test
