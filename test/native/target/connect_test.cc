// Connect, and the Fabrics commands around it. Rows F1 to F19, F21, F30 and F31 of the bad-input table.
#include <gtest/gtest.h>

#include "support/native/raw_controller.h"
#include "target/connect_request.h"

namespace ballast::test {
namespace {

namespace status = nvme::status;

constexpr uint32_t k_in_data = 1u << 16;
constexpr uint32_t k_qid_offset = 42, k_sqsize_offset = 44;
constexpr uint32_t k_host_id_offset = 0, k_cntlid_offset = 16, k_subnqn_offset = 256, k_hostnqn_offset = 512;

// With one reactor, and with I/O queues on other reactors than the admin queue's.
class ConnectBadInput : public ::testing::TestWithParam<uint32_t> {
 protected:
  ConnectBadInput() : target(GetParam()) {
    EXPECT_TRUE(target.add_subsystem());
    EXPECT_TRUE(target.add_memory_namespace(1));
  }
  uint32_t last() const { return GetParam() - 1; }
  ConnectFields admin_fields() const {
    ConnectFields fields;
    fields.subsystem_nqn = k_subsystem;
    return fields;
  }
  // What a fresh connection gets for this Connect.
  Answer connect_once(const ConnectFields& fields, uint32_t reactor = 0) {
    RawQueue queue(target, reactor);
    return queue.connect(fields);
  }
  void expect_invalid(const Answer& answer, uint32_t dw0) {
    EXPECT_TRUE(answer.answered);
    EXPECT_TRUE(answer.status().is(status::connect_invalid_parameters)) << nvme::status_name(answer.status());
    EXPECT_EQ(answer.completion.dw0, dw0);
  }
  TargetWorld target;
};
INSTANTIATE_TEST_SUITE_P(Reactors, ConnectBadInput, ::testing::Values(1, 3));

TEST_P(ConnectBadInput, F1_a_command_before_connect_is_a_sequence_error_and_connect_still_works) {
  RawQueue queue(target, 0);
  for (const nvme::Command& command :
       {identify_command(nvme::Cns::controller), property_get_command(nvme::property::cap, 1),
        io_command(nvme::NvmOpcode::flush, 1, 1, 0, 1), admin_command(nvme::AdminOpcode::keep_alive),
        command_of(nvme::k_opcode_fabrics, 1, 0xc0), disconnect_command()}) {
    const Answer answer = queue.execute(command);
    ASSERT_TRUE(answer.answered);
    EXPECT_TRUE(answer.status().is(status::command_sequence_error)) << nvme::status_name(answer.status());
  }
  EXPECT_TRUE(queue.connect(admin_fields()).status().ok());
}

TEST_P(ConnectBadInput, F2_connect_data_below_1024_bytes_is_a_wrong_sgl_length) {
  for (const size_t bytes : {size_t{16}, size_t{1008}, size_t{1023}}) {
    RawQueue queue(target, 0);
    Bytes data = connect_data(admin_fields());
    data.resize(bytes);
    const Answer answer = queue.execute(connect_command(admin_fields()), data);
    ASSERT_TRUE(answer.answered) << bytes;
    EXPECT_TRUE(answer.status().is(status::data_sgl_length_invalid)) << nvme::status_name(answer.status());
  }
  RawQueue queue(target, 0);
  EXPECT_TRUE(queue.execute(connect_command(admin_fields())).status().is(status::data_sgl_length_invalid));
}

TEST_P(ConnectBadInput, F3_an_unknown_record_format_is_incompatible) {
  RawQueue queue(target, 0);
  nvme::Command command = connect_command(admin_fields());
  command.cdw10 |= 1;
  const Answer answer = queue.execute(command, connect_data(admin_fields()));
  EXPECT_TRUE(answer.status().is(status::connect_incompatible_format));
}

TEST_P(ConnectBadInput, F4_a_queue_size_of_zero_or_above_the_maximum_is_refused) {
  for (const uint16_t sqsize : {0, 128, 0xffff}) {
    ConnectFields fields = admin_fields();
    fields.sqsize = sqsize;
    expect_invalid(connect_once(fields), k_sqsize_offset);
  }
  RawController controller(target, 0);
  for (const uint16_t sqsize : {0, 1024, 0xffff}) {
    ConnectFields fields = controller.connect_fields(1);
    fields.sqsize = sqsize;
    expect_invalid(connect_once(fields, last()), k_sqsize_offset);
  }
  ConnectFields fields = controller.connect_fields(1);
  fields.sqsize = 1023;
  EXPECT_TRUE(connect_once(fields, last()).status().ok());
}

TEST_P(ConnectBadInput, F5_a_queue_identifier_above_what_was_granted_is_refused) {
  RawController controller(target, 0);
  const Answer granted =
      controller.execute(set_features_command(nvme::FeatureId::number_of_queues, 0x0001'0001));
  EXPECT_EQ(granted.completion.dw0, 0x0001'0001u);
  for (const uint16_t qid : {3, 128, 129, 0xffff}) {
    expect_invalid(connect_once(controller.connect_fields(qid), last()), k_qid_offset);
  }
  EXPECT_NE(controller.connect_io(2, last()), nullptr);
}

TEST_P(ConnectBadInput, F6_a_duplicate_queue_identifier_is_refused_after_a_short_wait) {
  RawController controller(target, 0);
  const auto first = controller.connect_io(1, last());
  const uint64_t before = target.world().clock().now_ns();
  const Answer answer = connect_once(controller.connect_fields(1), 0);
  ASSERT_TRUE(answer.answered);
  EXPECT_TRUE(answer.status().is(status::command_sequence_error)) << nvme::status_name(answer.status());
  EXPECT_LE(target.world().clock().now_ns() - before, 2 * k_ns_per_s);
  EXPECT_TRUE(first->execute(io_command(nvme::NvmOpcode::flush, 1, 1, 0, 1)).status().ok());
}

TEST_P(ConnectBadInput, F6_a_reconnect_that_overtakes_the_end_of_the_old_queue_gets_it) {
  RawController controller(target, 0);
  auto first = controller.connect_io(1, last());
  RawQueue second(target, 0);
  const ConnectFields fields = controller.connect_fields(1);
  const Bytes data = connect_data(fields);
  second.host().send_command(with_capsule_data(connect_command(fields), 1024), data);
  target.world().advance(100 * k_ns_per_ms);
  first->peer().reset();
  const Answer answer = second.host().receive_answer(fields.cid);
  ASSERT_TRUE(answer.answered);
  EXPECT_TRUE(answer.status().ok()) << nvme::status_name(answer.status());
}

TEST_P(ConnectBadInput, F7_an_admin_connect_that_names_a_controller_is_refused) {
  for (const uint16_t cntlid : {0, 1, 0xfffe}) {
    ConnectFields fields = admin_fields();
    fields.cntlid = cntlid;
    expect_invalid(connect_once(fields), k_in_data | k_cntlid_offset);
  }
}

TEST_P(ConnectBadInput, F8_an_io_connect_to_a_controller_that_does_not_exist_is_refused) {
  RawController controller(target, 0);
  for (const uint32_t cntlid : {0u, controller.id() + 1u, 0xfff0u, 0xffffu}) {
    ConnectFields fields = controller.connect_fields(1);
    fields.cntlid = static_cast<uint16_t>(cntlid);
    expect_invalid(connect_once(fields, last()), k_in_data | k_cntlid_offset);
  }
}

TEST_P(ConnectBadInput, F9_an_io_connect_to_another_hosts_controller_is_refused) {
  ASSERT_TRUE(target.add_subsystem("nqn.2026-11.dev.ballast:volume:two"));
  RawController controller(target, 0);
  ConnectFields other_nqn = controller.connect_fields(1);
  other_nqn.host_nqn = k_other_host;
  ConnectFields other_id = controller.connect_fields(1);
  other_id.host_id_byte = 0x77;
  ConnectFields other_subsystem = controller.connect_fields(1);
  other_subsystem.subsystem_nqn = "nqn.2026-11.dev.ballast:volume:two";
  for (const ConnectFields& fields : {other_nqn, other_id, other_subsystem}) {
    expect_invalid(connect_once(fields, last()), k_in_data | k_cntlid_offset);
  }
  EXPECT_NE(controller.connect_io(1, last()), nullptr);
}

TEST_P(ConnectBadInput, F10_an_io_connect_to_a_controller_that_is_not_enabled_is_refused) {
  RawController::Options options;
  options.enable = false;
  RawController controller(target, 0, options);
  expect_invalid(connect_once(controller.connect_fields(1), last()), k_qid_offset);
  ASSERT_TRUE(controller.enable());
  EXPECT_TRUE(connect_once(controller.connect_fields(1), last()).status().ok());
  ASSERT_TRUE(controller.set_cc(k_cc_enable & ~1u).ok());
  ASSERT_TRUE(controller.wait_ready(false));
  expect_invalid(connect_once(controller.connect_fields(1), last()), k_qid_offset);
  ASSERT_TRUE(controller.enable());
  ASSERT_TRUE(controller.set_cc(k_cc_enable | 1u << 14).ok());
  expect_invalid(connect_once(controller.connect_fields(1), last()), k_qid_offset);
}

TEST_P(ConnectBadInput, F11_a_discovery_controller_has_no_io_queues) {
  RawController::Options options;
  options.subsystem_nqn = nvme::k_discovery_nqn;
  RawController controller(target, 0, options);
  expect_invalid(connect_once(controller.connect_fields(1), last()), k_qid_offset);
}

TEST_P(ConnectBadInput, F12_wrong_queue_entry_sizes_refuse_io_queues) {
  for (const uint32_t sizes : {0u, 5u << 16 | 4u << 20, 6u << 16 | 5u << 20, 15u << 16 | 15u << 20}) {
    RawController::Options options;
    options.enable = false;
    RawController controller(target, 0, options);
    ASSERT_TRUE(controller.set_cc(1 | sizes).ok());
    const Answer answer = connect_once(controller.connect_fields(1), last());
    EXPECT_TRUE(answer.status().is(status::connect_invalid_parameters));
  }
}

TEST_P(ConnectBadInput, F13_an_unknown_subsystem_is_refused_and_may_be_retried) {
  ConnectFields fields = admin_fields();
  fields.subsystem_nqn = "nqn.2026-11.dev.ballast:volume:none";
  const Answer answer = connect_once(fields);
  expect_invalid(answer, k_in_data | k_subnqn_offset);
  EXPECT_FALSE(answer.status().do_not_retry());
}

TEST_P(ConnectBadInput, F14_a_host_name_that_is_no_nqn_is_refused) {
  const std::string start = "nqn.2014-08.org.example:";
  for (const std::string& name :
       {std::string(), std::string("host"), start + std::string(224 - start.size(), 'x'),
        start + std::string(256 - start.size(), 'x'), start + "\xff\xfe", start + "\xc0\x80",
        start + "a\nb"}) {
    ConnectFields fields = admin_fields();
    fields.host_nqn = name;
    RawQueue queue(target, 0);
    Bytes data = connect_data(fields);
    data.resize(1024);
    expect_invalid(queue.execute(connect_command(fields), data), k_in_data | k_hostnqn_offset);
  }
  ConnectFields fields = admin_fields();
  fields.subsystem_nqn = std::string("nqn.2014-08.org.example:") + std::string(232, 'x');
  expect_invalid(connect_once(fields), k_in_data | k_subnqn_offset);
}

TEST_P(ConnectBadInput, F15_a_host_identifier_of_zero_is_refused) {
  ConnectFields fields = admin_fields();
  fields.host_id_byte = 0;
  expect_invalid(connect_once(fields), k_in_data | k_host_id_offset);
}

TEST_P(ConnectBadInput, F16_one_host_identifier_with_two_host_names_is_refused) {
  ConnectFields other = admin_fields();
  other.host_nqn = k_other_host;
  {
    RawController controller(target, 0);
    expect_invalid(connect_once(other, last()), k_in_data | k_host_id_offset);
    // The reverse, and the same host again, are accepted.
    ConnectFields second_id = admin_fields();
    second_id.host_id_byte = 0x33;
    EXPECT_TRUE(connect_once(second_id, last()).status().ok());
    EXPECT_TRUE(connect_once(admin_fields(), last()).status().ok());
  }
  target.world().advance(k_ns_per_s);
  EXPECT_TRUE(connect_once(other, last()).status().ok()) << "the first host has gone";
}

TEST_P(ConnectBadInput, F17_a_host_that_is_not_on_the_list_is_refused_for_good) {
  ASSERT_TRUE(target.change(
      [&](auto done) { return target.target().set_hosts(k_subsystem, false, {k_other_host}, done); }));
  const Answer answer = connect_once(admin_fields());
  EXPECT_TRUE(answer.status().is(status::connect_invalid_host));
  EXPECT_TRUE(answer.status().do_not_retry());
  ConnectFields other = admin_fields();
  other.host_nqn = k_other_host;
  EXPECT_TRUE(connect_once(other).status().ok());
}

TEST_P(ConnectBadInput, F19_a_second_connect_is_a_sequence_error_and_the_queue_goes_on) {
  RawController controller(target, 0);
  EXPECT_TRUE(
      controller.admin().connect(controller.connect_fields(0)).status().is(status::command_sequence_error));
  EXPECT_TRUE(controller.csts().ready());
  const auto queue = controller.connect_io(1, last());
  EXPECT_TRUE(queue->connect(controller.connect_fields(1)).status().is(status::command_sequence_error));
  EXPECT_TRUE(queue->execute(io_command(nvme::NvmOpcode::flush, 1, 1, 0, 1)).status().ok());
}

TEST_P(ConnectBadInput, F21_property_commands_on_an_io_queue_are_invalid_opcodes) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  EXPECT_TRUE(
      queue->execute(property_get_command(nvme::property::cap, 1)).status().is(status::invalid_opcode));
  EXPECT_TRUE(
      queue->execute(property_set_command(nvme::property::cc, 0, 0)).status().is(status::invalid_opcode));
  EXPECT_TRUE(controller.csts().ready());
}

TEST_P(ConnectBadInput, F30_unknown_fabrics_types_are_invalid_opcodes) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  for (uint32_t type = 0; type < 256; ++type) {
    if (type <= 1 || type == 4 || type == 8) continue;
    nvme::Command command = command_of(nvme::k_opcode_fabrics, 1, type);
    EXPECT_TRUE(controller.execute(command).status().is(status::invalid_opcode)) << type;
    EXPECT_TRUE(queue->execute(command).status().is(status::invalid_opcode)) << type;
  }
}

TEST_P(ConnectBadInput, F31_disconnect_on_the_admin_queue_is_of_the_wrong_queue_type) {
  RawController controller(target, 0);
  EXPECT_TRUE(controller.execute(disconnect_command()).status().is(status::invalid_queue_type));
  EXPECT_TRUE(controller.csts().ready());
}

class Connect : public ConnectBadInput {};
INSTANTIATE_TEST_SUITE_P(Reactors, Connect, ::testing::Values(1, 3));

TEST_P(Connect, disconnect_ends_an_io_queue_and_frees_its_identifier) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  nvme::Command wrong = disconnect_command();
  wrong.cdw10 = 1;
  EXPECT_TRUE(queue->execute(wrong).status().is(status::connect_incompatible_format));
  EXPECT_TRUE(queue->execute(disconnect_command()).status().ok());
  EXPECT_TRUE(closes_within(target, *queue, k_ns_per_s));
  EXPECT_NE(controller.connect_io(1, last()), nullptr);
}

TEST_P(Connect, all_io_queues_that_identify_allows_can_connect) {
  RawController controller(target, 0);
  std::vector<std::unique_ptr<RawQueue>> queues;
  for (uint16_t qid = 1; qid <= nvme::k_io_queues_max; ++qid) {
    queues.push_back(controller.connect_io(qid, qid % GetParam()));
    ASSERT_NE(queues.back(), nullptr);
  }
  EXPECT_TRUE(queues.back()->execute(io_command(nvme::NvmOpcode::flush, 1, 1, 0, 1)).status().ok());
}

TEST_P(Connect, a_refused_connect_may_be_repeated_on_the_same_connection) {
  RawQueue queue(target, 0);
  ConnectFields wrong = admin_fields();
  wrong.host_id_byte = 0;
  EXPECT_FALSE(queue.connect(wrong).status().ok());
  EXPECT_TRUE(queue.connect(admin_fields()).status().ok());
}

TEST_P(Connect, closing_the_admin_queue_closes_the_io_queues) {
  auto controller = std::make_unique<RawController>(target, 0);
  const auto queue = controller->connect_io(1, last());
  controller->admin().peer().close();
  EXPECT_TRUE(closes_within(target, *queue, k_ns_per_s));
  target.world().advance(k_ns_per_s);
  EXPECT_EQ(target.target().controllers_count(), 0u);
}

TEST_P(Connect, a_host_that_goes_at_any_moment_of_an_io_connect_leaves_nothing_behind) {
  RawController controller(target, 0);
  for (uint16_t i = 0; i < 40; ++i) {
    RawQueue queue(target, last());
    const ConnectFields fields = controller.connect_fields(1);
    queue.host().send_command(with_capsule_data(connect_command(fields), 1024), connect_data(fields));
    for (uint16_t turns = 0; turns < i % 8; ++turns) {
      for (uint32_t reactor = 0; reactor < GetParam(); ++reactor) {
        target.world().on(target.reactor(reactor), [&] { target.reactor(reactor).turn(); });
      }
    }
    queue.peer().reset();
    target.world().advance(10 * k_ns_per_ms);
  }
  EXPECT_NE(controller.connect_io(1, last()), nullptr) << "the identifier is free";
}

TEST_P(Connect, controller_identifiers_of_one_range_are_never_shared) {
  std::vector<std::unique_ptr<RawController>> controllers;
  std::set<uint16_t> ids;
  for (uint32_t i = 0; i < 12; ++i) {
    controllers.push_back(std::make_unique<RawController>(target, i % GetParam()));
    ids.insert(controllers.back()->id());
  }
  EXPECT_EQ(ids.size(), 12u);
  EXPECT_EQ(target.target().controllers_count(), 12u);
}

TEST(ConnectLimits, a_range_without_a_free_controller_identifier_answers_busy) {
  target::TargetOptions options;
  options.controller_id_first = 5;
  options.controller_id_last = 6;
  TargetWorld target(1, options);
  ASSERT_TRUE(target.add_subsystem());
  RawController first(target, 0);
  auto second = std::make_unique<RawController>(target, 0);
  EXPECT_EQ(first.id() + second->id(), 11);
  RawQueue third(target, 0);
  EXPECT_TRUE(third.connect(first.connect_fields(0)).status().is(status::connect_controller_busy));
  second.reset();
  target.world().advance(k_ns_per_s);
  EXPECT_TRUE(third.connect(first.connect_fields(0)).status().ok());
}

TEST(RefusalText, names_the_field_that_a_host_got_wrong) {
  EXPECT_EQ(target::refusal_text(target::invalid_data_field(offsetof(nvme::ConnectData, host_nqn))),
            std::string(nvme::status_name(status::connect_invalid_parameters)) + ": host NQN");
  EXPECT_EQ(target::refusal_text({status::connect_invalid_host}),
            nvme::status_name(status::connect_invalid_host));
}

}  // namespace
}  // namespace ballast::test
