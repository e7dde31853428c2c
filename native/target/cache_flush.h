// Flushes every namespace of a subsystem whose device has a volatile write cache: what a normal shutdown owes
// the host. NVMe Base Specification 2.1, "Shutdown". A member of its controller; control path.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "target/subsystem_shard.h"

namespace ballast::target {

class CacheFlush {
 public:
  ~CacheFlush() { BALLAST_ASSERT(!under_way()); }
  // `done` may run from inside. A device that fails to flush is left to its own counters: there is nobody to
  // tell. Not while under_way().
  void start(SubsystemShard& subsystem, std::function<void()> done);
  bool under_way() const { return left_ > 0; }

 private:
  struct One {
    CacheFlush* flush = nullptr;
    NamespaceShard* shard = nullptr;
    bdev::Io io;
  };
  void finish_one();

  std::vector<std::unique_ptr<One>> ios_;
  uint32_t left_ = 0;
  std::function<void()> done_;
};

}  // namespace ballast::target
