// The admin commands, one file each, as free functions over a controller. Each ends with exactly one answer,
// now or later. Called by Controller for an enabled controller only.
#pragma once

#include "nvme/status.h"
#include "target/controller.h"

namespace ballast::target {

using AdminHandler = void (*)(Controller&, transport::Request&);

// Null for an opcode that is not supported (rows N19, N28).
AdminHandler find_admin_handler(uint8_t opcode);
// What holds for all of them: no fusing, SGLs, no bits set that have no meaning (row N20).
nvme::Status check_admin_command(const nvme::Command& command);

void identify(Controller& controller, transport::Request& request);
void get_log_page(Controller& controller, transport::Request& request);
void get_features(Controller& controller, transport::Request& request);
void set_features(Controller& controller, transport::Request& request);
void async_event_request(Controller& controller, transport::Request& request);
void abort(Controller& controller, transport::Request& request);
void keep_alive(Controller& controller, transport::Request& request);

}  // namespace ballast::target
