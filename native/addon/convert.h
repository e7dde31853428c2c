// JavaScript values to plain ones and back. src/native has checked types and ranges: a wrong one here is a
// bug of ours, and asserted.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace ballast::addon {

uint32_t to_u32(const Napi::Value& value);
uint64_t to_u64(const Napi::Value& value);  // of a bigint
std::string to_text(const Napi::Value& value);
std::vector<std::string> to_texts(const Napi::Value& value);  // of an array
Uuid to_uuid(const Napi::Value& value);                       // of its text
Napi::Function to_function(const Napi::Value& value);

engine::EngineOptions to_engine_options(const Napi::Object& object);
engine::VolumeConfig to_volume_config(const Napi::Object& object);
engine::ListenConfig to_listen_config(const Napi::Object& object);
initiator::ControllerOptions to_controller_options(const Napi::Object& object);
engine::PerfOptions to_perf_options(const Napi::Object& object);
nvme::Command to_command(const Napi::Value& dwords);  // Uint32Array: opcode, nsid, cdw10 to cdw15

Napi::Value from_volume_info(Napi::Env env, const engine::VolumeInfo& info);
Napi::Value from_address(Napi::Env env, const SocketAddress& address);
Napi::Value from_controller_info(Napi::Env env, const initiator::ControllerInfo& info);
Napi::Value from_discovery(Napi::Env env, const std::vector<initiator::DiscoveryEntry>& entries);
Napi::Value from_perf_result(Napi::Env env, const engine::PerfResult& result);

}  // namespace ballast::addon
