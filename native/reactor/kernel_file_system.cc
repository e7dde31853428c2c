#include "reactor/kernel_file_system.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"

// <linux/stat.h> has these and cannot be included beside <sys/stat.h>.
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x00002000U
#endif

namespace ballast {
namespace {

// What is asked of O_DIRECT I/O where the kernel (before 6.1) does not tell: no disk has larger sectors.
constexpr uint32_t k_direct_alignment_default_bytes = 4096;

class OwnedDescriptor {
 public:
  explicit OwnedDescriptor(int descriptor) : descriptor_(descriptor) {}
  OwnedDescriptor(OwnedDescriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  OwnedDescriptor& operator=(OwnedDescriptor&&) = delete;
  ~OwnedDescriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

struct FileFacts {
  uint64_t size_bytes = 0;
  uint32_t direct_alignment_bytes = 1;
  bool created = false;
  bool volatile_write_cache = true;
  bool is_block_device = false;
};

class KernelFile final : public File {
 public:
  KernelFile(OwnedDescriptor descriptor, const FileFacts& facts)
      : descriptor_(std::move(descriptor)), facts_(facts) {}
  // A worker of io_uring may hold the file for a moment after its operation has been answered, and with it
  // the lock: whoever opens it next would find it in use.
  ~KernelFile() override { flock(descriptor_.get(), LOCK_UN); }
  Descriptor descriptor() const override { return descriptor_.get(); }
  uint64_t size_bytes() const override { return facts_.size_bytes; }
  uint32_t direct_alignment_bytes() const override { return facts_.direct_alignment_bytes; }
  bool created() const override { return facts_.created; }
  bool volatile_write_cache() const override { return facts_.volatile_write_cache; }
  bool is_block_device() const override { return facts_.is_block_device; }

 private:
  OwnedDescriptor descriptor_;
  FileFacts facts_;
};

Error error_of(int error, const std::string& path) {
  const Errc errc = error == EBUSY ? Errc::in_use : errc_from_errno(error);
  return {errc, log_escape(path) + ": " + std::strerror(error)};
}

Error in_use(const std::string& path) {
  return {Errc::in_use, log_escape(path) + " is in use by another process or volume"};
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A new name is durable once its directory is.
int sync_directory(const std::string& path) {
  const OwnedDescriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) return errno;
  return fsync(directory.get()) == 0 ? 0 : errno;
}

// Makes the file whole or not at all.
Result<OwnedDescriptor> create_file(const std::string& path, uint64_t size_bytes) {
  OwnedDescriptor descriptor(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (descriptor.get() < 0) return error_of(errno, path);
  int error = 0;
  // Locked before it has its size: whoever opens it meanwhile finds it in use, not half made.
  if (flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0 ||
      ftruncate(descriptor.get(), static_cast<off_t>(size_bytes)) != 0 || fsync(descriptor.get()) != 0) {
    error = errno;
  } else {
    error = sync_directory(directory_of(path));
  }
  if (error == 0) return descriptor;
  unlink(path.c_str());
  return error_of(error, path);
}

// What the path names, before it is opened: opening a fifo would hang, opening some devices acts.
Outcome check_kind(const struct stat& status, const std::string& path) {
  if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)) return Unit{};
  if (S_ISDIR(status.st_mode)) return Error{Errc::is_a_directory, log_escape(path) + " is a directory"};
  return Error{Errc::invalid_argument, log_escape(path) + " is neither a file nor a block device"};
}

Result<OwnedDescriptor> open_existing(const std::string& path, bool is_block_device, bool read_only) {
  // O_EXCL on a block device refuses it while it is mounted or held by another exclusive opener.
  const int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | (is_block_device ? O_EXCL : 0);
  OwnedDescriptor descriptor(open(path.c_str(), flags));
  if (descriptor.get() < 0) return errno == EBUSY ? in_use(path) : error_of(errno, path);
  struct stat status;
  if (fstat(descriptor.get(), &status) != 0) return error_of(errno, path);
  TRY(const Unit checked, check_kind(status, path));  // it may have been replaced since the first look
  static_cast<void>(checked);
  // It was for open() alone: with it, io_uring answers EAGAIN instead of waiting for a block device.
  fcntl(descriptor.get(), F_SETFL, fcntl(descriptor.get(), F_GETFL) & ~O_NONBLOCK);
  if (flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
    return errno == EWOULDBLOCK ? in_use(path) : error_of(errno, path);
  }
  return descriptor;
}

// True if O_DIRECT is on now. Some file systems refuse it.
bool try_direct(int descriptor, const std::string& path) {
  const int flags = fcntl(descriptor, F_GETFL);
  if (fcntl(descriptor, F_SETFL, flags | O_DIRECT) == 0) return true;
  log(LogLevel::warning, "reactor", "%s: no direct I/O here (%s); using the page cache",
      log_escape(path).c_str(), std::strerror(errno));
  return false;
}

uint32_t direct_alignment_of(int descriptor, bool is_block_device) {
  struct statx status {};
  if (statx(descriptor, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 &&
      (status.stx_mask & STATX_DIOALIGN) != 0) {
    // stx_dio_mem_align and stx_dio_offset_align (Linux 6.1), which this C library's structure lacks.
    constexpr size_t k_dio_align_offset = 152;
    std::array<uint32_t, 2> alignments;
    static_assert(k_dio_align_offset + sizeof(alignments) <= sizeof(status));
    std::memcpy(alignments.data(), reinterpret_cast<const char*>(&status) + k_dio_align_offset,
                sizeof(alignments));
    if (alignments[1] != 0) return std::max({alignments[0], alignments[1], 512u});
  }
  int sector_bytes = 0;
  if (is_block_device && ioctl(descriptor, BLKSSZGET, &sector_bytes) == 0 && sector_bytes > 0) {
    return static_cast<uint32_t>(sector_bytes);
  }
  return k_direct_alignment_default_bytes;
}

// "write back" or "write through"; empty if there is no such device. A partition has no queue of its own.
std::string write_cache_text(dev_t device) {
  const std::string base =
      "/sys/dev/block/" + std::to_string(major(device)) + ":" + std::to_string(minor(device));
  for (const char* where : {"/queue/write_cache", "/../queue/write_cache"}) {
    const OwnedDescriptor descriptor(open((base + where).c_str(), O_RDONLY | O_CLOEXEC));
    if (descriptor.get() < 0) continue;
    char text[32];
    const ssize_t length = read(descriptor.get(), text, sizeof(text));
    if (length > 0) return {text, static_cast<size_t>(length)};
  }
  return {};
}

Result<FileFacts> describe(int descriptor, const std::string& path) {
  FileFacts facts;
  struct stat status;
  if (fstat(descriptor, &status) != 0) return error_of(errno, path);
  facts.is_block_device = S_ISBLK(status.st_mode);
  if (!facts.is_block_device) {
    facts.size_bytes = static_cast<uint64_t>(status.st_size);
    return facts;
  }
  if (ioctl(descriptor, BLKGETSIZE64, &facts.size_bytes) != 0) return error_of(errno, path);
  // What we cannot find out may lose writes.
  facts.volatile_write_cache = write_cache_text(status.st_rdev).rfind("write through", 0) != 0;
  return facts;
}

}  // namespace

Result<std::unique_ptr<File>> KernelFileSystem::open(const std::string& path, const FileOptions& options) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return Error{Errc::invalid_argument, "'" + log_escape(path) + "' is not a path"};
  }
  struct stat status;
  const bool exists = stat(path.c_str(), &status) == 0;
  if (!exists && (errno != ENOENT || !options.create)) return error_of(errno, path);
  if (exists) {
    TRY(const Unit checked, check_kind(status, path));
    static_cast<void>(checked);
  }
  TRY(OwnedDescriptor descriptor, exists ? open_existing(path, S_ISBLK(status.st_mode), options.read_only)
                                         : create_file(path, options.create_size_bytes));
  TRY(FileFacts facts, describe(descriptor.get(), path));
  facts.created = !exists;
  if (options.direct && try_direct(descriptor.get(), path)) {
    facts.direct_alignment_bytes = direct_alignment_of(descriptor.get(), facts.is_block_device);
  }
  return std::unique_ptr<File>(new KernelFile(std::move(descriptor), facts));
}

void KernelFileSystem::remove(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return;
  log(LogLevel::warning, "reactor", "%s cannot be removed: %s", log_escape(path).c_str(),
      std::strerror(errno));
}

}  // namespace ballast
