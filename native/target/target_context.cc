#include "target/target_context.h"

#include <algorithm>

namespace ballast::target {
namespace {

uint32_t ids_per_shard(const TargetOptions& options, uint32_t shards_count) {
  const uint32_t ids = uint32_t{options.controller_id_last} - options.controller_id_first + 1;
  return std::max(ids / shards_count, 1u);
}

}  // namespace

ControllerIdRange controller_ids_of_shard(const TargetOptions& options, uint32_t shard,
                                          uint32_t shards_count) {
  const uint32_t size = ids_per_shard(options, shards_count);
  const uint32_t first = options.controller_id_first + shard * size;
  return {first, std::min<uint32_t>(first + size - 1, options.controller_id_last)};
}

uint32_t shard_of_controller_id(const TargetOptions& options, uint32_t shards_count, uint16_t controller_id) {
  if (controller_id < options.controller_id_first || controller_id > options.controller_id_last) {
    return shards_count;
  }
  const uint32_t size = ids_per_shard(options, shards_count);
  return std::min((controller_id - options.controller_id_first) / size, shards_count);
}

}  // namespace ballast::target
