// CRC32C (Castagnoli), the digest of NVMe/TCP PDUs (NVMe/TCP Transport Specification 1.0, "PDU Header and
// Data Digests"). ISA-L does the work: it picks the fastest kernel of the CPU at run time.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace ballast {

// CRC32C over pieces: start from k_crc32c_seed, feed every piece in order, end with crc32c_finish.
inline constexpr uint32_t k_crc32c_seed = 0xffffffffu;
uint32_t crc32c_update(uint32_t state, ByteSpan bytes);
inline uint32_t crc32c_finish(uint32_t state) { return state ^ 0xffffffffu; }

inline uint32_t crc32c(ByteSpan bytes) { return crc32c_finish(crc32c_update(k_crc32c_seed, bytes)); }

}  // namespace ballast
