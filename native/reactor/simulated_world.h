// A whole world in one thread: virtual clock, an in-memory network and in-memory files, all decided by a
// seed. Tests build reactors over it and drive them; the fault simulator builds on it. Same seed, same run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/prng.h"
#include "reactor/reactor.h"

namespace ballast {

struct SimulatedNetworkOptions {
  // A receive gives at most this many bytes; 0: no limit. 1 delivers a stream byte by byte.
  size_t receive_bytes_max = 0;
  // Cuts receives at random lengths instead (from the world's prng).
  bool random_cuts = false;
  // How much a socket's peer may leave unread before send() answers -EAGAIN.
  size_t window_bytes = 256 * 1024;
  // One-way delay of every byte.
  uint64_t delay_ns = 0;
};

// What goes wrong with an operation on a simulated file.
struct SimulatedFault {
  enum class Kind : uint8_t {
    error,        // answers -error instead of acting
    unsynced,     // a durable write whose data is in the disk's cache, where it is read, and answers -error
    lost,         // a write that answers as if it had been done, and has not
    misdirected,  // acts `by_bytes` away
    cut_short,    // moves one sector and says so
  };
  Kind kind = Kind::error;
  int error = 0;
  int64_t by_bytes = 0;
};

// What a power failure does to sectors of 512 bytes that were written and not synced.
enum class UnsyncedWrites : uint8_t { dropped, kept, random };

class SimulatedWorld {
 public:
  explicit SimulatedWorld(uint64_t seed);
  ~SimulatedWorld();  // destroy reactors' objects first

  Clock& clock();
  Prng& prng();
  SimulatedNetworkOptions&
  network();            // may be changed at any time; applies to what is delivered from then on
  FileSystem& files();  // paths are keys; a file lives as long as the world

  // Adds a reactor over a SimulatedBackend of this world; the world owns it.
  Reactor& add_reactor(const BufferArenaSizes& buffers = {});
  // Runs `body` with the reactor entered, as code on its thread would.
  void on(Reactor& reactor, const std::function<void()>& body);

  // Turns all reactors until `done()` is true or nothing is left to do; jumps the clock to the next timer or
  // delivery when all are idle, at most to `for_ns` from now. Returns done().
  bool run_until(const std::function<bool()>& done, uint64_t for_ns = 60 * k_ns_per_s);
  // Runs until nothing happens at the present time (no clock jump).
  void settle();
  // Jumps the clock forward by `ns`, running everything that falls due on the way.
  void advance(uint64_t ns);

  // Faults on simulated files: the next operations matching `path` answer -error instead of acting; count 0
  // clears it.
  void fail_file_operations(const std::string& path, FileOp::Kind kind, int error, uint32_t count);
  // The same with any effect, on the next `count` operations of this kind.
  void spoil_file_operations(const std::string& path, FileOp::Kind kind, const SimulatedFault& effect,
                             uint32_t count);
  // Flips the bits of `mask` in a byte of a file, on the medium.
  void spoil_file(const std::string& path, uint64_t offset, uint8_t mask);
  // The sector at `offset` answers -EIO to every read that touches it, until it is written.
  void make_unreadable(const std::string& path, uint64_t offset);
  // Holds file operations back until released (in order), to test what happens meanwhile.
  void hold_file_operations(bool hold);
  // The operation of this kind on `path` that comes after `skipped` others waits until it is released; all
  // others go on.
  void hold_file_operation(const std::string& path, FileOp::Kind kind, uint32_t skipped = 0);
  bool holds_file_operation() const;  // it has come
  void release_file_operation();      // whether it has come or not
  // File operations that are in flight together end in any order, some of them late, from the world's prng.
  void shuffle_file_operations(bool shuffle);

  // Bytes of a simulated file, for inspection. Empty if there is none.
  std::vector<uint8_t> file_bytes(const std::string& path) const;
  // Simulates a power failure: unsynced writes of every file are dropped.
  void drop_unsynced_writes();
  // Changes (writes, syncs, zeroes) of files so far.
  uint64_t file_changes_count() const;
  // The power fails in the change after `changes_count` more. It, and what is in flight with it, may reach
  // the disk in part; all of them, and every operation until the power is restored, answer -EIO.
  void cut_power_after(uint64_t changes_count);
  bool power_is_off() const;
  // Files may be used again; what was not synced is as `unsynced` says, from the world's prng.
  void restore_power(UnsyncedWrites unsynced);
  // The process was killed and another takes its place: files may be used again; what was not synced is in
  // the disks' caches still, read from there, and lost if power fails before anybody syncs.
  void restart_process();

 private:
  friend class SimulatedPeer;
  struct State;
  std::unique_ptr<State> state_;
};

// A raw byte-stream peer for protocol tests: connects to a listener of the world (or is connected to), sends
// and receives plain bytes without a reactor of its own. Calls turn the world as needed.
class SimulatedPeer {
 public:
  // Connects to `address` of the world; fails the test run (assertion) if nobody listens there.
  SimulatedPeer(SimulatedWorld& world, const SocketAddress& address);
  // Takes the server end of the next connection made to `address`; see SimulatedPeer::listen. Null if none
  // comes within a minute.
  static std::unique_ptr<SimulatedPeer> accept(SimulatedWorld& world, const SocketAddress& address);
  // Listens without a reactor: connections to `address` wait for accept().
  static void listen(SimulatedWorld& world, const SocketAddress& address);
  // Connections to `address` are refused from now on; those waiting for accept() are reset.
  static void stop_listening(SimulatedWorld& world, const SocketAddress& address);
  ~SimulatedPeer();

  void send(std::span<const uint8_t> bytes);  // all of them, whatever the window
  // What has arrived so far, at most `bytes_max`; does not run the world.
  std::vector<uint8_t> receive(size_t bytes_max = SIZE_MAX);
  // Runs the world until `bytes_count` bytes have arrived, the peer closed, or the time is over; returns what
  // there is.
  std::vector<uint8_t> receive_exactly(size_t bytes_count, uint64_t for_ns = 60 * k_ns_per_s);
  bool peer_closed() const;  // FIN or RST has arrived (after all bytes were received)
  bool peer_reset() const;   // it was an RST
  void close();              // FIN; what the other side sends is still received
  void reset();              // RST
  // Stops taking bytes out of the stream: the other side's send() fills up.
  void stop_receiving(bool stop);

 private:
  friend class SimulatedWorld;
  struct Impl;
  explicit SimulatedPeer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ballast
