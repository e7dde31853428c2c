// How exactly limits are kept: over any window of a second and of ten, from 1 IOPS on.
#include <string>

#include "native/bdev_qos/rig.h"

namespace ballast::bdev::qos::test {
namespace {

class Limits : public Rig {
 protected:
  // What a second and ten seconds may be off, and the I/O that a window's edges cut.
  static void expect_rate(const std::vector<Seen>& seen, uint64_t from_ns, uint64_t to_ns, double per_s) {
    for (const auto& [seconds, part] : {std::pair{1.0, 0.02}, std::pair{10.0, 0.005}}) {
      const Extremes found = ios_in(seen, from_ns, to_ns, static_cast<uint64_t>(seconds * 1e9));
      const double wanted = per_s * seconds;
      EXPECT_LE(static_cast<double>(found.most), std::max(wanted * (1 + part), wanted + 1))
          << seconds << " s";
      EXPECT_GE(static_cast<double>(found.least), std::min(wanted * (1 - part), wanted - 1))
          << seconds << " s";
    }
  }
};

struct Rate {
  uint64_t iops;
  uint32_t depth;
  uint64_t seconds;
};
class LimitsOfIops : public Limits, public testing::WithParamInterface<Rate> {};

TEST_P(LimitsOfIops, holds_over_every_second_and_every_ten) {
  const Rate rate = GetParam();
  const auto below = timed();
  below->seen.reserve(rate.iops * (rate.seconds + 1));
  const auto volume = governed(below, {.total = {.iops = rate.iops}});
  Load load(world_, *reactors_[0], *volume);
  const uint64_t from_ns = now_ns();
  load.start(rate.depth);
  world_.advance(rate.seconds * k_s);
  expect_rate(below->seen, from_ns, now_ns(), static_cast<double>(rate.iops));
  finish(load);
}
INSTANTIATE_TEST_SUITE_P(, LimitsOfIops,
                         testing::Values(Rate{1, 1, 60}, Rate{1, 8, 60}, Rate{3, 2, 40}, Rate{99, 4, 30},
                                         Rate{101, 4, 30}, Rate{1000, 32, 30}, Rate{12'345, 32, 20},
                                         Rate{100'000, 32, 12}, Rate{300'000, 32, 11}),
                         [](const auto& rate_or_kind) {
                           return std::to_string(rate_or_kind.param.iops) + "_at_depth_" +
                                  std::to_string(rate_or_kind.param.depth);
                         });

TEST_F(Limits, holds_at_300000_iops_over_a_device_that_takes_its_time) {
  const auto below = timed(80 * k_ns_per_us, 64);
  below->seen.reserve(4'000'000);
  const auto volume = governed(below, {.total = {.iops = 300'000}});
  Load load(world_, *reactors_[0], *volume);
  const uint64_t from_ns = now_ns();
  load.start(128);
  world_.advance(11 * k_s);
  expect_rate(below->seen, from_ns, now_ns(), 300'000);
  finish(load);
}

TEST_F(Limits, do_not_drift_in_an_hour) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 7}});
  Load load(world_, *reactors_[0], *volume);
  load.start(3);
  world_.advance(3600 * k_s);
  EXPECT_NEAR(static_cast<double>(below->seen.size()), 7.0 * 3600, 1);
  finish(load);
}

// Each kind alone: what it counts is limited, the rest is not.
struct Kind {
  const char* name;
  Config config;
  IoType type;
  IoType other;
};
class LimitsByKind : public Limits, public testing::WithParamInterface<Kind> {};

TEST_P(LimitsByKind, limits_what_it_names_and_nothing_else) {
  const Kind kind = GetParam();
  const auto below = timed();
  const auto volume = governed(below, kind.config);
  Load load(world_, *reactors_[0], *volume), other(world_, *reactors_[0], *volume);
  const uint64_t from_ns = now_ns();
  load.start(16, kind.type);
  world_.advance(12 * k_s);
  expect_rate(below->seen, from_ns, now_ns(), 500);
  // The other direction goes at once, while this one waits.
  if (kind.other != kind.type) {
    for (int i = 0; i < 1000; ++i) other.submit_one(kind.other);
    EXPECT_EQ(other.done, 1000u);
  }
  finish(load);
}
INSTANTIATE_TEST_SUITE_P(
    , LimitsByKind,
    testing::Values(Kind{"read_iops", {.read = {.iops = 500}}, IoType::read, IoType::write},
                    Kind{"write_iops", {.write = {.iops = 500}}, IoType::write, IoType::read},
                    Kind{"total_iops", {.total = {.iops = 500}}, IoType::write, IoType::write},
                    Kind{"read_bytes", {.read = {.bytes = 500 * k_block}}, IoType::read, IoType::write},
                    Kind{"write_bytes", {.write = {.bytes = 500 * k_block}}, IoType::write, IoType::read},
                    Kind{"total_bytes", {.total = {.bytes = 500 * k_block}}, IoType::read, IoType::read},
                    Kind{"the_lowest_of_all",
                         {.total = {2000, 500 * k_block}, .read = {900, 600 * k_block}},
                         IoType::read,
                         IoType::read}),
    [](const auto& rate_or_kind) { return rate_or_kind.param.name; });

TEST_F(Limits, reads_and_writes_share_the_total_and_keep_their_own) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 1000}, .write = {.iops = 200}});
  Load reads(world_, *reactors_[0], *volume), writes(world_, *reactors_[0], *volume);
  reads.start(8, IoType::read);
  writes.start(8, IoType::write);
  world_.advance(10 * k_s);
  EXPECT_NEAR(static_cast<double>(writes.done), 2000, 20);
  EXPECT_NEAR(static_cast<double>(reads.done), 8000, 40);
  finish(reads, writes);
}

TEST_F(Limits, writes_are_not_starved_of_the_total_by_reads) {
  const auto below = timed(200 * k_ns_per_us, 64);
  const auto volume = governed(below, {.total = {.iops = 10'000}, .write = {.iops = 9000}});
  Load reads(world_, *reactors_[0], *volume), writes(world_, *reactors_[0], *volume);
  reads.start(32, IoType::read);
  writes.start(32, IoType::write);
  world_.advance(5 * k_s);
  EXPECT_NEAR(static_cast<double>(reads.done + writes.done), 50'000, 300);
  EXPECT_GT(writes.done, 22'000u);
  EXPECT_GT(reads.done, 22'000u);
  finish(reads, writes);
}

TEST_F(Limits, large_transfers_count_by_units_and_by_bytes) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 800}});
  Load load(world_, *reactors_[0], *volume);
  load.start(4, IoType::write, 32);  // 128 KiB: 8 units of 16 KiB
  world_.advance(10 * k_s);
  EXPECT_NEAR(static_cast<double>(below->seen.size()), 1000, 5);
  finish(load);
  ASSERT_TRUE(volume->set({.total = {.iops = 800}, .unit_bytes = 64 * 1024}).ok());
  world_.settle();
  below->seen.clear();
  load.start(4, IoType::write, 32);  // 2 units
  world_.advance(10 * k_s);
  EXPECT_NEAR(static_cast<double>(below->seen.size()), 4000, 20);
  finish(load);
}

TEST_F(Limits, an_io_larger_than_a_second_s_bytes_goes_and_is_paid_for) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.bytes = 1 << 20}});
  Load load(world_, *reactors_[0], *volume);
  load.start(2, IoType::read, 1024);  // 4 MiB: one in four seconds
  world_.advance(41 * k_s);
  ASSERT_EQ(below->seen.size(), 11u);
  for (size_t i = 1; i < below->seen.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(below->seen[i].at_ns - below->seen[i - 1].at_ns), 4e9, 2e6);
  }
  finish(load);
}

TEST_F(Limits, of_bytes_do_not_hold_back_what_moves_none) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.bytes = 1 << 20}});
  Load load(world_, *reactors_[0], *volume);
  load.submit_one(IoType::write, 1024);  // four seconds
  load.submit_one(IoType::unmap, 65'536);
  load.submit_one(IoType::write_zeroes, 65'536);
  EXPECT_EQ(load.done, 3u);
  load.submit_one(IoType::write);
  EXPECT_EQ(load.done, 3u);
  finish(load);
}

// Between the moment at which the next is due and the tick at which the one that waits is looked at.
TEST_F(Limits, who_comes_at_the_right_moment_does_not_overtake_who_waits) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 100}});
  uint8_t memory = 0;
  below->mapped = {&memory, k_block};
  Load patient(world_, *reactors_[0], *volume), lucky(world_, *reactors_[0], *volume);
  for (const IoType type : {IoType::read, IoType::write}) {
    const uint64_t before = patient.done;
    patient.start(8, type);
    for (int i = 0; i < 50'000; ++i) {
      world_.advance(10 * k_ns_per_us);
      world_.on(*reactors_[0], [&] {
        const Segment mapped = lucky.channel().map_read(0, 1);
        if (mapped.base != nullptr) lucky.channel().unmap_read(mapped), ++lucky.done;
      });
    }
    EXPECT_EQ(lucky.done, 0u) << static_cast<int>(type);
    EXPECT_NEAR(static_cast<double>(patient.done - before), 50, 2);
    finish(patient);
  }
}

TEST_F(Limits, one_a_second_is_never_two_in_a_second_but_for_a_late_timer) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 1}});
  Load load(world_, *reactors_[0], *volume);
  for (const uint64_t pause_ms : {0, 300, 1700, 999, 5000, 1001}) {
    world_.advance(pause_ms * k_ms);
    load.submit_one(IoType::read);
  }
  finish(load);
  for (size_t i = 1; i < below->seen.size(); ++i) {
    EXPECT_GE(below->seen[i].at_ns - below->seen[i - 1].at_ns, k_s - k_ms / 5) << i;
  }
}

TEST_F(Limits, without_a_burst_an_idle_hour_saves_up_no_more_than_one_percent_of_a_second) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 10'000}});
  Load load(world_, *reactors_[0], *volume);
  world_.advance(3600 * k_s);
  load.start(2000);
  EXPECT_LE(below->seen.size(), 101u);
  world_.advance(k_s);
  EXPECT_LE(below->seen.size(), 10'102u);
  finish(load);
}

TEST_F(Limits, a_burst_is_saved_up_while_idle_and_then_over) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 1000}, .burst_ms = 2000});
  Load load(world_, *reactors_[0], *volume);
  load.start(4000);
  EXPECT_LE(load.done, 1u);  // a new limit has nothing saved up
  finish(load);
  world_.advance(60 * k_s);
  const uint64_t from_ns = now_ns();
  below->seen.clear();
  load.start(64);
  EXPECT_NEAR(static_cast<double>(below->seen.size()), 2000, 2);
  world_.advance(11 * k_s);
  EXPECT_NEAR(static_cast<double>(ios_in(below->seen, from_ns, now_ns(), k_s).most), 3000, 60);
  expect_rate(below->seen, from_ns + k_ms, now_ns(), 1000);
  finish(load);
}

TEST_F(Limits, of_a_million_million_are_as_good_as_none) {
  const auto below = timed();
  const auto volume =
      governed(below, {.total = {1'000'000'000'000, 1'000'000'000'000'000}, .min_iops = 1'000'000'000'000});
  Load load(world_, *reactors_[0], *volume);
  world_.advance(20 * k_ms);
  for (int i = 0; i < 10'000; ++i) load.submit_one(IoType::write, 256);
  EXPECT_EQ(load.done, 10'000u);
}

TEST_F(Limits, nothing_waits_but_what_its_submitter_holds_and_all_of_it_is_counted) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 10}});
  Load load(world_, *reactors_[0], *volume);
  load.start(100);
  world_.advance(5 * k_s);
  const Stats stats = volume->stats();
  EXPECT_EQ(stats.waiting_ios, 100u);
  EXPECT_NEAR(static_cast<double>(stats.throttled_ios), 50, 1);
  // Each waits until a hundred before it are gone; the first fifty less.
  EXPECT_NEAR(static_cast<double>(stats.throttled_ns) / 1e9, 50 * 51 / 2 * 0.1, 10);
  finish(load);
  EXPECT_EQ(volume->stats().waiting_ios, 0u);
}

}  // namespace
}  // namespace ballast::bdev::qos::test
