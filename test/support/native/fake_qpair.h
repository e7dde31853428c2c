// A queue pair in memory: tests hand it commands and look at the answers, without a transport. Implements
// transport::TargetQpair; data moves when the test says so. Single-threaded. Header only.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "nvme/limits.h"
#include "transport/transport.h"

namespace ballast::test {

// A command, from the host's side.
struct FakeCommand {
  FakeCommand() : memory(static_cast<uint8_t*>(std::aligned_alloc(4096, nvme::k_transfer_bytes_max))) {
    received.reserve(nvme::k_transfer_bytes_max);
  }
  transport::Request request;
  std::vector<uint8_t> host_data;  // what a fetch gives
  std::vector<uint8_t> received;   // what came with the answer
  nvme::Completion completion;
  uint32_t replies_count = 0;
  uint32_t answered_as = 0;  // 1 for the first answer of the queue pair, and so on
  bool released = false;
  bool mapped = false;  // the answer's data lay in the device
  bool fetch_pending = false;
  bool buffer_pending = false;
  uint32_t pending_bytes = 0;
  transport::DataUse use = transport::DataUse::until_released;
  std::vector<Segment> answer_data;

  nvme::Status status() const { return completion.status(); }
  bool answered() const { return replies_count > 0; }

  struct Free {
    void operator()(uint8_t* address) const { std::free(address); }
  };
  std::unique_ptr<uint8_t, Free> memory;
};

class FakeQpair final : public transport::TargetQpair {
 public:
  explicit FakeQpair(Reactor& reactor) : reactor_(reactor) {}

  // Off the script: data is there at once, answers are sent at once.
  bool hold_fetches = false;
  bool hold_buffers = false;
  bool hold_releases = false;

  // ---- the host's side ----
  FakeCommand& make(const nvme::Command& command, std::vector<uint8_t> host_data = {}) {
    FakeCommand& made = *commands_.emplace_back(std::make_unique<FakeCommand>());
    made.request.command = command;
    made.request.command.cid = static_cast<uint16_t>(commands_.size());
    made.request.qpair = this;
    made.request.sgl_length_bytes =
        host_data.empty() ? command.sgl.length_bytes : static_cast<uint32_t>(host_data.size());
    made.host_data = std::move(host_data);
    return made;
  }
  // May be sent again once it has been released.
  void send(FakeCommand& command) {
    command.replies_count = 0;
    command.released = false;
    command.mapped = false;
    command.request.data = {};
    command.request.state = transport::Request::State::received;
    observer_->on_request(command.request);
  }
  FakeCommand& send(const nvme::Command& command, std::vector<uint8_t> host_data = {}) {
    FakeCommand& made = make(command, std::move(host_data));
    send(made);
    return made;
  }
  void finish_fetch(FakeCommand& command, nvme::Status status = nvme::status::success) {
    BALLAST_ASSERT(command.fetch_pending);
    command.fetch_pending = false;
    if (status.ok()) {
      std::memcpy(command.memory.get(), command.host_data.data(), command.pending_bytes);
      command.request.data = {command.memory.get(), command.pending_bytes};
    }
    command.request.state = transport::Request::State::executing;
    observer_->on_fetched(command.request, status);
    // Whoever said that it needs the data no longer is shown something else.
    if (command.use == transport::DataUse::until_on_fetched_returns) {
      std::memset(command.memory.get(), 0xdd, command.pending_bytes);
    }
  }
  void finish_buffer(FakeCommand& command) {
    BALLAST_ASSERT(command.buffer_pending);
    command.buffer_pending = false;
    if (!command.request.abandoned) command.request.data = {command.memory.get(), command.pending_bytes};
    command.request.state = transport::Request::State::executing;
    observer_->on_buffer(command.request);
  }
  void release(FakeCommand& command) {
    BALLAST_ASSERT(command.answered() && !command.released);
    command.released = true;
    observer_->on_released(command.request);
  }
  // The connection is lost: what waits for data is told so, answers go nowhere.
  void abandon() {
    for (const auto& command : commands_) command->request.abandoned = true;
    for (const auto& command : commands_) {
      if (command->fetch_pending) finish_fetch(*command, nvme::status::data_transfer_error);
      if (command->buffer_pending) finish_buffer(*command);
    }
  }

  // ---- transport::TargetQpair ----
  Reactor& reactor() override { return reactor_; }
  Outcome activate(const transport::QpairParameters&) override { return Unit{}; }
  void set_observer(transport::QpairObserver& observer) override { observer_ = &observer; }
  void fetch(transport::Request& request, uint32_t size_bytes, transport::DataUse use) override {
    FakeCommand& command = of(request);
    command.use = use;
    BALLAST_ASSERT(size_bytes > 0 && size_bytes <= request.sgl_length_bytes);
    BALLAST_ASSERT(size_bytes <= nvme::k_transfer_bytes_max && size_bytes <= command.host_data.size());
    request.state = transport::Request::State::fetching;
    command.fetch_pending = true;
    command.pending_bytes = size_bytes;
    if (!hold_fetches) finish_fetch(command);
  }
  void alloc_reply_buffer(transport::Request& request, uint32_t size_bytes) override {
    FakeCommand& command = of(request);
    BALLAST_ASSERT(size_bytes > 0 && size_bytes <= nvme::k_transfer_bytes_max);
    request.state = transport::Request::State::waiting_buffer;
    command.buffer_pending = true;
    command.pending_bytes = size_bytes;
    if (!hold_buffers) finish_buffer(command);
  }
  void reply(transport::Request& request, nvme::Completion completion, std::span<const Segment> data,
             bool data_is_mapped) override {
    FakeCommand& command = of(request);
    BALLAST_ASSERT(!command.fetch_pending && !command.buffer_pending);
    BALLAST_ASSERT(command.replies_count == 0);
    ++command.replies_count;
    command.answered_as = ++answers_count_;
    command.completion = completion;
    command.mapped = data_is_mapped;
    request.state = transport::Request::State::replying;
    command.received.clear();
    if (!request.abandoned) {
      for (const Segment& segment : data) {
        command.received.insert(command.received.end(), segment.base, segment.base + segment.size_bytes);
      }
    }
    if (!hold_releases) release(command);
  }
  bool try_withdraw(transport::Request& request) override {
    FakeCommand& command = of(request);
    if (refuse_withdraw || (!command.fetch_pending && !command.buffer_pending)) return false;
    command.fetch_pending = command.buffer_pending = false;
    request.state = transport::Request::State::received;
    return true;
  }
  bool refuse_withdraw = false;
  transport::Request* find_request(uint16_t cid) override {
    for (const auto& command : commands_) {
      if (command->request.command.cid == cid && !command->released) return &command->request;
    }
    return nullptr;
  }
  void close(transport::CloseReason) override {}
  void detach() override {}
  const SocketAddress& peer_address() const override { return address_; }
  const SocketAddress& local_address() const override { return address_; }

 private:
  FakeCommand& of(transport::Request& request) {
    return *commands_.at(static_cast<size_t>(request.command.cid) - 1);
  }

  Reactor& reactor_;
  transport::QpairObserver* observer_ = nullptr;
  std::vector<std::unique_ptr<FakeCommand>> commands_;
  uint32_t answers_count_ = 0;
  SocketAddress address_{"127.0.0.1", 4420};
};

}  // namespace ballast::test
