#include "base/log.h"

#include <algorithm>
#include <cstdio>

namespace ballast {
namespace {

void default_sink(void*, LogLevel level, const char* room, std::string_view line) {
  if (level < LogLevel::warning) return;
  std::fprintf(stderr, "%s: %s: %.*s\n", level == LogLevel::error ? "error" : "warning", room,
               static_cast<int>(line.size()), line.data());
}

LogSink sink_now = default_sink;
void* context_now = nullptr;

}  // namespace

void set_log_sink(LogSink sink, void* context) noexcept {
  sink_now = sink != nullptr ? sink : default_sink;
  context_now = sink != nullptr ? context : nullptr;
}

void log(LogLevel level, const char* room, const char* format, ...) noexcept {
  char line[k_log_line_bytes_max];
  va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  if (length < 0) return;
  sink_now(context_now, level, room, {line, std::min<size_t>(static_cast<size_t>(length), sizeof(line) - 1)});
}

std::string log_escape(std::string_view text, size_t bytes_max) {
  std::string escaped;
  for (const char c : text) {
    char piece[5] = {c, 0};
    if (c < ' ' || c > '~' || c == '\\') {
      std::snprintf(piece, sizeof(piece), "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
    const std::string_view piece_view(piece);
    if (escaped.size() + piece_view.size() > bytes_max) break;
    escaped += piece_view;
  }
  return escaped;
}

}  // namespace ballast
