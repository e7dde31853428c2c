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
uint64_t to_u64(const Napi::Value& value);    // of a bigint
uint64_t to_count(const Napi::Value& value);  // of a number up to 2^53 - 1
std::string to_text(const Napi::Value& value);
std::vector<std::string> to_texts(const Napi::Value& value);  // of an array
std::vector<uint8_t> to_bytes(const Napi::Value& value);      // of a Uint8Array
Uuid to_uuid(const Napi::Value& value);                       // of its text
std::vector<Uuid> to_uuids(const Napi::Value& value);         // of an array
Napi::Function to_function(const Napi::Value& value);

engine::EngineOptions to_engine_options(const Napi::Object& object);
nvme::AnaState to_ana_state(const Napi::Value& value);
engine::VolumeConfig to_volume_config(const Napi::Object& object);
bdev::qos::Config to_qos_config(const Napi::Object& object);
engine::PoolConfig to_pool_config(const Napi::Object& object);
engine::PoolDeviceConfig to_pool_device(const Napi::Object& object);
engine::PoolVolumeConfig to_pool_volume_config(const Napi::Object& object);
std::vector<engine::PoolSnapshotConfig> to_pool_snapshots(const Napi::Value& value);
engine::PoolRangesConfig to_pool_ranges(const Napi::Object& object);
engine::ListenConfig to_listen_config(const Napi::Object& object);
initiator::ControllerOptions to_controller_options(const Napi::Object& object);
engine::PerfOptions to_perf_options(const Napi::Object& object);
nvme::Command to_command(const Napi::Value& dwords);  // Uint32Array: opcode, nsid, cdw10 to cdw15

// With `stats`, an opaque value that write_volume_stats() reads.
Napi::Value from_volume_info(Napi::Env env, const engine::VolumeInfo& info);
size_t volume_stats_words(bool with_latency);
// Writes so many, and returns where they end.
uint64_t* write_volume_stats(uint64_t* words, const Napi::Value& stats, bool with_latency);
Napi::Value from_pool_info(Napi::Env env, const engine::PoolInfo& info);
Napi::Value from_check_report(Napi::Env env, const bdev::pool::CheckReport& report);
Napi::Value from_pool_volume(Napi::Env env, const engine::PoolVolumeInfo& info);
Napi::Value from_pool_volumes(Napi::Env env, const std::vector<engine::PoolVolumeInfo>& infos);
// [uuid, bytes] each.
Napi::Value from_pool_allocations(Napi::Env env, const std::vector<engine::PoolAllocation>& allocations);
Napi::Value from_pool_snapshots(Napi::Env env, const std::vector<engine::PoolSnapshotInfo>& infos);
Napi::Value from_pool_ranges(Napi::Env env, const bdev::pool::Ranges& ranges);
Napi::Value from_address(Napi::Env env, const SocketAddress& address);
Napi::Value from_paths(Napi::Env env, const std::vector<initiator::PathInfo>& paths);
Napi::Value from_controller_info(Napi::Env env, const initiator::ControllerInfo& info);
Napi::Value from_hosts(Napi::Env env, const std::vector<target::ConnectedHost>& hosts);
Napi::Value from_discovery(Napi::Env env, const std::vector<initiator::DiscoveryEntry>& entries);
Napi::Value from_perf_result(Napi::Env env, const engine::PerfResult& result);

}  // namespace ballast::addon
