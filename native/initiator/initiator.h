// The NVMe-oF host in user space: discover, connect, identify, I/O queues on any reactors, keep-alive,
// reconnect. A Controller is a handle that any thread may hold; its state lives on reactors.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/uuid.h"
#include "initiator/ana_log.h"
#include "nvme/command.h"
#include "transport/transport.h"

namespace ballast::initiator {

inline constexpr uint64_t k_never_gives_up = UINT64_MAX;

// Which of several paths an I/O takes, of those over which its namespace is reached best (optimized before
// non-optimized). The words are those of Linux.
enum class IoPolicy : uint8_t {
  numa,         // one, until it fails
  round_robin,  // each in turn
  queue_depth,  // the one with the fewest I/Os in flight
};
inline constexpr size_t k_paths_max = 16;  // of one controller

struct ControllerOptions {
  SocketAddress address;
  // Other paths to the same subsystem, k_paths_max with the first: each has an association of its own, and
  // comes back by itself. One of them is enough to be live.
  std::vector<SocketAddress> other_addresses;
  IoPolicy io_policy = IoPolicy::numa;
  // How long I/O waits while its namespace is reached over no path; then it ends with 3/70h, and so does at
  // once what comes before a path is back.
  uint64_t fast_io_fail_timeout_ns = k_never_gives_up;
  std::string subsystem_nqn;  // the discovery NQN gives a discovery controller
  std::string host_nqn;       // nqn.2014-08.org.nvmexpress:uuid:...
  Uuid host_id;
  uint16_t io_queues_count =
      1;  // 0 for a discovery controller; the target may grant fewer, which is not an error
  uint16_t queue_entries = 128;  // per I/O queue, 2 .. 1024; limited to what the target offers
  bool header_digest = false;
  bool data_digest = false;
  uint32_t keep_alive_ms = 5'000;                 // KATO; sent at half of it or a little sooner. 0: none
  uint64_t connect_timeout_ns = 10 * k_ns_per_s;  // each queue
  uint64_t command_timeout_ns = 30 * k_ns_per_s;  // admin commands; an expired one drops the connection
  uint64_t reconnect_delay_first_ns = 100 * k_ns_per_ms;  // doubles up to the next, with jitter
  uint64_t reconnect_delay_max_ns = 10 * k_ns_per_s;
  // How long after a loss the controller, or one path of several, tries to come back before it is dead;
  // k_never_gives_up: for ever.
  uint64_t ctrl_loss_timeout_ns = 600 * k_ns_per_s;
};

enum class ControllerState : uint8_t { connecting, live, reconnecting, dead, closed };
const char* controller_state_text(ControllerState state);

struct NamespaceInfo {
  uint32_t nsid = 0;
  uint32_t block_size_bytes = 0;  // 512 .. 65536
  uint64_t blocks_count = 0;
  Uuid uuid;  // nil if the target gives none
  std::array<uint8_t, 16> nguid{};
  bool supports_write_zeroes = false, supports_deallocate = false, supports_compare = false;
  bool deallocated_reads_zeroes = false;  // DLFEAT says so
};

struct ControllerInfo {
  uint16_t controller_id = 0;
  std::string serial_number, model_number, firmware_revision, subsystem_nqn;  // trimmed, printable
  uint32_t version = 0;                                                       // VS property
  uint32_t transfer_bytes_max = 0;  // from MDTS, and never above what we use
  uint32_t in_capsule_bytes = 0;    // from IOCCSZ
  uint16_t io_queues_count = 0;     // granted
  uint16_t queue_entries = 0;
  std::vector<NamespaceInfo> namespaces;
  std::vector<uint8_t> identify_controller;  // the 4096 bytes as they came
};

// One way to the subsystem.
struct PathInfo {
  SocketAddress address;
  ControllerState state = ControllerState::connecting;
  uint16_t controller_id = 0;  // of its present, or last, association; 0: of none yet
  std::vector<AnaEntry> ana;   // by NSID; empty: every namespace is reached well
};

struct DiscoveryEntry {
  std::string subsystem_nqn, address, port;  // port: decimal text, checked
  std::string transport;                     // "tcp", "rdma", ...
  std::string address_family;                // "ipv4", "ipv6"
  std::string subsystem_type;                // "nvme", "discovery", "current discovery"
  uint16_t port_id = 0, controller_id = 0;
};

// An I/O to a namespace. A member of the caller's object; not moved until done(). All on the reactor of the
// queue.
struct IoRequest {
  transport::HostRequest host;  // command (opcode, nsid, cdw10..15) and data, as the caller sets them
  void (*done)(IoRequest& request, nvme::Completion completion) = nullptr;
  void* context = nullptr;

  // The queue's, from submit() to done().
  ListNode node;
  uint64_t submitted_ns = 0;
  uint8_t retries = 0;
  uint8_t path = 0;         // of several
  uint8_t path_errors = 0;  // how often a path, not the namespace, failed it
};

// An I/O queue as seen from its reactor.
class IoQueue {
 public:
  virtual ~IoQueue() = default;
  virtual Reactor& reactor() = 0;
  // On its reactor. While the controller reconnects, requests wait (bounded by queue_entries) and are sent
  // again when it is back: a request that may have been executed is repeated, which is what hosts do with
  // reads and writes. Of several paths it takes another one, once the lost one has let go of its memory. When
  // the controller is dead or closed: 3/70h. False if queue_entries requests are in flight or waiting.
  [[nodiscard]] virtual bool submit(IoRequest& request) = 0;
  virtual uint16_t queue_entries() const = 0;
};

class Controller {
 public:
  // State changes; called on the controller's reactor.
  using StateObserver = std::function<void(ControllerState state, const std::string& text)>;
  // `connected` gets the controller once it is live (admin queue, identify, I/O queues), or the error with
  // the decoded status in its text. Queue i lives on reactors[i % reactors.size()], the admin queue on
  // reactors[0]. Called from any thread; `connected` runs on reactors[0]. close() of what is returned gives
  // the attempt up: `connected` gets Errc::aborted, unless it was on its way.
  static std::weak_ptr<Controller> connect(
      std::vector<Reactor*> reactors, const ControllerOptions& options, StateObserver observer,
      std::function<void(Result<std::shared_ptr<Controller>>)> connected);
  virtual ~Controller() = default;

  virtual const ControllerInfo& info() const = 0;  // as of the connect; not changed by reconnects
  virtual IoQueue& io_queue(uint16_t index) = 0;   // 0 .. info().io_queues_count - 1
  virtual ControllerState state() const = 0;       // any thread

  // From the next time on that the namespaces are read anew, after an event or a reconnect: how they are now.
  // Any thread; the observer is called on reactors[0].
  using NamespaceObserver = std::function<void(const std::vector<NamespaceInfo>& namespaces)>;
  virtual void observe_namespaces(NamespaceObserver observer) = 0;

  // Any thread; `done` runs on reactors[0].
  virtual void list_paths(std::function<void(std::vector<PathInfo>)> done) = 0;

  // Any thread. `data` is filled (controller to host) or sent; must stay valid until done, which runs on
  // reactors[0].
  virtual void submit_admin(const nvme::Command& command, Segment data,
                            std::function<void(nvme::Completion)> done) = 0;
  // Shuts the controller down properly (CC.SHN, then Disconnect or close). Requests in flight end with 3/70h.
  // `closed` runs on reactors[0] when no connection is left; then the handle may be destroyed.
  virtual void close(std::function<void()> closed) = 0;
  // The same at once, without a word to the target: for who must not wait for one that does not answer.
  virtual void abandon(std::function<void()> closed) = 0;
};

// Reads the whole discovery log of a discovery controller at `options.address` (subsystem_nqn is ignored).
// close() of what is returned gives it up: `done` gets an error.
std::weak_ptr<Controller> discover(Reactor& reactor, const ControllerOptions& options,
                                   std::function<void(Result<std::vector<DiscoveryEntry>>)> done);

}  // namespace ballast::initiator
