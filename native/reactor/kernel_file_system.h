// FileSystem over the kernel: opens, locks and describes files and block devices. Blocks, so it is for the
// control path only; thread-safe.
#pragma once

#include "reactor/io_backend.h"

namespace ballast {

class KernelFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, const FileOptions& options) override;
  void remove(const std::string& path) override;
};

}  // namespace ballast
