// The world of one fuzzing seed: our target with two reactors and odd options, a witness that must never
// notice anything, and the checks that hold after every conversation.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "mutator.h"
#include "support/native/raw_host.h"
#include "target/target.h"
#include "transport/tcp/tcp.h"

namespace ballast::fuzz {

inline constexpr char k_fuzzed_nqn[] = "nqn.2026-11.dev.ballast:volume:fuzzed";
inline constexpr char k_witness_nqn[] = "nqn.2026-11.dev.ballast:volume:witness";
inline constexpr uint32_t k_block_bytes = 4096;
inline constexpr uint32_t k_blocks_count = 512;

// A host that does everything right up to here: Connect, enable, and one I/O queue if asked.
struct ProperHost {
  std::unique_ptr<test::RawHost> admin;
  std::unique_ptr<test::RawHost> io;  // qid 1
  test::ConnectFields fields;         // with the CNTLID, for further queues
};

class FuzzWorld {
 public:
  explicit FuzzWorld(uint64_t seed);
  ~FuzzWorld();

  SimulatedWorld& world() { return world_; }
  Prng& prng() { return prng_; }
  const transport::tcp::TargetOptions& options() const { return options_; }
  SocketAddress address(uint32_t reactor) const;
  Reactor& proxy_reactor() { return *reactors_[2]; }
  Reactor& host_reactor() { return *reactors_[3]; }

  ProperHost make_host(const char* nqn, bool with_io_queue);
  // What block `lba` of the fuzzed namespace holds before anything is written to it.
  static Bytes block_content(uint64_t lba) {
    return test::pattern(k_block_bytes, static_cast<uint32_t>(lba));
  }
  void fill_blocks(uint32_t blocks_count);
  // Network conditions of the next conversation.
  void shake_network();
  // After a conversation: the witness works, and all that was held is given back.
  void check();

 private:
  struct Node final : AcceptObserver {
    void on_accepted(Descriptor accepted, const SocketAddress& peer) override {
      transport->add_connection(accepted, peer);
    }
    std::unique_ptr<transport::tcp::TargetTransport> transport;
    std::unique_ptr<ListenSocket> listener;
  };
  void add_volume(const char* nqn);
  bool is_at_rest();
  void calm_network() { world_.network() = {}; }

  Prng prng_;
  SimulatedWorld world_;
  transport::tcp::TargetOptions options_;
  bool memory_is_short_ = false;
  std::vector<Reactor*> reactors_;  // two of the target, the proxy's, the initiator's
  std::vector<uint32_t> small_free_, large_free_;
  std::unique_ptr<target::Target> target_;
  std::vector<std::unique_ptr<Node>> nodes_;
  ProperHost witness_;
  uint32_t rounds_ = 0;
};

}  // namespace ballast::fuzz
