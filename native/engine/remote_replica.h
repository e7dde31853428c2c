// The way of a head to a replica of another process: each connection is one NVMe/TCP association, which never
// comes back once it is lost.
#pragma once

#include <memory>
#include <string>

#include "base/uuid.h"
#include "bdev/mirror/replica_connection.h"
#include "reactor/reactor.h"

namespace ballast::engine {

struct RemoteReplicaConfig {
  SocketAddress address;
  Uuid replica;
  std::string host_nqn;
  Uuid host_id;
  uint64_t connect_timeout_ns = 2 * k_ns_per_s;
  uint64_t command_timeout_ns = 10 * k_ns_per_s;
};

// nqn.2026-11.dev.ballast:replica:<uuid>
std::string replica_nqn(const Uuid& uuid);

// Used on `reactor`, the head's. Outlives its connections.
std::unique_ptr<bdev::mirror::ReplicaConnector> make_remote_connector(Reactor& reactor,
                                                                      const RemoteReplicaConfig& config);

}  // namespace ballast::engine
