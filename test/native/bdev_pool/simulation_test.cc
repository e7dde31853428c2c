// Random walks over a simulated pool. BALLAST_SIM_SEEDS=100000 walks so many, BALLAST_SIM_SEED=7 begins with
// that one (alone, if it is given alone); what fails says how it is repeated.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "native/bdev_pool/simulation_walk.h"

namespace ballast::bdev::pool::test {
namespace {

constexpr uint64_t k_seeds_in_short = 60;

uint64_t present_seed = 0;

void say_how_to_repeat() {
  std::fprintf(stderr,
               "\nrepeat with: BALLAST_SIM_SEED=%llu bdev_pool_test "
               "--gtest_filter=PoolSimulation.what_a_random_walk_reads_is_what_was_written\n",
               static_cast<unsigned long long>(present_seed));
}

void on_abort(int) {
  say_how_to_repeat();
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

uint64_t number_of(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

TEST(PoolSimulation, what_a_random_walk_reads_is_what_was_written) {
  const bool is_quiet = std::getenv("BALLAST_SIM_LOG") == nullptr;
  if (is_quiet) set_log_sink([](void*, LogLevel, const char*, std::string_view) {}, nullptr);
  std::signal(SIGABRT, on_abort);
  const uint64_t first = number_of("BALLAST_SIM_SEED", 1);
  const uint64_t only = std::getenv("BALLAST_SIM_SEED") != nullptr ? 1 : k_seeds_in_short;
  const uint64_t count = number_of("BALLAST_SIM_SEEDS", only);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    present_seed = seed;
    const std::string wrong = walk(seed);
    if (!wrong.empty()) say_how_to_repeat();
    ASSERT_EQ(wrong, "") << "seed " << seed;
    if (count > 1000 && seed % 1000 == 0)
      std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
  }
  std::signal(SIGABRT, SIG_DFL);
  set_log_sink(nullptr, nullptr);
}

}  // namespace
}  // namespace ballast::bdev::pool::test
