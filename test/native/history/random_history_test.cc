// The checker against the search over all orders, on random histories. BALLAST_HISTORY_CASES=100000 takes so
// many, BALLAST_HISTORY_SEED=7 begins with that one; what fails says its seed and prints its history.
#include "native/history/random_history.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "history/checker.h"
#include "history/json_lines.h"
#include "native/history/brute_force.h"
#include "native/history/history_builder.h"

namespace ballast::history::test {
namespace {

constexpr uint64_t k_cases_in_short = 20'000;

using unsigned_long = unsigned long long;

struct Maker {
  const char* name;
  History (*make)(Prng& prng);
};
constexpr std::array<Maker, 4> k_makers = {{
    {"made of a register", legal_history},
    {"the same, changed", mutated_history},
    {"wild", wild_history},
    {"writes in flight all the time", contended_history},
}};

uint64_t number_of(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

std::string text_of(const History& history) {
  std::string text;
  for (const Operation& operation : history) append_json_line(text, operation);
  return text;
}

uint64_t blocks_violated_count(const History& history) {
  uint64_t count = 0;
  for (uint64_t block = 0; block < k_small_blocks_max; ++block) {
    count += brute_force(of_block(history, block)) ? 0 : 1;
  }
  return count;
}

TEST(RandomHistory, the_checker_says_what_the_search_over_all_orders_says) {
  const uint64_t first = number_of("BALLAST_HISTORY_SEED", 1);
  const uint64_t only = std::getenv("BALLAST_HISTORY_SEED") != nullptr ? 1 : k_cases_in_short;
  const uint64_t count = number_of("BALLAST_HISTORY_CASES", only);
  std::array<uint64_t, k_makers.size()> made{};
  std::array<uint64_t, k_makers.size()> legal{};
  std::array<uint64_t, 4> kinds{};
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Prng prng(seed);
    const size_t maker = seed % k_makers.size();
    const History history = k_makers[maker].make(prng);
    const uint64_t violated_count = blocks_violated_count(history);
    made[maker] += 1;
    legal[maker] += violated_count == 0 ? 1 : 0;
    if (maker == 0) {
      ASSERT_EQ(violated_count, 0u) << "the search is wrong, seed " << seed << "\n" << text_of(history);
    }
    const Result<Verdict> verdict = check(history);
    ASSERT_TRUE(verdict.ok()) << verdict.error().text << ", seed " << seed << "\n" << text_of(history);
    ASSERT_EQ(verdict->blocks_violated_count, violated_count) << "seed " << seed << "\n" << text_of(history);
    ASSERT_EQ(verdict->ok(), violated_count == 0);
    if (verdict->ok()) continue;
    kinds[static_cast<size_t>(verdict->first->kind)] += 1;
    expect_minimal_witness(*verdict->first, history);
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed << "\n" << text_of(history);
  }
  for (size_t maker = 0; maker < k_makers.size(); ++maker) {
    std::printf("%s: %llu histories, %llu legal\n", k_makers[maker].name, unsigned_long{made[maker]},
                unsigned_long{legal[maker]});
  }
  for (size_t kind = 0; kind < kinds.size(); ++kind) {
    std::printf("%s: %llu\n", violation_text(ViolationKind(kind)), unsigned_long{kinds[kind]});
  }
  if (count < k_cases_in_short) return;
  // Both answers, and every reason for one of them, were put to the test.
  for (size_t maker = 1; maker < k_makers.size(); ++maker) {
    EXPECT_GT(legal[maker], made[maker] / 5);
    EXPECT_LT(legal[maker], made[maker] * 4 / 5);
  }
  for (const uint64_t of_kind : kinds) EXPECT_GT(of_kind, count / 200);
}

// Time goes to the sanitizers in a usual run; RelWithDebInfo tells what a drill waits for.
Result<Verdict> check_with_figure(const char* name, const History& history) {
  const auto begin = std::chrono::steady_clock::now();
  Result<Verdict> verdict = check(history);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::printf("%s: %zu operations checked in %.2f s\n", name, history.size(), seconds.count());
  return verdict;
}

TEST(RandomHistory, a_million_operations_of_a_thousand_blocks) {
  Prng prng(1);
  History history = large_history(prng, 1'000'000, 1000);
  const Result<Verdict> legal = check_with_figure("1000 blocks, legal", history);
  ASSERT_TRUE(legal.ok());
  EXPECT_TRUE(legal->ok());
  EXPECT_EQ(legal->blocks_count, 1000u);

  // One old value, in one block, near the end.
  const auto is_read = [](const Operation& operation) {
    return operation.is_read() && operation.outcome == OperationOutcome::ok && operation.block == 617;
  };
  const auto early = std::find_if(history.begin() + 100'000, history.end(), is_read);
  const auto late = std::find_if(history.begin() + 900'000, history.end(), is_read);
  ASSERT_NE(late, history.end());
  late->value = early->value;
  const Result<Verdict> stale = check_with_figure("1000 blocks, one stale read", history);
  ASSERT_FALSE(stale->ok());
  EXPECT_EQ(stale->blocks_violated_count, 1u);
  EXPECT_EQ(stale->first->block, 617u);
  EXPECT_LE(stale->first->witness.size(), 6u);
  EXPECT_NE(std::find(stale->first->witness.begin(), stale->first->witness.end(), *late),
            stale->first->witness.end());
}

TEST(RandomHistory, a_million_operations_of_one_block) {
  Prng prng(2);
  const History history = large_history(prng, 1'000'000, 1);
  const Result<Verdict> verdict = check_with_figure("one block, legal", history);
  ASSERT_TRUE(verdict.ok());
  EXPECT_TRUE(verdict->ok());
}

}  // namespace
}  // namespace ballast::history::test
