// The data plane as a whole: reactors, target, listeners, volumes and the initiator, built in order and taken
// down in the reverse order. Plain C++; the addon and the tests call it.
//
// Control members block until done and are called by one thread at a time, never by a reactor's. Each undoes
// what it did when a later step of it fails. The rest says which threads may call it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bdev/qos/node.h"
#include "engine/acceptor.h"
#include "engine/attachment.h"
#include "engine/counters.h"
#include "engine/host_side.h"
#include "engine/mirror_table.h"
#include "engine/replica_table.h"
#include "engine/volume_table.h"
#include "reactor/reactor_set.h"
#include "target/target.h"
#include "transport/tcp/tcp.h"

namespace ballast::engine {

struct EngineOptions {
  ReactorSetOptions reactors;
  uint32_t in_capsule_bytes = 8 * 1024;  // multiple of 16, at most k_transfer_bytes_max
  // CNTLIDs of this process: of several that serve one subsystem each has a range of its own. 1 .. FFEFh, and
  // at least one for each reactor.
  uint16_t controller_id_first = 1;
  uint16_t controller_id_last = nvme::k_controller_id_max;
  uint64_t pool_map_bytes = 0;  // for the maps of each pool; 0: a part of what is allocated
};

struct ListenConfig {
  SocketAddress address;  // port 0: any free one
  std::vector<SocketAddress>
      advertised;  // what the discovery log says; empty: `address`. Port 0: the bound one
};

using HostLostSink = target::Target::HostLost;

class Engine {
 public:
  static Result<std::unique_ptr<Engine>> start(const EngineOptions& options);
  ~Engine();  // closes if that has not been done

  // --- control ---
  Result<VolumeInfo> add_volume(const VolumeConfig& config);
  // In-flight I/O of the volume finishes first. Its NQN goes with its last volume.
  Outcome remove_volume(const std::string& name);
  // The one that does not block: `done` runs on some reactor, when no I/O of a host that lost access can take
  // effect any more; not at all when this is refused.
  Outcome set_hosts(const std::string& nqn, bool allow_any_host, std::vector<std::string> hosts,
                    target::Target::Done done);
  // How good the way to a volume over this process is, of several that serve it. In force for I/O when it
  // returns; `done` runs on some reactor when no I/O is in flight that the state forbids, and not at all when
  // this is refused: not_found; invalid_argument when the path is lost for good.
  Outcome set_ana_state(const std::string& volume, nvme::AnaState state, target::Target::Done done);
  // Ends every controller that a host has here of the subsystem of a volume: before the host's I/O is let in
  // over another path. It may connect again at once. `done` as in set_hosts(). not_found, invalid_argument.
  Outcome drop_host(const std::string& volume, const std::string& host_nqn, target::Target::Done done);
  // The hosts that use a volume of this NQN.
  Result<std::vector<target::ConnectedHost>> hosts(const std::string& nqn);
  // Both are in force when they return, and no I/O is lost or refused meanwhile. Errc: not_found,
  // invalid_argument; too_many: what is promised would be more than the budget.
  Outcome set_qos(const std::string& volume, const bdev::qos::Config& config);
  // Of all volumes together. It may be below what is promised: that is kept as far as the devices can.
  Outcome set_qos_budget(const bdev::qos::NodeBudget& budget);
  Result<PoolVolumeInfo> resize_pool_volume(const std::string& pool, const std::string& volume,
                                            uint64_t size_bytes);
  // A replica of a mirrored volume, for heads of this process and of others.
  Result<ReplicaInfo> add_replica(const ReplicaConfig& config);
  // What it has stays on its devices.
  Outcome remove_replica(const std::string& name);
  Result<ReplicaInfo> replica_info(const std::string& name);
  ReplicaTable& replicas() { return *replicas_; }
  // Before the first mirrored volume: who asks the store for what their heads want. Called on reactors.
  void set_store_request_sink(StoreRequestSink sink);
  // Any thread, as long as the engine is not closed: a control member may be waiting for it.
  void answer_store(const std::string& volume, const StoreAnswer& answer);
  Result<MirrorInfo> mirror_info(const std::string& volume);
  // The head of a mirrored volume that is served here comes to this process, or leaves it (MirrorTable).
  // Hosts stay connected; without a head their I/O ends as a path error.
  Outcome promote_mirror(const std::string& volume, const MirrorConfig& config);
  Outcome demote_mirror(const std::string& volume);
  void begin_demotions(const std::vector<std::string>& volumes);
  // Before the first mirrored volume, and before the first replica. Called on reactors.
  void set_head_state_sink(HeadStateSink sink);
  void set_replica_seal_sink(ReplicaSealSink sink);
  // Before the first volume. Called on reactors.
  void set_host_lost_sink(HostLostSink sink);
  // Begun when they return: MirrorTable.
  Outcome add_mirror_member(const std::string& volume, const MirrorMemberConfig& member);
  Outcome remove_mirror_member(const std::string& volume, const Uuid& replica);
  // Begun when it returns: MirrorTable. Once the record has the size, resize_mirror() tells hosts.
  Outcome grow_mirror(const std::string& volume, uint64_t size_bytes);
  Result<uint64_t> resize_mirror(const std::string& volume);
  Outcome start_mirror_verify(const std::string& volume);
  Outcome cancel_mirror_verify(const std::string& volume);
  Outcome set_mirror_resync_rate(const std::string& volume, uint64_t bytes_per_s);
  // Begun when they return: MirrorTable.
  Outcome snapshot_mirror(const std::string& volume, const Uuid& uuid, const std::string& name,
                          uint64_t now_s);
  Outcome delete_mirror_snapshot(const std::string& volume, const Uuid& uuid);
  // Begun when it returns: MirrorTable.
  Outcome carry_mirror_snapshot(const std::string& volume, const Uuid& snapshot, const Uuid& from,
                                const Uuid& to, std::vector<Uuid> bases);
  void list_mirror_snapshots(const std::string& volume, const Uuid& replica,
                             std::function<void(Result<std::optional<std::vector<Uuid>>>)> listed);
  Outcome cancel_mirror_carry(const std::string& volume);
  // Its volumes and replicas are not served any more.
  Outcome close_pool(const std::string& pool, bool exported);
  // Everything else about pools.
  PoolTable& pools() { return *pools_; }
  Result<SocketAddress> listen(const ListenConfig& config);
  // A namespace of a controller of ours as a block device, named by a number from then on.
  Result<uint32_t> attach(HostController& controller, const AttachmentConfig& config);
  Attachment* find_attachment(uint32_t id);  // null: there is none
  Outcome detach(uint32_t id);               // no error if there is none
  // Stops listening, closes what we are connected to, lets hosts' I/O in flight finish, and stops the
  // reactors.
  void close();

  // --- any thread, between start() and close() ---
  Counters counters() const;
  bdev::qos::NodeStats qos_stats() const { return qos_node_->stats(); }
  HostSide& host_side() { return *host_side_; }

 private:
  // Everything of one reactor; made, used and destroyed on it.
  struct Shard {
    Reactor* reactor = nullptr;
    std::unique_ptr<transport::tcp::TargetTransport> transport;
  };

  explicit Engine(const EngineOptions& options);
  void build();
  Outcome advertise(const ListenConfig& config, const SocketAddress& bound);

  EngineOptions options_;
  std::unique_ptr<ReactorSet> reactors_;
  std::unique_ptr<target::Target> target_;
  std::vector<Shard> shards_;
  std::unique_ptr<Acceptor> acceptor_;
  std::shared_ptr<bdev::qos::Node> qos_node_;
  std::unique_ptr<PoolTable> pools_;
  std::unique_ptr<VolumeTable> volumes_;
  std::unique_ptr<ReplicaTable> replicas_;
  std::unique_ptr<MirrorTable> mirrors_;
  std::unique_ptr<HostSide> host_side_;
  std::map<uint32_t, std::unique_ptr<Attachment>> attachments_;
  uint32_t next_attachment_ = 1;
  std::vector<target::ListenerConfig> listeners_;  // as advertised
  bool closed_ = false;
};

}  // namespace ballast::engine
