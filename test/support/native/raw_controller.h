// A target over a simulated world, and hosts that talk to it in raw PDUs. Every reactor listens on a port of
// its own, so that a test chooses the reactor of each queue. Header only.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "bdev/memory/memory_bdev.h"
#include "nvme/fabrics.h"
#include "nvme/features.h"
#include "nvme/identify.h"
#include "nvme/log_pages.h"
#include "support/native/raw_host.h"
#include "target/target.h"
#include "transport/tcp/tcp.h"

namespace ballast::test {

inline constexpr char k_subsystem[] = "nqn.2026-11.dev.ballast:volume:one";
inline constexpr char k_host[] = "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555";
inline constexpr char k_other_host[] = "nqn.2014-08.org.nvmexpress:uuid:99999999-2222-3333-4444-555555555555";

inline Uuid uuid_of(uint8_t byte) {
  Uuid uuid;
  uuid.bytes.fill(byte);
  return uuid;
}

class TargetWorld {
 public:
  explicit TargetWorld(uint32_t reactors_count, const target::TargetOptions& options = {}) : world_(7) {
    std::vector<Reactor*> reactors;
    for (uint32_t i = 0; i < reactors_count; ++i) reactors.push_back(&world_.add_reactor());
    target_ = target::Target::create(reactors, options);
    for (uint32_t i = 0; i < reactors_count; ++i) {
      auto node = std::make_unique<Node>();
      node->reactor = reactors[i];
      world_.on(*reactors[i], [&] {
        node->transport =
            transport::tcp::TargetTransport::create(*reactors[i], {}, target_->connection_observer(i));
        auto listening = reactors[i]->io().listen(address(i), *node);
        ASSERT_TRUE(listening.ok());
        node->listener = std::move(listening.value());
      });
      nodes_.push_back(std::move(node));
    }
  }

  ~TargetWorld() {
    if (target_ != nullptr && !closing_) close();
    target_.reset();
    for (const auto& node : nodes_) {
      bool closed = false;
      world_.on(*node->reactor, [&] {
        node->listener.reset();
        node->transport->close_all(transport::CloseReason::local_request, [&closed] { closed = true; });
      });
      EXPECT_TRUE(world_.run_until([&] { return closed; }));
      world_.on(*node->reactor, [&] { node->transport.reset(); });
    }
  }

  SimulatedWorld& world() { return world_; }
  target::Target& target() { return *target_; }
  uint32_t reactors_count() const { return static_cast<uint32_t>(nodes_.size()); }
  Reactor& reactor(uint32_t index) { return *nodes_.at(index)->reactor; }
  static SocketAddress address(uint32_t reactor) {
    return {"127.0.0.1", static_cast<uint16_t>(4420 + reactor)};
  }

  // Makes a change and waits until it has taken effect everywhere; false if it was refused.
  template <typename Change>
  bool change(Change body) {
    bool done = false;
    const Outcome outcome = body([&done] { done = true; });
    if (!outcome.ok()) return false;
    EXPECT_TRUE(world_.run_until([&] { return done; }));
    return done;
  }
  bool add_subsystem(const target::SubsystemConfig& config) {
    return change([&](auto done) { return target_->add_subsystem(config, done); });
  }
  bool add_subsystem(const std::string& nqn = k_subsystem) {
    target::SubsystemConfig config;
    config.nqn = nqn;
    config.serial_number = "SERIAL";
    return add_subsystem(config);
  }
  bool add_namespace(uint32_t nsid, std::shared_ptr<bdev::Bdev> device, const std::string& nqn = k_subsystem,
                     bool read_only = false) {
    const target::NamespaceConfig config{nsid, uuid_of(static_cast<uint8_t>(nsid)), std::move(device),
                                         read_only};
    return change([&](auto done) { return target_->add_namespace(nqn, config, done); });
  }
  bool add_memory_namespace(uint32_t nsid, uint64_t blocks_count = 1024, uint32_t block_size_bytes = 4096,
                            const std::string& nqn = k_subsystem) {
    auto device = bdev::make_memory_bdev({blocks_count * block_size_bytes, block_size_bytes});
    return device.ok() && add_namespace(nsid, device.value(), nqn);
  }
  // Closes without waiting; `done` is set when that has ended, and must be before the world goes.
  void start_close(bool& done) {
    closing_ = true;
    target_->close([&done] { done = true; });
  }
  void close() {
    bool done = false;
    start_close(done);
    EXPECT_TRUE(world_.run_until([&] { return done; }));
    EXPECT_EQ(target_->controllers_count(), 0u);
    target_.reset();
  }

 private:
  struct Node final : AcceptObserver {
    void on_accepted(Descriptor accepted, const SocketAddress& peer) override {
      transport->add_connection(accepted, peer);
    }
    Reactor* reactor = nullptr;
    std::unique_ptr<transport::tcp::TargetTransport> transport;
    std::unique_ptr<ListenSocket> listener;
  };

  SimulatedWorld world_;
  std::unique_ptr<target::Target> target_;
  bool closing_ = false;
  std::vector<std::unique_ptr<Node>> nodes_;
};

inline nvme::Command property_get_command(uint32_t offset, uint8_t attributes, uint16_t cid = 1) {
  nvme::Command command =
      command_of(nvme::k_opcode_fabrics, cid, static_cast<uint32_t>(nvme::FabricsType::property_get));
  command.cdw10 = attributes;
  command.cdw11 = offset;
  return command;
}

inline nvme::Command property_set_command(uint32_t offset, uint8_t attributes, uint64_t value,
                                          uint16_t cid = 1) {
  nvme::Command command =
      command_of(nvme::k_opcode_fabrics, cid, static_cast<uint32_t>(nvme::FabricsType::property_set));
  command.cdw10 = attributes;
  command.cdw11 = offset;
  command.cdw12 = static_cast<uint32_t>(value);
  command.cdw13 = static_cast<uint32_t>(value >> 32);
  return command;
}

inline nvme::Command disconnect_command(uint16_t cid = 1) {
  return command_of(nvme::k_opcode_fabrics, cid, static_cast<uint32_t>(nvme::FabricsType::disconnect));
}

inline nvme::Command admin_command(nvme::AdminOpcode opcode, uint16_t cid = 1, uint32_t nsid = 0) {
  return command_of(static_cast<uint8_t>(opcode), cid, nsid);
}

inline nvme::Command identify_command(nvme::Cns cns, uint32_t nsid = 0, uint32_t bytes = 4096) {
  nvme::Command command = admin_command(nvme::AdminOpcode::identify, 1, nsid);
  command.cdw10 = static_cast<uint32_t>(cns);
  return with_transport_data(command, bytes);
}

inline nvme::Command log_command(nvme::LogPage page, uint64_t bytes, uint64_t offset = 0,
                                 uint32_t nsid = nvme::k_nsid_broadcast) {
  nvme::GetLogPage fields;
  fields.page = page;
  fields.length_bytes = bytes;
  fields.offset_bytes = offset;
  nvme::Command command = admin_command(nvme::AdminOpcode::get_log_page, 1, nsid);
  fields.encode(command);
  return with_transport_data(command, static_cast<uint32_t>(bytes));
}

inline nvme::Command set_features_command(nvme::FeatureId id, uint32_t value, uint32_t nsid = 0) {
  nvme::Command command = admin_command(nvme::AdminOpcode::set_features, 1, nsid);
  command.cdw10 = static_cast<uint32_t>(id);
  command.cdw11 = value;
  return command;
}

inline nvme::Command get_features_command(nvme::FeatureId id, uint32_t select = 0, uint32_t nsid = 0) {
  nvme::Command command = admin_command(nvme::AdminOpcode::get_features, 1, nsid);
  command.cdw10 = static_cast<uint32_t>(id) | select << 8;
  return command;
}

inline constexpr uint32_t k_cc_enable = 1 | 6 << 16 | 4 << 20;  // EN, IOSQES, IOCQES

// One queue: connected on the wire; Connect is up to the test.
class RawQueue {
 public:
  RawQueue(TargetWorld& target, uint32_t reactor)
      : host_(target.world(), TargetWorld::address(reactor)), initialized_(host_.initialize()) {
    EXPECT_TRUE(initialized_);
  }
  RawHost& host() { return host_; }
  SimulatedPeer& peer() { return host_.peer(); }
  Answer execute(const nvme::Command& command, ByteSpan data = {}) { return host_.execute(command, data); }
  Answer connect(const ConnectFields& fields) {
    const Bytes data = connect_data(fields);
    return execute(connect_command(fields), data);
  }

 private:
  RawHost host_;
  bool initialized_;
};

// A controller with its admin queue, as a well-behaved host makes it.
class RawController {
 public:
  struct Options {
    std::string subsystem_nqn = k_subsystem;
    std::string host_nqn = k_host;
    uint32_t kato_ms = 0;
    bool enable = true;
    uint8_t host_id_byte = 0x5a;
  };
  RawController(TargetWorld& target, uint32_t reactor) : RawController(target, reactor, Options{}) {}
  RawController(TargetWorld& target, uint32_t reactor, const Options& options)
      : target_(target), options_(options), admin_(target, reactor) {
    const Answer connected = admin_.connect(connect_fields(0));
    EXPECT_TRUE(connected.answered);
    EXPECT_TRUE(connected.status().ok()) << nvme::status_name(connected.status());
    id_ = static_cast<uint16_t>(connected.completion.dw0);
    if (options.enable && connected.status().ok()) {
      EXPECT_TRUE(enable());
    }
  }

  uint16_t id() const { return id_; }
  RawQueue& admin() { return admin_; }
  Answer execute(const nvme::Command& command, ByteSpan data = {}) { return admin_.execute(command, data); }

  ConnectFields connect_fields(uint16_t qid) const {
    ConnectFields fields;
    fields.qid = qid;
    fields.kato_ms = qid == 0 ? options_.kato_ms : 0;
    fields.cntlid = qid == 0 ? 0xffff : id_;
    fields.host_nqn = options_.host_nqn;
    fields.subsystem_nqn = options_.subsystem_nqn;
    fields.host_id_byte = options_.host_id_byte;
    return fields;
  }
  // An I/O queue that has connected; null with a test failure if it has not.
  std::unique_ptr<RawQueue> connect_io(uint16_t qid, uint32_t reactor) {
    auto queue = std::make_unique<RawQueue>(target_, reactor);
    const Answer answer = queue->connect(connect_fields(qid));
    EXPECT_TRUE(answer.answered);
    EXPECT_TRUE(answer.status().ok()) << nvme::status_name(answer.status());
    return answer.status().ok() ? std::move(queue) : nullptr;
  }

  uint64_t get_property(uint32_t offset) {
    const bool wide = offset == nvme::property::cap;
    const Answer answer = execute(property_get_command(offset, wide ? 1 : 0));
    EXPECT_TRUE(answer.status().ok()) << nvme::status_name(answer.status());
    return answer.completion.result();
  }
  nvme::Status set_cc(uint32_t value) {
    return execute(property_set_command(nvme::property::cc, 0, value)).status();
  }
  nvme::ControllerStatus csts() { return {static_cast<uint32_t>(get_property(nvme::property::csts))}; }
  bool enable() { return set_cc(k_cc_enable).ok() && wait_ready(true); }
  bool wait_ready(bool ready) {
    for (int i = 0; i < 100; ++i) {
      if (csts().ready() == ready) return true;
      target_.world().advance(10 * k_ns_per_ms);
    }
    return false;
  }

  template <typename Structure>
  Structure identify(nvme::Cns cns, uint32_t nsid = 0) {
    const Answer answer = execute(identify_command(cns, nsid));
    EXPECT_TRUE(answer.status().ok()) << nvme::status_name(answer.status());
    EXPECT_EQ(answer.data.size(), sizeof(Structure));
    return answer.data.size() >= sizeof(Structure) ? load<Structure>(answer.data) : Structure{};
  }
  template <typename Log>
  Log log(nvme::LogPage page, uint32_t nsid = nvme::k_nsid_broadcast) {
    const Answer answer = execute(log_command(page, sizeof(Log), 0, nsid));
    EXPECT_TRUE(answer.status().ok()) << nvme::status_name(answer.status());
    return answer.data.size() >= sizeof(Log) ? load<Log>(answer.data) : Log{};
  }

 private:
  TargetWorld& target_;
  Options options_;
  RawQueue admin_;
  uint16_t id_ = 0;
};

// True if the connection ends within `for_ns`. What the target still sent is thrown away.
inline bool closes_within(TargetWorld& target, RawQueue& queue, uint64_t for_ns) {
  return target.world().run_until(
      [&queue] {
        while (!queue.peer().receive().empty()) {
        }
        return queue.peer().peer_closed();
      },
      for_ns);
}

}  // namespace ballast::test
