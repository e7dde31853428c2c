#include "attach/fuse_mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ballast::attach {
namespace {

Error system_error(const std::string& what, int error) {
  return {errc_from_errno(error), what + ": " + std::strerror(error)};
}

}  // namespace

Result<int> mount_fuse(const FuseMountConfig& config) {
  const int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fuse < 0) return system_error("/dev/fuse", errno);
  const std::string data = "fd=" + std::to_string(fuse) + ",rootmode=100600,user_id=0,group_id=0,max_read=" +
                           std::to_string(config.transfer_bytes_max);
  const unsigned long flags =
      MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | (config.read_only ? MS_RDONLY : 0);
  if (mount(config.source.c_str(), config.path.c_str(), "fuse.ballast", flags, data.c_str()) != 0) {
    const int error = errno;
    close(fuse);
    return system_error("mounting on " + config.path, error);
  }
  return fuse;
}

Outcome unmount(const std::string& path, bool dead) {
  const int flags = UMOUNT_NOFOLLOW | (dead ? MNT_FORCE | MNT_DETACH : 0);
  if (umount2(path.c_str(), flags) == 0) return Unit{};
  if (errno == EINVAL || errno == ENOENT) return Unit{};  // not a mount point, or not there
  if (errno == EBUSY) return Error{Errc::in_use, path + " is in use"};
  return system_error("unmounting " + path, errno);
}

}  // namespace ballast::attach
