// What target/ and initiator/ see of a transport: queue pairs that carry commands, completions and data. They
// cannot tell TCP from RDMA. A queue pair lives on one reactor for life; all members are called there, all
// observer calls come there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "base/segment.h"
#include "nvme/command.h"
#include "reactor/reactor.h"

namespace ballast::transport {

enum class CloseReason : uint8_t {
  peer_closed,      // FIN or RST
  protocol_error,   // we found a fatal error and told the peer
  peer_terminated,  // the peer found one and told us
  timed_out,        // no progress within a limit
  local_request,    // close() was called
  no_memory,
};
const char* close_reason_text(CloseReason reason);

// ---- target side ----

class TargetQpair;

// One command from arrival to the last byte of its answer. From a pool of the transport; fixed size.
struct Request {
  enum class State : uint8_t {
    free,
    receiving,       // capsule data is arriving
    received,        // the observer has it and has not asked for data
    waiting_buffer,  // fetch(): in line for a buffer
    fetching,        // fetch(): data is on its way from the host
    executing,       // the observer has command and data
    replying,        // reply() was called; bytes are leaving
  };

  nvme::Command command;
  TargetQpair* qpair = nullptr;
  State state = State::free;
  // Host data after on_fetched(), `data.size_bytes` as fetched; also the buffer that alloc_reply_buffer()
  // gave.
  Segment data;
  // Bytes the command says it carries or has room for (SGL length); 0 when there is no data.
  uint32_t sgl_length_bytes = 0;
  bool data_in_capsule = false;
  // The connection is gone: the observer finishes what it has started on devices, calls reply() as usual
  // (which sends nothing), and gets on_released().
  bool abandoned = false;

  // The observer's own state for this command, alive from on_request() to on_released(); nothing is
  // constructed in it.
  static constexpr size_t k_observer_bytes = 320;
  alignas(16) std::array<std::byte, k_observer_bytes> observer_state;

  ListNode observer_node;  // the observer's, unlinked by the time of on_released()
};

class QpairObserver {
 public:
  virtual ~QpairObserver() = default;
  // A command has arrived and passed the transport's checks. Ends with exactly one reply(), now or later,
  // with a fetch() before it if the host's data is needed.
  virtual void on_request(Request& request) = 0;
  // fetch() has ended; data is there if status is success. Otherwise reply with that status.
  virtual void on_fetched(Request& request, nvme::Status status) = 0;
  // alloc_reply_buffer() has ended: request.data is there (or the request is abandoned and it is null).
  virtual void on_buffer(Request& request) = 0;
  // The answer has left, or will never leave. What was handed to reply() may be let go (mapped reads
  // unpinned).
  virtual void on_released(Request& request) = 0;
  // The connection is over; no command of it will arrive. Requests in flight are marked abandoned before this
  // call, and on_released() of each still comes. The qpair destroys itself after the last one and a call to
  // detach().
  virtual void on_closed(TargetQpair& qpair, CloseReason reason) = 0;
};

// How long the observer needs the host's data after fetch().
enum class DataUse : uint8_t {
  until_released,
  until_on_fetched_returns,  // saves a copy of what came in the capsule; request.data must not be used later
};

struct QpairParameters {
  uint16_t queue_entries = 0;  // SQSIZE + 1 of Connect: the most commands in flight
  bool flow_control_disabled =
      false;  // CATTR bit 2 of Connect: no SQHD updates, so SUCCESS in C2HData is allowed
  uint16_t qid = 0;
};

class TargetQpair {
 public:
  virtual ~TargetQpair() = default;

  virtual Reactor& reactor() = 0;
  // Before Connect succeeds a queue pair takes one command at a time. The observer calls this before it
  // replies success to Connect. Allocates what the queue depth needs; Errc::no_memory is possible and leaves
  // everything as it was.
  virtual Outcome activate(const QpairParameters& parameters) = 0;
  // A new observer takes over (the connecting state hands to the controller's queue).
  virtual void set_observer(QpairObserver& observer) = 0;

  // Gets `size_bytes` (<= k_transfer_bytes_max) of host data into request.data: already there when it came in
  // the capsule. on_fetched() may run from inside. size_bytes must not exceed request.sgl_length_bytes.
  virtual void fetch(Request& request, uint32_t size_bytes, DataUse use) = 0;
  // Puts a buffer of size_bytes into request.data for a command that answers with data; on_buffer() may run
  // from inside.
  virtual void alloc_reply_buffer(Request& request, uint32_t size_bytes) = 0;
  // Answers: first `data` to the host (controller to host; empty: none), then the completion. cid and sqhd
  // are filled in here. `data` must stay valid until on_released(). With `data_is_mapped` it lies in a device
  // and later writes of this reactor may change it: the transport copies what it could not send at once. At
  // most 8 segments.
  virtual void reply(Request& request, nvme::Completion completion, std::span<const Segment> data = {},
                     bool data_is_mapped = false) = 0;
  // Takes back a fetch() or alloc_reply_buffer() that has not finished, for Abort: true if the request is the
  // observer's again (state received; no callback will come), false if it has gone too far.
  virtual bool try_withdraw(Request& request) = 0;
  // Finds a command in flight by its identifier; null if there is none.
  virtual Request* find_request(uint16_t cid) = 0;

  // Stops taking commands; sends what is queued to be sent if it can at once, and closes. on_closed() may run
  // from inside.
  virtual void close(CloseReason reason) = 0;
  // The observer lets go; to be called exactly once, from on_closed() or later. Afterwards the qpair may be
  // destroyed.
  virtual void detach() = 0;
  virtual const SocketAddress& peer_address() const = 0;
  virtual const SocketAddress& local_address() const = 0;
};

// Told of every new connection, on the reactor that the connection will live on.
class ConnectionObserver {
 public:
  virtual ~ConnectionObserver() = default;
  // Returns the observer of the new qpair, or null to refuse (limits): the connection is then reset.
  virtual QpairObserver* on_connection(TargetQpair& qpair) = 0;
};

// ---- host side ----

class HostQpair;

// One command of the initiator. A member of the caller's object or of its pool; not moved until done().
struct HostRequest {
  nvme::Command command;          // cid and SGL are filled in by submit()
  std::span<const Segment> data;  // host memory, read or filled; at most 8 segments; valid until done()
  // Exactly once, on the reactor, possibly from inside submit() only when the qpair is closed. After it no
  // byte of `data` can still be sent or written.
  void (*done)(HostRequest& request, const nvme::Completion& completion) = nullptr;
  void* context = nullptr;

  // The transport's, from submit() to done().
  uint16_t slot = 0;
  uint32_t transferred_bytes = 0;
  ListNode node;
};

class HostQpairObserver {
 public:
  virtual ~HostQpairObserver() = default;
  // The transport connection is ready for Connect.
  virtual void on_ready(HostQpair& qpair) = 0;
  // It is over, or never came up. Every request in flight has been answered with Host Pathing Error (3/70h)
  // before.
  virtual void on_closed(HostQpair& qpair, CloseReason reason, const std::string& text) = 0;
};

struct HostQpairOptions {
  SocketAddress address;
  uint16_t queue_entries = 128;  // the most commands in flight
  bool header_digest = false;
  bool data_digest = false;
  bool require_digest = true;                     // refuse a target that does not grant a digest we asked for
  uint64_t connect_timeout_ns = 10 * k_ns_per_s;  // to ICResp
  uint32_t in_capsule_bytes =
      0;  // writes up to this go in the capsule; set from IOCCSZ, 8 KiB for admin and Fabrics
};

class HostQpair {
 public:
  virtual ~HostQpair() = default;  // only after on_closed()
  virtual Reactor& reactor() = 0;
  // Sends the command, at the latest at the end of the turn. False if queue_entries commands are in flight
  // already.
  [[nodiscard]] virtual bool submit(HostRequest& request) = 0;
  virtual uint16_t in_flight() const = 0;
  // From now on writes up to this many bytes travel in the capsule.
  virtual void set_in_capsule_bytes(uint32_t bytes) = 0;
  // Gives up: every request in flight is answered 3/70h from inside, then on_closed().
  virtual void close(CloseReason reason) = 0;
  // Why the connection never came up, for callers that must tell "refused" from "timed out"; ok otherwise.
  virtual Errc connect_error() const { return Errc::ok; }
  // The connection is over, though on_closed() may not have come yet: a 3/70h now is ours, not the target's.
  virtual bool is_closing() const { return false; }
};

}  // namespace ballast::transport
