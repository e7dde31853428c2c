// NVMe Qualified Names. NVMe Base Specification 2.1, "NVMe Qualified Names": "nqn.yyyy-mm.reverse.domain"
// optionally followed by ":" and a string, UTF-8, at most 223 bytes.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace ballast::nvme {

bool is_valid_nqn(std::string_view nqn);

// The text of a NUL-terminated field; nullopt if the NUL is missing or the text is not a valid NQN. Used for
// Connect data, where the field is 256 bytes. The view points into the field.
std::optional<std::string_view> parse_nqn_field(std::span<const char> field);

// Writes the NQN and fills the rest with NUL. The NQN must be shorter than the field.
void store_nqn_field(std::span<char> field, std::string_view nqn);

}  // namespace ballast::nvme
