// An operation on an engine that its control thread runs: (engine, op, ...) of JavaScript.
#pragma once

#include <utility>

#include "addon/convert.h"
#include "addon/environment.h"

namespace ballast::addon {

// Runs `body(engine, event)` there, which must finish the event; answers "shutting down" when the engine is
// gone.
template <typename Body>
void on_control_thread(const Napi::CallbackInfo& info, OperationEvent& event, Body body) {
  EngineHandle* const handle = Environment::of(info.Env()).find_engine(to_u32(info[0]));
  if (handle == nullptr) return event.fail({Errc::shutting_down, "the engine is closed"});
  handle->thread->post([handle, &event, body = std::move(body)] { body(*handle->engine, event); });
}

inline OperationEvent& begin(const Napi::CallbackInfo& info) {
  return *new OperationEvent(Environment::of(info.Env()), to_u32(info[1]));
}

// The event ends with `result`, its value made JavaScript's by `convert(env, value)`.
template <typename T, typename Convert>
void finish(OperationEvent& event, Result<T> result, Convert convert) {
  if (!result.ok()) return event.fail(result.error());
  event.value = [value = std::move(*result), convert](Napi::Env env) { return convert(env, value); };
  event.succeed();
}

}  // namespace ballast::addon
