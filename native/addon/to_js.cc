#include "addon/convert.h"

namespace ballast::addon {
namespace {

// Both may be read on any thread, also when the volume has gone.
struct VolumeStatsHandle {
  target::NamespaceCounters io;
  std::shared_ptr<const bdev::qos::StatsCells> qos;
};

Napi::BigInt big(Napi::Env env, uint64_t number) { return Napi::BigInt::New(env, number); }

std::string hex(const std::array<uint8_t, 16>& bytes) {
  static constexpr char k_digits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : bytes) {
    text += k_digits[byte >> 4];
    text += k_digits[byte & 15];
  }
  return text;
}

const char* kind_text(engine::VolumeKind kind) {
  switch (kind) {
    case engine::VolumeKind::memory: return "memory";
    case engine::VolumeKind::null: return "null";
    case engine::VolumeKind::file: return "file";
    case engine::VolumeKind::pool: return "pool";
    case engine::VolumeKind::mirror: return "mirror";
  }
  return "file";
}

// NVMe Base Specification 2.1, "Version Descriptor Field Layout".
std::string version_text(uint32_t version) {
  return std::to_string(version >> 16) + "." + std::to_string(version >> 8 & 0xff) + "." +
         std::to_string(version & 0xff);
}

Napi::Object from_namespace(Napi::Env env, const initiator::NamespaceInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("nsid", info.nsid);
  object.Set("blockSizeBytes", info.block_size_bytes);
  object.Set("blocksCount", big(env, info.blocks_count));
  object.Set("uuid", info.uuid.text());
  object.Set("nguid", hex(info.nguid));
  object.Set("supportsWriteZeroes", info.supports_write_zeroes);
  object.Set("supportsDeallocate", info.supports_deallocate);
  object.Set("supportsCompare", info.supports_compare);
  return object;
}

const char* severity_text(bdev::pool::CheckSeverity severity) {
  switch (severity) {
    case bdev::pool::CheckSeverity::note: return "note";
    case bdev::pool::CheckSeverity::warning: return "warning";
    case bdev::pool::CheckSeverity::error: return "error";
  }
  return "error";
}

const char* repair_text(bdev::pool::CheckRepair repair) {
  switch (repair) {
    case bdev::pool::CheckRepair::not_needed: return "not-needed";
    case bdev::pool::CheckRepair::safe: return "safe";
    case bdev::pool::CheckRepair::discards: return "discards";
    case bdev::pool::CheckRepair::impossible: return "impossible";
  }
  return "impossible";
}

Napi::Object from_check_counters(Napi::Env env, const bdev::pool::CheckCounters& counters) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("devices", counters.devices);
  object.Set("superblockCopies", counters.superblock_copies);
  object.Set("treePages", big(env, counters.tree_pages));
  object.Set("keys", big(env, counters.keys));
  object.Set("journalGroups", big(env, counters.journal_groups));
  object.Set("journalRecords", big(env, counters.journal_records));
  object.Set("volumes", big(env, counters.volumes));
  object.Set("layers", big(env, counters.layers));
  object.Set("slots", big(env, counters.slots));
  object.Set("extentsUsed", big(env, counters.extents_used));
  object.Set("extentsLeaked", big(env, counters.extents_leaked));
  object.Set("pagesLeaked", big(env, counters.pages_leaked));
  return object;
}

double microseconds(uint64_t ns) { return static_cast<double>(ns) / 1e3; }

Napi::Object from_latency(Napi::Env env, const Histogram& histogram) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("mean", histogram.mean_ns() / 1e3);
  object.Set("p50", microseconds(histogram.percentile_ns(50)));
  object.Set("p90", microseconds(histogram.percentile_ns(90)));
  object.Set("p99", microseconds(histogram.percentile_ns(99)));
  object.Set("p999", microseconds(histogram.percentile_ns(99.9)));
  object.Set("max", microseconds(histogram.max_ns()));
  return object;
}

}  // namespace

Napi::Value from_volume_info(Napi::Env env, const engine::VolumeInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", info.name);
  object.Set("kind", kind_text(info.kind));
  object.Set("nqn", info.nqn);
  object.Set("nsid", info.nsid);
  object.Set("uuid", info.uuid.text());
  object.Set("sizeBytes", big(env, info.size_bytes));
  object.Set("blockSizeBytes", info.block_size_bytes);
  object.Set("durable", info.durable);
  object.Set("stats", Napi::External<VolumeStatsHandle>::New(
                          env, new VolumeStatsHandle{info.counters, info.qos_stats},
                          [](Napi::Env, const VolumeStatsHandle* handle) { delete handle; }));
  return object;
}

size_t volume_stats_words(bool with_latency) {
  static constexpr size_t k_io = 6 + target::k_error_types_count;
  static constexpr size_t k_qos = 5;
  static constexpr size_t k_latency =
      target::k_io_kinds_count * (target::LatencyHistogram::k_buckets_count + 1);
  return k_io + k_qos + (with_latency ? k_latency : 0);
}

uint64_t* write_volume_stats(uint64_t* words, const Napi::Value& stats, bool with_latency) {
  const VolumeStatsHandle& handle = *stats.As<Napi::External<VolumeStatsHandle>>().Data();
  const auto write = [&words](const auto& numbers) {
    words = std::copy(numbers.begin(), numbers.end(), words);
  };
  const target::IoTotals io = handle.io.totals();
  write(std::array{io.reads, io.writes, io.read_bytes, io.write_bytes, io.errors, io.in_flight});
  write(io.error_types);
  const bdev::qos::Stats qos = handle.qos->read();
  write(std::array<uint64_t, 5>{qos.throttled_ios, qos.throttled_ns, qos.waiting_ios, qos.guarantee_seconds,
                                qos.guarantee_kept_seconds});
  if (!with_latency) return words;
  for (size_t kind = 0; kind < target::k_io_kinds_count; ++kind) {
    const target::IoTotals::Latency latency = handle.io.latency(static_cast<target::IoKind>(kind));
    write(latency.buckets);
    *words++ = latency.sum_ns;
  }
  return words;
}

Napi::Value from_pool_info(Napi::Env env, const engine::PoolInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", info.name);
  object.Set("uuid", info.uuid.text());
  const Napi::Array devices = Napi::Array::New(env, info.devices.size());
  for (uint32_t i = 0; i < info.devices.size(); ++i) {
    const Napi::Object device = Napi::Object::New(env);
    device.Set("uuid", info.devices[i].uuid.text());
    device.Set("path", info.devices[i].path);
    device.Set("sizeBytes", big(env, info.devices[i].size_bytes));
    device.Set("extentsCount", big(env, info.devices[i].extents_count));
    devices.Set(i, device);
  }
  object.Set("devices", devices);
  object.Set("checksums", info.checksums);
  object.Set("extentBytes", info.extent_bytes);
  object.Set("capacityBytes", big(env, info.capacity_bytes));
  object.Set("usedBytes", big(env, info.used_bytes));
  object.Set("freeBytes", big(env, info.free_bytes));
  object.Set("withoutMetadataBytes", big(env, info.without_metadata_bytes));
  object.Set("metadataBytes", big(env, info.metadata_bytes));
  object.Set("metadataUsedBytes", big(env, info.metadata_bytes - info.metadata_free_bytes));
  object.Set("provisionedBytes", big(env, info.provisioned_bytes));
  object.Set("overcommitPercent", info.policy.overcommit_percent);
  object.Set("reservePercent", info.policy.reserve_percent);
  object.Set("volumesCount", info.volumes_count);
  object.Set("layersCount", info.layers_count);
  object.Set("working", info.is_working);
  object.Set("broken", info.is_broken);
  const Napi::Object scrub = Napi::Object::New(env);
  scrub.Set("running", info.scrub_is_running);
  scrub.Set("doneBytes", big(env, info.scrub_done_bytes));
  scrub.Set("totalBytes", big(env, info.scrub_total_bytes));
  scrub.Set("errors", big(env, info.scrub_errors));
  object.Set("scrub", scrub);
  return object;
}

Napi::Value from_check_report(Napi::Env env, const bdev::pool::CheckReport& report) {
  const Napi::Array findings = Napi::Array::New(env, report.findings.size());
  for (uint32_t i = 0; i < report.findings.size(); ++i) {
    const bdev::pool::CheckFinding& finding = report.findings[i];
    const Napi::Object object = Napi::Object::New(env);
    object.Set("severity", severity_text(finding.severity));
    object.Set("repair", repair_text(finding.repair));
    object.Set("repaired", finding.is_repaired);
    object.Set("where", finding.where);
    object.Set("what", finding.what);
    findings.Set(i, object);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", report.pool_name);
  object.Set("uuid", report.pool_name.empty() ? "" : report.pool_uuid.text());
  object.Set("findings", findings);
  object.Set("findingsLeftOut", big(env, report.findings_left_out));
  object.Set("counters", from_check_counters(env, report.counters));
  return object;
}

Napi::Value from_pool_volume(Napi::Env env, const engine::PoolVolumeInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", info.name);
  object.Set("uuid", info.uuid.text());
  object.Set("sizeBytes", big(env, info.size_bytes));
  object.Set("thick", info.thick);
  object.Set("createdAt", static_cast<double>(info.created_at_s));
  object.Set("originUuid", info.origin.is_nil() ? "" : info.origin.text());
  if (info.encrypted) {
    Napi::Uint8Array key = Napi::Uint8Array::New(env, info.wrapped_key.size());
    std::copy(info.wrapped_key.begin(), info.wrapped_key.end(), key.Data());
    object.Set("wrappedKey", key);
  }
  return object;
}

Napi::Value from_pool_volumes(Napi::Env env, const std::vector<engine::PoolVolumeInfo>& infos) {
  const Napi::Array array = Napi::Array::New(env, infos.size());
  for (uint32_t i = 0; i < infos.size(); ++i) array.Set(i, from_pool_volume(env, infos[i]));
  return array;
}

Napi::Value from_pool_allocations(Napi::Env env, const std::vector<engine::PoolAllocation>& allocations) {
  const Napi::Array array = Napi::Array::New(env, allocations.size());
  for (uint32_t i = 0; i < allocations.size(); ++i) {
    const Napi::Array pair = Napi::Array::New(env, 2);
    pair.Set(0u, allocations[i].volume.text());
    pair.Set(1u, big(env, allocations[i].bytes));
    array.Set(i, pair);
  }
  return array;
}

Napi::Value from_pool_snapshots(Napi::Env env, const std::vector<engine::PoolSnapshotInfo>& infos) {
  const Napi::Array array = Napi::Array::New(env, infos.size());
  for (uint32_t i = 0; i < infos.size(); ++i) {
    const Napi::Object object = Napi::Object::New(env);
    object.Set("name", infos[i].name);
    object.Set("uuid", infos[i].uuid.text());
    object.Set("sizeBytes", big(env, infos[i].size_bytes));
    object.Set("createdAt", static_cast<double>(infos[i].created_at_s));
    array.Set(i, object);
  }
  return array;
}

Napi::Value from_pool_ranges(Napi::Env env, const bdev::pool::Ranges& ranges) {
  const Napi::Array array = Napi::Array::New(env, ranges.ranges.size());
  for (uint32_t i = 0; i < ranges.ranges.size(); ++i) {
    const Napi::Object object = Napi::Object::New(env);
    object.Set("offsetBytes", big(env, ranges.ranges[i].offset_bytes));
    object.Set("lengthBytes", big(env, ranges.ranges[i].length_bytes));
    array.Set(i, object);
  }
  const Napi::Object answer = Napi::Object::New(env);
  answer.Set("ranges", array);
  if (ranges.next_offset_bytes) answer.Set("nextOffsetBytes", big(env, *ranges.next_offset_bytes));
  return answer;
}

Napi::Value from_address(Napi::Env env, const SocketAddress& address) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("host", address.host);
  object.Set("port", address.port);
  return object;
}

Napi::Value from_paths(Napi::Env env, const std::vector<initiator::PathInfo>& paths) {
  Napi::Array array = Napi::Array::New(env, paths.size());
  for (uint32_t i = 0; i < paths.size(); ++i) {
    const initiator::PathInfo& path = paths[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("host", path.address.host);
    object.Set("port", path.address.port);
    object.Set("state", initiator::controller_state_text(path.state));
    object.Set("controllerId", path.controller_id);
    Napi::Array ana = Napi::Array::New(env, path.ana.size());
    for (uint32_t n = 0; n < path.ana.size(); ++n) {
      Napi::Object entry = Napi::Object::New(env);
      entry.Set("nsid", path.ana[n].nsid);
      entry.Set("state", nvme::ana_state_text(path.ana[n].state));
      ana.Set(n, entry);
    }
    object.Set("ana", ana);
    array.Set(i, object);
  }
  return array;
}

Napi::Value from_controller_info(Napi::Env env, const initiator::ControllerInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("controllerId", info.controller_id);
  object.Set("serialNumber", info.serial_number);
  object.Set("modelNumber", info.model_number);
  object.Set("firmwareRevision", info.firmware_revision);
  object.Set("subsystemNqn", info.subsystem_nqn);
  object.Set("version", version_text(info.version));
  object.Set("transferBytesMax", info.transfer_bytes_max);
  object.Set("inCapsuleBytes", info.in_capsule_bytes);
  object.Set("ioQueues", info.io_queues_count);
  object.Set("queueEntries", info.queue_entries);
  Napi::Array namespaces = Napi::Array::New(env, info.namespaces.size());
  for (uint32_t i = 0; i < info.namespaces.size(); ++i) {
    namespaces.Set(i, from_namespace(env, info.namespaces[i]));
  }
  object.Set("namespaces", namespaces);
  object.Set("identifyController", Napi::Buffer<uint8_t>::Copy(env, info.identify_controller.data(),
                                                               info.identify_controller.size()));
  return object;
}

Napi::Value from_hosts(Napi::Env env, const std::vector<target::ConnectedHost>& hosts) {
  Napi::Array array = Napi::Array::New(env, hosts.size());
  for (uint32_t i = 0; i < hosts.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("nqn", hosts[i].nqn);
    object.Set("keepAliveMs", hosts[i].keep_alive_ms);
    object.Set("silentMs", static_cast<double>(hosts[i].silent_ns / k_ns_per_ms));
    object.Set("ending", hosts[i].is_ending);
    array.Set(i, object);
  }
  return array;
}

Napi::Value from_discovery(Napi::Env env, const std::vector<initiator::DiscoveryEntry>& entries) {
  Napi::Array array = Napi::Array::New(env, entries.size());
  for (uint32_t i = 0; i < entries.size(); ++i) {
    const initiator::DiscoveryEntry& entry = entries[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("subsystemNqn", entry.subsystem_nqn);
    object.Set("address", entry.address);
    object.Set("port", entry.port);
    object.Set("transport", entry.transport);
    object.Set("addressFamily", entry.address_family);
    object.Set("subsystemType", entry.subsystem_type);
    object.Set("portId", entry.port_id);
    object.Set("controllerId", entry.controller_id);
    array.Set(i, object);
  }
  return array;
}

Napi::Value from_perf_result(Napi::Env env, const engine::PerfResult& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("seconds", result.seconds);
  object.Set("reads", static_cast<double>(result.reads.ios));
  object.Set("writes", static_cast<double>(result.writes.ios));
  object.Set("errors", static_cast<double>(result.errors));
  object.Set("iops", result.iops());
  object.Set("bytesPerSecond", result.mib_per_s() * (1 << 20));
  object.Set("latencyUs", from_latency(env, result.latency));
  object.Set("readLatencyUs", from_latency(env, result.reads.latency));
  object.Set("writeLatencyUs", from_latency(env, result.writes.latency));
  object.Set("cpuSecondsPerMillion", result.cpu_seconds_per_million_ios());
  object.Set("blocksChecked", static_cast<double>(result.blocks_checked));
  object.Set("verifyErrors", static_cast<double>(result.mismatches));
  object.Set("firstMismatch", result.first_mismatch);
  Napi::Array counts = Napi::Array::New(env, result.error_counts.size());
  for (uint32_t i = 0; i < result.error_counts.size(); ++i) {
    const engine::PerfStatusCount& entry = result.error_counts[i];
    Napi::Array pair = Napi::Array::New(env, 2);
    pair.Set(0u, entry.status.value);
    pair.Set(1u, static_cast<double>(entry.count));
    counts.Set(i, pair);
  }
  object.Set("errorCounts", counts);
  return object;
}

}  // namespace ballast::addon
