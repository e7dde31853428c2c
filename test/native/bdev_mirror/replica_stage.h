// A replica over devices, in a simulated world of two reactors: the first is its home. What a head says to it
// goes through local connections. Header only.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "bdev/file/file_bdev.h"
#include "bdev/memory/memory_bdev.h"
#include "bdev/mirror/replica_local.h"
#include "bdev/mirror/replica_open.h"
#include "bdev/mirror/replica_port.h"
#include "reactor/simulated_world.h"
#include "support/native/scripted_bdev.h"

namespace ballast::bdev::mirror::test {

inline Uuid id_of(uint8_t number) {
  Uuid uuid;
  uuid.bytes.fill(number);
  return uuid;
}

// As files with direct I/O need it.
template <typename T>
struct PageAllocator {
  using value_type = T;
  T* allocate(size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t{4096}));
  }
  void deallocate(T* memory, size_t) { ::operator delete(memory, std::align_val_t{4096}); }
  bool operator==(const PageAllocator&) const = default;
};

// An I/O of a head with its own memory.
struct HeadIo {
  HeadIo(IoType type, uint64_t lba, uint32_t blocks_count, uint8_t filled_with = 0)
      : memory(size_t{blocks_count} * 4096, filled_with), segment{memory.data(), memory.size()} {
    io.type = type;
    io.lba = lba;
    io.blocks_count = blocks_count;
    if (type == IoType::read || type == IoType::write) io.data = {&segment, 1};
    io.context = this;
    io.done = [](Io& ended, Status with) {
      HeadIo& self = *static_cast<HeadIo*>(ended.context);
      EXPECT_FALSE(self.status.has_value());
      self.status = with;
      if (self.then) self.then();
    };
  }
  std::vector<uint8_t, PageAllocator<uint8_t>> memory;
  Segment segment;
  Io io;
  std::optional<Status> status;
  std::function<void()> then;
};

class ReplicaStage {
 public:
  static constexpr uint64_t k_size_bytes = uint64_t{64} << 20;

  explicit ReplicaStage(uint64_t seed = 1)
      : world(seed), home(world.add_reactor()), other(world.add_reactor()) {
    data = std::make_shared<ballast::test::ScriptedBdev>(make_memory_bdev({k_size_bytes, 4096}).value());
    metadata = std::make_shared<ballast::test::ScriptedBdev>(
        make_memory_bdev({replica_metadata_bytes(k_size_bytes).value(), 4096}).value());
  }
  ~ReplicaStage() { close(); }

  // What the open ended with; ok: it is `replica`.
  Errc open(const ReplicaFormat& format = {.uuid = id_of(0xaa), .volume_uuid = id_of(0xbb)},
            std::shared_ptr<Bdev> over = nullptr, std::shared_ptr<Bdev> beside = nullptr) {
    std::optional<Errc> errc;
    world.on(home, [&] {
      open_replica(home, over ? over : data, beside ? beside : metadata, format, options, [&](auto opened) {
        errc = opened.errc();
        if (opened.ok()) {
          replica = std::move(*opened);
        } else {
          error_text = opened.error().text;
        }
      });
    });
    EXPECT_TRUE(world.run_until([&] { return errc.has_value(); }));
    return errc.value_or(Errc::timed_out);
  }
  void close() {
    if (replica == nullptr) return;
    bool closed = false;
    world.on(home, [&] { replica->close([&closed] { closed = true; }); });
    while (!connections.empty()) end(0);
    EXPECT_TRUE(world.run_until([&] { return closed; }));
    world.on(home, [&] { replica.reset(); });
  }
  Errc reopen(const ReplicaFormat& format = {}) {
    close();
    return open(format);
  }
  ReplicaFacts facts() {
    ReplicaFacts facts;
    world.on(home, [&] { facts = replica->facts(); });
    return facts;
  }

  // --- heads ---
  struct Connection {
    Reactor* reactor = nullptr;
    std::unique_ptr<ReplicaConnector> connector;
    std::unique_ptr<ReplicaConnection> way;
    Errc errc = Errc::ok;
    bool is_lost = false;
    std::optional<ReplicaAnswer> answer;
    std::vector<uint8_t> sent = std::vector<uint8_t>(4096), got = std::vector<uint8_t>(4096);
  };
  Connection& connect(Reactor& reactor) {
    Connection& made = *connections.emplace_back(std::make_unique<Connection>());
    made.reactor = &reactor;
    bool told = false;
    world.on(reactor, [&] {
      made.connector = make_local_connector(*replica, reactor);
      made.connector->connect(
          [&](auto result) {
            told = true;
            made.errc = result.errc();
            if (result.ok()) made.way = std::move(*result);
          },
          [&made](const std::string&) { made.is_lost = true; });
    });
    EXPECT_TRUE(world.run_until([&] { return told; }));
    return made;
  }
  void end(size_t index) {
    Connection& ended = *connections.at(index);
    bool closed = ended.way == nullptr;
    if (!closed) world.on(*ended.reactor, [&] { ended.way->close([&closed] { closed = true; }); });
    EXPECT_TRUE(world.run_until([&] { return closed; }));
    world.on(*ended.reactor, [&] { ended.way.reset(), ended.connector.reset(); });
    connections.erase(connections.begin() + static_cast<ptrdiff_t>(index));
  }
  void ask(Connection& head, ReplicaOpcode opcode, ByteSpan sent = {}, size_t wanted = 0, uint64_t first = 0,
           uint32_t argument = 0) {
    head.answer.reset();
    std::copy(sent.begin(), sent.end(), head.sent.begin());
    const bool reads_map = opcode == ReplicaOpcode::read_intent || opcode == ReplicaOpcode::read_absent;
    if (opcode == ReplicaOpcode::grow) argument = static_cast<uint32_t>(first);
    const CommandWords words{.opcode = opcode,
                             .cdw10 = reads_map ? static_cast<uint32_t>(first) : argument,
                             .cdw11 = static_cast<uint32_t>(first >> 32),
                             .cdw12 = reads_map ? static_cast<uint32_t>(wanted) : 0,
                             .cdw13 = reads_map ? argument : 0};
    const ReplicaRequest request{words, ByteSpan(head.sent).first(sent.size()),
                                 MutableByteSpan(head.got).first(wanted)};
    world.on(*head.reactor, [&] {
      head.way->request(request, [&head](const ReplicaAnswer& answer) { head.answer = answer; });
    });
  }
  ReplicaAnswer wait(Connection& head) {
    EXPECT_TRUE(world.run_until([&] { return head.answer.has_value(); }));
    return head.answer.value_or(ReplicaAnswer{Status::busy, Refusal::none});
  }
  void start_seal(Connection& head, uint64_t epoch, uint64_t session = 1, uint8_t of_head = 1,
                  uint8_t volume = 0xbb, uint64_t sealed_epoch = 0) {
    const SealRequest request{.epoch = epoch,
                              .session = session,
                              .sealed_epoch = sealed_epoch,
                              .volume_uuid = id_of(volume),
                              .replica_uuid = id_of(0xaa),
                              .head_uuid = id_of(of_head),
                              .blocks_count = k_size_bytes / 4096};
    ReplicaBlock block{};
    store(MutableByteSpan(block), request);
    ask(head, ReplicaOpcode::seal, block);
  }
  ReplicaAnswer seal(Connection& head, uint64_t epoch, uint64_t session = 1, uint8_t of_head = 1,
                     uint8_t volume = 0xbb, uint64_t sealed_epoch = 0) {
    start_seal(head, epoch, session, of_head, volume, sealed_epoch);
    return wait(head);
  }
  ReplicaState state(Connection& head) {
    ask(head, ReplicaOpcode::read_state, {}, 4096);
    EXPECT_EQ(wait(head).status, Status::ok);
    return load<ReplicaState>(ByteSpan(head.got));
  }
  void submit(Connection& head, HeadIo& io) {
    world.on(*head.reactor, [&] { head.way->submit(io.io); });
  }
  Status run(Connection& head, HeadIo& io) {
    submit(head, io);
    EXPECT_TRUE(world.run_until([&] { return io.status.has_value(); }));
    return io.status.value_or(Status::busy);
  }
  Status write(Connection& head, uint64_t lba, uint8_t filled_with) {
    HeadIo io(IoType::write, lba, 1, filled_with);
    return run(head, io);
  }
  // The byte that the block is full of.
  int read(Connection& head, uint64_t lba) {
    HeadIo io(IoType::read, lba, 1);
    if (run(head, io) != Status::ok) return -1;
    EXPECT_EQ(io.memory.front(), io.memory.back());
    return io.memory.front();
  }

  // --- bytes of the metadata, past the replica ---
  std::vector<uint8_t> metadata_block(uint64_t block) {
    HeadIo io(IoType::read, block, 1);
    run_on_metadata(io);
    return {io.memory.begin(), io.memory.end()};
  }
  void set_metadata_block(uint64_t block, const std::vector<uint8_t>& bytes) {
    HeadIo io(IoType::write, block, 1);
    std::copy(bytes.begin(), bytes.end(), io.memory.begin());
    run_on_metadata(io);
  }
  void spoil_metadata_block(uint64_t block, size_t at = 100) {
    std::vector<uint8_t> bytes = metadata_block(block);
    bytes[at] ^= 0x10;
    set_metadata_block(block, bytes);
  }
  void run_on_metadata(HeadIo& io) {
    world.on(home, [&] {
      const auto channel = metadata->open(home);
      channel->submit(io.io);
      EXPECT_TRUE(io.status == Status::ok);
    });
  }

  SimulatedWorld world;
  Reactor& home;
  Reactor& other;
  std::shared_ptr<ballast::test::ScriptedBdev> data, metadata;
  ReplicaOptions options;
  std::unique_ptr<mirror::Replica> replica;
  std::string error_text;
  std::vector<std::unique_ptr<Connection>> connections;
};

}  // namespace ballast::bdev::mirror::test
