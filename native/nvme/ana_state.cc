#include "nvme/ana_state.h"

namespace ballast::nvme {

const char* ana_state_text(AnaState state) {
  switch (state) {
    case AnaState::optimized: return "optimized";
    case AnaState::non_optimized: return "non-optimized";
    case AnaState::inaccessible: return "inaccessible";
    case AnaState::persistent_loss: return "persistent-loss";
    case AnaState::change: return "change";
  }
  return "unknown";
}

std::optional<AnaState> parse_ana_state(std::string_view text) {
  for (const AnaState state : {AnaState::optimized, AnaState::non_optimized, AnaState::inaccessible,
                               AnaState::persistent_loss, AnaState::change}) {
    if (text == ana_state_text(state)) return state;
  }
  return std::nullopt;
}

}  // namespace ballast::nvme
