// Admin commands as such, asynchronous events and Abort. Rows N19, N20, N24, N25 and N28 of the bad-input
// table.
#include <gtest/gtest.h>

#include "support/native/held_bdev.h"
#include "support/native/raw_controller.h"

namespace ballast::test {
namespace {

namespace status = nvme::status;
using nvme::AdminOpcode;

class AdminBadInput : public ::testing::TestWithParam<uint32_t> {
 protected:
  AdminBadInput() : target(GetParam()), device(std::make_shared<HeldBdev>(1024)) {
    EXPECT_TRUE(target.add_subsystem());
    EXPECT_TRUE(target.add_namespace(1, device));
  }
  uint32_t last() const { return GetParam() - 1; }
  nvme::Command abort_command(uint16_t qid, uint16_t cid, uint16_t own_cid = 1) {
    nvme::Command command = admin_command(AdminOpcode::abort, own_cid);
    command.cdw10 = qid | uint32_t{cid} << 16;
    return command;
  }
  TargetWorld target;
  std::shared_ptr<HeldBdev> device;
};
INSTANTIATE_TEST_SUITE_P(Reactors, AdminBadInput, ::testing::Values(1, 3));

TEST_P(AdminBadInput, N19_every_unknown_admin_opcode_is_invalid) {
  RawController controller(target, 0);
  for (uint32_t opcode = 0; opcode < 256; ++opcode) {
    const bool known = opcode == 0x02 || opcode == 0x06 || opcode == 0x08 || opcode == 0x09 ||
                       opcode == 0x0a || opcode == 0x0c || opcode == 0x18 || opcode == 0x7f;
    if (known) continue;
    const Answer answer = controller.execute(command_of(static_cast<uint8_t>(opcode), 1, 1));
    EXPECT_TRUE(answer.answered) << opcode;
    EXPECT_TRUE(answer.status().is(status::invalid_opcode)) << opcode;
    EXPECT_TRUE(answer.status().do_not_retry()) << opcode;
  }
  EXPECT_TRUE(controller.csts().ready());
}

TEST_P(AdminBadInput, N19_every_unknown_io_opcode_is_invalid) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  for (uint32_t opcode = 0; opcode < 256; ++opcode) {
    const bool known = opcode == 0x00 || opcode == 0x01 || opcode == 0x02 || opcode == 0x05 ||
                       opcode == 0x08 || opcode == 0x09 || opcode == 0x0c || opcode == 0x19 || opcode == 0x7f;
    if (known) continue;
    const Answer answer = queue->execute(command_of(static_cast<uint8_t>(opcode), 1, 1));
    EXPECT_TRUE(answer.answered) << opcode;
    EXPECT_TRUE(answer.status().is(status::invalid_opcode)) << opcode;
  }
  EXPECT_TRUE(queue->execute(io_command(nvme::NvmOpcode::flush, 1, 1, 0, 1)).status().ok());
}

TEST_P(AdminBadInput, N20_fusing_prps_and_reserved_fields_of_admin_commands_are_invalid_fields) {
  RawController controller(target, 0);
  const auto expect_invalid = [&](auto change) {
    nvme::Command command = identify_command(nvme::Cns::controller);
    change(command);
    const Answer answer = controller.execute(command);
    EXPECT_TRUE(answer.answered);
    EXPECT_TRUE(answer.status().is(status::invalid_field)) << nvme::status_name(answer.status());
  };
  for (const uint8_t fuse : {1, 2, 3}) expect_invalid([=](nvme::Command& c) { c.flags |= fuse; });
  for (const uint8_t psdt : {0, 2, 3}) {
    expect_invalid([=](nvme::Command& c) { c.flags = static_cast<uint8_t>(psdt << 6); });
  }
  for (const int bit : {2, 3, 4, 5}) expect_invalid([=](nvme::Command& c) { c.flags |= 1 << bit; });
  expect_invalid([](nvme::Command& c) { c.cdw2 = 1; });
  expect_invalid([](nvme::Command& c) { c.cdw3 = 0x8000'0000; });
  expect_invalid([](nvme::Command& c) { c.metadata_pointer = 8; });
  EXPECT_TRUE(controller.execute(identify_command(nvme::Cns::controller)).status().ok());
}

TEST_P(AdminBadInput, N28_optional_admin_commands_are_neither_advertised_nor_there) {
  RawController controller(target, 0);
  const auto identify = controller.identify<nvme::IdentifyController>(nvme::Cns::controller);
  EXPECT_EQ(identify.oacs, 0);
  EXPECT_EQ(identify.sanicap, 0u);
  // Namespace Management, Firmware Commit and Download, Self-test, Attachment, Format, Security, Sanitize.
  for (const uint8_t opcode : {0x0d, 0x10, 0x11, 0x14, 0x15, 0x80, 0x81, 0x82, 0x84}) {
    EXPECT_TRUE(controller.execute(command_of(opcode, 1, 1)).status().is(status::invalid_opcode)) << +opcode;
  }
  const auto effects = controller.log<nvme::CommandEffectsLog>(nvme::LogPage::command_effects);
  EXPECT_EQ(effects.admin[0x80], 0u);
  EXPECT_NE(effects.admin[0x06], 0u);
  EXPECT_EQ(effects.io[0x04], 0u) << "Write Uncorrectable";
}

TEST_P(AdminBadInput, N24_more_event_requests_than_allowed_are_refused_and_the_others_wait_on) {
  RawController controller(target, 0);
  const auto identify = controller.identify<nvme::IdentifyController>(nvme::Cns::controller);
  RawHost& host = controller.admin().host();
  uint16_t cid = 100;
  for (int i = 0; i <= identify.aerl; ++i) {
    host.send_command(admin_command(AdminOpcode::async_event_request, cid++));
  }
  const Answer refused = controller.execute(admin_command(AdminOpcode::async_event_request, cid));
  EXPECT_TRUE(refused.status().is(status::async_event_request_limit_exceeded));
  EXPECT_TRUE(controller.execute(admin_command(AdminOpcode::keep_alive)).status().ok());
}

TEST_P(AdminBadInput, N25_abort_of_an_unknown_command_or_queue_says_not_aborted) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  for (const uint16_t qid : {0, 1, 2, 128, 129, 0xffff}) {
    const Answer answer = controller.execute(abort_command(qid, 77));
    EXPECT_TRUE(answer.status().ok());
    EXPECT_EQ(answer.completion.dw0, 1u) << qid;
  }
}

TEST_P(AdminBadInput, N25_abort_of_an_event_request_ends_it) {
  RawController controller(target, 0);
  RawHost& host = controller.admin().host();
  host.send_command(admin_command(AdminOpcode::async_event_request, 50));
  host.send_command(abort_command(0, 50, 51));
  const auto first = host.receive_pdu();
  const auto second = host.receive_pdu();
  ASSERT_TRUE(first && second);
  const auto aborted = first->as<tcp::CapsuleResp>().rccqe;
  EXPECT_EQ(aborted.cid, 50);
  EXPECT_TRUE(aborted.status().is(status::abort_requested));
  const auto abort = second->as<tcp::CapsuleResp>().rccqe;
  EXPECT_EQ(abort.cid, 51);
  EXPECT_TRUE(abort.status().ok());
  EXPECT_EQ(abort.dw0, 0u);
}

TEST_P(AdminBadInput, N25_abort_ends_a_write_that_waits_for_its_data) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  queue->host().send_command(with_transport_data(io_command(nvme::NvmOpcode::write, 9, 1, 0, 4), 4 * 4096));
  const auto r2t = queue->host().receive_pdu();
  ASSERT_TRUE(r2t && r2t->is(tcp::PduType::r2t));
  const Answer answer = controller.execute(abort_command(1, 9));
  EXPECT_TRUE(answer.status().ok());
  // Data that was asked for may still come, so the transport decides whether the command can be taken back.
  if (answer.completion.dw0 == 0) {
    const Answer write = queue->host().receive_answer(9);
    EXPECT_TRUE(write.status().is(status::abort_requested));
    EXPECT_EQ(device->writes_count(), 0u);
  } else {
    queue->host().answer_r2t(r2t->as<tcp::R2T>(), pattern(4 * 4096));
    EXPECT_TRUE(queue->host().receive_answer(9).status().ok());
  }
}

TEST_P(AdminBadInput, N25_abort_leaves_alone_what_a_device_has) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  device->hold(true);
  queue->host().send_command(with_capsule_data(io_command(nvme::NvmOpcode::write, 9, 1, 0, 1), 4096),
                             pattern(4096));
  ASSERT_TRUE(target.world().run_until([&] { return device->held_count() == 1; }));
  EXPECT_EQ(controller.execute(abort_command(1, 9)).completion.dw0, 1u);
  device->hold(false);
  EXPECT_TRUE(queue->host().receive_answer(9).status().ok());
}

TEST_P(AdminBadInput, N25_more_aborts_at_once_than_allowed_are_refused) {
  if (GetParam() == 1) target.world().network().delay_ns = k_ns_per_us;  // all in one turn
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  RawHost& host = controller.admin().host();
  Bytes burst;
  constexpr uint32_t k_count = nvme::k_abort_commands_max * 2;
  for (uint16_t i = 0; i < k_count; ++i) append(burst, build_capsule(abort_command(1, 77, i), {}, {}));
  host.send(burst);
  uint32_t refused = 0;
  for (uint32_t i = 0; i < k_count; ++i) {
    const auto pdu = host.receive_pdu();
    ASSERT_TRUE(pdu);
    const nvme::Status result = pdu->as<tcp::CapsuleResp>().rccqe.status();
    EXPECT_TRUE(result.ok() || result.is(status::abort_command_limit_exceeded));
    if (!result.ok()) ++refused;
  }
  EXPECT_GT(refused, 0u);
  EXPECT_EQ(controller.execute(abort_command(1, 77)).completion.dw0, 1u) << "the limit is on those under way";
}

class Events : public AdminBadInput {
 protected:
  // Reads the completion of a waiting event request; nothing within a moment is 0.
  uint32_t next_event(RawController& controller) {
    const auto pdu = controller.admin().host().receive_pdu(100 * k_ns_per_ms);
    return pdu ? pdu->as<tcp::CapsuleResp>().rccqe.dw0 : 0;
  }
  void request_event(RawController& controller, uint16_t cid) {
    controller.admin().host().send_command(admin_command(AdminOpcode::async_event_request, cid));
  }
  void enable_events(RawController& controller, uint32_t mask) {
    EXPECT_TRUE(controller.execute(set_features_command(nvme::FeatureId::async_event_configuration, mask))
                    .status()
                    .ok());
  }
};
INSTANTIATE_TEST_SUITE_P(Reactors, Events, ::testing::Values(1, 3));

TEST_P(Events, a_new_namespace_is_told_once_until_the_list_is_read) {
  RawController controller(target, last());
  enable_events(controller, nvme::k_event_namespace_attribute);
  request_event(controller, 50);
  request_event(controller, 51);
  ASSERT_TRUE(target.add_memory_namespace(2));
  EXPECT_EQ(next_event(controller), 0x0004'0002u);
  ASSERT_TRUE(target.add_memory_namespace(3));
  EXPECT_EQ(next_event(controller), 0u) << "silent until the log page is read";
  const auto changed = controller.log<nvme::ChangedNamespacesLog>(nvme::LogPage::changed_namespaces);
  EXPECT_EQ(changed.nsids[0], 2u);
  EXPECT_EQ(changed.nsids[1], 3u);
  EXPECT_EQ(changed.nsids[2], 0u);
  const auto again = controller.log<nvme::ChangedNamespacesLog>(nvme::LogPage::changed_namespaces);
  EXPECT_EQ(again.nsids[0], 0u) << "cleared by reading";
  ASSERT_TRUE(
      target.change([&](auto done) { return target.target().remove_namespace(k_subsystem, 3, done); }));
  EXPECT_EQ(next_event(controller), 0x0004'0002u);
}

TEST_P(Events, retaining_the_event_keeps_it_silent) {
  RawController controller(target, 0);
  enable_events(controller, nvme::k_event_namespace_attribute);
  request_event(controller, 50);
  request_event(controller, 51);
  ASSERT_TRUE(target.add_memory_namespace(2));
  EXPECT_EQ(next_event(controller), 0x0004'0002u);
  nvme::Command command = log_command(nvme::LogPage::changed_namespaces, 4096);
  command.cdw10 |= 1u << 15;
  EXPECT_EQ(load<nvme::ChangedNamespacesLog>(controller.execute(command).data).nsids[0], 2u);
  ASSERT_TRUE(target.add_memory_namespace(3));
  EXPECT_EQ(next_event(controller), 0u);
}

TEST_P(Events, an_event_without_a_request_waits_for_one) {
  RawController controller(target, 0);
  enable_events(controller, nvme::k_event_namespace_attribute);
  ASSERT_TRUE(target.add_memory_namespace(2));
  request_event(controller, 50);
  EXPECT_EQ(next_event(controller), 0x0004'0002u);
}

TEST_P(Events, what_is_not_enabled_is_not_told) {
  RawController controller(target, 0);
  request_event(controller, 50);
  ASSERT_TRUE(target.add_memory_namespace(2));
  EXPECT_EQ(next_event(controller), 0u);
}

TEST_P(Events, a_namespace_that_changed_its_size_is_told_and_shows_it) {
  RawController controller(target, 0);
  enable_events(controller, nvme::k_event_namespace_attribute);
  request_event(controller, 50);
  device->resize(2048);
  EXPECT_EQ(controller.identify<nvme::IdentifyNamespace>(nvme::Cns::name_space, 1).nsze, 1024u);
  ASSERT_TRUE(
      target.change([&](auto done) { return target.target().namespace_changed(k_subsystem, 1, done); }));
  EXPECT_EQ(next_event(controller), 0x0004'0002u);
  EXPECT_EQ(controller.identify<nvme::IdentifyNamespace>(nvme::Cns::name_space, 1).nsze, 2048u);
}

TEST_P(Events, a_reset_ends_waiting_requests) {
  RawController controller(target, 0);
  request_event(controller, 50);
  RawHost& host = controller.admin().host();
  host.send_command(property_set_command(nvme::property::cc, 0, 0, 51));
  const auto first = host.receive_pdu();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->as<tcp::CapsuleResp>().rccqe.cid, 50);
  EXPECT_TRUE(first->as<tcp::CapsuleResp>().rccqe.status().is(status::abort_requested));
}

}  // namespace
}  // namespace ballast::test
