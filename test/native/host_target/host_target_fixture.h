// Our target over several reactors behind one address, and controllers of ours that connect to it, in one
// simulated world.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "bdev/memory/memory_bdev.h"
#include "native/initiator/initiator_fixture.h"
#include "target/target.h"
#include "transport/tcp/tcp.h"

namespace ballast::test {

inline constexpr char k_volume_nqn[] = "nqn.2026-11.dev.ballast:volume:one";

inline Uuid uuid_filled_with(uint8_t byte) {
  Uuid uuid;
  uuid.bytes.fill(byte);
  return uuid;
}

class HostTargetWorld : public AcceptObserver {
 public:
  HostTargetWorld(uint64_t seed, uint32_t target_reactors_count, uint32_t host_reactors_count)
      : world_(seed) {
    for (uint32_t i = 0; i < target_reactors_count; ++i) target_reactors_.push_back(&world_.add_reactor());
    for (uint32_t i = 0; i < host_reactors_count; ++i) host_reactors_.push_back(&world_.add_reactor());
    target_ = target::Target::create(target_reactors_, {});
    for (uint32_t i = 0; i < target_reactors_count; ++i) {
      world_.on(*target_reactors_[i], [&] {
        transports_.push_back(transport::tcp::TargetTransport::create(*target_reactors_[i], {},
                                                                      target_->connection_observer(i)));
      });
    }
    listen();
    target::SubsystemConfig subsystem;
    subsystem.nqn = k_volume_nqn;
    subsystem.serial_number = "SERIAL";
    EXPECT_TRUE(change([&](auto done) { return target_->add_subsystem(subsystem, done); }));
    EXPECT_TRUE(add_namespace(1, 4096, 0x11));
    options_.address = address_;
    options_.subsystem_nqn = k_volume_nqn;
    options_.host_nqn = "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555";
    options_.host_id = uuid_filled_with(0x5a);
  }
  ~HostTargetWorld() override {
    close_controller();
    stop_listening();
    EXPECT_TRUE(change([&](auto done) {
      target_->close(done);
      return Outcome(Unit{});
    }));
    target_.reset();
    for (size_t i = 0; i < transports_.size(); ++i) {
      bool closed = false;
      world_.on(*target_reactors_[i], [&] {
        transports_[i]->close_all(transport::CloseReason::local_request, [&closed] { closed = true; });
      });
      EXPECT_TRUE(world_.run_until([&] { return closed; }));
      world_.on(*target_reactors_[i], [&] { transports_[i].reset(); });
    }
  }

  // Connections go round the target's reactors.
  void on_accepted(Descriptor accepted, const SocketAddress& peer) override {
    const size_t at = accepted_count_++ % transports_.size();
    send_task(*target_reactors_[at],
              [this, at, accepted, peer] { transports_[at]->add_connection(accepted, peer); });
  }
  void listen() {
    world_.on(*target_reactors_[0],
              [&] { listener_ = std::move(target_reactors_[0]->io().listen(address_, *this).value()); });
  }
  void stop_listening() {
    world_.on(*target_reactors_[0], [&] { listener_.reset(); });
  }
  template <typename Change>
  bool change(Change body) {
    bool done = false;
    if (!body([&done] { done = true; }).ok()) return false;
    return world_.run_until([&] { return done; });
  }
  bool add_namespace(uint32_t nsid, uint64_t blocks_count, uint8_t uuid_byte) {
    auto device = bdev::make_memory_bdev({blocks_count * 512, 512});
    if (!device.ok()) return false;
    const target::NamespaceConfig config{nsid, uuid_filled_with(uuid_byte), device.value(), false};
    return change([&](auto done) { return target_->add_namespace(k_volume_nqn, config, done); });
  }
  // The target closes every connection of every host. With `refuse` it takes none again.
  void kick(bool refuse = false) {
    EXPECT_TRUE(change([&](auto done) { return target_->set_hosts(k_volume_nqn, false, {}, done); }));
    if (refuse) return;
    EXPECT_TRUE(change([&](auto done) { return target_->set_hosts(k_volume_nqn, true, {}, done); }));
  }

  void connect() {
    bool told = false;
    Controller::connect(host_reactors_, options_, nullptr, [&](Result<std::shared_ptr<Controller>> result) {
      told = true;
      ASSERT_TRUE(result.ok()) << result.error().text;
      controller_ = result.value();
    });
    ASSERT_TRUE(world_.run_until([&told] { return told; }));
    ASSERT_NE(controller_, nullptr);
  }
  void close_controller() {
    if (controller_ == nullptr) return;
    bool closed = false;
    controller_->close([&closed] { closed = true; });
    EXPECT_TRUE(world_.run_until([&closed] { return closed; }));
    controller_.reset();
  }
  void submit(TestIo& io, uint16_t queue) {
    initiator::IoQueue& at = controller_->io_queue(queue);
    world_.on(at.reactor(), [&] { ASSERT_TRUE(at.submit(io.request)); });
  }
  bool wait_for(ControllerState state) {
    return world_.run_until([this, state] { return controller_->state() == state; }, 120 * k_ns_per_s);
  }
  bool wait_for(const std::vector<std::unique_ptr<TestIo>>& ios) {
    return world_.run_until([&ios] {
      return std::all_of(ios.begin(), ios.end(), [](const auto& io) { return io->done_count > 0; });
    });
  }

  SimulatedWorld world_;
  const SocketAddress address_{"127.0.0.1", 4420};
  std::vector<Reactor*> target_reactors_, host_reactors_;
  std::unique_ptr<target::Target> target_;
  std::vector<std::unique_ptr<transport::tcp::TargetTransport>> transports_;
  std::unique_ptr<ListenSocket> listener_;
  size_t accepted_count_ = 0;
  initiator::ControllerOptions options_;
  std::shared_ptr<Controller> controller_;
};

}  // namespace ballast::test
