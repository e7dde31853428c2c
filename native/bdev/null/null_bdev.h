// A device that reads zeroes and forgets what is written: measures everything but a disk. Serves `null:SIZE`.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "bdev/bdev.h"

namespace ballast::bdev {

struct NullBdevOptions {
  uint64_t size_bytes = 0;
  uint32_t block_size_bytes = 4096;  // 512 or 4096
};

// invalid_argument: size 0 or not a multiple of the block, another block size; no_memory.
Result<std::shared_ptr<Bdev>> make_null_bdev(const NullBdevOptions& options);

}  // namespace ballast::bdev
