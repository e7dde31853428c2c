// The fuzzer's assertion: says what does not hold and of which seed, then aborts. Sanitizer reports and the
// project's own assertions are told the same seed by main.cc.
#pragma once

namespace ballast::fuzz {

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace ballast::fuzz

#define FUZZ_CHECK(expression)                          \
  (static_cast<bool>(expression) ? static_cast<void>(0) \
                                 : ::ballast::fuzz::check_failed(#expression, __FILE__, __LINE__))
