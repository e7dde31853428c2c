#include "reactor/socket_address.h"

#include <arpa/inet.h>

#include <cstring>

#include "base/log.h"

namespace ballast {

std::string SocketAddress::text() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<KernelAddress> to_kernel_address(const SocketAddress& address) {
  KernelAddress kernel;
  sockaddr_in ipv4{};
  if (inet_pton(AF_INET, address.host.c_str(), &ipv4.sin_addr) == 1) {
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(address.port);
    std::memcpy(&kernel.storage, &ipv4, sizeof(ipv4));
    kernel.size_bytes = sizeof(ipv4);
    return kernel;
  }
  sockaddr_in6 ipv6{};
  if (inet_pton(AF_INET6, address.host.c_str(), &ipv6.sin6_addr) == 1) {
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(address.port);
    std::memcpy(&kernel.storage, &ipv6, sizeof(ipv6));
    kernel.size_bytes = sizeof(ipv6);
    return kernel;
  }
  return Error{Errc::invalid_argument, "'" + log_escape(address.host) + "' is not an IPv4 or IPv6 address"};
}

SocketAddress from_kernel_address(const KernelAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.storage.ss_family == AF_INET) {
    sockaddr_in ipv4;
    std::memcpy(&ipv4, &address.storage, sizeof(ipv4));
    inet_ntop(AF_INET, &ipv4.sin_addr, text, sizeof(text));
    return {text, ntohs(ipv4.sin_port)};
  }
  if (address.storage.ss_family == AF_INET6) {
    sockaddr_in6 ipv6;
    std::memcpy(&ipv6, &address.storage, sizeof(ipv6));
    inet_ntop(AF_INET6, &ipv6.sin6_addr, text, sizeof(text));
    return {text, ntohs(ipv6.sin6_port)};
  }
  return {};
}

}  // namespace ballast
