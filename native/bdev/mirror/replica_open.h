// A replica out of two devices: reads what the metadata says, or formats a new one where there is none.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/result.h"
#include "bdev/mirror/replica.h"

namespace ballast::bdev::mirror {

// For a new one; one that is there keeps what it has.
struct ReplicaFormat {
  Uuid uuid;         // nil: only what is there is opened
  Uuid volume_uuid;  // nil: that of the first head that seals it
  Content content = Content::nothing;
};

// To what a new replica of this size can grow: its metadata is laid out for that. Where nothing was written,
// it takes no room.
uint64_t replica_size_max_bytes(uint64_t data_bytes);
// How large the metadata device is for a new replica of this size; nothing if no replica can be of it.
std::optional<uint64_t> replica_metadata_bytes(uint64_t data_bytes);

// On `home`. `opened` is called there, exactly once, never from inside. A device whose two superblocks are
// zero is blank and is formatted; any other is never overwritten here. Metadata of which no superblock is
// whole gives a replica that refuses everything as unusable, with the UUID of `format`. Errc:
// invalid_argument (sizes and block sizes that do not go together, a cache that forgets), not_found (blank,
// and `format` has no UUID), unsupported (written by a newer program), io_error.
using ReplicaOpened = std::function<void(Result<std::unique_ptr<Replica>>)>;
void open_replica(Reactor& home, std::shared_ptr<Bdev> data, std::shared_ptr<Bdev> metadata,
                  const ReplicaFormat& format, const ReplicaOptions& options, ReplicaOpened opened);

}  // namespace ballast::bdev::mirror
