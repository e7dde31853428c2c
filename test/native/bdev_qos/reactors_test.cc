// One volume, or one node, on several reactors.
#include <map>

#include "native/bdev_qos/rig.h"

namespace ballast::bdev::qos::test {
namespace {

class Reactors : public Rig {
 protected:
  Reactors() : Rig(3) {}
};

TEST_F(Reactors, share_one_limit_exactly_and_evenly) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 60'000}});
  Load a(world_, *reactors_[0], *volume), b(world_, *reactors_[1], *volume),
      c(world_, *reactors_[2], *volume);
  const uint64_t from_ns = now_ns();
  for (Load* const load : {&a, &b, &c}) load->start(32);
  world_.advance(11 * k_s);
  const Extremes second = ios_in(below->seen, from_ns, now_ns(), k_s);
  const Extremes ten = ios_in(below->seen, from_ns, now_ns(), 10 * k_s);
  EXPECT_LE(second.most, 61'200u);
  EXPECT_GE(second.least, 58'800u);
  EXPECT_LE(ten.most, 603'000u);
  EXPECT_GE(ten.least, 597'000u);
  for (Load* const load : {&a, &b, &c}) EXPECT_NEAR(static_cast<double>(load->done), 220'000, 11'000);
  finish(a, b, c);
}

TEST_F(Reactors, share_one_io_a_second) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 1}});
  Load a(world_, *reactors_[1], *volume), b(world_, *reactors_[2], *volume);
  a.start(4);
  b.start(4);
  world_.advance(100 * k_s);
  EXPECT_NEAR(static_cast<double>(below->seen.size()), 100, 1);
  EXPECT_NEAR(static_cast<double>(a.done), 50, 4);
  for (size_t i = 1; i < below->seen.size(); ++i) {
    EXPECT_GE(below->seen[i].at_ns - below->seen[i - 1].at_ns, k_s - k_ms / 5);
  }
  finish(a, b);
}

TEST_F(Reactors, keep_the_order_of_each_channel_through_changes) {
  const auto below = timed(100 * k_ns_per_us, 16);
  const auto volume = governed(below, {.total = {.iops = 1000}});
  Load a(world_, *reactors_[0], *volume), b(world_, *reactors_[1], *volume),
      c(world_, *reactors_[2], *volume);
  for (Load* const load : {&a, &b, &c}) load->start(16);
  for (int round = 0; round < 60; ++round) {
    ASSERT_TRUE(volume->set({.total = {.iops = world_.prng().below(3) * 20'000}}).ok());
    ASSERT_TRUE(node_->set_budget({.iops = world_.prng().below(2) * 9000}).ok());
    world_.advance(world_.prng().below(20 * k_ms));
  }
  finish(a, b, c);
  std::map<uint32_t, uint64_t> next;
  for (const Seen& one : below->seen) ASSERT_EQ(one.lba, next[one.reactor]++) << "reactor " << one.reactor;
  EXPECT_EQ(below->seen.size(), a.submitted + b.submitted + c.submitted);
  EXPECT_EQ(a.errors + b.errors + c.errors, 0u);
}

TEST_F(Reactors, volumes_of_different_reactors_share_a_node_by_weight) {
  const auto below = timed(400 * k_ns_per_us, 64);
  set_budget({.iops = 20'000});
  const auto three = governed(below, {.weight = 300}), one = governed(below, {.weight = 100});
  Load heavy(world_, *reactors_[1], *three), light(world_, *reactors_[2], *one);
  heavy.start(64);
  light.start(64);
  world_.advance(5 * k_s);
  EXPECT_NEAR(static_cast<double>(heavy.done), 75'000, 1500);
  EXPECT_NEAR(static_cast<double>(light.done), 25'000, 500);
  finish(heavy, light);
}

TEST_F(Reactors, room_made_on_one_is_used_by_another) {
  const auto below = timed(400 * k_ns_per_us, 8);
  set_budget({.depth = 8});
  const auto a = governed(below, {}), b = governed(below, {});
  Load first(world_, *reactors_[1], *a), second(world_, *reactors_[2], *b);
  first.start(32);
  second.start(32);
  world_.advance(2 * k_s);
  // 8 at a time, each 400 us and up to a tick of the timers.
  EXPECT_GT(first.done + second.done, 30'000u);
  EXPECT_NEAR(static_cast<double>(first.done), static_cast<double>(second.done), 600);
  EXPECT_LE(below->in_flight_max, 8u);
  finish(first, second);
  EXPECT_EQ(node_->stats().in_flight_units, 0u);
}

TEST_F(Reactors, what_is_promised_needs_no_message_to_home) {
  const auto below = timed(2 * k_ms, 50);
  set_budget({.iops = 23'000, .depth = 40});
  const auto promised = governed(below, {.min_iops = 8000}), other = governed(below, {});
  Load load(world_, *reactors_[1], *promised), flood(world_, *reactors_[2], *other);
  flood.start(512, IoType::write);
  world_.advance(k_s);
  load.note = true;
  load.start_paced(k_s / 8000);
  world_.advance(3 * k_s);
  EXPECT_GE(load.done, 3 * 7920u);
  EXPECT_LE(percentile(load.latencies_ns, 99), 4 * k_ms + k_ms / 2);
  EXPECT_LE(promised->stats().throttled_ios, 10u);
  finish(load, flood);
}

TEST_F(Reactors, end_with_io_on_its_way) {
  const auto below = timed();
  auto volume = governed(below, {.total = {.iops = 100}});
  {
    Load a(world_, *reactors_[1], *volume), b(world_, *reactors_[2], *volume);
    for (int i = 0; i < 50; ++i) a.submit_one(IoType::write), b.submit_one(IoType::read);
    volume->drain();
    EXPECT_TRUE(world_.run_until([&] { return a.in_flight + b.in_flight == 0; }, k_s));
  }
  volume.reset();
  node_.reset();
  world_.advance(k_s);
  EXPECT_EQ(below->seen.size(), 100u);
}

}  // namespace
}  // namespace ballast::bdev::qos::test
