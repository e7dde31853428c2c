// A target of ours on a thread of its own, and one client on the test's thread, driven as fio drives it.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "engine/engine.h"
#include "tools/fio/client.h"

namespace ballast::fio::test {

inline constexpr char k_nqn[] = "nqn.2026-11.dev.ballast:test:fio";
inline constexpr uint32_t k_block = 4096;
inline constexpr uint64_t k_volume_bytes = 4u << 20;
inline constexpr uint32_t k_depth = 16;

class ClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_sink(
        [](void* context, LogLevel level, const char*, std::string_view line) {
          auto& self = *static_cast<ClientTest*>(context);
          if (level < LogLevel::warning || std::this_thread::get_id() != self.thread_) return;
          self.log_.emplace_back(line);
        },
        this);
    start_target();
  }
  void TearDown() override {
    client_.reset();
    stop_target();
    set_log_sink(nullptr, nullptr);
  }

  void start_target() {
    engine::EngineOptions options;
    options.reactors.buffers.small_count = 256;
    options.reactors.buffers.large_count = 64;
    engine_ = std::move(engine::Engine::start(options).value());
    engine::VolumeConfig volume;
    volume.name = "test";
    volume.size_bytes = k_volume_bytes;
    volume.nqn = k_nqn;
    volume.uuid.bytes[15] = 1;
    ASSERT_TRUE(engine_->add_volume(volume).ok());
    const auto bound = engine_->listen({{"127.0.0.1", 0}, {}});
    ASSERT_TRUE(bound.ok());
    uri_ = "tcp://" + bound.value().text() + "/" + k_nqn;
  }
  // On a thread that runs no reactor, as the engine wants it: while a client lives, this one runs its.
  void stop_target() {
    if (engine_ == nullptr) return;
    std::thread([this] { engine_.reset(); }).join();
  }

  ClientOptions options() {
    ClientOptions options;
    options.uri = uri_;
    options.queue_depth = k_depth;
    return options;
  }
  void connect(const ClientOptions& options) {
    auto connected = Client::connect(options);
    ASSERT_TRUE(connected.ok()) << connected.error().text;
    client_ = std::move(connected.value());
    for (uint32_t i = 0; i < k_depth; ++i) {
      buffers_[i].assign(2 * k_block, 0);
      requests_[i] = &client_->attach(i, &buffers_[i]);
    }
  }
  int submit(uint32_t index, Client::Operation operation, uint64_t offset, uint64_t length_bytes) {
    return client_->submit(*requests_[index], operation, offset, buffers_[index].data(), length_bytes);
  }
  // One I/O to its end; its errno.
  int run(Client::Operation operation, uint64_t offset, uint64_t length_bytes = k_block) {
    const int refused = submit(0, operation, offset, length_bytes);
    if (refused != 0) return refused;
    EXPECT_EQ(client_->collect(1, 1), 1u);
    EXPECT_EQ(client_->collected(0).owner, &buffers_[0]);
    return client_->collected(0).error;
  }

  std::unique_ptr<engine::Engine> engine_;
  std::string uri_;
  std::unique_ptr<Client> client_;
  std::vector<uint8_t> buffers_[k_depth];
  Client::Request* requests_[k_depth] = {};
  std::vector<std::string> log_;  // of this thread: the client's
  const std::thread::id thread_ = std::this_thread::get_id();
};

}  // namespace ballast::fio::test
