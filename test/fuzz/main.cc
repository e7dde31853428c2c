// pdu_fuzz --role target|host|both --seconds N --seed S [--worlds N]: holds damaged NVMe/TCP conversations
// with our own target and initiator over the simulated world, until the time is over or something breaks.
// Each world of some hundred conversations has a seed of its own, which alone repeats it.
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/log.h"
#include "conversations.h"

#if defined(__SANITIZE_ADDRESS__)
extern "C" void __sanitizer_set_death_callback(void (*callback)());
#endif

namespace ballast::fuzz {
namespace {

enum class FuzzRole : uint8_t { target, host, both };

struct Arguments {
  FuzzRole role = FuzzRole::both;
  uint64_t seconds = 60;
  uint64_t seed = 0;
  uint64_t worlds_max = UINT64_MAX;
};

constexpr uint32_t k_conversations_per_world = 100;

uint64_t present_seed = 0;
uint32_t present_conversation = 0;
const char* present_role = "both";

void print_seed() {
  std::fprintf(stderr,
               "\npdu_fuzz: failed; repeat with: pdu_fuzz --role %s --seed %" PRIu64
               " --worlds 1   (conversation %u)\n",
               present_role, present_seed, present_conversation);
}

void on_abort(int) {
  print_seed();
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

[[noreturn]] void usage() {
  std::fprintf(stderr, "usage: pdu_fuzz [--role target|host|both] [--seconds N] [--seed S] [--worlds N]\n");
  std::exit(2);
}

uint64_t number(const char* text) {
  char* end = nullptr;
  const uint64_t value = std::strtoull(text, &end, 0);
  if (*text == 0 || *end != 0) usage();
  return value;
}

Arguments parse(int count, char** words) {
  Arguments arguments;
  arguments.seed = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  for (int i = 1; i < count; i += 2) {
    const std::string name = words[i];
    if (i + 1 >= count) usage();
    const char* const value = words[i + 1];
    if (name == "--seconds") {
      arguments.seconds = number(value);
    } else if (name == "--seed") {
      arguments.seed = number(value);
    } else if (name == "--worlds") {
      arguments.worlds_max = number(value);
    } else if (name == "--role") {
      present_role = value;
      arguments.role = std::strcmp(value, "target") == 0 ? FuzzRole::target
                       : std::strcmp(value, "host") == 0 ? FuzzRole::host
                                                         : FuzzRole::both;
      if (arguments.role == FuzzRole::both && std::strcmp(value, "both") != 0) usage();
    } else {
      usage();
    }
  }
  return arguments;
}

// One world; the number of conversations held.
uint32_t run_world(uint64_t seed, FuzzRole role, std::chrono::steady_clock::time_point end) {
  present_seed = seed;
  FuzzWorld world(seed);
  uint32_t conversations = 0;
  while (conversations < k_conversations_per_world) {
    present_conversation = conversations;
    const bool as_target = role == FuzzRole::both ? world.prng().chance(2, 3) : role == FuzzRole::target;
    as_target ? converse_with_target(world) : converse_with_host(world);
    world.check();
    ++conversations;
    if (std::chrono::steady_clock::now() >= end) break;
  }
  return conversations;
}

int run(const Arguments& arguments) {
  // A line for every refused PDU is what is wanted elsewhere.
  set_log_sink([](void*, LogLevel, const char*, std::string_view) {}, nullptr);
  std::signal(SIGABRT, on_abort);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback(print_seed);
#endif
  const auto start = std::chrono::steady_clock::now();
  const auto end = arguments.worlds_max == UINT64_MAX ? start + std::chrono::seconds(arguments.seconds)
                                                      : std::chrono::steady_clock::time_point::max();
  uint64_t conversations = 0;
  uint64_t worlds = 0;
  for (; worlds < arguments.worlds_max && (worlds == 0 || std::chrono::steady_clock::now() < end); ++worlds) {
    conversations += run_world(arguments.seed + worlds, arguments.role, end);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("pdu_fuzz: %" PRIu64 " conversations in %" PRIu64 " worlds from seed %" PRIu64
              ", %.1f s, %.0f/s, nothing broke\n",
              conversations, worlds, arguments.seed, seconds, static_cast<double>(conversations) / seconds);
  return 0;
}

}  // namespace

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, expression);
  std::abort();
}

}  // namespace ballast::fuzz

int main(int count, char** words) { return ballast::fuzz::run(ballast::fuzz::parse(count, words)); }
