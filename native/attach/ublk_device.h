// The kernel's side of a device that a UblkSession serves: made, started, stopped and removed by commands to
// /dev/ublk-control. These block: never on a reactor. They need root.
#pragma once

#include <linux/ublk_cmd.h>

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "base/uuid.h"

namespace ballast::attach {

// What the driver can do, as bits of UBLK_F_*. Errc: not_found (no /dev/ublk-control), permission_denied,
// unsupported (before Linux 6.5, or io_uring has no commands here).
Result<uint64_t> ublk_features();
// The size of a device that is in use can be changed (Linux 6.16).
inline constexpr uint64_t k_ublk_can_resize = uint64_t{1} << 10;

struct UblkDeviceConfig {
  Uuid owner;  // the device is known by it, see remove_ublk_devices()
  ublk_params parameters{};
  uint16_t queue_depth = 128;
  uint32_t transfer_bytes_max = 1 << 20;
};

class UblkDevice {
 public:
  // Made, and not there for anybody yet. Errc as ublk_features(), io_error.
  static Result<UblkDevice> add(const UblkDeviceConfig& config);
  UblkDevice(UblkDevice&& other) noexcept;
  UblkDevice& operator=(UblkDevice&&) = delete;
  ~UblkDevice();  // the session has ended, or there was none: removes the device if it is there

  int queue() const { return queue_; }
  std::span<const ublksrv_io_desc> descriptors() const { return {descriptors_, queue_depth_}; }
  std::string path() const { return "/dev/ublkb" + std::to_string(id_); }

  // Returns when the block device is there; the session serves meanwhile what the kernel reads of it.
  Outcome start();
  // The block device goes; its session ends. Errc::in_use, unless `even_if_used`: then users get errors.
  Outcome stop(bool even_if_used);
  // Errc::unsupported before Linux 6.16.
  Outcome resize(uint64_t size_bytes);

 private:
  UblkDevice(uint32_t id, uint16_t queue_depth) : id_(id), queue_depth_(queue_depth) {}
  Outcome open_queue();

  uint32_t id_;
  uint16_t queue_depth_;
  int queue_ = -1;
  const ublksrv_io_desc* descriptors_ = nullptr;
};

// Removes what a process that died has left of devices of this owner; users of it get errors already.
Outcome remove_ublk_devices(const Uuid& owner);

}  // namespace ballast::attach
