// The volumes and the NVM subsystems that they make up. Used by the engine's control thread alone, which may
// block; every change is complete on all reactors, or undone, when a member returns.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "bdev/qos/node.h"
#include "engine/mirror_table.h"
#include "engine/pool_table.h"
#include "engine/volume.h"
#include "target/target.h"

namespace ballast::engine {

class VolumeTable {
 public:
  // All must outlive it.
  VolumeTable(target::Target& target, FileSystem& files, PoolTable& pools, MirrorTable& mirrors,
              std::shared_ptr<bdev::qos::Node> qos_node);

  Result<VolumeInfo> add(const VolumeConfig& config);
  Outcome remove(const std::string& name);
  // Of a pool: hosts are told, if the volume is served.
  Result<PoolVolumeInfo> resize(const std::string& pool, const std::string& name, uint64_t size_bytes);
  // A mirrored volume that is served has the size that its record has: hosts are told. The size.
  Result<uint64_t> resize_mirror(const std::string& name);
  // Those of this pool are not served any more.
  Outcome remove_of_pool(const std::string& pool);
  // Answers at once; `done`, on some reactor, when no I/O of a host that lost access can take effect any
  // more.
  Outcome set_hosts(const std::string& nqn, bool allow_any_host, std::vector<std::string> hosts,
                    target::Target::Done done);
  // As of the engine.
  Outcome set_ana_state(const std::string& name, nvme::AnaState state, target::Target::Done done);
  Outcome drop_host(const std::string& name, const std::string& host_nqn, target::Target::Done done);
  // Those that are connected, or whose last I/O is still finishing.
  Result<std::vector<target::ConnectedHost>> hosts(const std::string& nqn);
  // In force when it returns; I/O that waits goes on under the new limits.
  Outcome set_qos(const std::string& name, const bdev::qos::Config& config);
  // What waits for a limit goes down at once, until the next set_qos(): before hosts' I/O has to end.
  void drain_all();

 private:
  struct Volume {
    VolumeInfo info;
    std::shared_ptr<bdev::qos::QosBdev> device;  // above everything else that the volume is made of
    std::string pool;                            // empty: of none
  };
  struct Subsystem {
    bool allow_any_host = true;
    std::vector<std::string> hosts;           // sorted
    std::map<uint32_t, std::string> volumes;  // nsid to name
  };

  Result<std::shared_ptr<bdev::Bdev>> open(const VolumeConfig& config);
  // What open() took of another table; the device is gone.
  void close(const std::string& name, const std::string& pool);
  Outcome check_new(const VolumeConfig& config) const;
  Result<uint32_t> choose_nsid(const VolumeConfig& config) const;
  Outcome ensure_subsystem(const VolumeConfig& config);
  // No limit of its volumes holds until the answer is called, on any thread.
  std::function<void()> lift(const Subsystem& subsystem);
  void drop_subsystem_if_empty(const std::string& nqn);

  target::Target& target_;
  FileSystem& files_;
  PoolTable& pools_;
  MirrorTable& mirrors_;
  const std::shared_ptr<bdev::qos::Node> qos_node_;
  std::map<std::string, Volume> volumes_;  // by name
  std::map<Uuid, std::string> names_by_uuid_;
  std::map<std::string, Subsystem> subsystems_;  // by NQN
};

}  // namespace ballast::engine
