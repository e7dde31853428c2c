#include "bdev/memory/memory_bdev.h"

#include <utility>

#include "bdev/check.h"
#include "bdev/memory/memory_channel.h"

namespace ballast::bdev {
namespace {

class MemoryBdev final : public Bdev {
 public:
  MemoryBdev(const Geometry& geometry, std::shared_ptr<MemoryStore> store)
      : geometry_(geometry), store_(std::move(store)) {}
  const Geometry& geometry() const override { return geometry_; }
  const Capabilities& capabilities() const override { return capabilities_; }
  const char* kind() const override { return "memory"; }
  std::unique_ptr<Channel> open(Reactor& reactor) override {
    BALLAST_ASSERT_ON_REACTOR(reactor);
    return std::make_unique<MemoryChannel>(reactor, geometry_, store_);
  }

 private:
  Geometry geometry_;
  Capabilities capabilities_{
      .unmap = true, .write_zeroes = true, .compare = true, .copy = true, .verify = true};
  std::shared_ptr<MemoryStore> store_;
};

}  // namespace

Result<std::shared_ptr<Bdev>> make_memory_bdev(const MemoryBdevOptions& options) {
  TRY([[maybe_unused]] const Unit checked, check_size(options.size_bytes, options.block_size_bytes));
  TRY(std::shared_ptr<MemoryStore> store, MemoryStore::create(options.size_bytes));
  return std::shared_ptr<Bdev>(new MemoryBdev(
      {options.block_size_bytes, options.size_bytes / options.block_size_bytes}, std::move(store)));
}

}  // namespace ballast::bdev
