// Time: Keep Alive, the time to connect and to enable. Rows F24 to F26, P55 and P56 of the bad-input table.
#include "target/keep_alive.h"

#include <gtest/gtest.h>

#include "support/native/held_bdev.h"
#include "support/native/raw_controller.h"

namespace ballast::test {
namespace {

namespace status = nvme::status;

class KeepAliveBadInput : public ::testing::TestWithParam<uint32_t> {
 protected:
  KeepAliveBadInput() : target(GetParam()), device(std::make_shared<HeldBdev>(1024)) {
    EXPECT_TRUE(target.add_subsystem());
    EXPECT_TRUE(target.add_namespace(1, device));
  }
  uint32_t last() const { return GetParam() - 1; }
  RawController::Options with_kato(uint32_t kato_ms) {
    RawController::Options options;
    options.kato_ms = kato_ms;
    return options;
  }
  uint32_t granted(RawController& controller) {
    return controller.execute(get_features_command(nvme::FeatureId::keep_alive_timer)).completion.dw0;
  }
  TargetWorld target;
  std::shared_ptr<HeldBdev> device;
};
INSTANTIATE_TEST_SUITE_P(Reactors, KeepAliveBadInput, ::testing::Values(1, 3));

TEST_P(KeepAliveBadInput, F24_connect_without_a_keep_alive_time_out_has_none) {
  RawController controller(target, 0, with_kato(0));
  const auto queue = controller.connect_io(1, last());
  target.world().advance(3600 * k_ns_per_s);
  EXPECT_TRUE(queue->execute(io_command(nvme::NvmOpcode::flush, 1, 1, 0, 1)).status().ok());
  EXPECT_TRUE(controller.csts().ready());
}

TEST_P(KeepAliveBadInput, F24_setting_the_time_out_to_zero_is_refused) {
  RawController controller(target, 0, with_kato(5000));
  const Answer answer = controller.execute(set_features_command(nvme::FeatureId::keep_alive_timer, 0));
  EXPECT_TRUE(answer.status().is(status::keep_alive_timeout_invalid));
  EXPECT_EQ(granted(controller), 5000u);
}

TEST_P(KeepAliveBadInput, F25_the_time_out_is_rounded_up_to_the_granularity_and_never_overflows) {
  {
    RawController controller(target, 0, with_kato(1));
    EXPECT_EQ(granted(controller), 1000u);
  }
  RawController controller(target, 0, with_kato(UINT32_MAX));
  EXPECT_EQ(granted(controller), 4'294'967'000u);
  target.world().advance(3600 * k_ns_per_s);
  EXPECT_TRUE(controller.csts().ready());
  EXPECT_TRUE(
      controller.execute(set_features_command(nvme::FeatureId::keep_alive_timer, 1001)).status().ok());
  EXPECT_EQ(granted(controller), 2000u);
}

TEST_P(KeepAliveBadInput, F26_without_keep_alive_every_queue_is_closed_in_time) {
  RawController controller(target, 0, with_kato(2000));
  const auto queue = controller.connect_io(1, last());
  target.world().advance(1900 * k_ns_per_ms);
  EXPECT_FALSE(queue->peer().peer_closed());
  EXPECT_TRUE(closes_within(target, controller.admin(), 1100 * k_ns_per_ms));
  EXPECT_TRUE(closes_within(target, *queue, 10 * k_ns_per_ms));
  target.world().advance(k_ns_per_s);
  EXPECT_EQ(target.target().controllers_count(), 0u);
}

TEST_P(KeepAliveBadInput, F26_no_write_is_acked_after_the_time_out) {
  RawController controller(target, 0, with_kato(1000));
  const auto queue = controller.connect_io(1, last());
  device->hold(true);
  queue->host().send_command(with_capsule_data(io_command(nvme::NvmOpcode::write, 9, 1, 0, 1), 4096),
                             pattern(4096));
  ASSERT_TRUE(target.world().run_until([&] { return device->held_count() == 1; }));
  target.world().advance(1500 * k_ns_per_ms);
  device->hold(false);
  target.world().advance(k_ns_per_s);
  EXPECT_TRUE(queue->peer().receive().empty());
  EXPECT_TRUE(queue->peer().peer_closed());
  EXPECT_EQ(target.target().controllers_count(), 0u);
}

TEST_P(KeepAliveBadInput, F26_the_controller_is_not_gone_before_its_last_device_io) {
  RawController controller(target, 0, with_kato(1000));
  const auto queue = controller.connect_io(1, last());
  device->hold(true);
  queue->host().send_command(with_capsule_data(io_command(nvme::NvmOpcode::write, 9, 1, 0, 1), 4096),
                             pattern(4096));
  ASSERT_TRUE(target.world().run_until([&] { return device->held_count() == 1; }));
  target.world().advance(5 * k_ns_per_s);
  EXPECT_EQ(target.target().controllers_count(), 1u);
  device->hold(false);
  target.world().advance(k_ns_per_s);
  EXPECT_EQ(target.target().controllers_count(), 0u);
}

class LostHosts : public KeepAliveBadInput {
 protected:
  LostHosts() {
    target.target().set_host_lost_sink([this](const target::LostHost& host) { lost.push_back(host); });
  }
  std::vector<target::LostHost> lost;
};
INSTANTIATE_TEST_SUITE_P(Reactors, LostHosts, ::testing::Values(1, 3));

TEST_P(LostHosts, a_silent_host_is_told_with_how_long_it_was_silent) {
  RawController controller(target, 0, with_kato(2000));
  target.world().advance(500 * k_ns_per_ms);
  ASSERT_TRUE(controller.execute(admin_command(nvme::AdminOpcode::keep_alive)).status().ok());
  target.world().advance(1900 * k_ns_per_ms);
  EXPECT_TRUE(lost.empty());
  target.world().advance(k_ns_per_s);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].subsystem_nqn, k_subsystem);
  EXPECT_EQ(lost[0].nqn, k_host);
  EXPECT_EQ(lost[0].keep_alive_ms, 2000u);
  EXPECT_GE(lost[0].silent_ns, 2 * k_ns_per_s);
  EXPECT_LT(lost[0].silent_ns, 3 * k_ns_per_s);
}

TEST_P(LostHosts, a_host_whose_connection_breaks_is_told_and_none_that_leaves_in_order_or_is_sent_away) {
  {
    RawController controller(target, 0, with_kato(2000));
    target.world().advance(300 * k_ns_per_ms);
    controller.admin().peer().close();
    target.world().advance(k_ns_per_s);
    ASSERT_EQ(lost.size(), 1u);
    EXPECT_GE(lost[0].silent_ns, 300 * k_ns_per_ms);
    EXPECT_LT(lost[0].silent_ns, k_ns_per_s);
  }
  {
    RawController controller(target, 0, with_kato(2000));
    ASSERT_TRUE(controller.set_cc(k_cc_enable | 1u << 14).ok());
    target.world().advance(10 * k_ns_per_ms);
    controller.admin().peer().close();
    target.world().advance(k_ns_per_s);
  }
  RawController controller(target, 0, with_kato(2000));
  EXPECT_TRUE(
      target.change([&](auto done) { return target.target().set_hosts(k_subsystem, false, {}, done); }));
  target.world().advance(k_ns_per_s);
  EXPECT_EQ(target.target().controllers_count(), 0u);
  EXPECT_EQ(lost.size(), 1u);
}

TEST_P(KeepAliveBadInput, P56_keep_alive_commands_keep_a_half_silent_host_connected) {
  RawController controller(target, 0, with_kato(1000));
  for (int i = 0; i < 20; ++i) {
    target.world().advance(900 * k_ns_per_ms);
    ASSERT_TRUE(controller.execute(admin_command(nvme::AdminOpcode::keep_alive)).status().ok()) << i;
  }
  EXPECT_TRUE(closes_within(target, controller.admin(), 1500 * k_ns_per_ms)) << "1.0 to 1.5 times KATO";
}

TEST_P(KeepAliveBadInput, P55_a_connection_that_never_connects_is_closed) {
  RawQueue queue(target, last());
  target.world().advance(4 * k_ns_per_s);
  EXPECT_FALSE(queue.peer().peer_closed());
  EXPECT_TRUE(closes_within(target, queue, 2 * k_ns_per_s));
}

TEST_P(KeepAliveBadInput, P55_refused_connects_do_not_buy_time) {
  RawQueue queue(target, last());
  ConnectFields fields;
  fields.subsystem_nqn = "nqn.2026-11.dev.ballast:volume:none";
  for (int i = 0; i < 4; ++i) {
    target.world().advance(k_ns_per_s);
    EXPECT_TRUE(queue.connect(fields).status().is(status::connect_invalid_parameters));
  }
  EXPECT_TRUE(closes_within(target, queue, 2 * k_ns_per_s));
}

TEST_P(KeepAliveBadInput, P55_a_controller_that_is_never_enabled_is_closed) {
  RawController::Options options;
  options.enable = false;
  RawController controller(target, 0, options);
  target.world().advance(115 * k_ns_per_s);
  EXPECT_FALSE(controller.admin().peer().peer_closed());
  EXPECT_TRUE(closes_within(target, controller.admin(), 10 * k_ns_per_s));
}

TEST_P(KeepAliveBadInput, P55_a_controller_that_is_reset_and_left_is_closed) {
  RawController controller(target, 0);
  target.world().advance(300 * k_ns_per_s);
  ASSERT_TRUE(controller.set_cc(0).ok());
  EXPECT_TRUE(closes_within(target, controller.admin(), 125 * k_ns_per_s));
}

TEST(KeepAliveTimeOut, is_a_multiple_of_the_granularity) {
  EXPECT_EQ(target::granted_keep_alive_ms(0), 0u);
  EXPECT_EQ(target::granted_keep_alive_ms(1), 1000u);
  EXPECT_EQ(target::granted_keep_alive_ms(1000), 1000u);
  EXPECT_EQ(target::granted_keep_alive_ms(4'294'967'001), 4'294'967'000u);
  EXPECT_EQ(target::granted_keep_alive_ms(UINT32_MAX), 4'294'967'000u);
}

}  // namespace
}  // namespace ballast::test
