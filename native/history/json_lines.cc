#include "history/json_lines.h"

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "base/assert.h"

namespace ballast::history {
namespace {

enum class Field : uint8_t { op, block, value, start, end, outcome, path };
constexpr std::array<std::string_view, 7> k_field_names = {"op",  "block",   "value", "start",
                                                           "end", "outcome", "path"};

constexpr std::array<std::string_view, 2> k_kind_names = {"read", "write"};
constexpr std::array<std::string_view, 3> k_outcome_names = {"ok", "failed", "unknown"};

template <size_t N>
std::optional<size_t> index_of(std::string_view name, const std::array<std::string_view, N>& names) {
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == name) return i;
  }
  return std::nullopt;
}

void append_number(std::string& text, std::optional<uint64_t> number) {
  text += number.has_value() ? std::to_string(*number) : "null";
}

// Printable ASCII, which validate() demands of a path.
void append_string(std::string& text, std::string_view string) {
  text += '"';
  for (const char byte : string) {
    if (byte == '"' || byte == '\\') text += '\\';
    text += byte;
  }
  text += '"';
}

// Reads one line. The first error stays; what is read after it means nothing.
class LineParser {
 public:
  explicit LineParser(std::string_view line) : line_(line) {}

  Result<Operation> parse() {
    TRY([[maybe_unused]] const Unit read, parse_object());
    for (size_t i = 0; i < k_field_names.size(); ++i) {
      if (!has_[i] && Field(i) != Field::path) return missing(k_field_names[i]);
    }
    // "op" and "outcome" may come after the value.
    const bool has_value = operation_.is_write() || operation_.outcome == OperationOutcome::ok;
    if (has_value && !value_.has_value()) return error("\"value\" is null, but there was one");
    if (!has_value && value_.has_value()) return error("\"value\" of a read that is not ok must be null");
    operation_.value = value_.value_or(0);
    const Outcome valid = validate(operation_);
    if (!valid.ok()) return error(valid.error().text);
    return std::move(operation_);
  }

 private:
  Outcome parse_object() {
    TRY([[maybe_unused]] const Unit opened, expect('{'));
    do {
      TRY([[maybe_unused]] const Unit field, parse_field());
    } while (try_take(','));
    TRY([[maybe_unused]] const Unit closed, expect('}'));
    skip_space();
    if (at_ != line_.size()) return error("text after the object");
    return Unit{};
  }

  Outcome parse_field() {
    TRY(const std::string name, parse_string());
    const std::optional<size_t> index = index_of(name, k_field_names);
    if (!index.has_value()) return error("the field before this is not known");
    if (std::exchange(has_[*index], true)) return error("the field before this is there twice");
    TRY([[maybe_unused]] const Unit colon, expect(':'));
    switch (Field(*index)) {
      case Field::op: {
        TRY(const size_t kind, parse_name(k_kind_names, "\"op\" is \"read\" or \"write\""));
        operation_.kind = OperationKind(kind);
        return Unit{};
      }
      case Field::outcome: {
        TRY(const size_t outcome,
            parse_name(k_outcome_names, "\"outcome\" is \"ok\", \"failed\" or \"unknown\""));
        operation_.outcome = OperationOutcome(outcome);
        return Unit{};
      }
      case Field::block: {
        TRY(operation_.block, parse_number());
        return Unit{};
      }
      case Field::start: {
        TRY(operation_.invoked_ns, parse_number());
        return Unit{};
      }
      case Field::value: {
        TRY(value_, parse_number_or_null());
        return Unit{};
      }
      case Field::end: {
        TRY(operation_.responded_ns, parse_number_or_null());
        return Unit{};
      }
      case Field::path: {
        TRY(operation_.path, parse_string());
        return Unit{};
      }
    }
    return error("unknown field");
  }

  template <size_t N>
  Result<size_t> parse_name(const std::array<std::string_view, N>& names, const char* what_it_is) {
    TRY(const std::string name, parse_string());
    const std::optional<size_t> index = index_of(name, names);
    if (!index.has_value()) return error(what_it_is);
    return *index;
  }

  Result<std::optional<uint64_t>> parse_number_or_null() {
    skip_space();
    constexpr std::string_view null = "null";
    if (line_.substr(at_).starts_with(null)) {
      at_ += null.size();
      return std::optional<uint64_t>();
    }
    TRY(const uint64_t number, parse_number());
    return std::optional<uint64_t>(number);
  }

  Result<uint64_t> parse_number() {
    skip_space();
    const std::string_view rest = line_.substr(at_);
    uint64_t number = 0;
    const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (failure == std::errc::result_out_of_range) return error("a number above 2^64 - 1");
    if (failure != std::errc()) return error("expected a whole number");
    const auto length = static_cast<size_t>(end - rest.data());
    if (length > 1 && rest.front() == '0') return error("a number that begins with 0");
    at_ += length;
    if (at_ < line_.size() && std::string_view(".eE").find(line_[at_]) != std::string_view::npos) {
      return error("expected a whole number");
    }
    return number;
  }

  Result<std::string> parse_string() {
    TRY([[maybe_unused]] const Unit opened, expect('"'));
    std::string string;
    while (at_ < line_.size()) {
      const char byte = line_[at_];
      if (byte < 0x20 || byte > 0x7e) return error("a byte in a string that is not printable ASCII");
      at_ += 1;
      if (byte == '"') return string;
      if (byte != '\\') {
        string += byte;
        continue;
      }
      TRY(const char escaped, parse_escape());
      string += escaped;
    }
    return error("a string without its end");
  }

  // After the backslash. Escapes of what a string may not hold are refused with it.
  Result<char> parse_escape() {
    const char kind = at_ < line_.size() ? line_[at_] : '\0';
    if (kind == '"' || kind == '\\' || kind == '/') {
      at_ += 1;
      return kind;
    }
    const std::string_view digits = line_.substr(at_).substr(0, 5);
    if (kind != 'u' || digits.size() != 5) return error("an escape that is not known here");
    unsigned unit = 0;
    const char* const end = digits.data() + digits.size();
    if (std::from_chars(digits.data() + 1, end, unit, 16).ptr != end) return error("\\u without four digits");
    if (unit < 0x20 || unit > 0x7e) return error("an escape of what is not printable ASCII");
    at_ += digits.size();
    return static_cast<char>(unit);
  }

  Outcome expect(char byte) {
    if (try_take(byte)) return Unit{};
    return error(std::string("expected '") + byte + "'");
  }

  bool try_take(char byte) {
    skip_space();
    if (at_ == line_.size() || line_[at_] != byte) return false;
    at_ += 1;
    return true;
  }

  void skip_space() {
    while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t' || line_[at_] == '\r')) at_ += 1;
  }

  Error error(std::string text) const {
    return {Errc::invalid_argument, "column " + std::to_string(at_ + 1) + ": " + std::move(text)};
  }
  Error missing(std::string_view name) const { return error("no field \"" + std::string(name) + "\""); }

  std::string_view line_;
  size_t at_ = 0;
  Operation operation_;
  std::optional<uint64_t> value_;
  std::array<bool, k_field_names.size()> has_{};
};

}  // namespace

void append_json_line(std::string& text, const Operation& operation) {
  BALLAST_ASSERT(validate(operation).ok());
  const bool has_value = operation.is_write() || operation.outcome == OperationOutcome::ok;
  text += R"({"op":)";
  append_string(text, k_kind_names[static_cast<size_t>(operation.kind)]);
  text += R"(,"block":)";
  append_number(text, operation.block);
  text += R"(,"value":)";
  append_number(text, has_value ? std::optional(operation.value) : std::nullopt);
  text += R"(,"start":)";
  append_number(text, operation.invoked_ns);
  text += R"(,"end":)";
  append_number(text, operation.responded_ns);
  text += R"(,"outcome":)";
  append_string(text, k_outcome_names[static_cast<size_t>(operation.outcome)]);
  text += R"(,"path":)";
  append_string(text, operation.path);
  text += "}\n";
}

Result<std::vector<Operation>> parse_json_lines(std::string_view text) {
  std::vector<Operation> operations;
  for (uint64_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    Result<Operation> operation = LineParser(line).parse();
    if (!operation.ok()) {
      return Error{operation.errc(), "line " + std::to_string(number) + ", " + operation.error().text};
    }
    operations.push_back(std::move(operation.value()));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return operations;
}

}  // namespace ballast::history
