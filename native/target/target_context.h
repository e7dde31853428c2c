// What the shards of one target share: constants from the start, and a few counters that any thread reads.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "target/connection_limits.h"
#include "target/target.h"

namespace ballast::target {

class TargetShard;

struct TargetContext {
  TargetContext(const TargetOptions& given, uint64_t now_ns)
      : options(given),
        limits(given.connections_max, given.connections_per_address_max, now_ns * 0x9e3779b97f4a7c15ull),
        started_ns(now_ns) {}

  const TargetOptions options;
  std::vector<TargetShard*> shards;  // by index of the reactor's place in Target::create; fixed afterwards
  ConnectionLimits limits;
  Target::HostLost host_lost;  // set before there is a controller that can be lost
  const uint64_t started_ns;
  std::atomic<uint32_t> controllers_count{0};
  std::atomic<uint64_t> instances_used{0};  // of controllers
  std::atomic<uint64_t> keep_alive_timeouts{0};
};

// The CNTLIDs of one shard: the target's range is split evenly, so the owner of a controller is known from
// its CNTLID alone. Empty (last below first) for shards beyond the size of the range.
struct ControllerIdRange {
  uint32_t first = 1;
  uint32_t last = 0;
  uint32_t count() const { return last < first ? 0 : last - first + 1; }
};
ControllerIdRange controller_ids_of_shard(const TargetOptions& options, uint32_t shard,
                                          uint32_t shards_count);
// Where the controller lives, if it exists; shards_count for a CNTLID outside of the range.
uint32_t shard_of_controller_id(const TargetOptions& options, uint32_t shards_count, uint16_t controller_id);

}  // namespace ballast::target
