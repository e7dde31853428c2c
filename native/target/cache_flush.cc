#include "target/cache_flush.h"

#include <utility>

namespace ballast::target {

void CacheFlush::start(SubsystemShard& subsystem, std::function<void()> done) {
  BALLAST_ASSERT(!under_way());
  ios_.clear();
  done_ = std::move(done);
  for (NamespaceShard* shard = subsystem.next_visible(0); shard != nullptr;
       shard = subsystem.next_visible(shard->nsid())) {
    if (!shard->capabilities().volatile_write_cache || !shard->try_enter()) continue;
    ios_.push_back(std::make_unique<One>(One{this, shard, {}}));
  }
  left_ = static_cast<uint32_t>(ios_.size()) + 1;
  for (const auto& one : ios_) {
    one->io.type = bdev::IoType::flush;
    one->io.context = one.get();
    one->io.done = [](bdev::Io& io, bdev::Status) {
      One& finished = *static_cast<One*>(io.context);
      finished.shard->leave();
      finished.flush->finish_one();
    };
    one->shard->channel().submit(one->io);
  }
  finish_one();
}

void CacheFlush::finish_one() {
  if (--left_ > 0) return;
  const std::function<void()> done = std::move(done_);
  if (done) done();
}

}  // namespace ballast::target
