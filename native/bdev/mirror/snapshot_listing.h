// What snapshots a member has, as it says itself now: the whole list, however many commands that takes.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "bdev/mirror/snapshot_carrier.h"

namespace ballast::bdev::mirror {

inline constexpr size_t k_snapshots_of_member_max = 4096;

// Of a member, the oldest first; nothing: it cannot say, as it is no volume of a pool, or of an older
// version. Errc: io_error (it was lost, or its list cannot be read or makes no sense), too_many.
using SnapshotsListed = std::function<void(Result<std::optional<std::vector<SnapshotEntry>>>)>;

// `listed` is called exactly once, possibly from inside, as `ask` ends what it was asked.
void list_snapshots(const Uuid& member, SnapshotCarrier::Ask ask, SnapshotsListed listed);

}  // namespace ballast::bdev::mirror
