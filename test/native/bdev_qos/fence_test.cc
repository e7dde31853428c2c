// How deep others may be in the device while a volume with a minimum needs it: found out, not told.
#include "native/bdev_qos/rig.h"

namespace ballast::bdev::qos::test {
namespace {

// One I/O at a time, a millisecond each: with the neighbour's 32 in its queue, one more takes 33 ms.
class FenceOverSerialDevice : public Rig {
 protected:
  static constexpr uint32_t k_depth = 32;
  static constexpr uint64_t k_min_iops = 400;

  void SetUp() override {
    below_ = timed(k_ms);
    below_->note = false;
    set_budget({.iops = 10'000, .depth = k_depth});
    promised_ = governed(below_, {.min_iops = k_min_iops});
    other_ = governed(below_, {});
  }
  uint64_t a_second_of(Load& load, uint64_t seconds = 4) {
    const uint64_t before = load.done;
    world_.advance(seconds * k_s);
    return (load.done - before) / seconds;
  }

  std::shared_ptr<TimedBdev> below_;
  std::shared_ptr<QosBdev> promised_, other_;
};

TEST_F(FenceOverSerialDevice, falls_until_one_io_at_a_time_gets_its_minimum) {
  Load load(world_, *reactors_[0], *promised_), flood(world_, *reactors_[0], *other_);
  flood.start(64);
  world_.advance(k_s);
  EXPECT_EQ(node_->stats().depth_units, k_depth);  // nobody is in need
  load.start(1);
  world_.advance(2 * k_s);
  EXPECT_LE(node_->stats().depth_units, 2u);
  EXPECT_GE(a_second_of(load), k_min_iops);
  EXPECT_GE(a_second_of(flood), 300u);  // it is fenced and not shut out
  finish(load, flood);
}

TEST_F(FenceOverSerialDevice, is_whole_again_soon_after_the_promised_volume_has_stopped) {
  Load load(world_, *reactors_[0], *promised_), flood(world_, *reactors_[0], *other_);
  flood.start(64);
  load.start(1);
  world_.advance(3 * k_s);
  ASSERT_LE(node_->stats().depth_units, 2u);
  load.stop();
  world_.advance(k_s);
  EXPECT_EQ(node_->stats().depth_units, k_depth);
  finish(load, flood);
}

TEST_F(FenceOverSerialDevice, is_whole_again_when_the_minimum_or_the_volume_is_taken_away) {
  Load flood(world_, *reactors_[0], *other_);
  {
    Load load(world_, *reactors_[0], *promised_);
    flood.start(64);
    load.start(1);
    world_.advance(3 * k_s);
    ASSERT_LE(node_->stats().depth_units, 2u);
    ASSERT_TRUE(promised_->set({}).ok());
    world_.advance(k_s);
    EXPECT_EQ(node_->stats().depth_units, k_depth);
    ASSERT_TRUE(promised_->set({.min_iops = k_min_iops}).ok());
    world_.advance(3 * k_s);
    ASSERT_LE(node_->stats().depth_units, 2u);
    load.stop();
    world_.run_until([&] { return load.in_flight == 0; }, 100 * k_s);
  }
  promised_.reset();
  world_.advance(k_s);
  EXPECT_EQ(node_->stats().depth_units, k_depth);
  finish(flood);
}

// Two thousand ahead of it are two seconds: nothing ends in any time that is judged.
TEST_F(FenceOverSerialDevice, falls_for_an_io_that_does_not_end) {
  set_budget({.iops = 10'000, .depth = 2000});
  Load load(world_, *reactors_[0], *promised_), flood(world_, *reactors_[0], *other_);
  flood.start(2000);
  world_.advance(k_s / 2);
  load.start(1);
  world_.advance(k_s);
  EXPECT_EQ(load.done, 0u);
  EXPECT_LE(node_->stats().depth_units, 1000u);
  finish(load, flood);
}

TEST_F(FenceOverSerialDevice, is_not_lowered_for_a_client_that_gets_its_minimum) {
  ASSERT_TRUE(promised_->set({.min_iops = 20}).ok());  // 33 ms each are 30 a second
  Load load(world_, *reactors_[0], *promised_), flood(world_, *reactors_[0], *other_);
  flood.start(64);
  load.start(1);
  world_.advance(3 * k_s);
  EXPECT_EQ(node_->stats().depth_units, k_depth);
  EXPECT_GE(a_second_of(load), 20u);
  finish(load, flood);
}

TEST_F(FenceOverSerialDevice, is_not_lowered_for_a_client_that_asks_for_little) {
  Load load(world_, *reactors_[0], *promised_), flood(world_, *reactors_[0], *other_);
  flood.start(4);
  load.start_paced(50 * k_ms);
  world_.advance(3 * k_s);
  EXPECT_EQ(node_->stats().depth_units, k_depth);  // 20 a second of 5 ms each: its client wants no more
  finish(load, flood);
}

TEST_F(FenceOverSerialDevice, keeps_a_minimum_that_the_device_cannot_give_as_well_as_it_can) {
  ASSERT_TRUE(promised_->set({.min_iops = 5000}).ok());
  Load load(world_, *reactors_[0], *promised_), flood(world_, *reactors_[0], *other_);
  flood.start(64);
  load.start(8);
  world_.advance(2 * k_s);
  EXPECT_EQ(node_->stats().depth_units, 1u);
  EXPECT_GE(a_second_of(load), 800u);
  EXPECT_GE(a_second_of(flood), 50u);
  finish(load, flood);
}

}  // namespace
}  // namespace ballast::bdev::qos::test
