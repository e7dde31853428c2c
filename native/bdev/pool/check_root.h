// The part of a check that looks at what a root names besides the tree: the two root slots and the free map.
// And its repair: a root of the next generation over the pages that are in use.
#pragma once

#include <vector>

#include "bdev/pool/check_report.h"
#include "bdev/pool/check_walk.h"

namespace ballast::bdev::pool {

struct CheckedRoot {
  Root root;
  std::vector<bool> marked;          // by page: the free map says it is in use
  std::vector<bool> is_map_damaged;  // by page of the free map: what it says is not known
  bool has_damaged_map = false;
};

// False if no root is whole; the report says so.
Task<bool> check_root(Disk& disk, MetadataLayout layout, Uuid pool_uuid, CheckReport& report,
                      CheckedRoot& checked);

// Compares the free map and the sums of the root with what a walk of the whole tree has seen. True if a new
// root must be written to make them agree.
bool compare_with_walk(const CheckedRoot& checked, const MetadataLayout& layout, const TreeWalk& walk,
                       CheckReport& report);

// What a new root says; the journal's place stays.
struct NewRoot {
  TreeRoot tree;
  std::vector<bool> used;  // by page
};
// Writes the free map and then the root, in the order of a checkpoint: a crash leaves the old one in force.
Task<Errc> write_root(Disk& disk, MetadataLayout layout, const CheckedRoot& checked, NewRoot wanted);

}  // namespace ballast::bdev::pool
