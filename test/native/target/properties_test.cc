// Properties, enabling, reset and shutdown. Rows F20, F22 and F23 of the bad-input table.
#include <gtest/gtest.h>

#include "support/native/held_bdev.h"
#include "support/native/raw_controller.h"

namespace ballast::test {
namespace {

namespace status = nvme::status;
namespace property = nvme::property;

class Properties : public ::testing::TestWithParam<uint32_t> {
 protected:
  Properties() : target(GetParam()), device(std::make_shared<HeldBdev>(1024)) {
    EXPECT_TRUE(target.add_subsystem());
    EXPECT_TRUE(target.add_namespace(1, device));
  }
  uint32_t last() const { return GetParam() - 1; }
  TargetWorld target;
  std::shared_ptr<HeldBdev> device;
};
INSTANTIATE_TEST_SUITE_P(Reactors, Properties, ::testing::Values(1, 3));
class PropertyBadInput : public Properties {};
INSTANTIATE_TEST_SUITE_P(Reactors, PropertyBadInput, ::testing::Values(1, 3));

TEST_P(PropertyBadInput, F20_property_get_of_a_wrong_offset_or_size_is_an_invalid_field) {
  RawController controller(target, 0);
  for (uint32_t offset = 0; offset < 0x80; ++offset) {
    const bool is_cap = offset == property::cap;
    const bool is_4_bytes = offset == property::vs || offset == property::cc || offset == property::csts ||
                            offset == property::crto;
    for (uint8_t size = 0; size < 8; ++size) {
      const Answer answer = controller.execute(property_get_command(offset, size));
      const bool allowed = (is_cap && size == 1) || (is_4_bytes && size == 0);
      EXPECT_TRUE(answer.status().is(allowed ? status::success : status::invalid_field))
          << offset << " " << int{size};
    }
  }
  EXPECT_TRUE(controller.execute(property_get_command(0xffff'fffc, 0)).status().is(status::invalid_field));
}

TEST_P(PropertyBadInput, F20_property_set_of_anything_but_cc_changes_nothing) {
  RawController controller(target, 0);
  const uint64_t cc = controller.get_property(property::cc);
  for (uint32_t offset = 0; offset < 0x80; ++offset) {
    for (uint8_t size = 0; size < 8; ++size) {
      if (offset == property::cc && size == 0) continue;
      const Answer answer = controller.execute(property_set_command(offset, size, ~0ull));
      EXPECT_TRUE(answer.status().is(status::invalid_field)) << offset << " " << int{size};
      EXPECT_TRUE(answer.status().do_not_retry());
    }
  }
  EXPECT_EQ(controller.get_property(property::cc), cc);
  EXPECT_TRUE(controller.csts().ready());
}

TEST_P(PropertyBadInput, F23_an_unsupported_page_size_arbitration_or_command_set_leaves_cc_alone) {
  RawController::Options options;
  options.enable = false;
  RawController controller(target, 0, options);
  std::vector<uint32_t> wrong = {1u << 1, 1u << 24, 1u << 31};
  for (uint32_t i = 1; i < 16; ++i) wrong.push_back(i << 7);
  for (uint32_t i = 1; i < 8; ++i) wrong.push_back(i << 11);
  for (const uint32_t css : {1, 2, 3, 4, 5, 6, 7}) wrong.push_back(css << 4);
  for (const uint32_t bits : wrong) {
    EXPECT_TRUE(controller.set_cc(k_cc_enable | bits).is(status::invalid_field)) << bits;
    EXPECT_EQ(controller.get_property(property::cc), 0u);
  }
  EXPECT_FALSE(controller.csts().ready());
}

TEST_P(PropertyBadInput, F22_the_reserved_shutdown_notification_is_refused) {
  RawController controller(target, 0);
  EXPECT_TRUE(controller.set_cc(k_cc_enable | 3u << 14).is(status::invalid_field));
  EXPECT_EQ(controller.csts().shutdown(), nvme::ControllerStatus::k_shutdown_normal_operation);
  EXPECT_NE(controller.connect_io(1, last()), nullptr);
}

TEST_P(PropertyBadInput, F22_ready_falls_only_after_the_last_device_io_and_nothing_is_acked_then) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  device->hold(true);
  const Bytes data = pattern(4096);
  queue->host().send_command(with_capsule_data(io_command(nvme::NvmOpcode::write, 9, 1, 0, 1), 4096), data);
  ASSERT_TRUE(target.world().run_until([&] { return device->held_count() == 1; }));
  ASSERT_TRUE(controller.set_cc(k_cc_enable & ~1u).ok());
  target.world().advance(k_ns_per_s);
  EXPECT_TRUE(controller.csts().ready()) << "a write is still at the device";
  EXPECT_TRUE(closes_within(target, *queue, k_ns_per_s));
  device->hold(false);
  EXPECT_TRUE(controller.wait_ready(false));
  EXPECT_TRUE(controller.enable());
  EXPECT_NE(controller.connect_io(1, last()), nullptr);
}

TEST_P(PropertyBadInput, F22_enabling_while_the_reset_drains_is_ready_after_it) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  device->hold(true);
  queue->host().send_command(with_capsule_data(io_command(nvme::NvmOpcode::write, 9, 1, 0, 1), 4096),
                             pattern(4096));
  ASSERT_TRUE(target.world().run_until([&] { return device->held_count() == 1; }));
  ASSERT_TRUE(controller.set_cc(k_cc_enable & ~1u).ok());
  ASSERT_TRUE(controller.set_cc(k_cc_enable).ok());
  RawQueue early(target, last());
  EXPECT_TRUE(early.connect(controller.connect_fields(2)).status().is(status::connect_invalid_parameters));
  device->hold(false);
  target.world().advance(k_ns_per_s);
  EXPECT_TRUE(controller.csts().ready());
  EXPECT_NE(controller.connect_io(1, last()), nullptr);
}

TEST_P(PropertyBadInput, F22_a_thousand_resets_under_io_leave_a_working_controller) {
  RawController controller(target, 0);
  for (uint32_t i = 0; i < 1000; ++i) {
    const auto queue = controller.connect_io(1, i % GetParam());
    ASSERT_NE(queue, nullptr);
    queue->host().send_command(with_capsule_data(io_command(nvme::NvmOpcode::write, 9, 1, i % 1024, 1), 4096),
                               pattern(4096, i));
    ASSERT_TRUE(controller.set_cc(k_cc_enable & ~1u).ok());
    ASSERT_TRUE(controller.wait_ready(false));
    ASSERT_TRUE(controller.enable());
  }
  EXPECT_EQ(device->in_flight(), 0u);
}

TEST_P(Properties, shutdown_is_complete_only_after_the_last_device_io) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  device->hold(true);
  queue->host().send_command(with_capsule_data(io_command(nvme::NvmOpcode::write, 9, 1, 0, 1), 4096),
                             pattern(4096));
  ASSERT_TRUE(target.world().run_until([&] { return device->held_count() == 1; }));
  ASSERT_TRUE(controller.set_cc(k_cc_enable | 1u << 14).ok());
  target.world().advance(k_ns_per_s);
  EXPECT_EQ(controller.csts().shutdown(), nvme::ControllerStatus::k_shutdown_occurring);
  device->hold(false);
  target.world().advance(k_ns_per_s);
  EXPECT_EQ(controller.csts().shutdown(), nvme::ControllerStatus::k_shutdown_complete);
  // A reset brings it back.
  ASSERT_TRUE(controller.set_cc(k_cc_enable & ~1u).ok());
  ASSERT_TRUE(controller.wait_ready(false));
  ASSERT_TRUE(controller.enable());
  EXPECT_EQ(controller.csts().shutdown(), nvme::ControllerStatus::k_shutdown_normal_operation);
  EXPECT_NE(controller.connect_io(1, last()), nullptr);
}

TEST_P(Properties, a_normal_shutdown_flushes_a_volatile_write_cache_and_an_abrupt_one_does_not) {
  const auto cached = std::make_shared<HeldBdev>(1024, true);
  ASSERT_TRUE(target.add_namespace(2, cached));
  {
    RawController controller(target, 0);
    ASSERT_TRUE(controller.set_cc(k_cc_enable | 2u << 14).ok());
    target.world().advance(k_ns_per_ms);
    EXPECT_EQ(cached->flushes_count(), 0u);
    EXPECT_EQ(controller.csts().shutdown(), nvme::ControllerStatus::k_shutdown_complete);
  }
  RawController controller(target, 0);
  cached->hold(true);
  ASSERT_TRUE(controller.set_cc(k_cc_enable | 1u << 14).ok());
  target.world().advance(k_ns_per_ms);
  EXPECT_EQ(controller.csts().shutdown(), nvme::ControllerStatus::k_shutdown_occurring);
  cached->hold(false);
  target.world().advance(k_ns_per_ms);
  EXPECT_EQ(cached->flushes_count(), 1u);
  EXPECT_EQ(controller.csts().shutdown(), nvme::ControllerStatus::k_shutdown_complete);
}

TEST_P(Properties, capabilities_say_what_the_limits_are) {
  RawController controller(target, 0);
  const nvme::Capabilities cap{controller.get_property(property::cap)};
  EXPECT_EQ(cap.mqes(), nvme::k_queue_entries_max - 1);
  EXPECT_TRUE(cap.cqr());
  EXPECT_TRUE(cap.crwms());
  EXPECT_EQ(cap.css(), nvme::Capabilities::k_css_nvm);
  EXPECT_EQ(cap.mpsmin(), 0);
  EXPECT_EQ(controller.get_property(property::vs), nvme::k_version_2_0);
  EXPECT_EQ(controller.get_property(property::crto), cap.timeout_500ms());
}

TEST_P(Properties, admin_commands_of_a_disabled_controller_are_sequence_errors) {
  RawController::Options options;
  options.enable = false;
  RawController controller(target, 0, options);
  EXPECT_TRUE(controller.execute(identify_command(nvme::Cns::controller))
                  .status()
                  .is(status::command_sequence_error));
  ASSERT_TRUE(controller.enable());
  EXPECT_TRUE(controller.execute(identify_command(nvme::Cns::controller)).status().ok());
}

}  // namespace
}  // namespace ballast::test
