// Several nodes that serve one device as one subsystem, each with an address and CNTLIDs of its own, and a
// controller of ours with a path to each, in one simulated world.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bdev/memory/memory_bdev.h"
#include "native/initiator/initiator_fixture.h"
#include "support/native/scripted_bdev.h"
#include "target/target.h"
#include "transport/tcp/tcp.h"

namespace ballast::test {

inline constexpr char k_shared_nqn[] = "nqn.2026-11.dev.ballast:volume:shared";
inline constexpr char k_our_nqn[] = "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555";

inline Uuid uuid_filled_with(uint8_t byte) {
  Uuid uuid;
  uuid.bytes.fill(byte);
  return uuid;
}

// A process that serves the device: can be killed, and started again.
class Node final : public AcceptObserver {
 public:
  struct Identity {
    std::string serial_number = "SERIAL";
    uint8_t uuid_byte = 0x11;
    uint16_t controller_id_first = 1, controller_id_last = 100;
  };

  Node(SimulatedWorld& world, const SocketAddress& address, std::shared_ptr<bdev::Bdev> shared,
       const Identity& identity, nvme::AnaState state)
      : world_(world),
        reactor_(world.add_reactor()),
        address_(address),
        device_(std::make_shared<ScriptedBdev>(std::move(shared))) {
    start(identity, state);
  }
  ~Node() override { stop(); }

  void start(const Identity& identity, nvme::AnaState state) {
    target::TargetOptions options;
    options.controller_id_first = identity.controller_id_first;
    options.controller_id_last = identity.controller_id_last;
    target_ = target::Target::create({&reactor_}, options);
    world_.on(reactor_, [&] {
      transport_ = transport::tcp::TargetTransport::create(reactor_, {}, target_->connection_observer(0));
    });
    target::SubsystemConfig subsystem;
    subsystem.nqn = k_shared_nqn;
    subsystem.serial_number = identity.serial_number;
    change([&](auto done) { return target_->add_subsystem(subsystem, done); });
    const target::NamespaceConfig config{1, uuid_filled_with(identity.uuid_byte), device_, false, state};
    change([&](auto done) { return target_->add_namespace(k_shared_nqn, config, done); });
    listen();
  }
  // Every connection ends; what the device has is finished.
  void stop() {
    if (target_ == nullptr) return;
    stop_listening();
    change([&](auto done) {
      target_->close(done);
      return Outcome(Unit{});
    });
    target_.reset();
    bool closed = false;
    world_.on(reactor_, [&] {
      transport_->close_all(transport::CloseReason::local_request, [&closed] { closed = true; });
    });
    EXPECT_TRUE(world_.run_until([&] { return closed; }));
    world_.on(reactor_, [&] { transport_.reset(); });
  }
  void listen() {
    world_.on(reactor_, [&] { listener_ = std::move(reactor_.io().listen(address_, *this).value()); });
  }
  void stop_listening() {
    world_.on(reactor_, [&] { listener_.reset(); });
  }
  template <typename Change>
  void change(Change body) {
    bool done = false;
    EXPECT_TRUE(body([&done] { done = true; }).ok());
    EXPECT_TRUE(world_.run_until([&] { return done; }));
  }
  // Without waiting for I/O in flight.
  void set_state(nvme::AnaState state) {
    EXPECT_TRUE(target_->set_ana_state(k_shared_nqn, 1, state, {}).ok());
  }
  // The hosts lose every connection; they may come again.
  void drop_host() {
    change([&](auto done) { return target_->drop_controllers(k_shared_nqn, k_our_nqn, done); });
  }
  target::IoTotals totals() { return target_->namespace_counters(k_shared_nqn, 1).totals(); }
  uint32_t controllers_count() { return target_->controllers_count(); }
  target::Target& target() { return *target_; }
  // What is at the device.
  size_t held_count() const { return device_->held.size(); }
  void hold() { device_->hold = true; }
  void release() {
    device_->hold = false;
    world_.on(reactor_, [&] {
      while (!device_->held.empty()) device_->release_one();
    });
    world_.settle();
  }
  const SocketAddress& address() const { return address_; }

 private:
  void on_accepted(Descriptor accepted, const SocketAddress& peer) override {
    transport_->add_connection(accepted, peer);
  }

  SimulatedWorld& world_;
  Reactor& reactor_;
  const SocketAddress address_;
  std::shared_ptr<ScriptedBdev> device_;
  std::unique_ptr<target::Target> target_;
  std::unique_ptr<transport::tcp::TargetTransport> transport_;
  std::unique_ptr<ListenSocket> listener_;
};

class MultipathTest : public testing::Test {
 protected:
  static constexpr uint64_t k_blocks = 4096;

  explicit MultipathTest(uint64_t seed = 3) : world_(seed) {
    for (int i = 0; i < 2; ++i) reactors_.push_back(&world_.add_reactor());
    device_ = bdev::make_memory_bdev({k_blocks * 512, 512}).value();
    options_.subsystem_nqn = k_shared_nqn;
    options_.host_nqn = k_our_nqn;
    options_.host_id = uuid_filled_with(0x5a);
    options_.io_queues_count = 2;
    options_.queue_entries = 16;
    options_.reconnect_delay_max_ns = k_ns_per_s;
  }
  ~MultipathTest() override { close(); }

  Node::Identity identity(size_t index) const {
    Node::Identity identity;
    identity.controller_id_first = static_cast<uint16_t>(1 + index * 100);
    identity.controller_id_last = static_cast<uint16_t>(100 + index * 100);
    return identity;
  }
  Node& add_node(nvme::AnaState state) {
    const auto index = static_cast<uint8_t>(nodes_.size());
    return add_node(state, identity(index));
  }
  Node& add_node(nvme::AnaState state, const Node::Identity& identity) {
    const SocketAddress address{"10.0.0." + std::to_string(nodes_.size() + 1), 4420};
    nodes_.push_back(std::make_unique<Node>(world_, address, device_, identity, state));
    if (nodes_.size() == 1) {
      options_.address = address;
    } else {
      options_.other_addresses.push_back(address);
    }
    return *nodes_.back();
  }

  void start_connect() {
    connected_count_ = 0;
    Controller::connect(
        {reactors_.begin(), reactors_.end()}, options_,
        [this](ControllerState state, const std::string&) { states_.push_back(state); },
        [this](Result<std::shared_ptr<Controller>> result) {
          ++connected_count_;
          if (result.ok()) {
            controller_ = result.value();
          } else {
            error_ = result.error();
          }
        });
  }
  void connect() {
    start_connect();
    ASSERT_TRUE(world_.run_until([this] { return connected_count_ > 0; }));
  }
  void connect_ok() {
    connect();
    ASSERT_NE(controller_, nullptr) << error_.text;
    world_.settle();
  }
  void close() {
    if (controller_ == nullptr) return;
    bool closed = false;
    controller_->close([&closed] { closed = true; });
    EXPECT_TRUE(world_.run_until([&closed] { return closed; }));
    EXPECT_EQ(controller_->state(), ControllerState::closed);
    controller_.reset();
  }
  bool try_submit(TestIo& io, uint16_t queue = 0) {
    initiator::IoQueue& at = controller_->io_queue(queue);
    bool taken = false;
    world_.on(at.reactor(), [&] { taken = at.submit(io.request); });
    return taken;
  }
  void submit(TestIo& io, uint16_t queue = 0) { ASSERT_TRUE(try_submit(io, queue)); }
  void execute(TestIo& io, uint16_t queue = 0) {
    submit(io, queue);
    EXPECT_TRUE(world_.run_until([&io] { return io.done_count > 0; }));
  }
  std::vector<initiator::PathInfo> paths() {
    std::vector<initiator::PathInfo> found;
    controller_->list_paths([&found](std::vector<initiator::PathInfo> paths) { found = std::move(paths); });
    EXPECT_TRUE(world_.run_until([&found] { return !found.empty(); }));
    return found;
  }
  bool wait_for_path(size_t index, ControllerState state) {
    return world_.run_until([&] { return paths().at(index).state == state; });
  }

  SimulatedWorld world_;
  std::vector<Reactor*> reactors_;
  std::shared_ptr<bdev::Bdev> device_;  // of all nodes
  std::vector<std::unique_ptr<Node>> nodes_;
  initiator::ControllerOptions options_;
  std::shared_ptr<Controller> controller_;
  Error error_;
  int connected_count_ = 0;
  std::vector<ControllerState> states_;
};

}  // namespace ballast::test
