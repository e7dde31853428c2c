// Replicas. Heads of mirrored volumes are not in the engine yet; their values are in mirror_values.cc.
#include "addon/calls.h"
#include "addon/control_call.h"
#include "addon/mirror_values.h"

namespace ballast::addon {
namespace {

// (engine, op, replica)
Napi::Value replica_add(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [config = to_replica_config(info[2].As<Napi::Object>())](engine::Engine& engine,
                                                                             OperationEvent& event) {
                      finish(event, engine.add_replica(config), from_replica_info);
                    });
  return info.Env().Undefined();
}

// (engine, op, name)
Napi::Value replica_remove(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [name = to_text(info[2])](engine::Engine& engine, OperationEvent& event) {
                      event.finish(engine.remove_replica(name));
                    });
  return info.Env().Undefined();
}

// (engine, op, name)
Napi::Value replica_info(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [name = to_text(info[2])](engine::Engine& engine, OperationEvent& event) {
                      finish(event, engine.replica_info(name), from_replica_info);
                    });
  return info.Env().Undefined();
}

}  // namespace

void export_mirror_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("replicaAdd", Napi::Function::New(env, replica_add));
  exports.Set("replicaRemove", Napi::Function::New(env, replica_remove));
  exports.Set("replicaInfo", Napi::Function::New(env, replica_info));
}

}  // namespace ballast::addon
