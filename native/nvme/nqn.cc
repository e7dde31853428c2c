#include "nvme/nqn.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/assert.h"
#include "nvme/limits.h"

namespace ballast::nvme {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter_or_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. Control characters are refused too: an
// NQN is shown to people and written to logs.
size_t utf8_sequence_bytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const auto continues = [&](size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
  const uint8_t first = byte(0);
  if (first < 0x80) return first < 0x20 || first == 0x7f ? 0 : 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (!continues(1) || !continues(2)) return 0;
    if (first == 0xe0 && byte(1) < 0xa0) return 0;
    if (first == 0xed && byte(1) > 0x9f) return 0;
    return 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (first == 0xf0 && byte(1) < 0x90) return 0;
    if (first == 0xf4 && byte(1) > 0x8f) return 0;
    return 4;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = utf8_sequence_bytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

// "yyyy-mm."
bool has_date(std::string_view text) {
  if (text.size() < 8 || text[4] != '-' || text[7] != '.') return false;
  for (const size_t i : {0, 1, 2, 3, 5, 6}) {
    if (!is_digit(text[i])) return false;
  }
  const int month = (text[5] - '0') * 10 + (text[6] - '0');
  return month >= 1 && month <= 12;
}

// Labels of letters, digits and inner hyphens, separated by single dots; begins with a letter or digit.
bool is_domain(std::string_view domain) {
  if (domain.empty()) return false;
  char previous = '.';
  for (const char c : domain) {
    if (c == '.') {
      if (previous == '.' || previous == '-') return false;
    } else if (c == '-') {
      if (previous == '.') return false;
    } else if (!is_letter_or_digit(c)) {
      return false;
    }
    previous = c;
  }
  return previous != '.' && previous != '-';
}

}  // namespace

bool is_valid_nqn(std::string_view nqn) {
  constexpr std::string_view k_prefix = "nqn.";
  constexpr size_t k_date_bytes = 8;
  if (nqn.size() > k_nqn_bytes_max || nqn.substr(0, k_prefix.size()) != k_prefix) return false;
  const std::string_view dated = nqn.substr(k_prefix.size());
  if (!has_date(dated)) return false;
  const std::string_view rest = dated.substr(k_date_bytes);
  const size_t colon = rest.find(':');
  if (!is_domain(rest.substr(0, colon))) return false;
  if (colon == std::string_view::npos) return true;
  const std::string_view suffix = rest.substr(colon + 1);
  return !suffix.empty() && is_utf8(suffix);
}

std::optional<std::string_view> parse_nqn_field(std::span<const char> field) {
  const auto end = std::find(field.begin(), field.end(), '\0');
  if (end == field.end()) return std::nullopt;
  const std::string_view text(field.data(), static_cast<size_t>(end - field.begin()));
  if (!is_valid_nqn(text)) return std::nullopt;
  return text;
}

void store_nqn_field(std::span<char> field, std::string_view nqn) {
  BALLAST_ASSERT(nqn.size() < field.size());
  std::memset(field.data(), 0, field.size());
  std::memcpy(field.data(), nqn.data(), nqn.size());
}

}  // namespace ballast::nvme
