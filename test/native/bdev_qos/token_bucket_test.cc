#include "bdev/qos/token_bucket.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/clock.h"

namespace ballast::bdev::qos::test {
namespace {

constexpr uint64_t k_smoothing_ns = 10 * k_ns_per_ms;
constexpr uint64_t k_start_ns = 1000 * k_ns_per_s;

struct Bucket : TokenBucket {
  explicit Bucket(uint64_t per_s, uint64_t saved_ns = 0) { set(k_start_ns, per_s, saved_ns); }
  void set(uint64_t now_ns, uint64_t per_s, uint64_t saved_ns = 0) {
    configure(now_ns, per_s, saved_ns, k_smoothing_ns);
  }
  uint64_t take_all(uint64_t now_ns, uint64_t amount = 1, Arrival arrival = Arrival::fresh) {
    uint64_t taken = 0;
    while (taken < 1'000'000 && try_take(now_ns, amount, arrival)) ++taken;
    return taken;
  }
};

TEST(TokenBucket, without_a_rate_gives_always) {
  Bucket bucket(0);
  EXPECT_EQ(bucket.take_all(k_start_ns, 1 << 30), 1'000'000u);
}

TEST(TokenBucket, is_exact_at_rates_whose_interval_is_no_whole_number) {
  for (const uint64_t per_s : {3u, 7u, 300'000u, 9'999'999u}) {
    Bucket bucket(per_s);
    uint64_t taken = 0;
    for (uint64_t ms = 1; ms <= 2000; ++ms) {
      taken += bucket.take_all(k_start_ns + ms * k_ns_per_ms, 1, Arrival::waited);
    }
    EXPECT_NEAR(static_cast<double>(taken), 2.0 * static_cast<double>(per_s),
                1 + 1e-4 * 2 * static_cast<double>(per_s))
        << per_s;
  }
}

TEST(TokenBucket, pays_for_what_is_larger_than_all_that_was_saved) {
  Bucket bucket(1000);
  EXPECT_TRUE(bucket.try_take(k_start_ns + k_ns_per_s, 5000, Arrival::fresh));
  EXPECT_FALSE(bucket.try_take(k_start_ns + 5900 * k_ns_per_ms, 1, Arrival::fresh));
  EXPECT_TRUE(bucket.try_take(k_start_ns + 6 * k_ns_per_s, 1, Arrival::fresh));
}

TEST(TokenBucket, saves_up_as_long_as_it_was_told) {
  Bucket bucket(1000, 3 * k_ns_per_s);
  EXPECT_EQ(bucket.take_all(k_start_ns), 1u);
  EXPECT_EQ(bucket.take_all(k_start_ns + 3600 * k_ns_per_s), 3001u);
}

TEST(TokenBucket, gives_back_what_was_not_used) {
  Bucket bucket(10);
  EXPECT_TRUE(bucket.try_take(k_start_ns, 1, Arrival::fresh));
  EXPECT_FALSE(bucket.try_take(k_start_ns, 1, Arrival::fresh));
  bucket.give_back(1);
  EXPECT_TRUE(bucket.try_take(k_start_ns, 1, Arrival::fresh));
}

TEST(TokenBucket, keeps_what_is_owed_as_an_amount_when_the_rate_changes) {
  Bucket bucket(10);
  EXPECT_TRUE(bucket.try_take(k_start_ns, 100, Arrival::fresh));  // ten seconds
  bucket.set(k_start_ns + 5 * k_ns_per_s, 1000);                  // fifty are left
  EXPECT_EQ(bucket.due_ns(), k_start_ns + 5 * k_ns_per_s + 50 * k_ns_per_ms);
  bucket.set(k_start_ns + 5 * k_ns_per_s, 1);
  EXPECT_EQ(bucket.due_ns(), k_start_ns + 55 * k_ns_per_s);
  bucket.set(k_start_ns + 5 * k_ns_per_s, 0);
  EXPECT_TRUE(bucket.try_take(k_start_ns + 5 * k_ns_per_s, 1, Arrival::fresh));
}

TEST(TokenBucket, owes_no_more_than_the_bound) {
  Bucket bucket(10);
  for (int i = 0; i < 100; ++i) bucket.take(k_start_ns, 10, 5 * k_ns_per_s);
  EXPECT_EQ(bucket.due_ns(), k_start_ns + 5 * k_ns_per_s);
}

TEST(TokenBucket, neither_overflows_nor_underflows) {
  Bucket slow(1, 3600 * k_ns_per_s);
  EXPECT_TRUE(slow.try_take(k_start_ns, uint64_t{1} << 44, Arrival::fresh));
  EXPECT_FALSE(slow.try_take(k_start_ns + (uint64_t{1} << 50), 1, Arrival::fresh));
  slow.set(k_start_ns, 1'000'000'000'000'000);
  Bucket young(1, 3600 * k_ns_per_s);
  young.configure(0, 0, 0, 0);
  young.configure(5, 1, 3600 * k_ns_per_s, k_smoothing_ns);  // five nanoseconds after the machine's start
  EXPECT_EQ(young.take_all(10), 1u);
  young.give_back(100);
  EXPECT_EQ(young.take_all(10), 1u);
}

TEST(TokenBucket, gives_each_thread_only_what_no_other_took) {
  Bucket bucket(1'000'000, k_ns_per_s);
  std::vector<std::thread> threads;
  std::atomic<uint64_t> taken{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      uint64_t mine = 0;
      while (bucket.try_take(k_start_ns + 100 * k_ns_per_ms, 1, Arrival::fresh)) ++mine;
      taken += mine;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 100'001u);
}

}  // namespace
}  // namespace ballast::bdev::qos::test
