#include "addon/calls.h"
#include "addon/convert.h"
#include "addon/environment.h"
#include "addon/io_operation.h"

namespace ballast::addon {
namespace {

// Tells JavaScript of state changes. Runs on reactor 0.
initiator::Controller::StateObserver state_notices(Environment& environment, uint32_t controller_id) {
  return [&environment, controller_id](initiator::ControllerState state, const std::string& text) {
    environment.post(*new NoticeEvent(environment, [controller_id, state, text](Napi::Env env) {
      return tuple(env, "state", controller_id, initiator::controller_state_text(state), text);
    }));
  };
}

// (engine, op, options) -> controller
Napi::Value engine_connect(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  auto& event = *new OperationEvent(environment, to_u32(info[1]));
  EngineHandle* const engine = environment.find_engine(to_u32(info[0]));
  if (engine == nullptr) {
    event.fail({Errc::shutting_down, "the engine is closed"});
    return Napi::Number::New(info.Env(), 0);
  }
  const uint32_t id = environment.add_controller(engine->id).id;
  const auto connected = [&environment, &event, id](Result<engine::HostController*> result) {
    if (!result.ok()) {
      event.settled = [&environment, id](bool) { environment.remove_controller(id); };
      return event.fail(result.error());
    }
    engine::HostController* const controller = result.value();
    event.settled = [&environment, id, controller](bool) { environment.set_connected(id, *controller); };
    controller->controller()->observe_namespaces([&environment, id](const auto&) {
      environment.post(
          *new NoticeEvent(environment, [id](Napi::Env env) { return tuple(env, "namespaces", id); }));
    });
    // A copy: the engine may close the controller before this is delivered.
    event.value = [copy = controller->info()](Napi::Env env) { return from_controller_info(env, copy); };
    event.succeed();
  };
  engine->thread->post([engine, options = to_controller_options(info[2].As<Napi::Object>()),
                        observer = state_notices(environment, id),
                        connected] { engine->engine->host_side().connect(options, observer, connected); });
  return Napi::Number::New(info.Env(), id);
}

// (engine, op, options)
Napi::Value engine_discover(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  auto& event = *new OperationEvent(environment, to_u32(info[1]));
  EngineHandle* const engine = environment.find_engine(to_u32(info[0]));
  if (engine == nullptr) {
    event.fail({Errc::shutting_down, "the engine is closed"});
    return info.Env().Undefined();
  }
  engine->thread->post([engine, &event, options = to_controller_options(info[2].As<Napi::Object>())] {
    engine->engine->host_side().discover(
        options, [&event](Result<std::vector<initiator::DiscoveryEntry>> result) {
          if (!result.ok()) return event.fail(result.error());
          event.value = [entries = std::move(result.value())](Napi::Env env) {
            return from_discovery(env, entries);
          };
          event.succeed();
        });
  });
  return info.Env().Undefined();
}

// (controller, op)
Napi::Value controller_close(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  auto& event = *new OperationEvent(environment, to_u32(info[1]));
  ControllerHandle* const handle = environment.find_controller(to_u32(info[0]));
  if (handle == nullptr) {
    event.succeed();
    return info.Env().Undefined();
  }
  handle->closing = true;
  event.settled = [&environment, id = handle->id](bool) { environment.remove_controller(id); };
  EngineHandle& engine = *environment.find_engine(handle->engine_id);
  engine.thread->post([&engine, &event, controller = handle->controller] {
    engine.engine->host_side().close_controller(*controller, [&event] { event.succeed(); });
  });
  return info.Env().Undefined();
}

// (controller, op, dwords: Uint32Array, buffer | undefined): its end is delivered as an I/O's
Napi::Value controller_io(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  ControllerHandle* const handle = environment.find_controller(to_u32(info[0]));
  if (handle == nullptr) return Napi::Boolean::New(info.Env(), false);
  environment.acquire_io().release()->start(to_u32(info[1]), *handle, to_command(info[2]), info[3]);
  return Napi::Boolean::New(info.Env(), true);
}

// (controller, op, dwords: Uint32Array, buffer | undefined) -> [status, dw0, dw1] later
Napi::Value controller_admin(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  auto& event = *new OperationEvent(environment, to_u32(info[1]));
  ControllerHandle* const handle = environment.find_controller(to_u32(info[0]));
  if (handle == nullptr) {
    event.fail({Errc::shutting_down, "the controller is closed"});
    return info.Env().Undefined();
  }
  Segment data;
  if (info[3].IsBuffer()) {
    const auto bytes = info[3].As<Napi::Buffer<uint8_t>>();
    data = {bytes.Data(), bytes.Length()};
    event.pinned = Napi::Persistent(info[3].As<Napi::Object>());
  }
  handle->controller->submit_admin(to_command(info[2]), data, [&event](nvme::Completion completion) {
    event.value = [completion](Napi::Env env) {
      return tuple(env, completion.status().value, completion.dw0, completion.dw1);
    };
    event.succeed();
  });
  return info.Env().Undefined();
}

// (controller, op) -> paths later
Napi::Value controller_paths(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  auto& event = *new OperationEvent(environment, to_u32(info[1]));
  ControllerHandle* const handle = environment.find_controller(to_u32(info[0]));
  if (handle == nullptr || handle->controller == nullptr) {
    event.fail({Errc::shutting_down, "the controller is closed"});
    return info.Env().Undefined();
  }
  handle->controller->controller()->list_paths([&event](std::vector<initiator::PathInfo> paths) {
    event.value = [paths = std::move(paths)](Napi::Env env) { return from_paths(env, paths); };
    event.succeed();
  });
  return info.Env().Undefined();
}

// (controller, op, options): progress is delivered as ["perf", op, seconds, iops, bytesPerSecond, errors]
Napi::Value controller_perf(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  const uint32_t op = to_u32(info[1]);
  auto& event = *new OperationEvent(environment, op);
  ControllerHandle* const handle = environment.find_controller(to_u32(info[0]));
  if (handle == nullptr) {
    event.fail({Errc::shutting_down, "the controller is closed"});
    return info.Env().Undefined();
  }
  const auto progress = [&environment, op](const engine::PerfProgress& now) {
    environment.post(*new NoticeEvent(environment, [op, now](Napi::Env env) {
      return tuple(env, "perf", op, static_cast<double>(now.elapsed_ns) / 1e9, now.iops,
                   now.mib_per_s * (1 << 20), static_cast<double>(now.errors));
    }));
  };
  handle->controller->start_perf(op, to_perf_options(info[2].As<Napi::Object>()), progress,
                                 [&event](Result<engine::PerfResult> result) {
                                   if (!result.ok()) return event.fail(result.error());
                                   event.value = [measured = std::move(result.value())](Napi::Env env) {
                                     return from_perf_result(env, measured);
                                   };
                                   event.succeed();
                                 });
  return info.Env().Undefined();
}

// (controller, op of controllerPerf)
Napi::Value controller_stop_perf(const Napi::CallbackInfo& info) {
  ControllerHandle* const handle = Environment::of(info.Env()).find_controller(to_u32(info[0]));
  if (handle != nullptr) handle->controller->stop_perf(to_u32(info[1]));
  return info.Env().Undefined();
}

}  // namespace

void export_controller_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("engineConnect", Napi::Function::New(env, engine_connect));
  exports.Set("engineDiscover", Napi::Function::New(env, engine_discover));
  exports.Set("controllerClose", Napi::Function::New(env, controller_close));
  exports.Set("controllerIo", Napi::Function::New(env, controller_io));
  exports.Set("controllerPaths", Napi::Function::New(env, controller_paths));
  exports.Set("controllerAdmin", Napi::Function::New(env, controller_admin));
  exports.Set("controllerPerf", Napi::Function::New(env, controller_perf));
  exports.Set("controllerStopPerf", Napi::Function::New(env, controller_stop_perf));
}

}  // namespace ballast::addon
