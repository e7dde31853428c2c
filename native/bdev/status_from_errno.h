// The border between errno and bdev::Status, for devices over files.
#pragma once

#include "bdev/bdev.h"

namespace ballast::bdev {

// What a change or a read that failed with errno `error` is to whoever asked.
Status status_from_errno(int error, bool is_read);

}  // namespace ballast::bdev
