// Mounting and unmounting the one file of a FuseSession. These block: never on a reactor. They need root
// (CAP_SYS_ADMIN), and /dev/fuse.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace ballast::attach {

struct FuseMountConfig {
  std::string path;    // an existing regular file, which the device's file is mounted on
  std::string source;  // what /proc/mounts shows in its first column; no comma
  uint32_t transfer_bytes_max = 1 << 20;
  bool read_only = false;
};

// Opens /dev/fuse and mounts it; the descriptor is non-blocking, and a FuseSession's. The kernel's first
// request waits in it. Errc: not_found (no /dev/fuse), permission_denied, in_use, io_error.
Result<int> mount_fuse(const FuseMountConfig& config);

// Unmounts what is on top of `path`. `dead`: nobody serves it any more: what waits there is ended with an
// error, and it is taken out of sight at once even if it is in use. Errc: in_use (not if dead),
// permission_denied; a path where nothing is mounted is no error.
Outcome unmount(const std::string& path, bool dead);

}  // namespace ballast::attach
