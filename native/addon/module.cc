// Entry of the addon: makes the state of the environment that loads it and exports the calls.
#include "addon/calls.h"
#include "addon/environment.h"
#include "addon/log_router.h"

namespace {

Napi::Object load(Napi::Env env, Napi::Object exports) {
  ballast::addon::install_log_router();
  env.SetInstanceData(new ballast::addon::Environment(env));  // deleted by Node after the cleanup hooks
  ballast::addon::export_process_calls(env, exports);
  ballast::addon::export_engine_calls(env, exports);
  ballast::addon::export_pool_calls(env, exports);
  ballast::addon::export_controller_calls(env, exports);
  ballast::addon::export_attach_calls(env, exports);
  ballast::addon::export_mirror_calls(env, exports);
  ballast::addon::export_history_calls(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(ballast, load)
