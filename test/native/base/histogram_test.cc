#include "base/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "base/prng.h"

namespace ballast {
namespace {

TEST(Histogram, an_empty_one_answers_zero) {
  const auto histogram = std::make_unique<Histogram>();
  EXPECT_EQ(histogram->count(), 0u);
  EXPECT_EQ(histogram->percentile_ns(50), 0u);
  EXPECT_EQ(histogram->mean_ns(), 0.0);
  EXPECT_EQ(histogram->max_ns(), 0u);
}

TEST(Histogram, every_value_is_within_its_bucket_and_no_more_than_0_8_percent_off) {
  Prng prng(1);
  for (int i = 0; i < 1'000'000; ++i) {
    const uint64_t value = prng.next() >> (24 + prng.below(40));
    const uint32_t bucket = Histogram::bucket_of(value);
    ASSERT_LT(bucket, Histogram::k_buckets_count);
    const uint64_t upper = Histogram::bucket_upper_ns(bucket);
    ASSERT_GE(upper, value);
    ASSERT_LE(static_cast<double>(upper - value), 0.008 * static_cast<double>(value)) << value;
    if (bucket > 0) {
      ASSERT_LT(Histogram::bucket_upper_ns(bucket - 1), value);
    }
  }
}

TEST(Histogram, values_beyond_its_range_count_as_the_last) {
  auto histogram = std::make_unique<Histogram>();
  histogram->record(UINT64_MAX / 4);
  EXPECT_EQ(histogram->count(), 1u);
  EXPECT_EQ(Histogram::bucket_of(UINT64_MAX), Histogram::k_buckets_count - 1);
  EXPECT_EQ(histogram->max_ns(), UINT64_MAX / 4);
}

TEST(Histogram, percentiles_are_those_of_the_sorted_samples) {
  Prng prng(2);
  auto histogram = std::make_unique<Histogram>();
  std::vector<uint64_t> samples;
  for (int i = 0; i < 10'001; ++i) {
    samples.push_back(1 + (prng.next() >> (30 + prng.below(30))));
    histogram->record(samples.back());
  }
  std::sort(samples.begin(), samples.end());
  for (const double percentile : {0.0, 1.0, 50.0, 99.0, 99.9, 100.0}) {
    const auto rank = static_cast<size_t>(std::max(1.0, std::ceil(percentile / 100 * 10'001)));
    const uint64_t exact = samples[rank - 1];
    EXPECT_GE(histogram->percentile_ns(percentile), exact);
    EXPECT_LE(static_cast<double>(histogram->percentile_ns(percentile)), 1.008 * static_cast<double>(exact));
  }
  EXPECT_EQ(histogram->percentile_ns(100), samples.back());
  EXPECT_EQ(histogram->max_ns(), samples.back());
}

TEST(Histogram, merging_is_recording_both) {
  auto one = std::make_unique<Histogram>();
  auto two = std::make_unique<Histogram>();
  auto both = std::make_unique<Histogram>();
  for (uint64_t i = 1; i < 1000; ++i) {
    (i % 3 == 0 ? one : two)->record(i * 1000);
    both->record(i * 1000);
  }
  one->merge(*two);
  EXPECT_EQ(one->count(), both->count());
  EXPECT_EQ(one->mean_ns(), both->mean_ns());
  EXPECT_EQ(one->percentile_ns(99), both->percentile_ns(99));
  one->reset();
  EXPECT_EQ(one->count(), 0u);
}

}  // namespace
}  // namespace ballast
