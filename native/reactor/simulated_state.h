// The inside of SimulatedWorld, shared with SimulatedPeer. Private to reactor/.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "reactor/simulated_backend.h"
#include "reactor/simulated_files.h"
#include "reactor/simulated_network.h"
#include "reactor/simulated_world.h"

namespace ballast {

// A connection end without a reactor: takes what arrives at once, as a process that always reads.
struct SimulatedPeer::Impl {
  Impl(SimulatedWorld& of_world, simulated::ConnectionPointer of_connection, simulated::End& of_end);
  ~Impl();
  bool drain();

  SimulatedWorld& world;
  simulated::ConnectionPointer connection;
  simulated::End& end;
  std::vector<uint8_t> received;
  bool stopped = false;
};

struct SimulatedWorld::State {
  struct Node {
    Node(State& state, std::unique_ptr<BufferArena> buffers, uint32_t index);
    simulated::Backend backend;
    Reactor reactor;
  };

  explicit State(uint64_t seed) : prng(seed) {}
  // One round over everything, without a jump of the clock; true if anything happened.
  bool step();
  // When something will happen by itself; k_no_deadline if never.
  uint64_t next_ns() const;

  simulated::WorldClock clock;
  Prng prng;
  simulated::EventQueue events{clock};
  simulated::Network network{clock, prng, events};
  simulated::Files files;
  simulated::DescriptorTable descriptors;
  std::vector<SimulatedPeer::Impl*> peers;
  std::map<std::string, std::shared_ptr<simulated::Listener>> raw_listeners;
  std::vector<std::unique_ptr<Node>> nodes;
};

}  // namespace ballast
