// A device in the memory of this process: fast, and gone with the process. Serves a volume `mem:SIZE`.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "bdev/bdev.h"

namespace ballast::bdev {

struct MemoryBdevOptions {
  uint64_t size_bytes = 0;
  uint32_t block_size_bytes = 4096;  // 512 or 4096
};

// invalid_argument: size 0 or not a multiple of the block, another block size; no_memory: the kernel refuses
// so large a mapping. The memory is taken as it is written, in pages of up to 2 MiB.
Result<std::shared_ptr<Bdev>> make_memory_bdev(const MemoryBdevOptions& options);

}  // namespace ballast::bdev
