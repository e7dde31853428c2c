// How long to wait before the next try: doubling up to a limit, with jitter, so that the hosts of a target
// that restarts do not all come back in the same instant.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/prng.h"

namespace ballast::initiator {

class Backoff {
 public:
  Backoff(uint64_t first_ns, uint64_t max_ns) : first_ns_(std::max<uint64_t>(first_ns, 1)), max_ns_(max_ns) {}

  // Between half of the present step and all of it; the next step is twice as long.
  uint64_t next_ns(Prng& prng) {
    const uint64_t step_ns = std::clamp<uint64_t>(step_ns_, 1, std::max<uint64_t>(max_ns_, 1));
    step_ns_ = step_ns > max_ns_ / 2 ? max_ns_ : step_ns * 2;
    return step_ns - step_ns / 2 + prng.below(step_ns / 2 + 1);
  }
  void reset() { step_ns_ = first_ns_; }

 private:
  uint64_t first_ns_;
  uint64_t max_ns_;
  uint64_t step_ns_ = first_ns_;
};

}  // namespace ballast::initiator
