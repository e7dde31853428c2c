// Log lines of the data plane. Any thread may log; lines go to one process-wide sink, which the addon points
// at the JavaScript logger and tests at memory. Not for the I/O path: a line is formatted on the caller's
// thread. Each line is at most k_log_line_bytes_max long; text from a peer is escaped by the caller with
// log_escape().
#pragma once

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ballast {

enum class LogLevel : uint8_t { debug, info, warning, error };

inline constexpr size_t k_log_line_bytes_max = 256;

// `room` is the room's name ("reactor"); `line` lives only during the call. Called on any thread, must not
// block.
using LogSink = void (*)(void* context, LogLevel level, const char* room, std::string_view line);

// Replaces the sink; null restores the default, which writes warnings and errors to stderr. Not while threads
// are logging.
void set_log_sink(LogSink sink, void* context) noexcept;

void log(LogLevel level, const char* room, const char* format, ...) noexcept
    __attribute__((format(printf, 3, 4)));

// Printable ASCII as it is, everything else as \xNN; cut to `bytes_max`. Keeps a hostile name from forging
// log lines.
std::string log_escape(std::string_view text, size_t bytes_max = 96);

}  // namespace ballast
