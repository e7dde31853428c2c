// Keep Alive. NVMe Base Specification 2.1, "Keep Alive command".
#include "target/keep_alive.h"

#include "target/admin_commands.h"

namespace ballast::target {

void keep_alive(Controller& controller, transport::Request& request) {
  controller.keep_alive().restart();
  controller.reply(request, nvme::status::success);
}

}  // namespace ballast::target
