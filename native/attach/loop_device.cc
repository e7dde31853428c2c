#include "attach/loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace ballast::attach {
namespace {

// Between asking for a free number and taking it another process may be quicker.
constexpr int k_tries_max = 64;

class Opened {
 public:
  explicit Opened(int descriptor) : descriptor_(descriptor) {}
  ~Opened() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  int get() const { return descriptor_; }
  bool ok() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

Error system_error(const std::string& what, int error) {
  return {errc_from_errno(error), what + ": " + std::strerror(error)};
}

// The name as far as the kernel keeps it. It tells whose device it is.
void put_name(loop_info64& info, const std::string& file) {
  const size_t bytes = std::min(file.size(), sizeof(info.lo_file_name) - 1);
  std::memcpy(info.lo_file_name, file.data(), bytes);
}

bool is_of(const loop_info64& info, const std::string& file) {
  loop_info64 wanted{};
  put_name(wanted, file);
  return std::memcmp(info.lo_file_name, wanted.lo_file_name, sizeof(info.lo_file_name)) == 0;
}

// As is_of(), where the file's server has died (ENOTCONN; ECONNABORTED if just while it was asked): the
// kernel asks the file before it tells of the device.
bool has_backing_file(const std::string& device, const std::string& file) {
  const std::string path = "/sys/block/" + device.substr(device.rfind('/') + 1) + "/loop/backing_file";
  const Opened opened(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[4096];
  const ssize_t bytes = opened.ok() ? ::read(opened.get(), text, sizeof(text)) : -1;
  if (bytes <= 0) return false;
  std::string_view shown(text, static_cast<size_t>(bytes));
  if (shown.ends_with('\n')) shown.remove_suffix(1);
  return shown == file || shown == file + " (deleted)";
}

// Errc::not_found: it is none, has no file, or another one.
Outcome check_is_of(int device, const std::string& path, const std::string& file) {
  loop_info64 info{};
  if (ioctl(device, LOOP_GET_STATUS64, &info) != 0) {
    if (errno == ENXIO || errno == ENOTTY) return Error{Errc::not_found, path + " has no file"};
    if ((errno == ENOTCONN || errno == ECONNABORTED) && has_backing_file(path, file)) return Unit{};
    return system_error(path, errno);
  }
  if (!is_of(info, file)) return Error{Errc::not_found, path + " has another file"};
  return Unit{};
}

}  // namespace

Result<std::string> make_loop_device(const LoopConfig& config) {
  const int mode = config.read_only ? O_RDONLY : O_RDWR;
  const Opened file(open(config.file.c_str(), mode | O_CLOEXEC | O_DIRECT));
  if (!file.ok()) return system_error(config.file, errno);
  const Opened control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control.ok()) return system_error("/dev/loop-control", errno);
  for (int i = 0; i < k_tries_max; ++i) {
    const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return system_error("/dev/loop-control", errno);
    const std::string path = "/dev/loop" + std::to_string(number);
    // Where nobody makes the nodes of devices, as in a container with a /dev of its own.
    if (mknod(path.c_str(), S_IFBLK | 0600, makedev(7, static_cast<unsigned>(number))) != 0 &&
        errno != EEXIST) {
      return system_error(path, errno);
    }
    const Opened device(open(path.c_str(), mode | O_CLOEXEC));
    if (!device.ok()) return system_error(path, errno);
    loop_config loop{};
    loop.fd = static_cast<uint32_t>(file.get());
    loop.block_size = config.block_size_bytes;
    loop.info.lo_flags = LO_FLAGS_DIRECT_IO | (config.read_only ? LO_FLAGS_READ_ONLY : 0);
    put_name(loop.info, config.file);
    if (ioctl(device.get(), LOOP_CONFIGURE, &loop) == 0) return path;
    if (errno == EINVAL || errno == ENOTTY) {
      return Error{Errc::unsupported,
                   "LOOP_CONFIGURE: the kernel is older than 5.8, or refuses this block size"};
    }
    if (errno != EBUSY) return system_error("LOOP_CONFIGURE of " + path, errno);
  }
  return Error{Errc::in_use, "no free loop device could be had"};
}

Outcome update_loop_device(const std::string& device, const std::string& file) {
  const Opened opened(open(device.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened.ok()) return system_error(device, errno);
  TRY(const Unit ours, check_is_of(opened.get(), device, file));
  static_cast<void>(ours);
  struct stat looked;  // the kernel asks the file system for the size
  if (stat(file.c_str(), &looked) != 0) return system_error(file, errno);
  if (ioctl(opened.get(), LOOP_SET_CAPACITY) != 0)
    return system_error("LOOP_SET_CAPACITY of " + device, errno);
  return Unit{};
}

Outcome remove_loop_device(const std::string& device, const std::string& file, bool even_if_used) {
  const Opened opened(open(device.c_str(), O_RDONLY | O_CLOEXEC | (even_if_used ? 0 : O_EXCL)));
  if (!opened.ok()) {
    if (errno == EBUSY) return Error{Errc::in_use, device + " is in use"};
    if (errno == ENOENT || errno == ENXIO || errno == ENODEV) return Unit{};
    return system_error(device, errno);
  }
  const Outcome ours = check_is_of(opened.get(), device, file);
  if (!ours.ok()) return ours.errc() == Errc::not_found ? Outcome(Unit{}) : ours;
  if (ioctl(opened.get(), LOOP_CLR_FD) != 0 && errno != ENXIO) {
    if (errno == EBUSY) return Error{Errc::in_use, device + " is in use"};
    return system_error("LOOP_CLR_FD of " + device, errno);
  }
  return Unit{};
}

}  // namespace ballast::attach
