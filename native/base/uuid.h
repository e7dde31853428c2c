// A 128-bit UUID as the bytes of its text form, big endian (RFC 9562), which is how NVMe carries it
// (NVM Express Base Specification 2.1, "Namespace Identification Descriptor", NIDT 3h).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ballast {

struct Uuid {
  std::array<uint8_t, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
  bool is_nil() const { return *this == Uuid{}; }
  // "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", lower case.
  std::string text() const;
  // The 36-character form, either case; anything else is nullopt.
  static std::optional<Uuid> parse(std::string_view text);
};

}  // namespace ballast
