#include "tools/fio/target_uri.h"

#include <netdb.h>
#include <sys/socket.h>

#include <charconv>

#include "nvme/nqn.h"

namespace ballast::fio {
namespace {

constexpr std::string_view k_scheme = "tcp://";

Error invalid(std::string_view uri, const std::string& what) {
  return {Errc::invalid_argument, "uri=" + std::string(uri) + ": " + what};
}

}  // namespace

Result<TargetUri> parse_target_uri(std::string_view uri) {
  if (!uri.starts_with(k_scheme)) return invalid(uri, "expected tcp://HOST:PORT/NQN");
  const std::string_view rest = uri.substr(k_scheme.size());
  const size_t slash = rest.find('/');
  const std::string_view authority = rest.substr(0, slash);
  TargetUri parsed;
  parsed.subsystem_nqn = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  if (parsed.subsystem_nqn.empty()) return invalid(uri, "the NQN is missing, as in tcp://HOST:PORT/NQN");
  if (!nvme::is_valid_nqn(parsed.subsystem_nqn)) return invalid(uri, "what follows the port is not an NQN");

  std::string_view port;
  bool has_port = false;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return invalid(uri, "the bracket of the IPv6 address is not closed");
    parsed.host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
    if (!port.empty() && port.front() != ':') return invalid(uri, "expected :PORT after the bracket");
    has_port = !port.empty();
  } else {
    const size_t colon = authority.find(':');
    parsed.host = authority.substr(0, colon);
    has_port = colon != std::string_view::npos;
    if (has_port) port = authority.substr(colon);
  }
  if (port.find(':', 1) != std::string_view::npos) return invalid(uri, "an IPv6 address stands in brackets");
  if (parsed.host.empty()) return invalid(uri, "the host is missing");
  if (!has_port) {
    parsed.port = k_port_default;
    return parsed;
  }
  port.remove_prefix(1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
  if (error != std::errc{} || end != port.data() + port.size() || parsed.port == 0) {
    return invalid(uri, "'" + std::string(port) + "' is not a port, 1 to 65535");
  }
  return parsed;
}

Result<SocketAddress> resolve(const TargetUri& uri) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(uri.host.c_str(), nullptr, &hints, &found);
  if (error != 0) return Error{Errc::address_unavailable, uri.host + ": " + gai_strerror(error)};
  char numeric[NI_MAXHOST];
  const int unnamed =
      getnameinfo(found->ai_addr, found->ai_addrlen, numeric, sizeof(numeric), nullptr, 0, NI_NUMERICHOST);
  freeaddrinfo(found);
  if (unnamed != 0) return Error{Errc::address_unavailable, uri.host + ": " + gai_strerror(unnamed)};
  return SocketAddress{numeric, uri.port};
}

}  // namespace ballast::fio
