// SocketAddress to and from the kernel's form. Used by both backends, so that both refuse the same texts.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "reactor/io_backend.h"

namespace ballast {

struct KernelAddress {
  sockaddr_storage storage{};
  socklen_t size_bytes = sizeof(sockaddr_storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Errc::invalid_argument when the host is not a numeric IPv4 or IPv6 address.
Result<KernelAddress> to_kernel_address(const SocketAddress& address);
SocketAddress from_kernel_address(const KernelAddress& address);

}  // namespace ballast
