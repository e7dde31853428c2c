// What the control path says to pools and hears of them: plain values, all checked below.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "bdev/pool/value.h"

namespace ballast::engine {

struct PoolDeviceConfig {
  std::string path;
  uint64_t size_bytes = 0;  // 0: the file or disk is there, and all of it is used
  Uuid uuid;                // of the device to be
};

struct PoolConfig {
  std::string name;
  Uuid uuid;
  std::vector<PoolDeviceConfig> devices;
  bool checksums = true;
  uint32_t extent_bytes = 1024 * 1024;
  uint64_t grows_to_bytes = 0;  // of all devices, with those that are added later
  bdev::pool::PoolPolicy policy;
  bool force = false;
  uint64_t now_s = 0;
};

struct PoolDeviceInfo {
  Uuid uuid;
  std::string path;
  uint64_t size_bytes = 0;
  uint64_t extents_count = 0;
};

struct PoolInfo {
  std::string name;
  Uuid uuid;
  std::vector<PoolDeviceInfo> devices;
  bool checksums = false;
  uint32_t extent_bytes = 0;
  uint64_t capacity_bytes = 0;  // that the metadata has room for
  uint64_t used_bytes = 0;
  uint64_t free_bytes = 0;              // that can be written
  uint64_t without_metadata_bytes = 0;  // room of devices beyond capacity_bytes
  uint64_t metadata_bytes = 0;
  uint64_t metadata_free_bytes = 0;
  uint64_t provisioned_bytes = 0;
  bdev::pool::PoolPolicy policy;
  uint32_t volumes_count = 0;
  uint32_t layers_count = 0;
  bool is_working = false;
  bool is_broken = false;
  bool scrub_is_running = false;
  uint64_t scrub_done_bytes = 0;
  uint64_t scrub_total_bytes = 0;
  uint64_t scrub_errors = 0;
};

struct PoolVolumeConfig {
  std::string name;
  Uuid uuid;
  uint64_t size_bytes = 0;  // a clone: 0 takes that of the snapshot
  bool thick = false;
  std::vector<uint8_t> wrapped_key;  // empty: not encrypted
  uint64_t now_s = 0;
};

struct PoolVolumeInfo {
  std::string name;
  Uuid uuid;
  uint64_t size_bytes = 0;
  bool thick = false;
  uint64_t created_at_s = 0;
  Uuid origin;  // nil: not a clone, or its snapshot is gone
  bool encrypted = false;
  std::vector<uint8_t> wrapped_key;
};

struct PoolAllocation {
  Uuid volume;
  uint64_t bytes = 0;  // whole extents
};

struct PoolSnapshotConfig {
  std::string volume;
  std::string name;
  Uuid uuid;
};

struct PoolSnapshotInfo {
  std::string name;
  Uuid uuid;
  uint64_t size_bytes = 0;
  uint64_t created_at_s = 0;
};

struct PoolRangesConfig {
  std::string volume;
  std::string snapshot;  // empty: the volume as it is
  std::string since;     // empty: what is allocated
  uint64_t offset_bytes = 0;
  uint32_t count_max = 0;
};

}  // namespace ballast::engine
