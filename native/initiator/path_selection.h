// Which path an I/O takes. Pure; called for each I/O of a controller of several paths.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "initiator/initiator.h"

namespace ballast::initiator {

// How a path reaches the namespace of an I/O; the best first.
enum class PathRank : uint8_t { optimized, non_optimized, unusable };
PathRank rank_of(nvme::AnaState state);

struct PathChoice {
  PathRank rank = PathRank::unusable;
  bool is_avoided = false;  // it has failed something just now
  uint32_t in_flight = 0;
};

// Of the paths with the best rank, those that are avoided left out, the one that the policy says; `last` is
// the one that the last I/O took. nullopt: there is none.
std::optional<uint8_t> select_path(IoPolicy policy, std::span<const PathChoice> paths, uint8_t last);

}  // namespace ballast::initiator
