// The border between the device world and NVMe: the only place where a bdev::Status becomes an NVMe status.
#pragma once

#include "bdev/bdev.h"
#include "nvme/status.h"

namespace ballast::target {

// What the host is told of a command whose device I/O of this type ended so.
nvme::Status nvme_status(bdev::Status status, bdev::IoType type);

}  // namespace ballast::target
