// Errc as the word that JavaScript builds its error from; the one place where the two meet.
#pragma once

#include "base/errc.h"

namespace ballast::addon {

const char* error_code(Errc errc);

}  // namespace ballast::addon
