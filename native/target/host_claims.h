// Which host a Host Identifier belongs to, per subsystem: a second host that shows another host's identifier
// would inherit its reservations. NVMe Base Specification 2.1, "Host Identifier" and "Connect Command"; row
// F16. Each subsystem has one home shard that keeps its claims; others ask it by message.
//
// The decision: one HOSTID with two HOSTNQNs is refused. One HOSTNQN with several HOSTIDs is accepted,
// because hosts that were given no identifier make up a new one for every connection.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "target/connect_request.h"

namespace ballast::target {

class HostClaims {
 public:
  // One more controller of this host. False if the identifier is another's in this subsystem.
  [[nodiscard]] bool claim(const std::string& subsystem_nqn, const HostId& host_id,
                           const std::string& host_nqn) {
    Owner& owner = owners_[{subsystem_nqn, host_id}];
    if (owner.controllers_count > 0 && owner.host_nqn != host_nqn) return false;
    owner.host_nqn = host_nqn;
    ++owner.controllers_count;
    return true;
  }
  void release(const std::string& subsystem_nqn, const HostId& host_id) {
    const auto found = owners_.find({subsystem_nqn, host_id});
    BALLAST_ASSERT(found != owners_.end());
    if (--found->second.controllers_count == 0) owners_.erase(found);
  }
  bool empty() const { return owners_.empty(); }

 private:
  struct Owner {
    std::string host_nqn;
    uint32_t controllers_count = 0;
  };
  std::map<std::pair<std::string, HostId>, Owner> owners_;
};

}  // namespace ballast::target
