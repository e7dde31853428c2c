// A random walk over a simulated pool: I/O of all types in great number, operations of the control path
// beside it, faults, power failures and openings, all from one seed.
#pragma once

#include <string>

#include "native/bdev_pool/simulation.h"

namespace ballast::bdev::pool::test {

// What is wrong, or nothing.
std::string walk(uint64_t seed);

}  // namespace ballast::bdev::pool::test
