// A subsystem of one namespace over a scripted memory device, and one I/O queue pair to it, all in memory.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "bdev/memory/memory_bdev.h"
#include "native/target_io/io_commands.h"
#include "reactor/simulated_world.h"
#include "support/native/fake_qpair.h"
#include "support/native/scripted_bdev.h"
#include "target/io_dispatch.h"
#include "target/io_limits.h"
#include "target/namespace_shard.h"

namespace ballast::target::test {

namespace status = nvme::status;
using ballast::test::FakeCommand;
using ballast::test::FakeQpair;
using ballast::test::ScriptedBdev;

// A queue pair with its dispatch, as the controller's queue joins them.
class Queue final : public transport::QpairObserver, private IoErrorObserver {
 public:
  Queue(Reactor& reactor, NamespaceTable& namespaces, LatencyRecorder& latencies)
      : qpair(reactor), dispatch(reactor, namespaces, latencies, *this) {
    qpair.set_observer(*this);
  }
  void on_request(transport::Request& request) override { dispatch.on_request(request); }
  void on_fetched(transport::Request& request, nvme::Status with) override {
    dispatch.on_fetched(request, with);
  }
  void on_buffer(transport::Request& request) override { dispatch.on_buffer(request); }
  void on_released(transport::Request& request) override { dispatch.on_released(request); }
  void on_closed(transport::TargetQpair&, transport::CloseReason) override {}

  FakeQpair qpair;
  IoDispatch dispatch;
  std::vector<nvme::Status> errors;  // what the controller's error log would get

 private:
  void on_io_error(const nvme::Command&, nvme::Status with) override { errors.push_back(with); }
};

class IoFixture : public testing::Test {
 protected:
  static constexpr uint32_t k_block = 4096;
  static constexpr uint64_t k_blocks = 1024;

  IoFixture()
      : reactor_(world_.add_reactor()), entered_(reactor_), namespaces_(reactor_), latencies_(reactor_) {
    add(1, k_blocks * k_block, k_block);
    queue_ = std::make_unique<Queue>(reactor_, namespaces_, latencies_);
  }
  ~IoFixture() override {
    EXPECT_EQ(queue_->dispatch.in_flight(), 0u);
    queue_.reset();
    latencies_.settle();
    for (NamespaceShard* shard = namespaces_.next(0); shard != nullptr; shard = namespaces_.next(0)) {
      EXPECT_TRUE(namespaces_.remove(shard->nsid(), {}).ok());
    }
    world_.settle();
  }

  ScriptedBdev& add(uint32_t nsid, uint64_t size_bytes, uint32_t block, bool read_only = false) {
    Result<std::shared_ptr<bdev::Bdev>> memory = bdev::make_memory_bdev({size_bytes, block});
    devices_.push_back(std::make_shared<ScriptedBdev>(*memory));
    counters_.push_back(std::make_unique<IoCounters>());
    NamespaceShardConfig config;
    config.nsid = nsid;
    config.bdev = devices_.back();
    config.read_only = read_only;
    config.counters = counters_.back().get();
    EXPECT_TRUE(namespaces_.add(config).ok());
    return *devices_.back();
  }
  ScriptedBdev& device() { return *devices_.front(); }
  IoCounters& counters() { return *counters_.front(); }
  FakeQpair& qpair() { return queue_->qpair; }
  IoDispatch& dispatch() { return queue_->dispatch; }

  FakeCommand& send(const nvme::Command& command, std::vector<uint8_t> host_data = {}) {
    return qpair().send(command, std::move(host_data));
  }
  std::vector<uint8_t> blocks(uint32_t count, uint8_t fill, uint32_t block = k_block) {
    return std::vector<uint8_t>(size_t{count} * block, fill);
  }
  // Writes and reads of whole blocks that must succeed.
  void write(uint64_t lba, uint32_t count, uint8_t fill) {
    ASSERT_TRUE(send(write_command(1, lba, count), blocks(count, fill)).status().ok());
  }
  std::vector<uint8_t> read(uint64_t lba, uint32_t count) {
    FakeCommand& command = send(read_command(1, lba, count, count * k_block));
    EXPECT_TRUE(command.status().ok());
    return command.received;
  }

  SimulatedWorld world_{1};
  Reactor& reactor_;
  Reactor::Entered entered_;
  NamespaceTable namespaces_;
  LatencyRecorder latencies_;
  std::vector<std::shared_ptr<ScriptedBdev>> devices_;
  std::vector<std::unique_ptr<IoCounters>> counters_;
  std::unique_ptr<Queue> queue_;
};

// Type and code as the table of bad inputs writes them, and whether Do Not Retry is set.
inline void expect_status(const FakeCommand& command, uint8_t type, uint8_t code, bool do_not_retry) {
  ASSERT_EQ(command.replies_count, 1u);
  EXPECT_EQ(static_cast<uint8_t>(command.status().type()), type) << nvme::status_name(command.status());
  EXPECT_EQ(command.status().code(), code) << nvme::status_name(command.status());
  EXPECT_EQ(command.status().do_not_retry(), do_not_retry);
}

}  // namespace ballast::target::test
