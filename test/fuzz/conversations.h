// One conversation of each role. Everything random comes from the world's prng.
#pragma once

#include "fuzz_world.h"

namespace ballast::fuzz {

// A hostile host against our target.
void converse_with_target(FuzzWorld& world);
// Our host against a target whose PDUs are damaged on their way.
void converse_with_host(FuzzWorld& world);

}  // namespace ballast::fuzz
