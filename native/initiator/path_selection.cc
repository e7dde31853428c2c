#include "initiator/path_selection.h"

#include <algorithm>

namespace ballast::initiator {

PathRank rank_of(nvme::AnaState state) {
  switch (state) {
    case nvme::AnaState::optimized: return PathRank::optimized;
    case nvme::AnaState::non_optimized: return PathRank::non_optimized;
    case nvme::AnaState::inaccessible:
    case nvme::AnaState::persistent_loss:
    case nvme::AnaState::change: break;
  }
  return PathRank::unusable;
}

std::optional<uint8_t> select_path(IoPolicy policy, std::span<const PathChoice> paths, uint8_t last) {
  PathRank best = PathRank::unusable;
  for (const PathChoice& path : paths) {
    if (!path.is_avoided) best = std::min(best, path.rank);
  }
  if (best == PathRank::unusable) return std::nullopt;
  const auto count = static_cast<uint8_t>(paths.size());
  // From `last` (numa: it stays while it is among the best), or the one behind it (each in turn).
  const auto from = static_cast<uint8_t>(policy == IoPolicy::round_robin ? last + 1 : last);
  std::optional<uint8_t> chosen;
  for (uint8_t i = 0; i < count; ++i) {
    const auto at = static_cast<uint8_t>((from + i) % count);
    const PathChoice& path = paths[at];
    if (path.is_avoided || path.rank != best) continue;
    if (policy != IoPolicy::queue_depth) return at;
    if (!chosen || path.in_flight < paths[*chosen].in_flight) chosen = at;
  }
  return chosen;
}

}  // namespace ballast::initiator
