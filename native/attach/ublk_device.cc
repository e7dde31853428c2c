#include "attach/ublk_device.h"

#include <dirent.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "base/log.h"

namespace ballast::attach {
namespace {

// Numbers that headers older than the driver lack (include/uapi/linux/ublk_cmd.h).
constexpr uint32_t k_get_features = _IOR('u', 0x13, ublksrv_ctrl_cmd);
constexpr uint32_t k_delete_without_waiting = _IOR('u', 0x14, ublksrv_ctrl_cmd);
constexpr uint32_t k_update_size = _IOWR('u', 0x15, ublksrv_ctrl_cmd);
constexpr uint32_t k_get_info = _IOR('u', UBLK_CMD_GET_DEV_INFO, ublksrv_ctrl_cmd);
constexpr uint32_t k_add = _IOWR('u', UBLK_CMD_ADD_DEV, ublksrv_ctrl_cmd);
constexpr uint32_t k_delete = _IOWR('u', UBLK_CMD_DEL_DEV, ublksrv_ctrl_cmd);
constexpr uint32_t k_start = _IOWR('u', UBLK_CMD_START_DEV, ublksrv_ctrl_cmd);
constexpr uint32_t k_stop = _IOWR('u', UBLK_CMD_STOP_DEV, ublksrv_ctrl_cmd);
constexpr uint32_t k_set_parameters = _IOWR('u', UBLK_CMD_SET_PARAMS, ublksrv_ctrl_cmd);

constexpr uint32_t k_any_id = UINT32_MAX;
constexpr uint16_t k_no_queue = UINT16_MAX;
constexpr int k_not_supported_in_kernel = 524;  // ENOTSUPP, which user space has no name for
// Starting reads the partition table of a target that may be away; everything else takes no time.
constexpr int64_t k_command_seconds_max = 30;
const char* const k_control = "/dev/ublk-control";

struct Argument {
  void* base = nullptr;
  uint16_t size_bytes = 0;
  uint64_t value = 0;
};

Error system_error(const std::string& what, int error) {
  if (error == k_not_supported_in_kernel) error = EOPNOTSUPP;
  return {errc_from_errno(error), what + ": " + std::strerror(error)};
}

// One command by a ring of its own, which has the large entries that commands need. Returns 0, or an errno.
// One that takes too long is cancelled with the ring.
int run_command(int control, uint32_t opcode, uint32_t id, const Argument& argument) {
  io_uring ring{};
  io_uring_params params{};
  params.flags = IORING_SETUP_SQE128;
  if (const int result = io_uring_queue_init_params(2, &ring, &params); result != 0) return -result;
  ublksrv_ctrl_cmd command{};
  command.dev_id = id;
  command.queue_id = k_no_queue;
  command.addr = reinterpret_cast<uint64_t>(argument.base);
  command.len = argument.size_bytes;
  command.data[0] = argument.value;
  io_uring_sqe* const sqe = io_uring_get_sqe(&ring);
  io_uring_prep_rw(IORING_OP_URING_CMD, sqe, control, nullptr, 0, 0);
  sqe->cmd_op = opcode;
  std::memcpy(sqe->cmd, &command, sizeof(command));
  io_uring_cqe* cqe = nullptr;
  __kernel_timespec timeout{k_command_seconds_max, 0};
  int result = io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &timeout, nullptr);
  if (result >= 0) result = cqe->res;
  io_uring_queue_exit(&ring);
  return result < 0 ? (result == -ETIME ? ETIMEDOUT : -result) : 0;
}

Outcome control(const std::string& what, uint32_t opcode, uint32_t id, const Argument& argument = {}) {
  const int descriptor = open(k_control, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return system_error(k_control, errno);
  const int error = run_command(descriptor, opcode, id, argument);
  close(descriptor);
  if (error != 0) return system_error(what, error);
  return Unit{};
}

// Whose device it is, in the field that the driver keeps for its servers.
uint64_t mark_of(const Uuid& owner) {
  uint64_t mark;
  std::memcpy(&mark, owner.bytes.data(), sizeof(mark));
  return mark;
}

// Gone from sight when it returns; whoever has the block device open keeps what is left of it.
Outcome remove_device(uint32_t id) {
  const std::string what = "removing ublk device " + std::to_string(id);
  const Outcome removed = control(what, k_delete_without_waiting, id);
  // Before Linux 6.9.
  if (!removed.ok() && removed.errc() == Errc::unsupported) return control(what, k_delete, id);
  if (!removed.ok() && removed.errc() == Errc::not_found) return Unit{};
  return removed;
}

std::vector<uint32_t> device_ids() {
  std::vector<uint32_t> ids;
  DIR* const directory = opendir("/sys/class/ublk-char");
  if (directory == nullptr) return ids;
  constexpr size_t k_prefix_length = 5;
  while (const dirent* const entry = readdir(directory)) {
    if (std::strncmp(entry->d_name, "ublkc", k_prefix_length) != 0) continue;
    ids.push_back(static_cast<uint32_t>(std::strtoul(entry->d_name + k_prefix_length, nullptr, 10)));
  }
  closedir(directory);
  return ids;
}

size_t mapped_bytes(uint16_t queue_depth) {
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (queue_depth * sizeof(ublksrv_io_desc) + page_bytes - 1) / page_bytes * page_bytes;
}

}  // namespace

Result<uint64_t> ublk_features() {
  uint64_t features = 0;
  const Outcome asked =
      control("asking ublk what it can do", k_get_features, k_any_id, {&features, sizeof(features), 0});
  if (asked.ok()) return features;
  if (asked.errc() != Errc::unsupported && asked.errc() != Errc::invalid_argument) return asked.error();
  return Error{Errc::unsupported, "ublk of this kernel is older than Linux 6.5"};
}

Result<UblkDevice> UblkDevice::add(const UblkDeviceConfig& config) {
  ublksrv_ctrl_dev_info info{};
  info.nr_hw_queues = 1;
  info.queue_depth = config.queue_depth;
  info.max_io_buf_bytes = config.transfer_bytes_max;
  info.dev_id = k_any_id;
  info.ublksrv_flags = mark_of(config.owner);
  TRY(const Unit added, control("adding a ublk device", k_add, k_any_id, {&info, sizeof(info), 0}));
  static_cast<void>(added);
  UblkDevice device(info.dev_id, info.queue_depth);
  ublk_params parameters = config.parameters;
  TRY(const Unit set, control("describing a ublk device", k_set_parameters, device.id_,
                              {&parameters, sizeof(parameters), 0}));
  static_cast<void>(set);
  TRY(const Unit opened, device.open_queue());
  static_cast<void>(opened);
  return device;
}

Outcome UblkDevice::open_queue() {
  const std::string path = "/dev/ublkc" + std::to_string(id_);
  queue_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (queue_ < 0) return system_error(path, errno);
  void* const mapped = mmap(nullptr, mapped_bytes(queue_depth_), PROT_READ, MAP_SHARED | MAP_POPULATE, queue_,
                            UBLKSRV_CMD_BUF_OFFSET);
  if (mapped == MAP_FAILED) return system_error("mapping " + path, errno);
  descriptors_ = static_cast<const ublksrv_io_desc*>(mapped);
  return Unit{};
}

UblkDevice::UblkDevice(UblkDevice&& other) noexcept
    : id_(std::exchange(other.id_, k_any_id)),
      queue_depth_(other.queue_depth_),
      queue_(std::exchange(other.queue_, -1)),
      descriptors_(std::exchange(other.descriptors_, nullptr)) {}

UblkDevice::~UblkDevice() {
  if (id_ == k_any_id) return;
  if (descriptors_ != nullptr) munmap(const_cast<ublksrv_io_desc*>(descriptors_), mapped_bytes(queue_depth_));
  if (queue_ >= 0) close(queue_);
  const Outcome removed = remove_device(id_);
  if (!removed.ok()) log(LogLevel::error, "attach", "%s", removed.error().text.c_str());
}

Outcome UblkDevice::start() {
  return control("starting " + path(), k_start, id_, {nullptr, 0, static_cast<uint64_t>(getpid())});
}

Outcome UblkDevice::stop(bool even_if_used) {
  // While it is ours alone nobody can mount it; who has it open without asking for that gets errors.
  const int alone = even_if_used ? -1 : open(path().c_str(), O_RDONLY | O_EXCL | O_CLOEXEC);
  if (alone < 0 && !even_if_used && errno != ENOENT && errno != ENXIO) return system_error(path(), errno);
  const Outcome stopped = control("stopping " + path(), k_stop, id_);
  if (alone >= 0) close(alone);
  return stopped;
}

Outcome UblkDevice::resize(uint64_t size_bytes) {
  const Outcome resized = control("resizing " + path(), k_update_size, id_, {nullptr, 0, size_bytes / 512});
  if (resized.ok() || (resized.errc() != Errc::unsupported && resized.errc() != Errc::invalid_argument)) {
    return resized;
  }
  return Error{Errc::unsupported, "ublk changes the size of a device from Linux 6.16 on: attach it anew"};
}

Outcome remove_ublk_devices(const Uuid& owner) {
  for (const uint32_t id : device_ids()) {
    ublksrv_ctrl_dev_info info{};
    const Outcome asked = control("asking for ublk device", k_get_info, id, {&info, sizeof(info), 0});
    if (!asked.ok() && asked.errc() == Errc::not_found) continue;
    if (!asked.ok()) return asked;
    if (info.ublksrv_flags != mark_of(owner)) continue;
    TRY(const Unit removed, remove_device(id));
    static_cast<void>(removed);
  }
  return Unit{};
}

}  // namespace ballast::attach
