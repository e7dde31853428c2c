// What a volume is to the engine: a device served as one namespace of one NVM subsystem. Checks a description
// before anything changes, and opens the device that it names. Called by the engine's control thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/uuid.h"
#include "bdev/bdev.h"
#include "bdev/crypt/crypt_key.h"
#include "bdev/qos/qos_bdev.h"
#include "engine/mirror_config.h"
#include "nvme/ana_state.h"
#include "reactor/io_backend.h"
#include "target/target.h"

namespace ballast::engine {

enum class VolumeKind : uint8_t { memory, null, file, pool, mirror };

struct VolumeConfig {
  std::string name;
  VolumeKind kind = VolumeKind::memory;
  std::string path;                     // file
  std::string pool;                     // pool: an open one, whose volume `name` this is
  std::shared_ptr<bdev::CryptKey> key;  // pool: of an encrypted volume; used up by adding it
  std::optional<MirrorConfig> mirror;   // mirror
  uint64_t size_bytes = 0;  // 0: the size the file has; a pool's volume and a mirrored one have their own
  uint32_t block_size_bytes = 4096;
  std::string nqn;
  uint32_t nsid = 0;  // 0: the next free one of the NQN
  Uuid uuid;
  bool volatile_write_cache = false;  // file
  bool read_only = false;
  // How good the way to it over this process is, of several that serve it.
  nvme::AnaState ana_state = nvme::AnaState::optimized;
  // Who may connect to the NQN. `hosts_given` false: any host, or what the NQN has already.
  bool hosts_given = false;
  std::vector<std::string> hosts;
  bdev::qos::Config qos;  // what it may use, and what it is promised
};

struct VolumeInfo {
  std::string name;
  VolumeKind kind = VolumeKind::memory;
  std::string nqn;
  uint32_t nsid = 0;
  Uuid uuid;
  uint64_t size_bytes = 0;
  uint32_t block_size_bytes = 0;
  bool durable = false;  // an acknowledged write survives the process and a power failure
  // What it had to wait for its limits; may be read on any thread, also when the volume is gone.
  std::shared_ptr<const bdev::qos::StatsCells> qos_stats;
  target::NamespaceCounters counters;
};

// The bounds that hold for every kind, whatever else exists.
Outcome check_volume_config(const VolumeConfig& config);
// NVMe Base Specification 2.1, "NVMe Qualified Names".
Outcome check_nqn(const std::string& nqn);

// Of every kind but pool and mirror, which have tables of their own.
Result<std::shared_ptr<bdev::Bdev>> open_device(const VolumeConfig& config, FileSystem& files);

VolumeInfo describe_volume(const VolumeConfig& config, uint32_t nsid, const bdev::Bdev& device);

// Twenty characters that stay the same as long as the NQN does: hosts tell subsystems apart by it.
std::string serial_number_of(const std::string& nqn);

}  // namespace ballast::engine
