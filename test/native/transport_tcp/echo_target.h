// A small block device behind the TCP target transport, for tests of the transport alone: 512-byte blocks in
// memory, Connect, Read, Write and nothing else. Counts what it is told, and can hold commands back.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "reactor/simulated_world.h"
#include "support/native/raw_host.h"
#include "transport/tcp/tcp.h"

namespace ballast::test {

using transport::CloseReason;
using transport::DataUse;
using transport::Request;
using transport::TargetQpair;

inline constexpr uint32_t k_block_bytes = 512;
inline constexpr size_t k_device_bytes = 1 << 20;

struct EchoBehaviour {
  bool mapped_reads = true;    // else through alloc_reply_buffer()
  uint16_t qid = 1;            // told to activate()
  uint32_t surplus_bytes = 0;  // mapped reads answer so much more than was asked
};

class EchoQpair final : public transport::QpairObserver {
 public:
  EchoQpair(TargetQpair& qpair, Bytes& device, const EchoBehaviour& behaviour)
      : qpair_(&qpair), device_(device), behaviour_(behaviour) {}

  uint32_t shown = 0, released = 0, fetched = 0, fetch_errors = 0, buffers = 0;
  bool hold = false;  // requests stay here until resume_held()
  bool closed = false;
  CloseReason close_reason = CloseReason::local_request;
  std::vector<Request*> held;
  std::vector<Request*> mapped;

  TargetQpair& qpair() { return *qpair_; }
  void resume_held() {
    std::vector<Request*> now;
    now.swap(held);
    hold = false;
    for (Request* request : now) execute(*request);
  }

  void on_request(Request& request) override {
    ++shown;
    if (hold) {
      held.push_back(&request);
    } else {
      execute(request);
    }
  }
  void on_fetched(Request& request, nvme::Status status) override {
    ++fetched;
    if (!status.ok()) {
      ++fetch_errors;
      return answer(request, status);
    }
    if (request.command.opcode == nvme::k_opcode_fabrics) return connect(request);
    std::memcpy(device_.data() + offset_of(request), request.data.base, request.data.size_bytes);
    answer(request, nvme::status::success);
  }
  void on_buffer(Request& request) override {
    ++buffers;
    if (request.data.base == nullptr) return answer(request, nvme::status::aborted_sq_deletion);
    std::memcpy(request.data.base, device_.data() + offset_of(request), request.data.size_bytes);
    request.qpair->reply(request, {}, {&request.data, 1});
  }
  void on_released(Request&) override { ++released; }
  void on_closed(TargetQpair& qpair, CloseReason reason) override {
    EXPECT_FALSE(closed);
    closed = true;
    close_reason = reason;
    std::vector<Request*> now;
    now.swap(held);
    for (Request* request : now) answer(*request, nvme::status::success);
    qpair.detach();
  }

 private:
  static size_t offset_of(const Request& request) {
    return (request.command.cdw10 * size_t{k_block_bytes}) % (k_device_bytes / 2);
  }
  static void answer(Request& request, nvme::Status status) {
    nvme::Completion completion;
    completion.set_status(status);
    request.qpair->reply(request, completion);
  }
  void execute(Request& request) {
    switch (request.command.opcode) {
      case nvme::k_opcode_fabrics: return fetch(request, DataUse::until_on_fetched_returns);
      case static_cast<uint8_t>(nvme::NvmOpcode::write):
        // Both ways, whatever a test is about.
        return fetch(request, request.command.cid % 2 == 0 ? DataUse::until_on_fetched_returns
                                                           : DataUse::until_released);
      case static_cast<uint8_t>(nvme::NvmOpcode::read): return read(request);
      default: return answer(request, nvme::status::invalid_opcode);
    }
  }
  static void fetch(Request& request, DataUse use) {
    request.qpair->fetch(request, request.sgl_length_bytes, use);
  }
  void read(Request& request) {
    const uint32_t size_bytes = request.sgl_length_bytes;
    if (size_bytes == 0) return answer(request, nvme::status::success);
    if (!behaviour_.mapped_reads) return request.qpair->alloc_reply_buffer(request, size_bytes);
    const Segment segment{device_.data() + offset_of(request), size_bytes + behaviour_.surplus_bytes};
    request.qpair->reply(request, {}, {&segment, 1}, true);
  }
  void connect(Request& request) {
    if (static_cast<uint8_t>(request.command.nsid) != 1) return answer(request, nvme::status::invalid_opcode);
    transport::QpairParameters parameters;
    parameters.queue_entries = static_cast<uint16_t>((request.command.cdw11 & 0xffff) + 1);
    parameters.flow_control_disabled = (request.command.cdw11 >> 16 & 4) != 0;
    parameters.qid = behaviour_.qid;
    answer(request, request.qpair->activate(parameters).ok() ? nvme::status::success
                                                             : nvme::status::connect_controller_busy);
  }

  TargetQpair* qpair_;
  Bytes& device_;
  const EchoBehaviour& behaviour_;
};

// One reactor with one listener in a simulated world.
class EchoTarget final : private AcceptObserver, private transport::ConnectionObserver {
 public:
  explicit EchoTarget(const transport::tcp::TargetOptions& options = {}, const BufferArenaSizes& arena = {},
                      uint64_t seed = 1)
      : world(seed), reactor(world.add_reactor(arena)) {
    world.on(reactor, [&] {
      transport = transport::tcp::TargetTransport::create(reactor, options, *this);
      listener_ = std::move(reactor.io().listen({"127.0.0.1", 0}, *this).value());
    });
    small_free_ = reactor.buffers().small_free();
    large_free_ = reactor.buffers().large_free();
  }
  ~EchoTarget() override {
    bool closed = false;
    world.on(reactor, [&] { transport->close_all(CloseReason::local_request, [&] { closed = true; }); });
    world.run_until([&] { return closed; });
    EXPECT_TRUE(closed);
    expect_released();
    world.on(reactor, [&] {
      listener_.reset();
      transport.reset();  // asserts that its request pool has everything back
    });
  }

  SocketAddress address() const { return listener_->local_address(); }
  const transport::tcp::TargetCounters& counters() const { return transport->counters(); }
  // Every closed connection has given back what it had, and no open one holds a buffer.
  void expect_released() {
    EXPECT_EQ(reactor.buffers().small_free(), small_free_);
    EXPECT_EQ(reactor.buffers().large_free(), large_free_);
    for (const auto& qpair : qpairs) {
      if (qpair->closed) {
        EXPECT_EQ(qpair->shown, qpair->released);
      }
    }
  }
  // A host with ICReq and Connect behind it.
  std::unique_ptr<RawHost> connect(const IcReqFields& ic = {}, const ConnectFields& fields = {}) {
    auto host = std::make_unique<RawHost>(world, address());
    EXPECT_TRUE(host->initialize(ic));
    const Answer answer = host->execute(connect_command(fields), connect_data(fields));
    EXPECT_TRUE(answer.answered);
    EXPECT_TRUE(answer.status().ok());
    return host;
  }

  SimulatedWorld world;
  Reactor& reactor;
  EchoBehaviour behaviour;
  Bytes device = Bytes(k_device_bytes);
  std::unique_ptr<transport::tcp::TargetTransport> transport;
  std::vector<std::unique_ptr<EchoQpair>> qpairs;  // in the order of connecting

 private:
  void on_accepted(Descriptor accepted, const SocketAddress& peer) override {
    transport->add_connection(accepted, peer);
  }
  transport::QpairObserver* on_connection(TargetQpair& qpair) override {
    qpairs.push_back(std::make_unique<EchoQpair>(qpair, device, behaviour));
    return qpairs.back().get();
  }

  std::unique_ptr<ListenSocket> listener_;
  uint32_t small_free_ = 0;
  uint32_t large_free_ = 0;
};

inline nvme::Command write_command(uint16_t cid, uint64_t lba, uint32_t blocks_count) {
  return io_command(nvme::NvmOpcode::write, cid, 1, lba, blocks_count);
}
inline nvme::Command read_command(uint16_t cid, uint64_t lba, uint32_t blocks_count) {
  return with_transport_data(io_command(nvme::NvmOpcode::read, cid, 1, lba, blocks_count),
                             blocks_count * k_block_bytes);
}

// Writes, reads back, compares: the connection works.
inline void expect_works(RawHost& host, uint32_t seed = 77) {
  const Bytes data = pattern(4096, seed);
  const Answer written = host.execute(write_command(200, 64, 8), data);
  EXPECT_TRUE(written.answered);
  EXPECT_TRUE(written.status().ok());
  const Answer read = host.execute(read_command(201, 64, 8));
  EXPECT_TRUE(read.answered);
  EXPECT_TRUE(read.status().ok());
  EXPECT_TRUE(read.digests_ok);
  EXPECT_EQ(read.data, data);
}

}  // namespace ballast::test
