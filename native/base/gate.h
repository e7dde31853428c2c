// Counts what is inside an object that wants to stop. Close it, wait for the callback, then destroy.
#pragma once

#include <cstdint>

#include "base/assert.h"

namespace ballast {

class Gate {
 public:
  using Emptied = void (*)(void* context);

  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() { BALLAST_ASSERT(inside_ == 0); }

  // False once closed: answer with shutting_down and start nothing.
  [[nodiscard]] bool try_enter() {
    if (closed_) return false;
    ++inside_;
    return true;
  }
  void leave() {
    BALLAST_ASSERT(inside_ > 0);
    if (--inside_ == 0 && closed_ && emptied_ != nullptr) fire();
  }
  // `emptied` runs once, from inside close() if nothing is inside, else from the last leave().
  void close(Emptied emptied, void* context) {
    BALLAST_ASSERT(!closed_);
    closed_ = true;
    emptied_ = emptied;
    context_ = context;
    if (inside_ == 0 && emptied_ != nullptr) fire();
  }
  bool closed() const { return closed_; }
  uint64_t inside() const { return inside_; }

 private:
  void fire() {
    const Emptied emptied = emptied_;
    emptied_ = nullptr;
    emptied(context_);
  }

  uint64_t inside_ = 0;
  bool closed_ = false;
  Emptied emptied_ = nullptr;
  void* context_ = nullptr;
};

}  // namespace ballast
