#include "engine/volume.h"

#include <cinttypes>
#include <cstdio>

#include "base/log.h"
#include "bdev/file/file_bdev.h"
#include "bdev/memory/memory_bdev.h"
#include "bdev/null/null_bdev.h"
#include "nvme/limits.h"
#include "nvme/nqn.h"

namespace ballast::engine {
namespace {

constexpr size_t k_name_bytes_max = 255;
constexpr size_t k_path_bytes_max = 4095;  // PATH_MAX without its NUL
// A larger device would have byte offsets beyond what a file offset can say.
constexpr uint64_t k_size_bytes_max = uint64_t{INT64_MAX};

Error invalid(std::string text) { return Error{Errc::invalid_argument, std::move(text)}; }

Outcome check_size(const VolumeConfig& config) {
  if (config.block_size_bytes != 512 && config.block_size_bytes != 4096) {
    return invalid("the block size is 512 or 4096 bytes");
  }
  if (config.kind == VolumeKind::pool) {
    if (config.block_size_bytes != 4096) return invalid("a volume of a pool has blocks of 4096 bytes");
    if (config.size_bytes != 0) return invalid("a volume of a pool has its own size");
    return Unit{};
  }
  if (config.kind == VolumeKind::mirror) {
    if (!config.mirror) return Unit{};  // told below
    const bdev::mirror::Record& record = config.mirror->record;
    const uint64_t size_bytes = record.blocks_count * record.block_size_bytes;
    const bool is_its = config.size_bytes == 0 || config.size_bytes == size_bytes;
    if (!is_its || config.block_size_bytes != record.block_size_bytes) {
      return invalid("a mirrored volume has the size and the blocks that its record says");
    }
    return Unit{};
  }
  if (config.size_bytes == 0) {
    if (config.kind == VolumeKind::file) return Unit{};
    return invalid("the size must not be 0");
  }
  if (config.size_bytes % config.block_size_bytes != 0) {
    return invalid("the size must be a multiple of the block size, " +
                   std::to_string(config.block_size_bytes));
  }
  if (config.size_bytes > k_size_bytes_max) return invalid("the size is too large");
  return Unit{};
}

}  // namespace

Outcome check_nqn(const std::string& nqn) {
  if (nqn.size() > nvme::k_nqn_bytes_max) {
    return invalid("an NQN has at most " + std::to_string(nvme::k_nqn_bytes_max) + " bytes, this one has " +
                   std::to_string(nqn.size()));
  }
  if (!nvme::is_valid_nqn(nqn)) {
    return invalid("an NQN is nqn.YYYY-MM.reversed.domain:identifier, not " + log_escape(nqn));
  }
  return Unit{};
}

Outcome check_volume_config(const VolumeConfig& config) {
  if (config.name.empty() || config.name.size() > k_name_bytes_max) {
    return invalid("a volume name has 1 to 255 bytes");
  }
  TRY(const Unit nqn, check_nqn(config.nqn));
  static_cast<void>(nqn);
  if (config.nqn == nvme::k_discovery_nqn) return invalid("the discovery NQN holds no volumes");
  if (config.nsid > nvme::k_namespaces_per_subsystem_max) {
    return invalid("a namespace identifier is 1 to " + std::to_string(nvme::k_namespaces_per_subsystem_max));
  }
  if (config.uuid.is_nil()) return invalid("the UUID must not be nil");
  for (const std::string& host : config.hosts) {
    TRY(const Unit valid, check_nqn(host));
    static_cast<void>(valid);
  }
  if ((config.kind == VolumeKind::file) == config.path.empty()) return invalid("a path is for a file volume");
  if ((config.kind == VolumeKind::pool) == config.pool.empty()) return invalid("a pool is for its volume");
  if (config.key != nullptr && config.kind != VolumeKind::pool)
    return invalid("a key is for a pool's volume");
  if ((config.kind == VolumeKind::mirror) != config.mirror.has_value()) {
    return invalid("members are for a mirrored volume");
  }
  if (config.path.size() > k_path_bytes_max) return invalid("the path is too long");
  if (config.volatile_write_cache && config.kind != VolumeKind::file) {
    return invalid("a volatile write cache is for a file volume");
  }
  TRY([[maybe_unused]] const Unit qos, bdev::qos::check_config(config.qos));
  return check_size(config);
}

Result<std::shared_ptr<bdev::Bdev>> open_device(const VolumeConfig& config, FileSystem& files) {
  switch (config.kind) {
    case VolumeKind::memory: return bdev::make_memory_bdev({config.size_bytes, config.block_size_bytes});
    case VolumeKind::null: return bdev::make_null_bdev({config.size_bytes, config.block_size_bytes});
    case VolumeKind::file: break;
    case VolumeKind::pool:
    case VolumeKind::mirror: BALLAST_ASSERT(false);
  }
  bdev::FileBdevOptions options;
  options.path = config.path;
  if (config.size_bytes != 0) options.size_bytes = config.size_bytes;
  options.block_size_bytes = config.block_size_bytes;
  options.volatile_write_cache = config.volatile_write_cache;
  return bdev::make_file_bdev(files, options);
}

VolumeInfo describe_volume(const VolumeConfig& config, uint32_t nsid, const bdev::Bdev& device) {
  const bdev::Geometry& geometry = device.geometry();
  const bdev::Capabilities& capabilities = device.capabilities();
  VolumeInfo info;
  info.name = config.name;
  info.kind = config.kind;
  info.nqn = config.nqn;
  info.nsid = nsid;
  info.uuid = config.uuid;
  info.size_bytes = geometry.blocks_count * geometry.block_size_bytes;
  info.block_size_bytes = geometry.block_size_bytes;
  info.durable = capabilities.persistent && !capabilities.volatile_write_cache;
  return info;
}

// FNV-1a, 64 bits: it must tell a few hundred subsystems apart, not resist anybody.
std::string serial_number_of(const std::string& nqn) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char character : nqn) hash = (hash ^ static_cast<uint8_t>(character)) * 0x100000001b3;
  char text[21];
  std::snprintf(text, sizeof(text), "BLST%016" PRIX64, hash);
  return text;
}

}  // namespace ballast::engine
