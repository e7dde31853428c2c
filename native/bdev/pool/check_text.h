// How a check names what it talks of: volumes and snapshots by name, ranges in bytes.
#pragma once

#include <map>
#include <string>

#include "bdev/pool/key.h"
#include "bdev/pool/task.h"

namespace ballast::bdev::pool {

class CheckView;

// Ranges of blocks of a layer, joined where they touch.
class BlockRanges {
 public:
  void add(uint64_t slot, uint32_t first, uint32_t count);
  // "bytes 0 to 4095, 1048576 to 1052671 and 3 more ranges".
  std::string text(uint64_t extent_bytes) const;

 private:
  static constexpr uint64_t k_slot_stride = 256;  // blocks; a slot of fewer leaves a gap
  std::map<uint64_t, uint64_t> ends_;             // by start
};

// "volume db", "snapshot noon of volume db", else "layer 17".
Task<std::string> layer_text(CheckView& view, uint32_t layer);

const char* key_type_text(uint8_t type);

}  // namespace ballast::bdev::pool
