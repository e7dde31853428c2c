#include "base/prng.h"

#include <bit>

#include "base/assert.h"

namespace ballast {

__extension__ using Uint128 = unsigned __int128;

Prng::Prng(uint64_t seed) {
  for (uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15u;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    word = z ^ (z >> 31);
  }
}

uint64_t Prng::next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

uint64_t Prng::below(uint64_t bound) {
  BALLAST_ASSERT(bound > 0);
  // Multiply-shift: the bias is below 2^-64 * bound, which no test of ours can see.
  return static_cast<uint64_t>((static_cast<Uint128>(next()) * bound) >> 64);
}

}  // namespace ballast
