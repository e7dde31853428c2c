// Fills the Identify Controller data structure (CNS 01h) of an I/O controller or a discovery controller.
#pragma once

#include "base/bytes.h"
#include "nvme/command.h"
#include "target/controller.h"

namespace ballast::target {

nvme::Status fill_identify_controller(Controller& controller, const nvme::Command& command,
                                      MutableByteSpan data);

}  // namespace ballast::target
