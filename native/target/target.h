// The NVM subsystems of this process. One TargetShard per reactor holds that reactor's copy of the
// configuration, its queue pairs and the controllers whose admin queue lives there; Target is the handle that
// the engine changes all of them with, from any thread. No shard ever touches another: they send messages.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/uuid.h"
#include "bdev/bdev.h"
#include "nvme/limits.h"
#include "nvme/log_pages.h"
#include "target/io_counters.h"
#include "target/subsystem_extension.h"
#include "transport/transport.h"

namespace ballast::target {

struct NamespaceConfig {
  uint32_t nsid = 0;  // 1 .. k_namespaces_per_subsystem_max
  Uuid
      uuid;  // UUID and, as the same 16 bytes, NGUID. Must change when the content is not what it was
             // (a memory device after a restart): hosts then refuse the namespace instead of trusting caches.
  std::shared_ptr<bdev::Bdev> bdev;  // kept until the last channel of every reactor is closed
  bool read_only = false;
  // How good the way over this process is, in the words of the other nodes that serve the same subsystem. The
  // namespace is an ANA group of its own, whose identifier is the NSID.
  nvme::AnaState ana_state = nvme::AnaState::optimized;
};

struct SubsystemConfig {
  std::string nqn;            // checked: format, <= 223 bytes
  std::string serial_number;  // <= 20 printable ASCII characters
  std::string model_number = "Ballast";
  bool allow_any_host = true;                     // else only `hosts`
  std::vector<std::string> hosts;                 // host NQNs
  std::shared_ptr<SubsystemExtension> extension;  // null: none
};

// What the discovery log says of where we are reached. NVMe/TCP Transport Specification 1.0, "Transport
// Specific Content".
struct ListenerConfig {
  SocketAddress address;  // as advertised (may differ from what is bound, behind NAT)
  uint16_t port_id = 1;   // PORTID
};

struct TargetOptions {
  uint16_t controller_id_first = 1;  // this process's range of CNTLID, for several nodes behind one NQN
  uint16_t controller_id_last = nvme::k_controller_id_max;
  uint32_t in_capsule_bytes = 8 * 1024;          // IOCCSZ, as configured at the transport
  uint64_t connect_timeout_ns = 5 * k_ns_per_s;  // from connection to Connect
  uint64_t association_timeout_ns =
      120 * k_ns_per_s;               // from admin Connect to CC.EN=1, and after a host vanished
  uint32_t connections_max = 16'384;  // all of this target
  uint32_t connections_per_address_max = 8'192;
  std::string firmware_revision = "0.1.0";  // FR, 8 characters
};

// A host that has controllers of a subsystem here.
struct ConnectedHost {
  std::string nqn;
  uint32_t keep_alive_ms = 0;  // the longest time-out of its controllers; 0: none of them has one
  uint64_t silent_ns = 0;      // since the last Keep Alive, or Connect, of any of them
  bool is_ending = false;      // its last I/O is still finishing
};

// A controller has ended that its host had neither shut down nor reset: the connection broke, or no Keep
// Alive came. The host may have others.
struct LostHost {
  std::string subsystem_nqn;
  std::string nqn;
  uint32_t keep_alive_ms = 0;  // 0: it had no time-out
  uint64_t silent_ns = 0;      // since its last Keep Alive, or Connect
};

// What the reactors count of one namespace. Read on any thread; stands still when the namespace has gone.
struct NamespaceCounters {
  std::shared_ptr<const IoCounters[]> of_reactors;
  uint32_t reactors_count = 0;

  IoTotals totals() const { return sum_counters(of_reactors.get(), reactors_count); }
  IoTotals::Latency latency(IoKind kind) const {
    return sum_latency(of_reactors.get(), reactors_count, kind);
  }
};

class Target {
 public:
  // One shard per reactor, in the order given. From any thread, before anything runs on the shards; a
  // simulation on one thread calls it too, and runs the world until `done` of what follows.
  static std::unique_ptr<Target> create(std::vector<Reactor*> reactors, const TargetOptions& options);
  virtual ~Target() = default;  // after close()

  // Gives the engine what each reactor's transport needs.
  virtual transport::ConnectionObserver& connection_observer(uint32_t reactor_index) = 0;

  // Before the first host. Called on reactors; not for subsystems with an extension, nor for discovery.
  using HostLost = std::function<void(const LostHost&)>;
  virtual void set_host_lost_sink(HostLost sink) = 0;

  // One thread at a time calls these, never a reactor's; `done` runs on some reactor when every shard has
  // done it. Arguments are checked before anything changes; the answer is immediate in the returned Outcome
  // if they are wrong.
  using Done = std::function<void()>;
  virtual Outcome add_subsystem(const SubsystemConfig& config, Done done) = 0;
  virtual Outcome remove_subsystem(const std::string& nqn, Done done) = 0;  // closes its controllers first
  virtual Outcome add_namespace(const std::string& nqn, const NamespaceConfig& config, Done done) = 0;
  virtual Outcome remove_namespace(const std::string& nqn, uint32_t nsid,
                                   Done done) = 0;  // in-flight I/O finishes first
  // The device of a namespace has another size, or another access mode: hosts are told by an event.
  virtual Outcome namespace_changed(const std::string& nqn, uint32_t nsid, Done done) = 0;
  // Base 2.1, "Asymmetric Namespace Access states". From now on commands are executed, or answered with the
  // status of the state, on every reactor before any host hears of it by an event. `done` runs when no I/O is
  // in flight that the state forbids; a later call, or the end of the namespace, ends the wait of an earlier
  // one. Refused: invalid_argument, when the path is lost for good; not_found.
  virtual Outcome set_ana_state(const std::string& nqn, uint32_t nsid, nvme::AnaState state, Done done) = 0;
  // Ends every controller that this host has of the subsystem here; it may connect again at once. None of
  // their I/O takes effect after `done`: for who lets the host's I/O in over another path.
  virtual Outcome drop_controllers(const std::string& nqn, const std::string& host_nqn, Done done) = 0;
  // Queues of hosts that lost access are closed within a second; none of their I/O takes effect after `done`.
  virtual Outcome set_hosts(const std::string& nqn, bool allow_any_host, std::vector<std::string> hosts,
                            Done done) = 0;
  // Once each, by NQN.
  using Hosts = std::function<void(std::vector<ConnectedHost>)>;
  virtual Outcome list_hosts(const std::string& nqn, Hosts done) = 0;
  virtual Outcome set_listeners(std::vector<ListenerConfig> listeners, Done done) = 0;
  // No new connections; controllers are closed after their in-flight I/O has finished.
  virtual void close(Done done) = 0;

  // From that thread too; without counters (of no reactor) when there is no such namespace.
  virtual NamespaceCounters namespace_counters(const std::string& nqn, uint32_t nsid) const = 0;
  virtual uint32_t controllers_count() const = 0;
  virtual uint64_t keep_alive_timeouts() const = 0;  // controllers that were ended for one
};

}  // namespace ballast::target
