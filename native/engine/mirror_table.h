// The heads of mirrored volumes that this process runs. Used by the engine's control thread alone, which may
// block, but for answer_store().
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bdev/mirror/mirror_bdev.h"
#include "engine/mirror_config.h"
#include "engine/replica_table.h"
#include "reactor/reactor_set.h"

namespace ballast::engine {

class MirrorTable {
 public:
  // Both must outlive it.
  MirrorTable(ReactorSet& reactors, ReplicaTable& replicas);
  ~MirrorTable();  // the devices are gone

  // Before the first open(); called on reactors.
  void set_store_request_sink(StoreRequestSink sink) { sink_ = std::move(sink); }

  // Starts the head. I/O waits until it serves, which the store, the members and one lease decide. Errc:
  // invalid_argument, not_found (a replica of this process), too_many.
  Result<std::shared_ptr<bdev::Bdev>> open(const std::string& volume, const Uuid& uuid,
                                           const MirrorConfig& config);
  // Ends the head: properly if that is possible within a few seconds, which leaves nothing for the next one
  // to reconcile. I/O in flight ends, later I/O with `fenced`. No error if there is none.
  void end(const std::string& volume);
  void end_all();
  // After end(); the device and its channels are gone.
  void close(const std::string& volume);
  Result<MirrorInfo> info(const std::string& volume);

  // Any thread. No error if nobody waits for it.
  void answer_store(const std::string& volume, const StoreAnswer& answer);

 private:
  struct Entry {
    Reactor* home = nullptr;
    Uuid uuid;
    std::vector<std::shared_ptr<bdev::mirror::ReplicaConnector>> connectors;
    std::unique_ptr<bdev::mirror::HeadDriver> driver;  // made, used and destroyed on home
    bool is_ended = false;
  };
  // By name of the volume; each of its reactor alone.
  using Drivers = std::map<std::string, bdev::mirror::HeadDriver*>;

  uint32_t home_of(const std::string& volume) const;
  Result<std::vector<std::shared_ptr<bdev::mirror::ReplicaConnector>>> connectors(Reactor& home,
                                                                                  const MirrorConfig& config);
  static void release(Reactor& home,
                      std::vector<std::shared_ptr<bdev::mirror::ReplicaConnector>>& connectors);

  ReactorSet& reactors_;
  ReplicaTable& replicas_;
  StoreRequestSink sink_;
  std::map<std::string, Entry> mirrors_;
  std::vector<Drivers> drivers_;  // by reactor
};

// Outcome of what a config says by itself.
Outcome check_mirror_config(const MirrorConfig& config);

}  // namespace ballast::engine
