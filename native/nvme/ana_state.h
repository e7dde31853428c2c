// ANA states in words, which are those of nvme-cli.
#pragma once

#include <optional>
#include <string_view>

#include "nvme/log_pages.h"

namespace ballast::nvme {

// "optimized", "non-optimized", "inaccessible", "persistent-loss", "change".
const char* ana_state_text(AnaState state);
std::optional<AnaState> parse_ana_state(std::string_view text);

}  // namespace ballast::nvme
