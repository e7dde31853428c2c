// What encryption costs: bytes a second of one core, and of an I/O through the layer over a device that does
// nothing. docs/formats/crypt.md says what is done to a block.
#include <benchmark/benchmark.h>

#include <vector>

#include "bdev/crypt/crypt_bdev.h"
#include "bdev/crypt/xts_cipher.h"
#include "bdev/null/null_bdev.h"
#include "reactor/simulated_world.h"

namespace ballast::bdev {
namespace {

CryptKey key() {
  std::vector<uint8_t> bytes(CryptKey::k_size_bytes);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
  return std::move(*CryptKey::create(bytes));
}

void encrypt(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  const std::unique_ptr<XtsCipher> cipher = XtsCipher::create(key(), 4096);
  std::vector<uint8_t> from(bytes, 0x5a), to(bytes);
  const Segment data{from.data(), bytes};
  uint64_t lba = 0;
  for (auto _ : state) cipher->encrypt({&data, 1}, 0, to.data(), ++lba, bytes / 4096);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes));
}
BENCHMARK(encrypt)->Arg(4096)->Arg(128 * 1024);

void decrypt(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  const std::unique_ptr<XtsCipher> cipher = XtsCipher::create(key(), 4096);
  std::vector<uint8_t> memory(bytes, 0x5a);
  const Segment data{memory.data(), bytes};
  uint64_t lba = 0;
  for (auto _ : state) cipher->decrypt({&data, 1}, ++lba, bytes / 4096);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes));
}
BENCHMARK(decrypt)->Arg(4096)->Arg(128 * 1024);

// What an unwritten block costs to be told from a written one.
void decrypt_zeroes(benchmark::State& state) {
  const std::unique_ptr<XtsCipher> cipher = XtsCipher::create(key(), 4096);
  std::vector<uint8_t> memory(4096);
  const Segment data{memory.data(), 4096};
  for (auto _ : state) cipher->decrypt({&data, 1}, 1, 1);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * 4096));
}
BENCHMARK(decrypt_zeroes);

void write_4k_through_the_layer(benchmark::State& state) {
  SimulatedWorld world(1);
  Reactor& reactor = world.add_reactor();
  const std::shared_ptr<Bdev> null = std::move(*make_null_bdev({.size_bytes = 1 << 30}));
  const std::shared_ptr<Bdev> crypt = std::move(*make_crypt_bdev(null, key()));
  std::vector<uint8_t> memory(4096, 0x5a);
  const Segment data{memory.data(), 4096};
  Io io;
  io.type = IoType::write;
  io.blocks_count = 1;
  io.data = {&data, 1};
  io.done = [](Io&, Status) {};
  world.on(reactor, [&] {
    const std::unique_ptr<Channel> channel = crypt->open(reactor);
    for (auto _ : state) {
      io.lba = (io.lba + 1) % 1000;
      channel->submit(io);
    }
  });
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * 4096));
}
BENCHMARK(write_4k_through_the_layer);

}  // namespace
}  // namespace ballast::bdev
