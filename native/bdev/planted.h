// Bugs to be planted one at a time, to see that the tests find each. A room names its own in an enumeration,
// `Planted`, from `none` on; `if (planted(Planted::x))` is false and no code in every build but one with
// BALLAST_PLANTED_BUGS, which no release is. There the environment variable BALLAST_PLANTED_BUG says, by its
// number, which is on. See scripts/planted-bugs.mjs.
#pragma once

#include <cstdlib>

namespace ballast::bdev {

#ifdef BALLAST_PLANTED_BUGS
template <typename Bug>
bool planted(Bug bug) {
  static const char* const text = std::getenv("BALLAST_PLANTED_BUG");
  static const auto on = static_cast<Bug>(text == nullptr ? 0 : std::strtoul(text, nullptr, 10));
  return on == bug;
}
#else
template <typename Bug>
constexpr bool planted(Bug) {
  return false;
}
#endif

}  // namespace ballast::bdev
