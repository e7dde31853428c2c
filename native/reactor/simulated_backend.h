// IoBackend over the simulated network and files. One per reactor of a SimulatedWorld.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "reactor/io_backend.h"
#include "reactor/simulated_files.h"
#include "reactor/simulated_network.h"

namespace ballast::simulated {

// Accepted and not adopted yet; shared by the reactors of a world, as descriptors are by threads.
struct DescriptorTable {
  std::map<Descriptor, ConnectionPointer> accepted;
  Descriptor next = 100;
};

class Backend final : public IoBackend {
 public:
  Backend(Clock& clock, Network& network, Files& files, DescriptorTable& descriptors)
      : clock_(clock), network_(network), files_(files), descriptors_(descriptors) {}
  ~Backend() override;

  Result<std::unique_ptr<ListenSocket>> listen(const SocketAddress& address,
                                               AcceptObserver& observer) override;
  Result<std::unique_ptr<Socket>> adopt(Descriptor accepted, SocketObserver& observer) override;
  Result<std::unique_ptr<Socket>> connect(const SocketAddress& address, SocketObserver& observer) override;
  void close_descriptor(Descriptor accepted) override;
  void submit(FileOp& op) override { file_ops_.push_back(&op); }
  void register_memory(Segment) override {}

  uint32_t poll() override;
  void flush() override {}
  void sleep(uint64_t deadline_ns) override;
  void wake() override {}

 private:
  class BackendSocket;
  class BackendListener;
  template <typename Body>
  uint32_t for_each_socket(Body body);
  uint32_t accept();
  uint32_t complete_files();

  Clock& clock_;
  Network& network_;
  Files& files_;
  DescriptorTable& descriptors_;
  std::map<uint64_t, BackendSocket*> sockets_;  // in the order of their making
  std::map<uint64_t, BackendListener*> listeners_;
  std::deque<FileOp*> file_ops_;
  uint64_t next_id_ = 0;
};

}  // namespace ballast::simulated
