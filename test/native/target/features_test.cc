// Get and Set Features. Row N23 of the bad-input table.
#include <gtest/gtest.h>

#include "support/native/held_bdev.h"
#include "support/native/raw_controller.h"

namespace ballast::test {
namespace {

namespace status = nvme::status;
using nvme::FeatureId;

class FeatureBadInput : public ::testing::Test {
 protected:
  FeatureBadInput() : target(3) {
    EXPECT_TRUE(target.add_subsystem());
    EXPECT_TRUE(target.add_memory_namespace(1));
  }
  uint32_t get(RawController& controller, FeatureId id, uint32_t select = 0) {
    const Answer answer = controller.execute(get_features_command(id, select));
    EXPECT_TRUE(answer.status().ok()) << nvme::status_name(answer.status());
    return answer.completion.dw0;
  }
  nvme::Status set(RawController& controller, FeatureId id, uint32_t value, uint32_t nsid = 0) {
    return controller.execute(set_features_command(id, value, nsid)).status();
  }
  TargetWorld target;
};
class FeatureCommands : public FeatureBadInput {};

TEST_F(FeatureBadInput, N23_saving_is_refused_for_every_feature) {
  RawController controller(target, 0);
  for (const FeatureId id : {FeatureId::arbitration, FeatureId::number_of_queues,
                             FeatureId::async_event_configuration, FeatureId::keep_alive_timer}) {
    nvme::Command command = set_features_command(id, 0x0001'0001);
    command.cdw10 |= 1u << 31;
    EXPECT_TRUE(controller.execute(command).status().is(status::feature_not_saveable));
  }
  EXPECT_EQ(get(controller, FeatureId::number_of_queues), 0x007f'007fu);
}

TEST_F(FeatureBadInput, N23_what_cannot_be_changed_is_not) {
  ASSERT_TRUE(target.add_namespace(2, std::make_shared<HeldBdev>(16, true)));
  RawController controller(target, 0);
  EXPECT_TRUE(set(controller, FeatureId::volatile_write_cache, 0).is(status::feature_not_changeable));
  EXPECT_EQ(get(controller, FeatureId::volatile_write_cache), 1u);
  EXPECT_TRUE(set(controller, FeatureId::host_identifier, 1).is(status::command_sequence_error));
}

TEST_F(FeatureBadInput, N23_without_a_write_cache_there_is_no_such_feature) {
  RawController controller(target, 0);
  EXPECT_TRUE(set(controller, FeatureId::volatile_write_cache, 1).is(status::invalid_field));
  EXPECT_TRUE(controller.execute(get_features_command(FeatureId::volatile_write_cache))
                  .status()
                  .is(status::invalid_field));
}

TEST_F(FeatureBadInput, N23_a_namespace_for_a_controller_feature_is_refused) {
  RawController controller(target, 0);
  EXPECT_TRUE(set(controller, FeatureId::arbitration, 1, 1).is(status::feature_not_namespace_specific));
  EXPECT_TRUE(set(controller, FeatureId::arbitration, 1, 77).is(status::feature_not_namespace_specific));
  EXPECT_TRUE(set(controller, FeatureId::error_recovery, 1, 77).is(status::invalid_namespace_or_format));
  EXPECT_TRUE(set(controller, FeatureId::error_recovery, 1, 1).ok());
}

TEST_F(FeatureBadInput, N23_unknown_features_and_selectors_are_invalid_fields) {
  RawController controller(target, 0);
  for (uint32_t id = 0; id < 256; ++id) {
    const bool known = id == 1 || id == 2 || id == 4 || id == 5 || id == 7 || id == 0x0a || id == 0x0b ||
                       id == 0x0f || id == 0x16 || id == 0x81;
    if (known) continue;
    EXPECT_TRUE(set(controller, static_cast<FeatureId>(id), 0).is(status::invalid_field)) << id;
    EXPECT_TRUE(controller.execute(get_features_command(static_cast<FeatureId>(id)))
                    .status()
                    .is(status::invalid_field))
        << id;
  }
  for (const uint32_t select : {4u, 5u, 6u, 7u}) {
    EXPECT_TRUE(controller.execute(get_features_command(FeatureId::arbitration, select))
                    .status()
                    .is(status::invalid_field));
  }
}

TEST_F(FeatureBadInput, N23_a_number_of_queues_that_cannot_be_or_comes_late_is_refused) {
  RawController controller(target, 0);
  for (const uint32_t value : {0xffff'0000u, 0x0000'ffffu, 0xffff'ffffu}) {
    EXPECT_TRUE(set(controller, FeatureId::number_of_queues, value).is(status::invalid_field));
  }
  const auto queue = controller.connect_io(1, 2);
  EXPECT_TRUE(set(controller, FeatureId::number_of_queues, 0).is(status::command_sequence_error));
  EXPECT_EQ(get(controller, FeatureId::number_of_queues), 0x007f'007fu);
}

TEST_F(FeatureBadInput, N23_events_and_values_that_do_not_exist_are_invalid_fields) {
  RawController controller(target, 0);
  EXPECT_TRUE(set(controller, FeatureId::async_event_configuration, 1u << 31).is(status::invalid_field));
  EXPECT_TRUE(set(controller, FeatureId::power_management, 1).is(status::invalid_field));
  EXPECT_TRUE(set(controller, FeatureId::error_recovery, 1u << 16, 1).is(status::invalid_field));
  EXPECT_TRUE(set(controller, FeatureId::temperature_threshold, 3u << 20).is(status::invalid_field));
  EXPECT_EQ(get(controller, FeatureId::async_event_configuration), 0u);
}

TEST_F(FeatureBadInput, N23_host_behavior_of_what_is_not_offered_is_refused) {
  RawController controller(target, 0);
  nvme::HostBehaviorSupport behavior;
  behavior.lba_format_extension = 1;
  EXPECT_TRUE(
      controller.execute(set_features_command(FeatureId::host_behavior_support, 0), bytes_of(behavior))
          .status()
          .is(status::invalid_field));
  EXPECT_TRUE(controller.execute(set_features_command(FeatureId::host_behavior_support, 0))
                  .status()
                  .is(status::data_sgl_length_invalid));
  behavior.lba_format_extension = 0;
  behavior.advanced_command_retry = 1;
  EXPECT_TRUE(
      controller.execute(set_features_command(FeatureId::host_behavior_support, 0), bytes_of(behavior))
          .status()
          .ok());
  const Answer answer =
      controller.execute(with_transport_data(get_features_command(FeatureId::host_behavior_support), 512));
  EXPECT_EQ(load<nvme::HostBehaviorSupport>(answer.data).advanced_command_retry, 1);
}

TEST_F(FeatureCommands, number_of_queues_grants_the_smaller_of_both_up_to_128) {
  RawController controller(target, 0);
  EXPECT_EQ(controller.execute(set_features_command(FeatureId::number_of_queues, 0x0003'0007)).completion.dw0,
            0x0003'0003u);
  EXPECT_EQ(controller.execute(set_features_command(FeatureId::number_of_queues, 0xfffe'fffe)).completion.dw0,
            0x007f'007fu);
}

TEST_F(FeatureCommands, host_identifier_is_the_one_of_connect) {
  RawController controller(target, 0);
  nvme::Command command = get_features_command(FeatureId::host_identifier);
  EXPECT_TRUE(controller.execute(with_transport_data(command, 16)).status().is(status::invalid_field));
  command.cdw11 = 1;
  EXPECT_EQ(controller.execute(with_transport_data(command, 16)).data, Bytes(16, 0x5a));
}

TEST_F(FeatureCommands, selectors_tell_default_and_capabilities) {
  RawController controller(target, 0);
  EXPECT_TRUE(set(controller, FeatureId::arbitration, 7).ok());
  EXPECT_EQ(get(controller, FeatureId::arbitration, 0), 7u);
  EXPECT_EQ(get(controller, FeatureId::arbitration, 1), 0u);
  EXPECT_EQ(get(controller, FeatureId::arbitration, 2), 0u);
  EXPECT_EQ(get(controller, FeatureId::arbitration, 3), nvme::k_feature_changeable);
}

TEST_F(FeatureCommands, a_reset_brings_back_the_defaults) {
  RawController controller(target, 0);
  EXPECT_TRUE(set(controller, FeatureId::arbitration, 7).ok());
  EXPECT_TRUE(set(controller, FeatureId::async_event_configuration, 1u << 8).ok());
  EXPECT_TRUE(set(controller, FeatureId::number_of_queues, 0).ok());
  ASSERT_TRUE(controller.set_cc(0).ok());
  ASSERT_TRUE(controller.wait_ready(false));
  ASSERT_TRUE(controller.enable());
  EXPECT_EQ(get(controller, FeatureId::arbitration), 0u);
  EXPECT_EQ(get(controller, FeatureId::async_event_configuration), 0u);
  EXPECT_EQ(get(controller, FeatureId::number_of_queues), 0x007f'007fu);
}

}  // namespace
}  // namespace ballast::test
