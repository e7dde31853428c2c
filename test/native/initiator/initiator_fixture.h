// A controller of ours over a simulated world, connected to a fake target; I/O with memory of its own.
#pragma once

#include <gtest/gtest.h>

#include "fake_target.h"
#include "initiator/initiator.h"
#include "nvme/io_commands.h"

namespace ballast::test {

using initiator::Controller;
using initiator::ControllerState;

struct TestIo {
  explicit TestIo(nvme::NvmOpcode opcode, uint64_t lba = 0, uint32_t blocks = 1, uint32_t seed = 0,
                  uint32_t nsid = 1, uint32_t block_bytes = 512)
      : memory(seed == 0 ? Bytes(size_t{blocks} * block_bytes) : pattern(size_t{blocks} * block_bytes, seed)),
        segment{memory.data(), memory.size()} {
    request.host.command.opcode = static_cast<uint8_t>(opcode);
    request.host.command.nsid = nsid;
    if (opcode != nvme::NvmOpcode::flush) {
      nvme::set_blocks(request.host.command, lba, blocks);
      request.host.data = {&segment, 1};
    }
    request.context = this;
    request.done = [](initiator::IoRequest& io, nvme::Completion done_completion) {
      auto* const self = static_cast<TestIo*>(io.context);
      ++self->done_count;
      self->completion = done_completion;
      if (self->then) self->then();
    };
  }
  bool ok() const { return done_count == 1 && completion.status().ok(); }
  bool is_pathing_error() const {
    return done_count == 1 && completion.status().is(nvme::status::host_pathing_error);
  }

  Bytes memory;
  Segment segment;
  initiator::IoRequest request;
  int done_count = 0;
  nvme::Completion completion;
  std::function<void()> then;
};

inline constexpr auto k_io_read = nvme::NvmOpcode::read;
inline constexpr auto k_io_write = nvme::NvmOpcode::write;

class ControllerTest : public testing::Test {
 protected:
  explicit ControllerTest(uint64_t seed = 1) : world_(seed) {
    for (int i = 0; i < 3; ++i) reactors_.push_back(&world_.add_reactor());
    target_ = std::make_unique<FakeTarget>(world_, world_.add_reactor(), address_);
    options_.address = address_;
    options_.subsystem_nqn = "nqn.2026-11.dev.ballast:volume:test";
    options_.host_nqn = "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555";
    options_.host_id.bytes.fill(0x5a);
  }
  ~ControllerTest() override {
    close();
    target_.reset();
  }

  std::weak_ptr<Controller> start_connect() {
    return Controller::connect(
        reactors_, options_,
        [this](ControllerState state, const std::string& text) {
          states_.push_back(state);
          state_text_ = text;
        },
        [this](Result<std::shared_ptr<Controller>> result) {
          ++connected_count_;
          if (result.ok()) {
            controller_ = result.value();
          } else {
            error_ = result.error();
          }
        });
  }
  // Connects; the answer is in controller_ or error_.
  void connect() {
    start_connect();
    world_.run_until([this] { return connected_count_ > 0; }, 300 * k_ns_per_s);
    ASSERT_EQ(connected_count_, 1);
  }
  void connect_ok() {
    connect();
    ASSERT_NE(controller_, nullptr) << error_.text;
    EXPECT_EQ(controller_->state(), ControllerState::live);
  }
  void close() {
    if (controller_ == nullptr) return;
    bool closed = false;
    controller_->close([&closed] { closed = true; });
    EXPECT_TRUE(world_.run_until([&closed] { return closed; }));
    EXPECT_EQ(controller_->state(), ControllerState::closed);
    controller_.reset();
  }
  void submit(TestIo& io, uint16_t queue = 0) {
    initiator::IoQueue& at = controller_->io_queue(queue);
    world_.on(at.reactor(), [&] { ASSERT_TRUE(at.submit(io.request)); });
  }
  void execute(TestIo& io, uint16_t queue = 0) {
    submit(io, queue);
    world_.run_until([&io] { return io.done_count > 0; });
  }
  bool wait_for(ControllerState state, uint64_t for_ns = 60 * k_ns_per_s) {
    return world_.run_until([this, state] { return controller_->state() == state; }, for_ns);
  }

  SimulatedWorld world_;
  const SocketAddress address_{"10.0.0.1", 4420};
  std::vector<Reactor*> reactors_;
  std::unique_ptr<FakeTarget> target_;
  initiator::ControllerOptions options_;
  std::shared_ptr<Controller> controller_;
  Error error_;
  int connected_count_ = 0;
  std::vector<ControllerState> states_;
  std::string state_text_;
};

}  // namespace ballast::test
