#include "addon/convert.h"
#include "addon/mirror_values.h"

namespace ballast::addon {
namespace {

bool has(const Napi::Object& object, const char* name) { return !object.Get(name).IsUndefined(); }

}  // namespace

uint32_t to_u32(const Napi::Value& value) {
  BALLAST_ASSERT(value.IsNumber());
  return value.As<Napi::Number>().Uint32Value();
}

uint64_t to_count(const Napi::Value& value) {
  BALLAST_ASSERT(value.IsNumber());
  const int64_t number = value.As<Napi::Number>().Int64Value();
  BALLAST_ASSERT(number >= 0);
  return static_cast<uint64_t>(number);
}

uint64_t to_u64(const Napi::Value& value) {
  BALLAST_ASSERT(value.IsBigInt());
  bool lossless = false;
  const uint64_t number = value.As<Napi::BigInt>().Uint64Value(&lossless);
  BALLAST_ASSERT(lossless);
  return number;
}

std::string to_text(const Napi::Value& value) {
  BALLAST_ASSERT(value.IsString());
  return value.As<Napi::String>().Utf8Value();
}

std::vector<std::string> to_texts(const Napi::Value& value) {
  BALLAST_ASSERT(value.IsArray());
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < array.Length(); ++i) texts.push_back(to_text(array.Get(i)));
  return texts;
}

std::vector<uint8_t> to_bytes(const Napi::Value& value) {
  BALLAST_ASSERT(value.IsTypedArray());
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

Uuid to_uuid(const Napi::Value& value) {
  const std::optional<Uuid> uuid = Uuid::parse(to_text(value));
  BALLAST_ASSERT(uuid.has_value());
  return *uuid;
}

std::vector<Uuid> to_uuids(const Napi::Value& value) {
  std::vector<Uuid> uuids;
  const Napi::Array array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) uuids.push_back(to_uuid(array.Get(i)));
  return uuids;
}

Napi::Function to_function(const Napi::Value& value) {
  BALLAST_ASSERT(value.IsFunction());
  return value.As<Napi::Function>();
}

engine::EngineOptions to_engine_options(const Napi::Object& object) {
  engine::EngineOptions options;
  options.reactors.reactors_count = to_u32(object.Get("reactors"));
  const auto cpus = object.Get("cpus").As<Napi::Array>();
  for (uint32_t i = 0; i < cpus.Length(); ++i) {
    options.reactors.cpus.push_back(static_cast<int>(to_u32(cpus.Get(i))));
  }
  if (has(object, "spinUs")) options.reactors.spin_us = to_u32(object.Get("spinUs"));
  if (has(object, "inCapsuleBytes")) options.in_capsule_bytes = to_u32(object.Get("inCapsuleBytes"));
  if (has(object, "poolMapBytes")) options.pool_map_bytes = to_u64(object.Get("poolMapBytes"));
  if (has(object, "controllerIds")) {
    const auto ids = object.Get("controllerIds").As<Napi::Object>();
    options.controller_id_first = static_cast<uint16_t>(to_u32(ids.Get("first")));
    options.controller_id_last = static_cast<uint16_t>(to_u32(ids.Get("last")));
  }
  return options;
}

nvme::AnaState to_ana_state(const Napi::Value& value) {
  const std::string text = to_text(value);
  const std::optional<nvme::AnaState> state = nvme::parse_ana_state(text);
  BALLAST_ASSERT(state.has_value());
  return *state;
}

engine::VolumeConfig to_volume_config(const Napi::Object& object) {
  engine::VolumeConfig config;
  config.name = to_text(object.Get("name"));
  const std::string kind = to_text(object.Get("kind"));
  BALLAST_ASSERT(kind == "memory" || kind == "null" || kind == "file" || kind == "pool" || kind == "mirror");
  config.kind = kind == "memory" ? engine::VolumeKind::memory
                : kind == "null" ? engine::VolumeKind::null
                : kind == "file" ? engine::VolumeKind::file
                : kind == "pool" ? engine::VolumeKind::pool
                                 : engine::VolumeKind::mirror;
  config.pool = to_text(object.Get("pool"));
  config.path = to_text(object.Get("path"));
  config.size_bytes = to_u64(object.Get("sizeBytes"));
  config.block_size_bytes = to_u32(object.Get("blockSizeBytes"));
  config.nqn = to_text(object.Get("nqn"));
  config.nsid = to_u32(object.Get("nsid"));
  config.uuid = to_uuid(object.Get("uuid"));
  config.volatile_write_cache = object.Get("volatileWriteCache").ToBoolean();
  config.read_only = object.Get("readOnly").ToBoolean();
  config.ana_state = to_ana_state(object.Get("anaState"));
  config.hosts_given = has(object, "hosts");
  if (config.hosts_given) config.hosts = to_texts(object.Get("hosts"));
  config.qos = to_qos_config(object.Get("qos").As<Napi::Object>());
  if (has(object, "mirror")) config.mirror = to_mirror_config(object.Get("mirror").As<Napi::Object>());
  return config;
}

bdev::qos::Config to_qos_config(const Napi::Object& object) {
  bdev::qos::Config config;
  config.total = {to_count(object.Get("iops")), to_count(object.Get("bytesPerSecond"))};
  config.read = {to_count(object.Get("readIops")), to_count(object.Get("readBytesPerSecond"))};
  config.write = {to_count(object.Get("writeIops")), to_count(object.Get("writeBytesPerSecond"))};
  config.burst_ms = to_u32(object.Get("burstMs"));
  config.min_iops = to_count(object.Get("minIops"));
  config.weight = to_u32(object.Get("weight"));
  return config;
}

engine::PoolDeviceConfig to_pool_device(const Napi::Object& object) {
  return {to_text(object.Get("path")), to_u64(object.Get("sizeBytes")), to_uuid(object.Get("uuid"))};
}

engine::PoolConfig to_pool_config(const Napi::Object& object) {
  engine::PoolConfig config;
  config.name = to_text(object.Get("name"));
  config.uuid = to_uuid(object.Get("uuid"));
  const auto devices = object.Get("devices").As<Napi::Array>();
  for (uint32_t i = 0; i < devices.Length(); ++i) {
    config.devices.push_back(to_pool_device(devices.Get(i).As<Napi::Object>()));
  }
  config.checksums = object.Get("checksums").ToBoolean();
  config.extent_bytes = to_u32(object.Get("extentBytes"));
  config.grows_to_bytes = to_u64(object.Get("growsToBytes"));
  config.policy = {to_u32(object.Get("overcommitPercent")), to_u32(object.Get("reservePercent"))};
  config.force = object.Get("force").ToBoolean();
  config.now_s = to_u64(object.Get("now"));
  return config;
}

engine::PoolVolumeConfig to_pool_volume_config(const Napi::Object& object) {
  engine::PoolVolumeConfig config;
  config.name = to_text(object.Get("name"));
  config.uuid = to_uuid(object.Get("uuid"));
  config.size_bytes = to_u64(object.Get("sizeBytes"));
  config.thick = object.Get("thick").ToBoolean();
  if (has(object, "wrappedKey")) config.wrapped_key = to_bytes(object.Get("wrappedKey"));
  config.now_s = to_u64(object.Get("now"));
  return config;
}

std::vector<engine::PoolSnapshotConfig> to_pool_snapshots(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<engine::PoolSnapshotConfig> configs;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto object = array.Get(i).As<Napi::Object>();
    configs.push_back(
        {to_text(object.Get("volume")), to_text(object.Get("name")), to_uuid(object.Get("uuid"))});
  }
  return configs;
}

engine::PoolRangesConfig to_pool_ranges(const Napi::Object& object) {
  return {to_text(object.Get("volume")), to_text(object.Get("snapshot")), to_text(object.Get("since")),
          to_u64(object.Get("offsetBytes")), to_u32(object.Get("countMax"))};
}

engine::ListenConfig to_listen_config(const Napi::Object& object) {
  engine::ListenConfig config;
  const auto port = static_cast<uint16_t>(to_u32(object.Get("advertisedPort")));
  config.address = {to_text(object.Get("host")), static_cast<uint16_t>(to_u32(object.Get("port")))};
  for (std::string& host : to_texts(object.Get("advertisedHosts"))) {
    config.advertised.push_back({std::move(host), port});
  }
  return config;
}

initiator::ControllerOptions to_controller_options(const Napi::Object& object) {
  initiator::ControllerOptions options;
  options.address = {to_text(object.Get("host")), static_cast<uint16_t>(to_u32(object.Get("port")))};
  for (std::string& other : to_texts(object.Get("otherHosts"))) {
    options.other_addresses.push_back({std::move(other), 0});
  }
  const auto ports = object.Get("otherPorts").As<Napi::Array>();
  BALLAST_ASSERT(ports.Length() == options.other_addresses.size());
  for (uint32_t i = 0; i < ports.Length(); ++i) {
    options.other_addresses[i].port = static_cast<uint16_t>(to_u32(ports.Get(i)));
  }
  options.subsystem_nqn = to_text(object.Get("nqn"));
  options.host_nqn = to_text(object.Get("hostNqn"));
  options.host_id = to_uuid(object.Get("hostId"));
  options.io_queues_count = static_cast<uint16_t>(to_u32(object.Get("ioQueues")));
  options.queue_entries = static_cast<uint16_t>(to_u32(object.Get("queueEntries")));
  options.header_digest = object.Get("headerDigest").ToBoolean();
  options.data_digest = object.Get("dataDigest").ToBoolean();
  options.keep_alive_ms = to_u32(object.Get("keepAliveMs"));
  options.connect_timeout_ns = to_u32(object.Get("connectTimeoutMs")) * k_ns_per_ms;
  options.ctrl_loss_timeout_ns = has(object, "ctrlLossTimeoutMs")
                                     ? to_u32(object.Get("ctrlLossTimeoutMs")) * k_ns_per_ms
                                     : initiator::k_never_gives_up;
  if (has(object, "fastIoFailTimeoutMs")) {
    options.fast_io_fail_timeout_ns = to_u32(object.Get("fastIoFailTimeoutMs")) * k_ns_per_ms;
  }
  if (has(object, "reconnectDelayMs")) {
    options.reconnect_delay_first_ns = options.reconnect_delay_max_ns =
        to_u32(object.Get("reconnectDelayMs")) * k_ns_per_ms;
  }
  const std::string policy = to_text(object.Get("ioPolicy"));
  BALLAST_ASSERT(policy == "numa" || policy == "round-robin" || policy == "queue-depth");
  options.io_policy = policy == "numa"          ? initiator::IoPolicy::numa
                      : policy == "round-robin" ? initiator::IoPolicy::round_robin
                                                : initiator::IoPolicy::queue_depth;
  return options;
}

engine::PerfOptions to_perf_options(const Napi::Object& object) {
  engine::PerfOptions options;
  options.nsid = to_u32(object.Get("nsid"));
  const auto workload = engine::parse_perf_workload(to_text(object.Get("rw")));
  BALLAST_ASSERT(workload.ok());
  options.workload = workload.value();
  options.block_bytes = to_u32(object.Get("blockSizeBytes"));
  options.queue_depth = static_cast<uint16_t>(to_u32(object.Get("queueDepth")));
  options.rwmix_read_percent = static_cast<uint8_t>(to_u32(object.Get("rwMixPercent")));
  options.queues = static_cast<uint16_t>(to_u32(object.Get("queues")));
  options.time_ns = to_u32(object.Get("milliseconds")) * k_ns_per_ms;
  options.verify = object.Get("verify").ToBoolean();
  options.seed = to_u32(object.Get("seed"));
  return options;
}

nvme::Command to_command(const Napi::Value& dwords) {
  BALLAST_ASSERT(dwords.IsTypedArray());
  const auto words = dwords.As<Napi::Uint32Array>();
  BALLAST_ASSERT(words.ElementLength() == 8);
  nvme::Command command;
  command.opcode = static_cast<uint8_t>(words[0]);
  command.nsid = words[1];
  command.cdw10 = words[2];
  command.cdw11 = words[3];
  command.cdw12 = words[4];
  command.cdw13 = words[5];
  command.cdw14 = words[6];
  command.cdw15 = words[7];
  return command;
}

}  // namespace ballast::addon
