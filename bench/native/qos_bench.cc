// What the QoS layer costs an I/O, in batches of 32 over a device that does nothing: 4 KiB writes, so that
// not even data is moved. Each batch is followed by a turn in which 32 us of virtual time pass, and the time
// of that is in all of them: what a case costs is what it takes above `bare`.
#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "base/clock.h"
#include "bdev/null/null_bdev.h"
#include "bdev/qos/qos_bdev.h"
#include "reactor/simulated_world.h"

namespace ballast::bdev::qos {
namespace {

constexpr uint32_t k_depth = 32;
constexpr uint64_t k_far_above = 1'000'000'000;

struct Setup {
  bool governed = true;
  Config config;
  NodeBudget budget;
  bool mapped = false;
};

void run(benchmark::State& state, const Setup& setup) {
  SimulatedWorld world(1);
  Reactor& reactor = world.add_reactor();
  std::shared_ptr<Bdev> device = std::move(*make_null_bdev({.size_bytes = 1 << 30}));
  const std::shared_ptr<Node> node = Node::create(reactor);
  if (!node->set_budget(setup.budget).ok()) return state.SkipWithError("budget");
  if (setup.governed) {
    Result<std::shared_ptr<QosBdev>> made = make_qos_bdev(device, node, setup.config);
    if (!made.ok()) return state.SkipWithError("config");
    device = std::move(*made);
  }
  world.settle();
  std::unique_ptr<Channel> channel;
  world.on(reactor, [&] { channel = device->open(reactor); });
  std::vector<uint8_t> memory(4096);
  const Segment data{memory.data(), memory.size()};
  std::array<Io, k_depth> ios;
  std::array<bool, k_depth> busy{};
  for (uint32_t i = 0; i < k_depth; ++i) {
    ios[i].type = IoType::write;
    ios[i].blocks_count = 1;
    ios[i].lba = i;
    ios[i].data = {&data, 1};
    ios[i].context = &busy[i];
    ios[i].done = [](Io& ended, Status) { *static_cast<bool*>(ended.context) = false; };
  }
  uint64_t ios_count = 0;
  for (auto _ : state) {
    {
      const Reactor::Entered entered(reactor);
      for (uint32_t i = 0; i < k_depth; ++i) {
        if (setup.mapped) {
          const Segment mapped = channel->map_read(i, 1);
          benchmark::DoNotOptimize(mapped.base);
          channel->unmap_read(mapped);
        } else if (!busy[i]) {
          busy[i] = true;
          channel->submit(ios[i]);
        } else {
          continue;
        }
        ++ios_count;
      }
    }
    world.advance(k_depth * k_ns_per_us);
  }
  state.SetItemsProcessed(static_cast<int64_t>(ios_count));
  state.counters["per_io"] = benchmark::Counter(static_cast<double>(ios_count),
                                                benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  world.advance(k_ns_per_s);  // what waits ends
  world.on(reactor, [&] { channel.reset(); });
}

const Rates k_rates{k_far_above, k_far_above * 4096};

BENCHMARK_CAPTURE(run, bare, Setup{.governed = false});
BENCHMARK_CAPTURE(run, unlimited, Setup{});
BENCHMARK_CAPTURE(run, limit_far_above, Setup{.config = {.total = {.iops = k_far_above}}});
BENCHMARK_CAPTURE(run, all_limits_far_above,
                  Setup{.config = {.total = k_rates, .read = k_rates, .write = k_rates}});
BENCHMARK_CAPTURE(run, budget_far_above, Setup{.budget = {.iops = k_far_above, .depth = 4096}});
BENCHMARK_CAPTURE(run, limit_promise_and_budget_far_above,
                  Setup{.config = {.total = {.iops = k_far_above}, .min_iops = k_far_above / 2},
                        .budget = {.iops = k_far_above, .depth = 4096}});
BENCHMARK_CAPTURE(run, limit_reached, Setup{.config = {.total = {.iops = 300'000}}});
BENCHMARK_CAPTURE(run, budget_reached, Setup{.budget = {.iops = 300'000, .depth = 64}});
BENCHMARK_CAPTURE(run, mapped_read_bare, Setup{.governed = false, .mapped = true});
BENCHMARK_CAPTURE(run, mapped_read_unlimited, Setup{.mapped = true});
BENCHMARK_CAPTURE(run, mapped_read_limit_far_above,
                  Setup{.config = {.total = {.iops = k_far_above}}, .mapped = true});

// A limit that reactors share: what the line of memory costs when several take.
void take(benchmark::State& state) {
  static TokenBucket bucket;
  static const bool ready = [] {
    bucket.configure(k_ns_per_s, 1'000'000'000'000, 0, 0);
    return true;
  }();
  benchmark::DoNotOptimize(ready);
  uint64_t now_ns = 2 * k_ns_per_s;
  for (auto _ : state) benchmark::DoNotOptimize(bucket.try_take(now_ns += 1000, 1, Arrival::fresh));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(take)->Threads(1)->Threads(2)->UseRealTime();

}  // namespace
}  // namespace ballast::bdev::qos
