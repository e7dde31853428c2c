// The functions that JavaScript calls, by subject. Signatures are those of src/native/binding.ts. An
// operation that takes a while has a number `op` of JavaScript's, under which its end is delivered.
#pragma once

#include <napi.h>

#include "engine/engine.h"

namespace ballast::addon {

class Environment;

void export_process_calls(Napi::Env env, Napi::Object exports);     // features, statuses, log
void export_engine_calls(Napi::Env env, Napi::Object exports);      // engine_calls.cc
void export_pool_calls(Napi::Env env, Napi::Object exports);        // pool_calls.cc
void export_controller_calls(Napi::Env env, Napi::Object exports);  // controller_calls.cc
void export_attach_calls(Napi::Env env, Napi::Object exports);      // attach_calls.cc
void export_mirror_calls(Napi::Env env, Napi::Object exports);      // mirror_calls.cc
void export_history_calls(Napi::Env env, Napi::Object exports);     // history_calls.cc

// Deliver what heads of this engine want of the store, as ["store", engine, volume, revision, record], what
// becomes of them, as ["head", engine, volume, state], and whether heads use replicas of this engine, as
// ["seal", engine, replica, boolean]; and that hosts are lost (target.h), as ["lost", engine, NQN of the
// subsystem, NQN of the host, keepAliveMs, silentMs]. The environment outlives the engine.
engine::StoreRequestSink store_request_sink(Environment& environment, uint32_t engine_id);
engine::HeadStateSink head_state_sink(Environment& environment, uint32_t engine_id);
engine::ReplicaSealSink replica_seal_sink(Environment& environment, uint32_t engine_id);
engine::HostLostSink host_lost_sink(Environment& environment, uint32_t engine_id);

}  // namespace ballast::addon
