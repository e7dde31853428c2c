#include "bdev/file/file_bdev.h"

#include <utility>

#include "bdev/check.h"
#include "bdev/file/file_channel.h"
#include "bdev/file/file_device.h"
#include "bdev/zero_memory.h"

namespace ballast::bdev {
namespace {

class FileBdev final : public Bdev {
 public:
  FileBdev(std::unique_ptr<File> file, const FileBdevOptions& options) {
    device_.cache_below = file->volatile_write_cache();
    device_.geometry = {options.block_size_bytes, file->size_bytes() / options.block_size_bytes};
    device_.capabilities = {.unmap = true,
                            .write_zeroes = true,
                            .compare = true,
                            .copy = true,
                            .verify = true,
                            .volatile_write_cache = options.volatile_write_cache && device_.cache_below,
                            .persistent = true};
    device_.file = std::move(file);
    device_.range_lock = RangeLock::create();
  }
  const Geometry& geometry() const override { return device_.geometry; }
  const Capabilities& capabilities() const override { return device_.capabilities; }
  const char* kind() const override { return "file"; }
  std::unique_ptr<Channel> open(Reactor& reactor) override {
    return std::make_unique<FileChannel>(reactor, device_);
  }

 private:
  FileDevice device_;
};

Error about(const std::string& path, const std::string& text) {
  return {Errc::invalid_argument, path + ": " + text};
}

Outcome check_file(const File& file, const FileBdevOptions& options) {
  const uint32_t block_size_bytes = options.block_size_bytes;
  const uint64_t size_bytes = file.size_bytes();
  if (options.size_bytes.has_value() && size_bytes != *options.size_bytes) {
    return about(options.path, "has " + std::to_string(size_bytes) + " bytes, not " +
                                   std::to_string(*options.size_bytes) + ", and is never resized");
  }
  const Outcome size_checked = check_size(size_bytes, block_size_bytes);
  if (!size_checked.ok()) return about(options.path, size_checked.error().text);
  if (file.direct_alignment_bytes() > block_size_bytes) {
    return about(options.path, "lies on a disk of " + std::to_string(file.direct_alignment_bytes()) +
                                   "-byte sectors; a block size of " + std::to_string(block_size_bytes) +
                                   " bytes cannot be served from it");
  }
  return Unit{};
}

}  // namespace

Result<std::shared_ptr<Bdev>> make_file_bdev(FileSystem& files, const FileBdevOptions& options) {
  const uint32_t block_size_bytes = options.block_size_bytes;
  // Before anything is created.
  const Outcome checked = check_size(options.size_bytes.value_or(block_size_bytes), block_size_bytes);
  if (!checked.ok()) return about(options.path, checked.error().text);
  if (zero_memory().base == nullptr) return Errc::no_memory;

  FileOptions file_options;
  file_options.create = options.size_bytes.has_value();
  file_options.create_size_bytes = options.size_bytes.value_or(0);
  TRY(std::unique_ptr<File> file, files.open(options.path, file_options));

  const Outcome fits = check_file(*file, options);
  if (!fits.ok()) {
    if (file->created()) files.remove(options.path);  // while it is locked: nobody else has it yet
    return fits.error();
  }
  return std::shared_ptr<Bdev>(new FileBdev(std::move(file), options));
}

}  // namespace ballast::bdev
