#include "bdev/qos/stats.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace ballast::bdev::qos::test {
namespace {

class QosPressure : public testing::Test {
 protected:
  // Waits for `ns` and gets `units` meanwhile.
  void wait(uint64_t ns, uint64_t units) {
    pressure.settle(now_ns, true, 1000, cells);
    pressure.count(units);
    pressure.settle(now_ns += ns, false, 1000, cells);
  }
  Pressure pressure;
  StatsCells cells;
  uint64_t now_ns = 1000 * k_ns_per_s;
};

TEST_F(QosPressure, judges_only_the_time_in_which_something_waited) {
  EXPECT_EQ(cells.read().guarantee_kept_percent(), 100.0);
  for (int i = 0; i < 9; ++i) {
    wait(100 * k_ns_per_ms, 100);
    now_ns += 3600 * k_ns_per_s;
  }
  EXPECT_EQ(cells.read().guarantee_seconds, 0u);
  wait(100 * k_ns_per_ms, 100);
  EXPECT_EQ(cells.read().guarantee_seconds, 1u);
  EXPECT_EQ(cells.read().guarantee_kept_seconds, 1u);
}

TEST_F(QosPressure, tells_a_second_that_had_less_than_99_percent) {
  wait(k_ns_per_s, 990);
  wait(k_ns_per_s, 989);
  wait(k_ns_per_s, 2000);
  wait(2 * k_ns_per_s, 1500);
  EXPECT_EQ(cells.read().guarantee_seconds, 4u);
  EXPECT_EQ(cells.read().guarantee_kept_seconds, 2u);
  EXPECT_EQ(cells.read().guarantee_kept_percent(), 50.0);
}

TEST_F(QosPressure, does_not_count_what_went_while_nothing_waited) {
  pressure.count(1'000'000);
  wait(k_ns_per_s, 10);
  EXPECT_EQ(cells.read().guarantee_kept_seconds, 0u);
}

}  // namespace
}  // namespace ballast::bdev::qos::test
