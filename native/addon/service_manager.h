// Talks to the service manager that started this process, as sd_notify(3) of systemd does: one datagram to
// the socket that NOTIFY_SOCKET names. Here because Node has no datagram sockets of the local family.
#pragma once

#include <string>

namespace ballast::addon {

// False when no service manager asked for it, or it cannot be reached. Does not block.
bool notify_service_manager(const std::string& state);

}  // namespace ballast::addon
