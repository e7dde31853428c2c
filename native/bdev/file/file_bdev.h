// A device in a regular file or on a block device, through the reactor's ring. Serves `file:PATH[:SIZE]`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "bdev/bdev.h"
#include "reactor/io_backend.h"

namespace ballast::bdev {

struct FileBdevOptions {
  std::string path;
  // Given: a missing file is created with this size, an existing one must have it. Absent: the file must
  // exist.
  std::optional<uint64_t> size_bytes;
  uint32_t block_size_bytes = 4096;  // 512 or 4096
  // A finished write may sit in the cache below until a flush or a write with fua. Off: durable when done.
  bool volatile_write_cache = false;
};

// Blocks: call it on the control path. `files` need not outlive the device. invalid_argument: size 0, not a
// multiple of the block, or not that of the existing file; a block smaller than the alignment of direct I/O.
// Otherwise what FileSystem::open says.
Result<std::shared_ptr<Bdev>> make_file_bdev(FileSystem& files, const FileBdevOptions& options);

}  // namespace ballast::bdev
