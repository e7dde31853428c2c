// Result<T> carries a value or an Errc with an optional sentence for a human. Errors are values: see
// docs/architecture.md.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/assert.h"
#include "base/errc.h"

namespace ballast {

// The failed half of a Result. `text` names the object and what to do ("/dev/sdb is locked by another
// process").
struct [[nodiscard]] Error {
  Errc errc = Errc::io_error;
  std::string text;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT
  Result(Errc errc) : state_(std::in_place_index<1>, Error{errc, {}}) {}     // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  Errc errc() const { return ok() ? Errc::ok : std::get_if<1>(&state_)->errc; }

  T& value() {
    BALLAST_ASSERT(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const {
    BALLAST_ASSERT(ok());
    return *std::get_if<0>(&state_);
  }
  Error& error() {
    BALLAST_ASSERT(!ok());
    return *std::get_if<1>(&state_);
  }
  const Error& error() const {
    BALLAST_ASSERT(!ok());
    return *std::get_if<1>(&state_);
  }
  T& operator*() { return value(); }
  T* operator->() { return &value(); }
  const T& operator*() const { return value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> state_;
};

struct Unit {};
// For functions that have nothing to return but may fail: `return Unit{};`.
using Outcome = Result<Unit>;

}  // namespace ballast

#define BALLAST_TRY_CONCAT_(a, b) a##b
#define BALLAST_TRY_NAME_(line) BALLAST_TRY_CONCAT_(try_result_, line)
// TRY(const auto fd, open_file(path)); declares fd, or returns the error to the caller. The one control-flow
// macro.
#define TRY(declaration, expression)                                                            \
  auto BALLAST_TRY_NAME_(__LINE__) = (expression);                                              \
  if (!BALLAST_TRY_NAME_(__LINE__).ok()) return std::move(BALLAST_TRY_NAME_(__LINE__).error()); \
  declaration = std::move(BALLAST_TRY_NAME_(__LINE__).value())
