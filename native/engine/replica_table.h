// The replicas that this process keeps: their devices, the subsystems that heads of other processes use, and
// the way of heads of this one. Used by the engine's control thread alone, which may block.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bdev/mirror/replica.h"
#include "bdev/mirror/replica_connection.h"
#include "engine/blocking.h"
#include "engine/mirror_config.h"
#include "engine/pool_table.h"
#include "reactor/reactor_set.h"
#include "target/target.h"

namespace ballast::engine {

class ReplicaTable {
 public:
  // All must outlive it.
  ReplicaTable(target::Target& target, ReactorSet& reactors, PoolTable& pools);
  ~ReplicaTable();  // close_all() was called

  // Before the first add(); called on reactors.
  void set_seal_sink(ReplicaSealSink sink) { seal_sink_ = std::move(sink); }

  // Opens the replica, or makes it where there is none, and serves it. Errc: what the config, the devices and
  // open_replica() say; in_use: the volume is served; already_exists: its name or its UUID is taken;
  // permission_denied: the volume is encrypted.
  Result<ReplicaInfo> add(const ReplicaConfig& config);
  // Heads of other processes lose it, after their I/O in flight. in_use while a connector is held.
  Outcome remove(const std::string& name);
  Outcome remove_of_pool(const std::string& pool);
  bool serves(const std::string& nqn) const;
  // Of one that it serves: which heads of other processes may use it. Those that may not any more are
  // disconnected; done when none of their I/O can take effect.
  Outcome set_hosts(const std::string& nqn, bool allow_any_host, std::vector<std::string> hosts,
                    target::Target::Done done);
  Result<ReplicaInfo> info(const std::string& name);
  std::vector<ReplicaInfo> list();
  // For a head on `reactor`. The replica stays while somebody holds it.
  Result<std::shared_ptr<bdev::mirror::ReplicaConnector>> connector(const std::string& name,
                                                                    Reactor& reactor);
  // After Target::close(), and when nobody holds a connector any more.
  void close_all();

 private:
  struct Devices {
    std::shared_ptr<bdev::Bdev> data, metadata;
    std::string pool, volume, metadata_volume;  // empty: files
    std::vector<std::string> made;              // files that were not there before
  };
  struct Entry {
    Devices devices;
    std::string nqn;
    std::unique_ptr<bdev::mirror::Replica> replica;  // made, used and destroyed on its home
    std::vector<std::weak_ptr<bdev::mirror::ReplicaConnector>> connectors;
  };

  Result<Devices> open_devices(const ReplicaConfig& config);
  Result<Devices> open_files(const ReplicaConfig& config);
  Result<Devices> open_volumes(const ReplicaConfig& config);
  void close_devices(Devices& devices, bool removes_made);
  Outcome open(const ReplicaConfig& config, Entry& entry);
  Result<bdev::mirror::Replica::Grower> grower_of(const Devices& devices, Reactor& home);
  Result<bdev::mirror::Replica::Snapshots> snapshots_of(const Devices& devices, Reactor& home);
  Outcome serve(const ReplicaConfig& config, Entry& entry);
  void close(Entry& entry);
  // Its associations end, and `closed` is raised; end_close() waits for that, and it is gone.
  static void begin_close(Entry& entry, Signal& closed);
  static void end_close(Entry& entry, Signal& closed);
  static bool is_held(const Entry& entry);
  Result<Entry*> find(const std::string& name);
  ReplicaInfo describe(const std::string& name, Entry& entry);
  Reactor& home_of(const ReplicaConfig& config);

  target::Target& target_;
  ReactorSet& reactors_;
  PoolTable& pools_;
  ReplicaSealSink seal_sink_;
  std::map<std::string, Entry> replicas_;
};

// Outcome of what a config says by itself.
Outcome check_replica_config(const ReplicaConfig& config);

}  // namespace ballast::engine
