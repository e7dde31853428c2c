// A simulated world with one reactor and a disk, and a way to run coroutines to their end in it.
#pragma once

#include <gtest/gtest.h>

#include "bdev/pool/disk.h"
#include "bdev/pool/task.h"
#include "native/bdev_pool/samples.h"
#include "reactor/simulated_world.h"

namespace ballast::bdev::pool::test {

class PoolStage {
 public:
  explicit PoolStage(uint64_t seed = 1) : world(seed), reactor(world.add_reactor()) {}

  std::unique_ptr<Disk> open(const std::string& path, uint64_t size_bytes) {
    FileOptions options;
    options.create = true;
    options.create_size_bytes = size_bytes;
    Result<std::unique_ptr<File>> file = world.files().open(path, options);
    BALLAST_ASSERT(file.ok());
    return std::make_unique<Disk>(reactor, std::move(*file));
  }
  // `make` starts a task on the reactor; returns what it ends with.
  template <typename Make>
  auto run(Make make) {
    std::optional<decltype(make())> task;
    world.on(reactor, [&] { task.emplace(make()); });
    const bool ended = world.run_until([&] { return task->is_done(); });
    BALLAST_ASSERT(ended);
    return std::move(task->value());
  }
  Errc read(Disk& disk, uint64_t offset, const PageBuffer& into) {
    return run([&]() -> Task<Errc> { co_return co_await disk.read(offset, into.bytes()); });
  }
  Errc write(Disk& disk, uint64_t offset, const PageBuffer& from) {
    return run([&]() -> Task<Errc> { co_return co_await disk.write(offset, from.bytes()); });
  }

  SimulatedWorld world;
  Reactor& reactor;
};

}  // namespace ballast::bdev::pool::test
