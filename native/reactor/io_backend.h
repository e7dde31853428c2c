// What a reactor can ask the world for. Two implementations: UringBackend (the kernel: direct socket calls
// while busy, an io_uring for files, wake-ups and sleeping) and SimulatedBackend (virtual time, in-memory
// network and files, seeded). Nothing above reactor/ makes a system call. Every object here belongs to one
// reactor unless it says otherwise.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "base/segment.h"

namespace ballast {

// A kernel file descriptor, or a number of the simulated world. A socket's may be handed from the reactor
// that accepted it to the one that adopts it; a file's may be used by every reactor.
using Descriptor = int;

// Segment is handed to the kernel as an iovec.
static_assert(sizeof(Segment) == sizeof(iovec) && offsetof(Segment, base) == offsetof(iovec, iov_base) &&
              offsetof(Segment, size_bytes) == offsetof(iovec, iov_len));

// A numeric IPv4 or IPv6 address (no names: resolving blocks, so the control plane does it) and a port (0:
// any free one).
struct SocketAddress {
  std::string host;  // "127.0.0.1", "::1"
  uint16_t port = 0;

  std::string text() const;  // "127.0.0.1:4420", "[::1]:4420"
  bool operator==(const SocketAddress&) const = default;
};

class SocketObserver {
 public:
  virtual ~SocketObserver() = default;
  // There may be something to receive, or the peer closed. Called again while reading is on and data remains,
  // so one call needs not drain. Returns true if receive() gave anything but -EAGAIN: the backend learns
  // which sockets are hot.
  virtual bool on_readable() = 0;
  // After notify_writable(): send() may make progress. Once per request.
  virtual void on_writable() = 0;
  // After IoBackend::connect(): ok, or why not. Once, before any other call.
  virtual void on_connected(Errc) {}
};

// A connected (or connecting) stream socket, no delay set. Destroying it closes it; no observer call comes
// afterwards. The observer may destroy the socket from inside any observer call.
class Socket {
 public:
  virtual ~Socket() = default;
  // Bytes received, 0 when the peer has closed, or -errno; -EAGAIN means nothing there. Never blocks. After 0
  // or an error other than -EAGAIN there is nothing more to come, and no on_readable() either.
  virtual int64_t receive(std::span<const Segment> into) = 0;
  // Bytes taken by the send buffer (possibly fewer than given), or -errno; -EAGAIN means it is full. Never
  // blocks, never raises SIGPIPE. At most k_send_segments_max segments.
  virtual int64_t send(std::span<const Segment> data) = 0;
  // Off: no on_readable() until on again (back-pressure: TCP's window closes). A new socket reads.
  virtual void set_reading(bool on) = 0;
  virtual void notify_writable() = 0;
  // Half-closes our sending side once everything sent is on its way.
  virtual void shutdown_send() = 0;
  // Whatever has been sent and has not left when the socket is closed never leaves: the peer sees a reset.
  // Otherwise the kernel goes on sending, for minutes where nothing is acknowledged.
  virtual void discard_unsent_on_close() = 0;
  virtual SocketAddress local_address() const = 0;
  virtual SocketAddress peer_address() const = 0;
};
inline constexpr size_t k_send_segments_max = 512;

class AcceptObserver {
 public:
  virtual ~AcceptObserver() = default;
  // Owns `accepted` from now on: adopt() it on some reactor, or close_descriptor() it.
  virtual void on_accepted(Descriptor accepted, const SocketAddress& peer) = 0;
};

// A listening socket. Destroying it closes it.
class ListenSocket {
 public:
  virtual ~ListenSocket() = default;
  virtual SocketAddress local_address() const = 0;  // with the port that was chosen when 0 was asked
};

// One file operation in flight; owned by the submitter, not moved until done() is called, exactly once, on
// the reactor.
struct FileOp {
  enum class Kind : uint8_t {
    read,
    write,          // in the device's cache when done
    write_durable,  // on stable media when done (RWF_DSYNC)
    sync_data,      // everything written before is on stable media when done (fdatasync)
    punch_hole,  // deallocates [offset, offset + length_bytes), which reads zeroes afterwards; not durable by
                 // itself
    zero_range,  // zeroes, allocation kept; not durable by itself
    // What the driver of the file defines, and so is the result: `offset` is the number of the command,
    // `data` one segment of k_device_argument_bytes, its argument.
    device_command,
  };
  Kind kind = Kind::read;
  Descriptor file = -1;
  uint64_t offset = 0;
  uint64_t length_bytes = 0;      // punch_hole and zero_range
  std::span<const Segment> data;  // read and write: must stay valid until done; at most k_file_segments_max
  void (*done)(FileOp&, int64_t result);  // bytes moved (short counts are possible) or 0, or -errno
  void* context = nullptr;                // the submitter's
};
inline constexpr size_t k_file_segments_max = 64;
inline constexpr size_t k_device_argument_bytes = 16;  // what an entry of the ring has room for

struct FileOptions {
  bool direct = true;   // O_DIRECT; falls back to the page cache, with a warning, where it cannot be had
  bool create = false;  // create a missing regular file of create_size_bytes (sparse)
  uint64_t create_size_bytes = 0;
  bool read_only = false;  // an existing one, locked all the same; what would change it fails with EBADF
};

// An opened, exclusively locked file or block device: a second open by any process fails with Errc::in_use.
// Thread-safe once opened; destroying it closes it (nothing may be in flight).
class File {
 public:
  virtual ~File() = default;
  virtual Descriptor descriptor() const = 0;
  virtual uint64_t size_bytes() const = 0;
  virtual uint32_t direct_alignment_bytes()
      const = 0;                     // offsets, lengths and memory of O_DIRECT I/O; 1 if not direct
  virtual bool created() const = 0;  // this open made the file
  // True where a finished write may be lost by a power failure unless synced: regular files, and block
  // devices whose queue/write_cache is "write back".
  virtual bool volatile_write_cache() const = 0;
  virtual bool is_block_device() const = 0;
};

// Opens files. Blocks, so it is for the control path only. Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Errc: not_found, is_a_directory, permission_denied, in_use, no_space, invalid_argument; text names the
  // path.
  virtual Result<std::unique_ptr<File>> open(const std::string& path, const FileOptions& options) = 0;
  // For a file that an open() of ours created and that is of no use after all. A missing one is no error.
  virtual void remove(const std::string& path) = 0;
};

class IoBackend {
 public:
  virtual ~IoBackend() = default;

  virtual Result<std::unique_ptr<ListenSocket>> listen(const SocketAddress& address,
                                                       AcceptObserver& observer) = 0;
  // The observer must outlive the socket.
  virtual Result<std::unique_ptr<Socket>> adopt(Descriptor accepted, SocketObserver& observer) = 0;
  virtual Result<std::unique_ptr<Socket>> connect(const SocketAddress& address, SocketObserver& observer) = 0;
  // Owns an open character device that gives and takes whole messages, one a call, as /dev/fuse does, and is
  // non-blocking; a socket of messages does too. Errc::unsupported in a world that has no devices.
  virtual Result<std::unique_ptr<Socket>> adopt_device(Descriptor device, SocketObserver& observer) {
    static_cast<void>(device), static_cast<void>(observer);
    return Errc::unsupported;
  }
  virtual void close_descriptor(Descriptor accepted) = 0;

  // Queues a file operation; it starts at the latest at the end of the turn. Takes any number: what the ring
  // has no room for waits in a list of the backend (linked through nothing: the bound is the submitters').
  virtual void submit(FileOp& op) = 0;
  // Tells that [base, base + size) is long-lived I/O memory, so that file I/O on it can skip page pinning.
  // Best effort.
  virtual void register_memory(Segment arena) = 0;

  // --- called by the Reactor's turn ---
  // Handles what is ready: hot sockets and completions, a bounded amount. Returns how many things were
  // handled.
  virtual uint32_t poll() = 0;
  // Hands queued work to the kernel. Called once at the end of every turn.
  virtual void flush() = 0;
  // Sleeps until something is ready, wake() is called, or `deadline_ns` of the reactor's clock
  // (k_no_deadline: none).
  virtual void sleep(uint64_t deadline_ns) = 0;
  // Ends a sleep, or makes the next one return at once. The one member that is safe on any thread.
  virtual void wake() = 0;
};
inline constexpr uint64_t k_no_deadline = UINT64_MAX;

}  // namespace ballast
