// Limits that change while I/O waits: nothing is lost, doubled or overtaken, and nothing waits for what was.
#include <set>

#include "native/bdev_qos/rig.h"

namespace ballast::bdev::qos::test {
namespace {

class LiveChange : public Rig {
 protected:
  static void expect_in_order(const std::vector<Seen>& seen) {
    for (size_t i = 0; i < seen.size(); ++i) ASSERT_EQ(seen[i].lba, i);
  }
};

TEST_F(LiveChange, under_load_keeps_every_io_and_their_order) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 100}});
  Load load(world_, *reactors_[0], *volume);
  load.start(64);
  const Config configs[] = {{.total = {.iops = 5000}},
                            {.read = {.iops = 3}},
                            {.total = {.bytes = 1 << 20}, .read = {.iops = 100'000}},
                            {.total = {.iops = 1}, .burst_ms = 1000},
                            {.total = {.iops = 2000}, .read = {.bytes = 4096 * 900}, .min_iops = 7},
                            {.total = {.iops = 10'000}, .burst_ms = 100, .unit_bytes = 4096}};
  for (int round = 0; round < 40; ++round) {
    ASSERT_TRUE(volume->set(configs[world_.prng().below(std::size(configs))]).ok());
    world_.advance(world_.prng().below(50 * k_ms));
  }
  finish(load);
  EXPECT_EQ(load.done, load.submitted);
  EXPECT_EQ(load.errors, 0u);
  expect_in_order(below->seen);
}

TEST_F(LiveChange, to_more_is_felt_at_once) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 1}});
  Load load(world_, *reactors_[0], *volume);
  load.start(32);
  world_.advance(100 * k_ms);
  EXPECT_EQ(load.done, 1u);
  const uint64_t from_ns = now_ns();
  ASSERT_TRUE(volume->set({.total = {.iops = 10'000}}).ok());
  world_.advance(k_s);
  EXPECT_NEAR(static_cast<double>(ios_in(below->seen, from_ns, now_ns(), k_s).most), 10'000, 110);
  finish(load);
}

TEST_F(LiveChange, to_less_is_felt_at_once) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 100'000}});
  Load load(world_, *reactors_[0], *volume);
  load.start(32);
  world_.advance(100 * k_ms);
  ASSERT_TRUE(volume->set({.total = {.iops = 10}}).ok());
  world_.advance(k_ms);
  const uint64_t before = load.done;
  world_.advance(10 * k_s);
  EXPECT_NEAR(static_cast<double>(load.done - before), 100, 2);
  finish(load);
}

TEST_F(LiveChange, to_none_lets_all_go_and_leaves_nothing_behind) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 1}});
  Load load(world_, *reactors_[0], *volume);
  for (int i = 0; i < 1000; ++i) load.submit_one(i % 2 == 0 ? IoType::read : IoType::write);
  bool in_force = false;
  ASSERT_TRUE(volume->set({}, [&in_force] { in_force = true; }).ok());
  EXPECT_FALSE(in_force);
  world_.settle();
  EXPECT_TRUE(in_force);
  EXPECT_EQ(load.done, 1000u);
  load.submit_one(IoType::read);
  EXPECT_EQ(load.done, 1001u);
  EXPECT_EQ(volume->stats().throttled_ios, 999u);
}

TEST_F(LiveChange, of_a_limit_that_was_off_gives_no_credit_for_that_time) {
  const auto below = timed();
  const auto volume = governed(below, {});
  Load load(world_, *reactors_[0], *volume);
  world_.advance(100 * k_s);
  ASSERT_TRUE(volume->set({.total = {.iops = 100}, .burst_ms = 50'000}).ok());
  world_.settle();
  load.start(1000);
  EXPECT_LE(load.done, 2u);
  finish(load);
}

TEST_F(LiveChange, refused_changes_nothing) {
  const auto volume = governed(timed(), {.total = {.iops = 10}});
  EXPECT_EQ(volume->set({.total = {.iops = 5}, .min_iops = 6}).errc(), Errc::invalid_argument);
  EXPECT_EQ(volume->set({.weight = 0}).errc(), Errc::invalid_argument);
  EXPECT_EQ(volume->set({.unit_bytes = 5000}).errc(), Errc::invalid_argument);
  EXPECT_EQ(volume->set({.burst_ms = 3'600'001}).errc(), Errc::invalid_argument);
  EXPECT_EQ(volume->set({.total = {.iops = UINT64_MAX}}).errc(), Errc::invalid_argument);
  EXPECT_EQ(volume->set({.read = {.iops = 2}, .write = {.iops = 3}, .min_iops = 6}).errc(),
            Errc::invalid_argument);
  EXPECT_EQ(volume->config().total.iops, 10u);
}

TEST_F(LiveChange, drain_sends_everything_down_and_the_volume_can_be_closed) {
  const auto below = timed(k_ms, 4);
  auto volume = governed(below, {.total = {.iops = 1}});
  set_budget({.iops = 1, .depth = 1});
  auto load = std::make_unique<Load>(world_, *reactors_[0], *volume);
  for (int i = 0; i < 128; ++i) load->submit_one(IoType::write);
  world_.advance(10 * k_ms);
  EXPECT_EQ(load->done, 1u);
  volume->drain();
  EXPECT_TRUE(world_.run_until([&] { return load->in_flight == 0; }, k_s));
  EXPECT_EQ(load->errors, 0u);
  expect_in_order(below->seen);
  load->submit_one(IoType::write);
  EXPECT_TRUE(world_.run_until([&] { return load->in_flight == 0; }, k_s));
  load.reset();
  volume.reset();
  node_.reset();
  world_.advance(10 * k_s);  // no timer is left that would find nothing
}

TEST_F(LiveChange, limits_hold_again_after_a_drain_that_was_thought_better_of) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 10}});
  Load load(world_, *reactors_[0], *volume);
  volume->drain();
  world_.settle();
  for (int i = 0; i < 100; ++i) load.submit_one(IoType::read);
  EXPECT_EQ(load.done, 100u);
  ASSERT_TRUE(volume->set(volume->config()).ok());
  world_.settle();
  for (int i = 0; i < 10; ++i) load.submit_one(IoType::read);
  EXPECT_EQ(load.done, 101u);
  finish(load);
}

// The channel goes from within the last answer, the device and its node right after it.
TEST_F(LiveChange, a_volume_may_end_with_its_last_io_that_waited) {
  const auto below = timed();
  std::shared_ptr<QosBdev> volume = governed(below, {.total = {.iops = 10}});
  std::unique_ptr<Channel> channel;
  struct Last {
    Io io;
    std::unique_ptr<Channel>* channel;
    std::shared_ptr<QosBdev>* volume;
    std::shared_ptr<Node>* node;
  } first, last;
  first.io.blocks_count = last.io.blocks_count = 1;
  first.io.done = [](Io&, Status) {};
  last.channel = &channel, last.volume = &volume, last.node = &node_;
  last.io.context = &last;
  last.io.done = [](Io& io, Status) {
    Last& self = *static_cast<Last*>(io.context);
    self.channel->reset();
    self.volume->reset();
    self.node->reset();
  };
  world_.on(*reactors_[0], [&] {
    channel = volume->open(*reactors_[0]);
    channel->submit(first.io);
    channel->submit(last.io);
  });
  EXPECT_NE(channel, nullptr);
  world_.advance(k_s);
  EXPECT_EQ(node_, nullptr);
}

// A run at the end of the turn is asked for, and the timer of the same turn comes before it.
TEST_F(LiveChange, a_node_may_end_in_a_turn_in_which_it_was_to_run_again) {
  constexpr uint64_t k_tick_ns = uint64_t{1} << TimerWheel::k_tick_bits;
  world_.advance(k_tick_ns - now_ns() % k_tick_ns);
  struct Scene {
    Io ios[3];
    std::shared_ptr<QosBdev> volume;
    std::unique_ptr<Channel> channel;
    std::shared_ptr<Node>* node = nullptr;
    uint32_t done = 0;
  } scene;
  scene.node = &node_;
  scene.volume = governed(timed(), {.total = {.iops = 20'000}});
  for (Io& io : scene.ios) {
    io.blocks_count = 1;
    io.context = &scene;
    io.done = [](Io& ended, Status) {
      Scene& self = *static_cast<Scene*>(ended.context);
      if (++self.done < std::size(self.ios)) return;
      self.channel.reset();
      self.volume.reset();
      self.node->reset();
    };
  }
  // In the slot of the scheduler's timer, and before it.
  Timer timer(
      [](Timer&, void* context) {
        Scene& self = *static_cast<Scene*>(context);
        self.channel->submit(self.ios[2]);
      },
      &scene);
  world_.on(*reactors_[0], [&] {
    scene.channel = scene.volume->open(*reactors_[0]);
    scene.channel->submit(scene.ios[0]);
    reactors_[0]->arm(timer, k_tick_ns / 2);
    scene.channel->submit(scene.ios[1]);
  });
  EXPECT_EQ(scene.done, 1u);
  world_.advance(k_tick_ns);
  EXPECT_EQ(scene.done, 3u);
  EXPECT_EQ(node_, nullptr);
}

}  // namespace
}  // namespace ballast::bdev::qos::test
