// Seeded pseudo-random numbers (xoshiro256**, seeded by splitmix64). Not for secrets. Enters by constructor,
// so that the same seed gives the same run.
#pragma once

#include <cstdint>

namespace ballast {

class Prng {
 public:
  explicit Prng(uint64_t seed);
  uint64_t next();
  // Uniform in [0, bound); bound must be above 0.
  uint64_t below(uint64_t bound);
  // True with probability numerator / denominator.
  bool chance(uint64_t numerator, uint64_t denominator) { return below(denominator) < numerator; }

 private:
  uint64_t state_[4];
};

}  // namespace ballast
