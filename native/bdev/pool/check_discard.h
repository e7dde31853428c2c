// Gives up damaged pages of the tree: writes the pages above them anew, without them. Only what stands above
// a damaged page is written; the rest of the tree stays where it is.
#pragma once

#include "bdev/pool/check_root.h"

namespace ballast::bdev::pool {

// The tree without the lost pages, on pages that are neither marked nor seen; `seen` becomes the pages of the
// new tree. no_space: there is no such page. The pages are written, not synced.
Task<Result<TreeRoot>> discard_pages(Disk& disk, MetadataLayout layout, const CheckedRoot& checked,
                                     const std::vector<LostPage>& lost, std::vector<bool>& seen);

}  // namespace ballast::bdev::pool
