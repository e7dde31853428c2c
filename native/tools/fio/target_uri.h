// tcp://HOST[:PORT]/NQN as fio's option uri= gives it, and the numeric address of its host. Used by the
// client before it connects, on a thread that may block.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "reactor/io_backend.h"

namespace ballast::fio {

inline constexpr uint16_t k_port_default = 4420;

struct TargetUri {
  std::string host;  // a name or a numeric address, without brackets
  uint16_t port = 0;
  std::string subsystem_nqn;
};

// Errc::invalid_argument with what is wrong with it.
Result<TargetUri> parse_target_uri(std::string_view uri);

// The first address of the host. Errc::address_unavailable when it has none.
Result<SocketAddress> resolve(const TargetUri& uri);

}  // namespace ballast::fio
