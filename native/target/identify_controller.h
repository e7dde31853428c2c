// Fills the Identify Controller data structure (CNS 01h) of an I/O controller or a discovery controller.
#pragma once

#include "base/bytes.h"
#include "nvme/command.h"
#include "target/controller.h"

namespace ballast::target {

nvme::Status fill_identify_controller(Controller& controller, const nvme::Command& command,
                                      MutableByteSpan data);

// ONCS without what is of the controller alone: the optional I/O commands that a namespace of `subsystem` can
// do.
uint16_t optional_commands(SubsystemShard& subsystem);

}  // namespace ballast::target
