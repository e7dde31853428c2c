// The namespaces of one subsystem as one reactor sees them: nsid to device channel, size, access mode and
// counters. Filled by the target's configuration messages; read by io_dispatch (I/O) and Identify. Everything
// here is called on its reactor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/gate.h"
#include "base/result.h"
#include "base/uuid.h"
#include "bdev/bdev.h"
#include "nvme/log_pages.h"
#include "reactor/reactor.h"
#include "target/io_counters.h"

namespace ballast::target {

struct NamespaceShardConfig {
  uint32_t nsid = 0;  // 1 .. k_namespaces_per_subsystem_max
  Uuid uuid;
  std::shared_ptr<bdev::Bdev> bdev;
  bool read_only = false;
  IoCounters* counters = nullptr;  // of this reactor; must outlive the shard
  nvme::AnaState ana_state = nvme::AnaState::optimized;
};

class NamespaceShard {
 public:
  uint32_t nsid() const { return config_.nsid; }
  const Uuid& uuid() const { return config_.uuid; }
  bool read_only() const { return config_.read_only; }
  // As of the last update: no I/O is started beyond it, even if the device is larger.
  const bdev::Geometry& geometry() const { return geometry_; }
  const bdev::Capabilities& capabilities() const { return config_.bdev->capabilities(); }
  const bdev::Bdev& device() const { return *config_.bdev; }
  IoCounters& counters() { return *config_.counters; }
  // How good the way over this process is, and what it does to every command: success, or the status that it
  // is answered with.
  nvme::AnaState ana_state() const { return config_.ana_state; }
  nvme::Status path_status() const { return path_status_; }
  // Differs between two namespaces that had the same nsid one after the other.
  uint64_t generation() const { return generation_; }

  bdev::Channel& channel() { return *channel_; }
  // Around everything that uses the channel: an I/O, a mapped read. Removal waits for the last leave().
  // After leave() the shard may be gone.
  [[nodiscard]] bool try_enter() { return in_flight_.try_enter(); }
  void leave() {
    if (in_flight_.inside() == 1 && !idle_waiting_.empty()) [[unlikely]]
      tell_idle();
    in_flight_.leave();
  }

 private:
  friend class NamespaceTable;
  NamespaceShard(const NamespaceShardConfig& config, uint64_t generation, Reactor& reactor);
  void update(bool read_only);
  void set_ana_state(nvme::AnaState state);
  void tell_idle();

  Reactor& reactor_;
  NamespaceShardConfig config_;
  nvme::Status path_status_;
  bdev::Geometry geometry_;
  uint64_t generation_;
  std::unique_ptr<bdev::Channel> channel_;
  Gate in_flight_;
  std::vector<std::function<void()>> idle_waiting_;  // for a path that is closed to be without I/O
};

class NamespaceTable {
 public:
  using Done = std::function<void()>;

  explicit NamespaceTable(Reactor& reactor) : reactor_(reactor) {}
  ~NamespaceTable();  // every namespace must have been removed, and its removal done

  // Opens a channel of the device. invalid_argument, already_exists (also while a removal of this nsid is
  // under way).
  Outcome add(const NamespaceShardConfig& config);
  // From now on find() does not give it, and commands that have not reached the device are answered Invalid
  // Namespace. `done` runs when its I/O in flight has finished and the channel is closed; possibly from
  // inside. not_found if there is none.
  Outcome remove(uint32_t nsid, Done done);
  // Takes over the device's present size and the access mode.
  Outcome update(uint32_t nsid, bool read_only);

  // Holds for every command that has not reached the device. False: it was in this state. not_found.
  Result<bool> set_ana_state(uint32_t nsid, nvme::AnaState state);
  // `done` runs when none of the I/O is in flight that came before the path was closed: from inside when
  // there is none, and when the path is open (again).
  void when_path_idle(uint32_t nsid, Done done);

  // Null when there is none, whatever the number: 0, FFFFFFFFh and those of other subsystems alike.
  NamespaceShard* find(uint32_t nsid) {
    return nsid == 0 || nsid > shards_.size() ? nullptr : shards_[nsid - 1].get();
  }
  // The namespace with the lowest nsid above `nsid`; null at the end. For lists: start from 0.
  NamespaceShard* next(uint32_t nsid);
  uint32_t count() const { return count_; }
  bool has_volatile_write_cache();
  // Success, or the status of a namespace that cannot be reached here.
  nvme::Status path_status_of_all();

 private:
  struct Removal {
    NamespaceTable* table;
    std::unique_ptr<NamespaceShard> shard;
    Done done;
  };
  void finish_removal(Removal& removal);

  Reactor& reactor_;
  std::vector<std::unique_ptr<NamespaceShard>> shards_;  // by nsid - 1
  std::vector<std::unique_ptr<Removal>> removals_;       // waiting for I/O in flight
  uint32_t count_ = 0;
  uint64_t generation_last_ = 0;
};

}  // namespace ballast::target
