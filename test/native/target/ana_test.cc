// Asymmetric Namespace Access as hosts see it: Identify, the log page, events, what admin commands answer;
// the end of a host's controllers; several nodes behind one subsystem. Row N26 of the bad-input table.
#include <gtest/gtest.h>

#include "support/native/held_bdev.h"
#include "support/native/raw_controller.h"

namespace ballast::test {
namespace {

namespace status = nvme::status;
using nvme::AnaState;
using nvme::FeatureId;
using nvme::LogPage;

constexpr AnaState k_states[] = {AnaState::optimized, AnaState::non_optimized, AnaState::inaccessible,
                                 AnaState::change, AnaState::persistent_loss};
constexpr uint32_t k_all = nvme::k_nsid_broadcast;

class Ana : public ::testing::TestWithParam<uint32_t> {
 protected:
  Ana() : target(GetParam()), device(std::make_shared<HeldBdev>(1024)) {
    EXPECT_TRUE(target.add_subsystem());
    EXPECT_TRUE(target.add_namespace(1, device));
    EXPECT_TRUE(target.add_memory_namespace(5));
  }
  uint32_t last() const { return GetParam() - 1; }
  bool set_state(AnaState state, uint32_t nsid = 1) {
    return target.change(
        [&](auto done) { return target.target().set_ana_state(k_subsystem, nsid, state, done); });
  }

  struct Group {
    nvme::AnaGroupDescriptor descriptor;
    uint32_t nsid = 0;
  };
  struct Log {
    nvme::AnaLogHeader header;
    Group groups[2];  // of namespaces 1 and 5
  };
  Log read_log(RawController& controller) {
    const Bytes data = controller.execute(log_command(LogPage::ana, 16 + 2 * 36)).data;
    Log log;
    log.header = load<nvme::AnaLogHeader>(data);
    for (size_t i = 0; i < 2; ++i) {
      const ByteSpan bytes = ByteSpan(data).subspan(16 + i * 36);
      log.groups[i] = {load<nvme::AnaGroupDescriptor>(bytes), load<uint32_t>(bytes.subspan(32))};
    }
    return log;
  }
  uint32_t next_event(RawController& controller) {
    const auto pdu = controller.admin().host().receive_pdu(100 * k_ns_per_ms);
    return pdu ? pdu->as<tcp::CapsuleResp>().rccqe.dw0 : 0;
  }
  void request_events(RawController& controller, uint32_t mask, int count) {
    EXPECT_TRUE(
        controller.execute(set_features_command(FeatureId::async_event_configuration, mask)).status().ok());
    for (int i = 0; i < count; ++i) {
      controller.admin().host().send_command(
          admin_command(nvme::AdminOpcode::async_event_request, static_cast<uint16_t>(50 + i)));
    }
  }

  TargetWorld target;
  std::shared_ptr<HeldBdev> device;
};
INSTANTIATE_TEST_SUITE_P(Reactors, Ana, ::testing::Values(1, 3));
class AnaBadInput : public Ana {};
INSTANTIATE_TEST_SUITE_P(Reactors, AnaBadInput, ::testing::Values(1, 3));

TEST_P(Ana, each_namespace_is_a_group_of_its_own_with_its_state) {
  RawController controller(target, last());
  for (const AnaState state : k_states) {
    ASSERT_TRUE(set_state(state));
    const Log log = read_log(controller);
    EXPECT_EQ(log.header.groups_count, 2);
    EXPECT_EQ(log.groups[0].descriptor.group_id, 1u);
    EXPECT_EQ(log.groups[0].descriptor.nsids_count, 1u);
    EXPECT_EQ(log.groups[0].descriptor.state, static_cast<uint8_t>(state));
    EXPECT_EQ(log.groups[0].nsid, 1u);
    EXPECT_EQ(log.groups[1].descriptor.group_id, 5u);
    EXPECT_EQ(log.groups[1].descriptor.state, static_cast<uint8_t>(AnaState::optimized));
    EXPECT_EQ(log.groups[1].nsid, 5u);
  }
  EXPECT_EQ(controller.identify<nvme::IdentifyNamespace>(nvme::Cns::name_space, 5).anagrpid, 5u);
  EXPECT_EQ(
      controller.identify<nvme::IdentifyIndependentNamespace>(nvme::Cns::independent_namespace, 5).anagrpid,
      5u);
}

TEST_P(Ana, changes_are_counted_in_all_and_for_the_group_that_changed) {
  RawController controller(target, 0);
  const Log before = read_log(controller);
  ASSERT_TRUE(set_state(AnaState::inaccessible));
  ASSERT_TRUE(set_state(AnaState::inaccessible));  // no change
  ASSERT_TRUE(set_state(AnaState::non_optimized));
  const Log after = read_log(controller);
  EXPECT_EQ(after.header.change_count, before.header.change_count + 2);
  EXPECT_EQ(after.groups[0].descriptor.change_count, before.groups[0].descriptor.change_count + 2);
  EXPECT_EQ(after.groups[1].descriptor.change_count, before.groups[1].descriptor.change_count);
}

TEST_P(Ana, groups_alone_are_listed_without_namespaces) {
  RawController controller(target, 0);
  nvme::Command groups_only = log_command(LogPage::ana, 16 + 2 * 32);
  groups_only.cdw10 |= uint32_t{nvme::k_ana_groups_only} << 8;
  const Bytes data = controller.execute(groups_only).data;
  for (size_t i = 0; i < 2; ++i) {
    const auto group = load<nvme::AnaGroupDescriptor>(ByteSpan(data).subspan(16 + i * 32));
    EXPECT_EQ(group.group_id, i == 0 ? 1u : 5u);
    EXPECT_EQ(group.nsids_count, 0u);
  }
}

TEST_P(Ana, the_log_of_as_many_namespaces_as_there_can_be_fits_into_one_transfer) {
  for (uint32_t nsid = 6; nsid <= nvme::k_namespaces_per_subsystem_max; ++nsid) {
    Uuid uuid = uuid_of(0xee);
    std::memcpy(uuid.bytes.data(), &nsid, sizeof(nsid));
    const target::NamespaceConfig config{nsid, uuid, device};
    ASSERT_TRUE(
        target.change([&](auto done) { return target.target().add_namespace(k_subsystem, config, done); }));
  }
  RawController controller(target, 0);
  const uint32_t groups = nvme::k_namespaces_per_subsystem_max - 3;
  const Answer answer = controller.execute(log_command(LogPage::ana, 16 + groups * 36));
  ASSERT_TRUE(answer.status().ok());
  EXPECT_EQ(load<nvme::AnaLogHeader>(answer.data).groups_count, groups);
  const ByteSpan tail = ByteSpan(answer.data).subspan(16 + (groups - 1) * 36);
  EXPECT_EQ(load<nvme::AnaGroupDescriptor>(tail).group_id, nvme::k_namespaces_per_subsystem_max);
  EXPECT_EQ(load<uint32_t>(tail.subspan(32)), nvme::k_namespaces_per_subsystem_max);
}

TEST_P(Ana, a_change_is_told_once_until_the_log_is_read) {
  RawController controller(target, last());
  request_events(controller, nvme::k_event_ana_change, 2);
  ASSERT_TRUE(set_state(AnaState::inaccessible));
  EXPECT_EQ(next_event(controller), 0x000c'0302u);
  ASSERT_TRUE(set_state(AnaState::optimized));
  EXPECT_EQ(next_event(controller), 0u) << "silent until the log page is read";
  read_log(controller);
  ASSERT_TRUE(set_state(AnaState::optimized));
  EXPECT_EQ(next_event(controller), 0u) << "no change";
  ASSERT_TRUE(set_state(AnaState::change));
  EXPECT_EQ(next_event(controller), 0x000c'0302u);
}

TEST_P(Ana, what_is_not_asked_for_is_not_told) {
  RawController controller(target, 0);
  request_events(controller, nvme::k_event_namespace_attribute, 1);
  ASSERT_TRUE(set_state(AnaState::inaccessible));
  EXPECT_EQ(next_event(controller), 0u);
}

TEST_P(Ana, a_new_namespace_starts_in_its_own_state) {
  const target::NamespaceConfig config{7, uuid_of(7), device, false, AnaState::inaccessible};
  ASSERT_TRUE(
      target.change([&](auto done) { return target.target().add_namespace(k_subsystem, config, done); }));
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  const Answer read =
      queue->execute(with_transport_data(io_command(nvme::NvmOpcode::read, 1, 7, 0, 1), 4096));
  EXPECT_TRUE(read.status().is(status::ana_inaccessible));
}

TEST_P(Ana, the_size_is_told_in_every_state_and_the_use_of_it_only_where_it_is_known) {
  RawController controller(target, 0);
  for (const AnaState state : k_states) {
    ASSERT_TRUE(set_state(state));
    const auto identify = controller.identify<nvme::IdentifyNamespace>(nvme::Cns::name_space, 1);
    EXPECT_EQ(identify.nsze, 1024u);
    EXPECT_EQ(identify.ncap, 1024u);
    const bool unknown = state == AnaState::inaccessible || state == AnaState::persistent_loss;
    EXPECT_EQ(identify.nuse, unknown ? 0u : 1024u);
    EXPECT_EQ(std::memcmp(identify.nguid, uuid_of(1).bytes.data(), 16), 0);
    EXPECT_TRUE(controller.execute(identify_command(nvme::Cns::namespace_descriptors, 1)).status().ok());
  }
}

TEST_P(AnaBadInput, N26_features_are_refused_where_their_namespace_cannot_be_reached) {
  RawController controller(target, 0);
  const auto get = [&](FeatureId id, uint32_t nsid) {
    return controller.execute(get_features_command(id, 0, nsid)).status();
  };
  const auto set = [&](FeatureId id, uint32_t nsid) {
    return controller.execute(set_features_command(id, 0, nsid)).status();
  };
  for (const AnaState state : k_states) {
    ASSERT_TRUE(set_state(state));
    const nvme::Status path = nvme::ana_status(state);
    const bool lost = state == AnaState::persistent_loss;
    // Of the NVM Command Set.
    for (const uint32_t nsid : {1u, k_all}) {
      EXPECT_TRUE(get(FeatureId::error_recovery, nsid).is(path)) << nvme::status_name(path);
      EXPECT_TRUE(set(FeatureId::error_recovery, nsid).is(path)) << nvme::status_name(path);
    }
    EXPECT_TRUE(set(FeatureId::error_recovery, 5).ok()) << "another namespace";
    // Of the controller: set for all namespaces is set for this one.
    EXPECT_TRUE(get(FeatureId::arbitration, k_all).ok());
    EXPECT_TRUE(set(FeatureId::arbitration, k_all).is(path));
    EXPECT_TRUE(set(FeatureId::arbitration, 0).ok()) << "concerns no namespace";
    EXPECT_TRUE(set(FeatureId::write_atomicity_normal, k_all).is(path));
    EXPECT_FALSE(get(FeatureId::error_recovery, 1).do_not_retry());
    EXPECT_TRUE(controller.execute(log_command(LogPage::smart, 512, 0, 1)).status().ok()) << lost;
  }
}

TEST_P(AnaBadInput, N26_no_write_takes_effect_on_any_reactor_once_the_path_is_closed) {
  RawController controller(target, 0);
  std::vector<std::unique_ptr<RawQueue>> queues;
  for (uint32_t i = 0; i < GetParam(); ++i) {
    queues.push_back(controller.connect_io(static_cast<uint16_t>(i + 1), i));
  }
  for (const AnaState state : {AnaState::inaccessible, AnaState::change, AnaState::persistent_loss}) {
    ASSERT_TRUE(set_state(state));
    for (const auto& queue : queues) {
      const Answer answer = queue->execute(
          with_capsule_data(io_command(nvme::NvmOpcode::write, 1, 1, 0, 1), 4096), pattern(4096));
      EXPECT_TRUE(answer.status().is(nvme::ana_status(state)));
      EXPECT_FALSE(answer.status().do_not_retry());
    }
  }
  EXPECT_EQ(device->writes_count(), 0u);
}

TEST_P(Ana, closing_a_path_is_done_when_its_io_has_ended_and_hosts_hear_of_it_before) {
  RawController controller(target, 0);
  request_events(controller, nvme::k_event_ana_change, 1);
  const auto queue = controller.connect_io(1, last());
  device->hold(true);
  queue->host().send_command(with_capsule_data(io_command(nvme::NvmOpcode::write, 9, 1, 0, 1), 4096),
                             pattern(4096));
  ASSERT_TRUE(target.world().run_until([&] { return device->held_count() == 1; }));
  bool done = false;
  ASSERT_TRUE(
      target.target().set_ana_state(k_subsystem, 1, AnaState::inaccessible, [&done] { done = true; }).ok());
  EXPECT_EQ(next_event(controller), 0x000c'0302u);
  EXPECT_FALSE(done);
  device->hold(false);
  EXPECT_TRUE(target.world().run_until([&] { return done; }));
  EXPECT_EQ(device->in_flight(), 0u);
  EXPECT_EQ(device->writes_count(), 1u);
}

TEST_P(Ana, a_namespace_that_is_removed_ends_the_wait_for_its_path) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  device->hold(true);
  queue->host().send_command(with_capsule_data(io_command(nvme::NvmOpcode::write, 9, 1, 0, 1), 4096),
                             pattern(4096));
  ASSERT_TRUE(target.world().run_until([&] { return device->held_count() == 1; }));
  int done = 0;
  ASSERT_TRUE(target.target().set_ana_state(k_subsystem, 1, AnaState::change, [&done] { ++done; }).ok());
  ASSERT_TRUE(target.target().remove_namespace(k_subsystem, 1, [&done] { ++done; }).ok());
  device->hold(false);
  EXPECT_TRUE(target.world().run_until([&] { return done == 2; }));
}

TEST_P(AnaBadInput, N26_a_path_that_is_lost_for_good_stays_lost) {
  ASSERT_TRUE(set_state(AnaState::persistent_loss));
  for (const AnaState state : k_states) {
    const Outcome outcome = target.target().set_ana_state(k_subsystem, 1, state, {});
    EXPECT_EQ(outcome.ok(), state == AnaState::persistent_loss);
  }
  target.world().settle();
  RawController controller(target, 0);
  EXPECT_EQ(read_log(controller).groups[0].descriptor.state, static_cast<uint8_t>(AnaState::persistent_loss));
  EXPECT_EQ(target.target().set_ana_state(k_subsystem, 2, AnaState::change, {}).errc(), Errc::not_found);
  EXPECT_EQ(target.target().set_ana_state("nqn.2026-11.dev.ballast:none", 1, AnaState::change, {}).errc(),
            Errc::not_found);
}

TEST_P(Ana, the_controllers_of_one_host_are_dropped_and_it_may_come_again) {
  RawController::Options other_options;
  other_options.host_nqn = k_other_host;
  other_options.host_id_byte = 0x44;
  RawController other(target, 0, other_options);
  RawController first(target, 0);
  RawController second(target, last());
  const auto queue = first.connect_io(1, last());
  device->hold(true);
  queue->host().send_command(with_capsule_data(io_command(nvme::NvmOpcode::write, 9, 1, 0, 1), 4096),
                             pattern(4096));
  ASSERT_TRUE(target.world().run_until([&] { return device->held_count() == 1; }));
  bool done = false;
  ASSERT_TRUE(target.target().drop_controllers(k_subsystem, k_host, [&done] { done = true; }).ok());
  EXPECT_TRUE(closes_within(target, *queue, k_ns_per_s));
  EXPECT_TRUE(closes_within(target, first.admin(), k_ns_per_s));
  EXPECT_TRUE(closes_within(target, second.admin(), k_ns_per_s));
  EXPECT_FALSE(done) << "its write is still at the device";
  RawController again(target, last());
  device->hold(false);
  EXPECT_TRUE(target.world().run_until([&] { return done; }));
  EXPECT_EQ(device->in_flight(), 0u);
  EXPECT_TRUE(other.csts().ready()) << "the other host has not noticed";
  EXPECT_TRUE(again.csts().ready()) << "what came after the call stays";
  EXPECT_EQ(target.target().controllers_count(), 2u);
  EXPECT_EQ(target.target().drop_controllers(k_subsystem, "no nqn", {}).errc(), Errc::invalid_argument);
  EXPECT_TRUE(target.change(
      [&](auto told) { return target.target().drop_controllers(k_subsystem, k_other_host, told); }));
  EXPECT_TRUE(closes_within(target, other.admin(), k_ns_per_s));
}

TEST(AnaNodes, several_nodes_behind_one_subsystem_have_controllers_of_distinct_identifiers) {
  target::TargetOptions first_options, second_options;
  first_options.controller_id_first = 1;
  first_options.controller_id_last = 100;
  second_options.controller_id_first = 101;
  second_options.controller_id_last = 200;
  TargetWorld first(2, first_options), second(2, second_options);
  for (TargetWorld* const node : {&first, &second}) {
    ASSERT_TRUE(node->add_subsystem());
    ASSERT_TRUE(node->add_memory_namespace(1));
    for (uint32_t reactor = 0; reactor < 2; ++reactor) {
      RawController controller(*node, reactor);
      const auto identify = controller.identify<nvme::IdentifyController>(nvme::Cns::controller);
      EXPECT_EQ(identify.controller_id, controller.id());
      EXPECT_EQ(controller.id() > 100, node == &second);
      EXPECT_EQ(std::string(identify.serial_number, 6), "SERIAL");
      EXPECT_EQ(identify.cmic & 0xf, 0xb) << "several ports, several controllers, ANA";
      const auto name_space = controller.identify<nvme::IdentifyNamespace>(nvme::Cns::name_space, 1);
      EXPECT_EQ(std::memcmp(name_space.nguid, uuid_of(1).bytes.data(), 16), 0);
      EXPECT_EQ(name_space.nmic & 1, 1);
    }
  }
}

}  // namespace
}  // namespace ballast::test
