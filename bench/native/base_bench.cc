// What the small things that every I/O uses cost.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/histogram.h"
#include "base/object_pool.h"
#include "base/prng.h"

namespace ballast {
namespace {

void crc32c_of_bytes(benchmark::State& state) {
  const std::vector<uint8_t> bytes(static_cast<size_t>(state.range(0)), 0x5a);
  for (auto _ : state) benchmark::DoNotOptimize(crc32c(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(crc32c_of_bytes)->Arg(72)->Arg(4096)->Arg(128 * 1024);

void histogram_record(benchmark::State& state) {
  const auto histogram = std::make_unique<Histogram>();
  Prng prng(1);
  for (auto _ : state) histogram->record(prng.next() >> 44);
}
BENCHMARK(histogram_record);

void pool_acquire_and_release(benchmark::State& state) {
  ObjectPool<uint64_t> pool(128);
  for (auto _ : state) {
    uint64_t* const object = pool.try_acquire();
    benchmark::DoNotOptimize(object);
    pool.release(*object);
  }
}
BENCHMARK(pool_acquire_and_release);

void clock_read(benchmark::State& state) {
  const MonotonicClock clock;
  for (auto _ : state) benchmark::DoNotOptimize(clock.now_ns());
}
BENCHMARK(clock_read);

void prng_next(benchmark::State& state) {
  Prng prng(1);
  for (auto _ : state) benchmark::DoNotOptimize(prng.next());
}
BENCHMARK(prng_next);

}  // namespace
}  // namespace ballast
