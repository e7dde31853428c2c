// Several volumes on a node that is at its budget: promises first, the rest by weight.
#include "native/bdev_qos/rig.h"

namespace ballast::bdev::qos::test {
namespace {

class Arbitration : public Rig {
 protected:
  uint64_t in_a_second(Load& load, uint64_t seconds = 1) {
    const uint64_t before = load.done;
    world_.advance(seconds * k_s);
    return (load.done - before) / seconds;
  }
};

TEST_F(Arbitration, shares_the_budget_by_weight) {
  const auto below = timed(400 * k_ns_per_us, 64);
  set_budget({.iops = 20'000});
  const auto three = governed(below, {.weight = 300}), one = governed(below, {.weight = 100});
  Load heavy(world_, *reactors_[0], *three), light(world_, *reactors_[0], *one);
  heavy.start(64);
  light.start(64);
  world_.advance(k_s);
  const uint64_t heavy_before = heavy.done, light_before = light.done;
  world_.advance(4 * k_s);
  EXPECT_NEAR(static_cast<double>(heavy.done - heavy_before), 60'000, 600);
  EXPECT_NEAR(static_cast<double>(light.done - light_before), 20'000, 200);
  EXPECT_GT(node_->stats().rate_waits, 0u);
  EXPECT_EQ(node_->stats().waiting_volumes, 2u);
  finish(heavy, light);
  EXPECT_EQ(node_->stats().waiting_volumes, 0u);
  EXPECT_EQ(node_->stats().in_flight_units, 0u);
}

TEST_F(Arbitration, large_transfers_do_not_get_a_larger_share) {
  const auto below = timed(400 * k_ns_per_us, 64);
  set_budget({.iops = 20'000});
  const auto a = governed(below, {}), b = governed(below, {});
  Load large(world_, *reactors_[0], *a), small(world_, *reactors_[0], *b);
  large.start(32, IoType::write, 32);  // 8 units
  small.start(64);
  world_.advance(4 * k_s);
  EXPECT_NEAR(static_cast<double>(large.done) * 8, 40'000, 1200);
  EXPECT_NEAR(static_cast<double>(small.done), 40'000, 1200);
  finish(large, small);
}

TEST_F(Arbitration, what_one_does_not_use_the_others_get) {
  const auto below = timed(400 * k_ns_per_us, 64);
  set_budget({.iops = 20'000});
  const auto limited = governed(below, {.total = {.iops = 2000}, .weight = 900});
  const auto idle = governed(below, {.min_iops = 8000, .weight = 900});
  const auto busy = governed(below, {.weight = 100});
  Load a(world_, *reactors_[0], *limited), c(world_, *reactors_[0], *busy);
  Load b(world_, *reactors_[0], *idle);
  a.start(32);
  c.start(64);
  world_.advance(k_s);
  EXPECT_NEAR(static_cast<double>(in_a_second(c, 4)), 18'000, 180);
  EXPECT_NEAR(static_cast<double>(in_a_second(a, 4)), 2000, 20);
  finish(a, c);
}

TEST_F(Arbitration, a_volume_that_was_idle_starts_where_the_others_are) {
  const auto below = timed(400 * k_ns_per_us, 64);
  set_budget({.iops = 20'000});
  const auto first = governed(below, {}), second = governed(below, {});
  Load a(world_, *reactors_[0], *first), b(world_, *reactors_[0], *second);
  a.start(64);
  world_.advance(20 * k_s);
  b.start(64);
  EXPECT_NEAR(static_cast<double>(in_a_second(a)), 10'000, 200);  // and not nothing, for 20 s
  finish(a, b);
}

// Between the moment at which the budget has something again and the tick at which those that wait get it.
TEST_F(Arbitration, who_comes_at_the_right_moment_does_not_overtake_who_waits) {
  const auto below = timed();
  uint8_t memory = 0;
  below->mapped = {&memory, k_block};
  set_budget({.iops = 1000});
  const auto first = governed(below, {}), second = governed(below, {});
  Load patient(world_, *reactors_[0], *first), lucky(world_, *reactors_[0], *second);
  patient.start(8);
  for (int i = 0; i < 100'000; ++i) {
    world_.advance(10 * k_ns_per_us);
    world_.on(*reactors_[0], [&] {
      const Segment mapped = lucky.channel().map_read(0, 1);
      if (mapped.base != nullptr) lucky.channel().unmap_read(mapped), ++lucky.done;
    });
  }
  EXPECT_EQ(lucky.done, 0u);
  EXPECT_NEAR(static_cast<double>(patient.done), 1000, 10);
  finish(patient);
}

TEST_F(Arbitration, an_io_that_waits_for_the_budget_is_not_charged_to_its_limit_twice) {
  const auto below = timed();
  set_budget({.iops = 1000});
  const auto limited = governed(below, {.total = {.iops = 10}}), other = governed(below, {});
  Load load(world_, *reactors_[0], *limited), flood(world_, *reactors_[0], *other);
  flood.start(32);
  load.note = true;
  load.start_paced(110 * k_ms);
  world_.advance(11 * k_s);
  EXPECT_NEAR(static_cast<double>(load.done), 100, 1);
  EXPECT_LE(percentile(load.latencies_ns, 90), 10 * k_ms);
  finish(load, flood);
}

// The device does 25,000 a second; a neighbour wants all of it.
struct Served {
  uint64_t per_s = 0;
  uint64_t p99_ns = 0;
  double kept_percent = 0;
};
class Guarantee : public Arbitration, public testing::WithParamInterface<uint32_t> {
 protected:
  // At `part` of what was promised.
  Served serve(bool neighbour, const NodeBudget& budget, double part, uint32_t neighbour_blocks = 1) {
    const auto below = timed(2 * k_ms, 50);
    below->note = false;
    set_budget(budget);
    const auto promised = governed(below, {.min_iops = 8000}), other = governed(below, {});
    Load load(world_, *reactors_[0], *promised), flood(world_, *reactors_[0], *other);
    if (neighbour) flood.start(512, IoType::write, neighbour_blocks);
    world_.advance(k_s);
    load.start_paced(static_cast<uint64_t>(1e9 / (8000 * part)));
    world_.advance(k_s);
    load.note = true;
    const uint64_t before = load.done;
    world_.advance(5 * k_s);
    const Served served{(load.done - before) / 5, percentile(load.latencies_ns, 99),
                        promised->stats().guarantee_kept_percent()};
    load.stop(), flood.stop();
    EXPECT_TRUE(world_.run_until([&] { return load.in_flight + flood.in_flight == 0; }, 1000 * k_s));
    return served;
  }
};

TEST_P(Guarantee, keeps_rate_and_latency_beside_a_neighbour_that_runs_flat_out) {
  const NodeBudget budget{.iops = 23'000, .depth = GetParam()};
  const Served alone = serve(false, budget, 1.0);
  const Served beside = serve(true, budget, 1.0);
  EXPECT_GE(alone.per_s, 7999u);
  EXPECT_GE(beside.per_s, 7920u);
  EXPECT_LE(beside.p99_ns, 2 * alone.p99_ns);
  EXPECT_GE(beside.kept_percent, 99.0);
  const Served large = serve(true, budget, 1.0, 32);
  EXPECT_GE(large.per_s, 7920u);
  EXPECT_LE(large.p99_ns, 2 * alone.p99_ns);
}
INSTANTIATE_TEST_SUITE_P(depth, Guarantee, testing::Values(0u, 32u, 50u));

TEST_F(Guarantee, without_a_budget_nothing_is_arbitrated) {
  const Served beside = serve(true, {}, 1.0);
  EXPECT_GT(beside.p99_ns, 8 * k_ms);  // behind 512 of the neighbour's
  EXPECT_EQ(beside.kept_percent, 100.0);
}

TEST_F(Guarantee, a_depth_alone_keeps_it_over_a_device_whose_rate_nobody_knows) {
  const Served alone = serve(false, {.depth = 50}, 0.9);
  const Served beside = serve(true, {.depth = 50}, 0.9);
  EXPECT_GE(beside.per_s, 7128u);
  EXPECT_LE(beside.p99_ns, 2 * alone.p99_ns);
}

TEST_F(Guarantee, a_device_slower_than_its_budget_is_told_from_the_rate) {
  const auto below = timed(2 * k_ms, 50);
  set_budget({.iops = 100'000, .depth = 50});
  const auto one = governed(below, {});
  Load load(world_, *reactors_[0], *one);
  load.start(200);
  EXPECT_NEAR(static_cast<double>(in_a_second(load, 2)), 25'000,
              1700);  // all that it can, by ticks of timers
  EXPECT_GT(node_->stats().depth_waits, 1000u);
  EXPECT_LE(below->in_flight_max, 50u);
  finish(load);
}

TEST_F(Guarantee, gets_its_minimum_and_its_share_of_the_rest) {
  const auto below = timed(400 * k_ns_per_us, 64);
  set_budget({.iops = 20'000});
  const auto promised = governed(below, {.min_iops = 8000}), other = governed(below, {});
  Load a(world_, *reactors_[0], *promised), b(world_, *reactors_[0], *other);
  a.start(64);
  b.start(64);
  world_.advance(k_s);
  EXPECT_NEAR(static_cast<double>(in_a_second(a, 3)), 14'000, 200);  // 8000 and half of 12000
  EXPECT_NEAR(static_cast<double>(in_a_second(b, 3)), 6000, 200);
  const Stats stats = promised->stats();
  EXPECT_GE(stats.guarantee_seconds, 5u);
  EXPECT_EQ(stats.guarantee_kept_seconds, stats.guarantee_seconds);
  finish(a, b);
}

TEST_F(Guarantee, promises_above_the_budget_are_refused_and_say_why) {
  set_budget({.iops = 10'000});
  const auto below = timed();
  const auto first = governed(below, {.min_iops = 6000});
  const auto refused = make_qos_bdev(below, node_, {.min_iops = 5000});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.errc(), Errc::too_many);
  const auto second = governed(below, {.min_iops = 4000});
  EXPECT_EQ(second->set({.min_iops = 4001}).errc(), Errc::too_many);
  EXPECT_EQ(second->config().min_iops, 4000u);
  EXPECT_EQ(node_->stats().guaranteed_iops, 10'000u);
  set_budget({.iops = 5000});  // found to be less: what was promised stays
  EXPECT_TRUE(first->set({.min_iops = 5000}).ok());
  EXPECT_EQ(second->set({.min_iops = 4500}).errc(), Errc::too_many);
  world_.settle();
  EXPECT_EQ(node_->stats().guaranteed_iops, 9000u);
}

TEST_F(Guarantee, of_a_volume_that_is_gone_is_free_again) {
  set_budget({.iops = 10'000});
  { const auto gone = governed(timed(), {.min_iops = 6000}); }
  EXPECT_EQ(node_->stats().guaranteed_iops, 0u);
  EXPECT_TRUE(make_qos_bdev(timed(), node_, {.min_iops = 10'000}).ok());
  world_.settle();
}

TEST_F(Arbitration, a_budget_that_comes_and_goes_under_load_loses_nothing) {
  const auto below = timed(400 * k_ns_per_us, 64);
  const auto a = governed(below, {.min_iops = 500}), b = governed(below, {.total = {.iops = 3000}});
  Load first(world_, *reactors_[0], *a), second(world_, *reactors_[0], *b);
  first.start(64);
  second.start(64, IoType::write);
  for (const NodeBudget& budget : {NodeBudget{.iops = 2000}, NodeBudget{}, NodeBudget{.depth = 4},
                                   NodeBudget{.iops = 1}, NodeBudget{.iops = 50'000, .depth = 1}}) {
    set_budget(budget);
    world_.advance(300 * k_ms);
  }
  set_budget({.iops = 2000});
  world_.advance(100 * k_ms);
  EXPECT_NEAR(static_cast<double>(in_a_second(first, 2) + in_a_second(second, 2)), 2000, 40);
  finish(first, second);
  EXPECT_EQ(first.done, first.submitted);
  EXPECT_EQ(second.done, second.submitted);
  EXPECT_EQ(node_->stats().in_flight_units, 0u);
}

}  // namespace
}  // namespace ballast::bdev::qos::test
