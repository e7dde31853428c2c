// Where the blocks of a slot are, as a volume sees them: its head layer and what the layers below it hold.
// What a read needs; made once per slot and cached by whoever reads.
#pragma once

#include <vector>

#include "bdev/pool/chain_index.h"
#include "bdev/pool/store.h"
#include "bdev/pool/value.h"

namespace ballast::bdev::pool {

struct ResolvedSlot {
  Slot head;                    // what the head layer itself holds: only there may be written in place
  std::vector<Fragment> below;  // of the layers below, blocks that nothing above them hides

  // Where to read the block; nothing: it reads zeroes.
  std::optional<Extent> find(uint32_t block) const;
};

// io_error if the metadata cannot be read or names layers that are not there. Without an index of the head's
// chain every layer is asked.
Task<Result<ResolvedSlot>> resolve(Store& store, uint32_t head_layer, uint64_t slot,
                                   ChainIndex* index = nullptr);

}  // namespace ballast::bdev::pool
