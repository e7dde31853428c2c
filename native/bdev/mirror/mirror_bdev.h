// A mirrored volume as a device: on its head's reactor straight into the driver, on the others by a message
// there and one back.
#pragma once

#include <memory>

#include "bdev/bdev.h"
#include "bdev/mirror/head_driver.h"

namespace ballast::bdev::mirror {

// `driver` must outlive the device and its channels. Made on any thread.
std::shared_ptr<Bdev> make_mirror_bdev(HeadDriver& driver);

}  // namespace ballast::bdev::mirror
