// The way of a head to a replica of its own process: the same events without a wire.
#pragma once

#include "bdev/mirror/replica.h"
#include "bdev/mirror/replica_connection.h"

namespace ballast::bdev::mirror {

// Used on `reactor`, the head's. The replica must outlive it, and it its connections.
std::unique_ptr<ReplicaConnector> make_local_connector(Replica& replica, Reactor& reactor);

}  // namespace ballast::bdev::mirror
