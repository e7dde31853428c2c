// Who fio is to a target: host NQN and host identifier, which targets hold against each other and against
// their lists of allowed hosts.
#pragma once

#include <string>

#include "base/result.h"
#include "base/uuid.h"

namespace ballast::fio {

struct HostIdentity {
  std::string nqn;
  Uuid id;
};

// Empty texts are filled in: one UUID for both, the same for all jobs of this process. A given NQN needs the
// identifier too unless it is made of a UUID. Errc::invalid_argument.
Result<HostIdentity> host_identity(const std::string& nqn, const std::string& id);

}  // namespace ballast::fio
