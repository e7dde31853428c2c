// What `ballast perf --verify` writes into every logical block, and how it is recognised: the block's
// address, the turn of the write and the seed of the run in the first bytes, a checksum over the whole block.
// Pure functions over bytes, called by PerfQueue.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace ballast::engine {

struct PerfStamp {
  uint64_t lba = 0;
  uint64_t sequence = 0;  // of this run, from 1
  uint64_t seed = 0;
  uint32_t crc = 0;  // CRC32C of the block with this field zero
  uint32_t magic = 0;
};
static_assert(sizeof(PerfStamp) == 32);
inline constexpr uint32_t k_perf_magic = 0x42505631;  // "1VPB" in memory order

// Fills one logical block (>= sizeof(PerfStamp) bytes).
void write_perf_block(MutableByteSpan block, uint64_t lba, uint64_t sequence, uint64_t seed);

enum class PerfVerdict : uint8_t {
  good,
  not_ours,        // no stamp: something else is there
  other_address,   // a block of this run, but of another address: misdirected
  other_sequence,  // an older or newer write of this address: lost or reordered
  damaged,         // the stamp is right, the bytes are not
};
const char* perf_verdict_text(PerfVerdict verdict);
PerfVerdict check_perf_block(ByteSpan block, uint64_t lba, uint64_t sequence, uint64_t seed);

}  // namespace ballast::engine
