// In steady state the target transport allocates nothing per I/O, and an idle connection holds little.
// Counted at malloc, over a backend of this file that allocates nothing itself.
#include <cerrno>
#include <cstdlib>
#include <new>

#include "native/transport_tcp/echo_target.h"
#include "transport/tcp/target_request.h"

#if defined(__SANITIZE_ADDRESS__)
// GCC 12 of Debian has the function but not its header.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, size_t),
                                                         void (*on_free)(const volatile void*));
#endif

namespace {

uint64_t allocations_count = 0;
uint64_t allocated_bytes = 0;

void on_allocation(size_t bytes_count) {
  ++allocations_count;
  allocated_bytes += bytes_count;
}

}  // namespace

#if defined(__SANITIZE_ADDRESS__)
namespace {
void on_malloc(const volatile void*, size_t bytes_count) { on_allocation(bytes_count); }
void on_free(const volatile void*) {}
const int hooks_installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}  // namespace
#else
// All forms that are used here: a sanitizer has the others to itself.
void* operator new(size_t bytes_count) {
  on_allocation(bytes_count);
  if (void* const memory = std::malloc(bytes_count)) return memory;
  std::abort();
}
void* operator new(size_t bytes_count, std::align_val_t alignment) {
  on_allocation(bytes_count);
  const auto unit = static_cast<size_t>(alignment);
  if (void* const memory = std::aligned_alloc(unit, (bytes_count + unit - 1) / unit * unit)) return memory;
  std::abort();
}
void* operator new(size_t bytes_count, const std::nothrow_t&) noexcept { return operator new(bytes_count); }
void* operator new(size_t bytes_count, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return operator new(bytes_count, alignment);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
#endif

namespace ballast::test {
namespace {

// One connection whose input the test writes and whose output is only counted.
class FixedSocket final : public Socket {
 public:
  explicit FixedSocket(SocketObserver& observer) : observer_(observer) {}

  int64_t receive(std::span<const Segment> into) override {
    size_t received = 0;
    for (const Segment& segment : into) {
      const size_t piece = std::min(segment.size_bytes, input.size() - position);
      if (piece != 0) std::memcpy(segment.base, input.data() + position, piece);
      position += piece;
      received += piece;
    }
    return received != 0 ? static_cast<int64_t>(received) : -EAGAIN;
  }
  int64_t send(std::span<const Segment> data) override {
    int64_t sent = 0;
    for (const Segment& segment : data) sent += static_cast<int64_t>(segment.size_bytes);
    sent_bytes += static_cast<uint64_t>(sent);
    return sent;
  }
  void set_reading(bool on) override { reading = on; }
  void notify_writable() override {}
  void shutdown_send() override {}
  void discard_unsent_on_close() override {}
  SocketAddress local_address() const override { return {"127.0.0.1", 4420}; }
  SocketAddress peer_address() const override { return {"127.0.0.1", 50000}; }

  bool poll() { return reading && position < input.size() && observer_.on_readable(); }

  ByteSpan input;
  size_t position = 0;
  uint64_t sent_bytes = 0;
  bool reading = true;

 private:
  SocketObserver& observer_;
};

class FixedBackend final : public IoBackend {
 public:
  Result<std::unique_ptr<ListenSocket>> listen(const SocketAddress&, AcceptObserver&) override {
    return Errc::unsupported;
  }
  Result<std::unique_ptr<Socket>> adopt(Descriptor, SocketObserver& observer) override {
    auto made = std::make_unique<FixedSocket>(observer);
    socket = made.get();
    return std::unique_ptr<Socket>(std::move(made));
  }
  Result<std::unique_ptr<Socket>> connect(const SocketAddress&, SocketObserver&) override {
    return Errc::unsupported;
  }
  void close_descriptor(Descriptor) override {}
  void submit(FileOp&) override {}
  void register_memory(Segment) override {}
  uint32_t poll() override { return socket != nullptr && socket->poll() ? 1 : 0; }
  void flush() override {}
  void sleep(uint64_t) override {}
  void wake() override {}

  FixedSocket* socket = nullptr;
};

class FixedTarget final : private transport::ConnectionObserver {
 public:
  FixedTarget()
      : prng(1),
        reactor({}, backend, clock, prng, std::move(BufferArena::create({}).value())),
        entered(reactor),
        transport(transport::tcp::TargetTransport::create(reactor, {}, *this)) {}
  ~FixedTarget() override {
    transport->close_all(CloseReason::local_request, [] {});
  }
  void add() { transport->add_connection(1, {"127.0.0.1", 50000}); }
  void feed(const Bytes& bytes) {
    FixedSocket& socket = *backend.socket;
    socket.input = bytes;
    socket.position = 0;
    while (reactor.turn()) {
    }
    ASSERT_EQ(socket.position, bytes.size());
  }
  transport::QpairObserver* on_connection(TargetQpair& qpair) override {
    qpairs.push_back(std::make_unique<EchoQpair>(qpair, device, behaviour));
    return qpairs.back().get();
  }

  EchoBehaviour behaviour;
  Bytes device = Bytes(k_device_bytes);
  FixedBackend backend;
  MonotonicClock clock;
  Prng prng;
  Reactor reactor;
  Reactor::Entered entered;
  std::unique_ptr<transport::tcp::TargetTransport> transport;
  std::vector<std::unique_ptr<EchoQpair>> qpairs;
};

// 32 commands: writes from the capsule, reads, and writes by R2T.
Bytes commands(const PduOptions& options) {
  Bytes burst;
  for (uint16_t cid = 0; cid < 32; ++cid) {
    const nvme::Command write = write_command(cid, cid * 8u, 8);
    if (cid % 4 < 2) {
      append(burst, build_capsule(with_capsule_data(write, 4096), pattern(4096, cid), options));
    } else if (cid % 4 == 2) {
      append(burst, build_capsule(read_command(cid, cid * 8u, 8), {}, options));
    } else {
      append(burst, build_capsule(with_transport_data(write, 4096), {}, options));
    }
  }
  return burst;
}

TEST(TargetAllocation, nothing_is_allocated_per_io) {
  for (const bool digests : {false, true}) {
    for (const bool mapped : {false, true}) {
      FixedTarget target;
      target.behaviour.mapped_reads = mapped;
      target.add();
      target.feed(build_ic_req({.header_digest = digests, .data_digest = digests}));
      const PduOptions options{.header_digest = digests, .data_digest = digests};
      target.feed(build_capsule(with_capsule_data(connect_command({.sqsize = 127}), 1024), connect_data({}),
                                options));
      const Bytes burst = commands(options);
      Bytes data;  // of the R2Ts of one burst; their tags are set each round
      for (uint16_t i = 0; i < 8; ++i) {
        const DataFields fields{.cccid = static_cast<uint16_t>(i * 4 + 3), .ttag = 0};
        append(data, build_data(fields, pattern(4096, i), {.data_digest = digests}));
      }
      uint16_t ttag = 0;
      uint64_t allocations_before = 0;
      for (int round = 0; round < 320; ++round) {
        if (round == 2) allocations_before = allocations_count;
        target.feed(burst);
        // A header digest would have to be computed for every tag: those transfers are left out of the count.
        if (digests) {
          const uint64_t counted = allocations_count;
          Bytes digested;
          for (uint16_t i = 0; i < 8; ++i) {
            const DataFields fields{.cccid = static_cast<uint16_t>(i * 4 + 3), .ttag = ++ttag};
            append(digested, build_data(fields, pattern(4096, i), options));
          }
          allocations_count = counted;
          target.feed(digested);
        } else {
          const size_t stride = data.size() / 8;
          for (uint16_t i = 0; i < 8; ++i) {
            ++ttag;
            std::memcpy(&data[i * stride + offsetof(tcp::DataPdu, ttag)], &ttag, 2);
          }
          target.feed(data);
        }
        ASSERT_EQ(target.qpairs[0]->shown, target.qpairs[0]->released);
      }
      EXPECT_EQ(target.qpairs[0]->shown, 1u + 320 * 32);
      EXPECT_EQ(allocations_count - allocations_before, 0u);
    }
  }
}

TEST(TargetAllocation, an_idle_connection_of_depth_128_holds_less_than_16_kib) {
  FixedTarget target;
  const auto connect = [&target] {
    target.add();
    target.feed(build_ic_req());
    target.feed(build_capsule(with_capsule_data(connect_command({.sqsize = 127}), 1024), connect_data({})));
  };
  connect();
  // The requests reserved for the depth of a queue are address space until they are used.
  constexpr size_t k_reserved = 128 * ((sizeof(transport::tcp::TargetRequest) + 63) / 64 * 64);
  const uint64_t before = allocated_bytes;
  for (int i = 0; i < 16; ++i) connect();
  const uint64_t per_connection = (allocated_bytes - before) / 16;
  EXPECT_GT(per_connection, k_reserved);
  EXPECT_LT(per_connection - k_reserved, 16u * 1024);
}

}  // namespace
}  // namespace ballast::test
