// Errors as errno, the only ones that fio knows. For a completion status the choice is that of the kernel's
// NVMe host where it has one, so that fio reports the same through either.
#pragma once

#include "base/errc.h"
#include "nvme/status.h"

namespace ballast::fio {

// 0 for success.
int errno_of(nvme::Status status);
int errno_of(Errc errc);

}  // namespace ballast::fio
