// What other threads tell the JavaScript thread. An event is posted from any thread, waits in its
// environment's mailbox, and is delivered in a batch on the JavaScript thread, or discarded there when the
// environment ends.
#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "reactor/mailbox.h"

namespace ballast::addon {

class Environment;

// One call into JavaScript: completions of I/O as pairs of numbers, everything else as tuples.
struct Batch {
  Napi::Env env;
  double* ios = nullptr;  // pairs: number of the operation, status
  uint32_t ios_count = 0;
  Napi::Array events;  // empty until the first
  uint32_t events_count = 0;

  void add(const Napi::Array& event);
};

class Event : public Message {
 public:
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // JavaScript thread; each ends the event's life.
  virtual void deliver(Batch& batch) = 0;
  virtual void discard() = 0;

 protected:
  explicit Event(Environment& owner);
  virtual ~Event() = default;
  Environment& environment_;
};

// The end of an asynchronous operation: JavaScript's promise number `op`. Made on the JavaScript thread when
// it starts, which keeps the event loop alive until it is delivered; filled in and posted by whoever finishes
// it.
class OperationEvent final : public Event {
 public:
  OperationEvent(Environment& owner, uint32_t op);

  // Any thread, one of them, once.
  void succeed();
  void fail(Error error);
  template <typename T>
  void finish(const Result<T>& result) {
    result.ok() ? succeed() : fail(Error{result.errc(), result.error().text});
  }

  // Set before posting; both run on the JavaScript thread, `settled` first; neither when the environment
  // ends.
  std::function<void(bool ok)> settled;
  std::function<Napi::Value(Napi::Env env)> value;  // what the promise gets; none: undefined
  Napi::ObjectReference pinned;                     // a buffer that must live until then

  void deliver(Batch& batch) override;
  void discard() override;

 private:
  ~OperationEvent() override = default;
  void end(bool delivered);

  uint32_t op_;
  bool ok_ = false;
  Error error_;
};

// Something that just happens, as the tuple that `make` builds.
class NoticeEvent final : public Event {
 public:
  using Make = std::function<Napi::Array(Napi::Env env)>;
  NoticeEvent(Environment& owner, Make make) : Event(owner), make_(std::move(make)) {}
  void deliver(Batch& batch) override;
  void discard() override { delete this; }

 private:
  Make make_;
};

// [values...]
template <typename... Values>
Napi::Array tuple(Napi::Env env, const Values&... values) {
  Napi::Array array = Napi::Array::New(env, sizeof...(values));
  uint32_t index = 0;
  (array.Set(index++, values), ...);
  return array;
}

}  // namespace ballast::addon
