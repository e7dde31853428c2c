#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace ballast {

uint32_t crc32c_update(uint32_t state, ByteSpan bytes) {
  // crc32_iscsi takes an int length and does not write to the buffer, whatever its prototype says.
  constexpr size_t k_piece_bytes_max = 1u << 30;
  while (!bytes.empty()) {
    const size_t piece_bytes = std::min(bytes.size(), k_piece_bytes_max);
    state = crc32_iscsi(const_cast<unsigned char*>(bytes.data()), static_cast<int>(piece_bytes), state);
    bytes = bytes.subspan(piece_bytes);
  }
  return state;
}

}  // namespace ballast
