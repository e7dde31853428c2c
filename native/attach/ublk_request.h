// What the kernel's ublk driver is told of a device, and what its requests mean for one. No I/O. Protocol:
// linux/ublk_cmd.h; a device of it is seen in sectors of 512 bytes, whatever its block size.
#pragma once

#include <linux/ublk_cmd.h>

#include <cstdint>

#include "bdev/bdev.h"

namespace ballast::attach {

// Discards and zeroes only as far as the device has them. Flushes and FUA come only for a device with a
// volatile cache: without one what was answered is on stable media.
ublk_params ublk_parameters(const bdev::Bdev& device, bool read_only, uint32_t transfer_bytes_max);

struct UblkRequest {
  int error = 0;         // an errno, positive: the request is refused with it
  bool is_done = false;  // there is nothing to do for it
  bdev::IoType type = bdev::IoType::read;
  bool fua = false;
  uint64_t lba = 0;
  uint32_t blocks_count = 0;
  uint32_t data_bytes = 0;  // of a read or a write: what its buffer is filled with
};

UblkRequest decode_ublk_request(const ublksrv_io_desc& descriptor, const bdev::Bdev& device, bool read_only,
                                uint32_t transfer_bytes_max);

}  // namespace ballast::attach
