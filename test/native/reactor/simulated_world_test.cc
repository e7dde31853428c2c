// What the simulated world promises to the tests that build on it.
#include "reactor/simulated_world.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <optional>

#include "backend_fixture.h"

namespace ballast::test {
namespace {

const SocketAddress k_address{"127.0.0.1", 4420};

// Serves one connection of a reactor: adopts it and records.
class Server : public AcceptObserver {
 public:
  explicit Server(SimulatedWorld& world, const SocketAddress& address = k_address)
      : world_(world), reactor_(world.add_reactor()) {
    world_.on(reactor_, [&] { listener_ = std::move(*reactor_.io().listen(address, *this)); });
  }
  void on_accepted(Descriptor accepted, const SocketAddress&) override {
    observer.socket = std::move(*reactor_.io().adopt(accepted, observer));
  }
  Reactor& reactor() { return reactor_; }
  RecordingObserver observer;

 private:
  SimulatedWorld& world_;
  Reactor& reactor_;
  std::unique_ptr<ListenSocket> listener_;
};

TEST(SimulatedWorldTest, nothing_happens_while_nobody_turns_it) {
  SimulatedWorld world(1);
  Server server(world);
  SimulatedPeer peer(world, k_address);
  EXPECT_EQ(server.observer.socket, nullptr);
  world.settle();
  EXPECT_NE(server.observer.socket, nullptr);
}

TEST(SimulatedWorldTest, a_peer_and_a_reactor_exchange_bytes) {
  SimulatedWorld world(1);
  Server server(world);
  SimulatedPeer peer(world, k_address);
  peer.send(pattern(100));
  ASSERT_TRUE(world.run_until([&] { return server.observer.received.size() == 100; }));
  EXPECT_EQ(server.observer.received, pattern(100));
  server.observer.send(pattern(50, 1));
  EXPECT_EQ(peer.receive_exactly(50), pattern(50, 1));
  EXPECT_FALSE(peer.peer_closed());
}

TEST(SimulatedWorldTest, run_until_gives_up_when_nothing_is_left_to_do) {
  SimulatedWorld world(1);
  Server server(world);
  const uint64_t start_ns = world.clock().now_ns();
  EXPECT_FALSE(world.run_until([] { return false; }));
  EXPECT_EQ(world.clock().now_ns(), start_ns);
}

TEST(SimulatedWorldTest, the_clock_jumps_to_timers_and_not_beyond_the_time_given) {
  SimulatedWorld world(1);
  Reactor& reactor = world.add_reactor();
  bool fired = false;
  Timer timer([](Timer&, void* context) { *static_cast<bool*>(context) = true; }, &fired);
  const uint64_t start_ns = world.clock().now_ns();
  reactor.arm(timer, 10 * k_ns_per_s);
  EXPECT_FALSE(world.run_until([&] { return fired; }, 5 * k_ns_per_s));
  EXPECT_EQ(world.clock().now_ns(), start_ns + 5 * k_ns_per_s);
  world.settle();
  EXPECT_FALSE(fired);
  EXPECT_TRUE(world.run_until([&] { return fired; }, 6 * k_ns_per_s));
  EXPECT_LT(world.clock().now_ns(), start_ns + 10 * k_ns_per_s + k_ns_per_ms);
}

TEST(SimulatedWorldTest, advance_runs_everything_that_falls_due_on_the_way) {
  SimulatedWorld world(1);
  Reactor& reactor = world.add_reactor();
  struct Ticking {
    Reactor& reactor;
    Timer timer{[](Timer& fired, void* context) {
                  auto& self = *static_cast<Ticking*>(context);
                  ++self.ticks;
                  self.reactor.arm(fired, k_ns_per_s);
                },
                this};
    int ticks = 0;
  } ticking{reactor};
  reactor.arm(ticking.timer, k_ns_per_s);
  world.advance(10 * k_ns_per_s + 10 * k_ns_per_ms);
  EXPECT_EQ(ticking.ticks, 10);
  reactor.cancel(ticking.timer);
}

TEST(SimulatedWorldTest, bytes_and_ends_take_the_delay_of_the_network) {
  SimulatedWorld world(1);
  world.network().delay_ns = 10 * k_ns_per_ms;
  Server server(world);
  SimulatedPeer peer(world, k_address);
  const uint64_t start_ns = world.clock().now_ns();
  ASSERT_TRUE(world.run_until([&] { return server.observer.socket != nullptr; }));
  EXPECT_EQ(world.clock().now_ns(), start_ns + 10 * k_ns_per_ms);
  peer.send(pattern(10));
  peer.close();
  world.settle();
  EXPECT_TRUE(server.observer.received.empty());
  world.advance(10 * k_ns_per_ms);
  EXPECT_EQ(server.observer.received.size(), 10u);
  EXPECT_TRUE(server.observer.closed);
}

TEST(SimulatedWorldTest, receives_can_be_cut_to_single_bytes) {
  SimulatedWorld world(1);
  world.network().receive_bytes_max = 1;
  Server server(world);
  SimulatedPeer peer(world, k_address);
  peer.send(pattern(300));
  ASSERT_TRUE(world.run_until([&] { return server.observer.received.size() == 300; }));
  EXPECT_EQ(server.observer.received, pattern(300));
  EXPECT_EQ(server.observer.readable_calls, 300);
}

TEST(SimulatedWorldTest, random_cuts_are_the_same_for_the_same_seed_and_differ_for_another) {
  const auto calls_of = [](uint64_t seed) {
    SimulatedWorld world(seed);
    world.network().random_cuts = true;
    Server server(world);
    SimulatedPeer peer(world, k_address);
    std::vector<size_t> cuts;
    server.observer.after_readable = [&] { cuts.push_back(server.observer.received.size()); };
    for (int i = 0; i < 20; ++i) peer.send(pattern(5000));
    world.run_until([&] { return server.observer.received.size() == 100'000; });
    return cuts;
  };
  EXPECT_EQ(calls_of(5), calls_of(5));
  EXPECT_NE(calls_of(5), calls_of(6));
}

TEST(SimulatedWorldTest, a_peer_that_stops_receiving_fills_the_window) {
  SimulatedWorld world(1);
  world.network().window_bytes = 1000;
  Server server(world);
  SimulatedPeer peer(world, k_address);
  world.settle();
  peer.stop_receiving(true);
  EXPECT_EQ(server.observer.send(pattern(1500)), 1000);
  EXPECT_EQ(server.observer.send(pattern(1)), -EAGAIN);
  server.observer.socket->notify_writable();
  world.settle();
  EXPECT_EQ(server.observer.writable_calls, 0);
  peer.stop_receiving(false);
  ASSERT_TRUE(world.run_until([&] { return server.observer.writable_calls == 1; }));
  EXPECT_EQ(peer.receive().size(), 1000u);
}

TEST(SimulatedWorldTest, a_reset_is_told_from_a_close) {
  SimulatedWorld world(1);
  Server server(world);
  SimulatedPeer peer(world, k_address);
  world.settle();
  peer.reset();
  world.settle();
  EXPECT_EQ(server.observer.error, ECONNRESET);
  EXPECT_FALSE(server.observer.closed);

  SimulatedPeer other(world, k_address);
  world.settle();
  server.observer.socket->shutdown_send();
  world.settle();
  EXPECT_TRUE(other.peer_closed());
  EXPECT_FALSE(other.peer_reset());
}

TEST(SimulatedWorldTest, a_peer_accepts_what_a_reactor_connects) {
  SimulatedWorld world(1);
  Reactor& reactor = world.add_reactor();
  SimulatedPeer::listen(world, k_address);
  RecordingObserver client;
  world.on(reactor, [&] { client.socket = std::move(*reactor.io().connect(k_address, client)); });
  const auto peer = SimulatedPeer::accept(world, k_address);
  ASSERT_NE(peer, nullptr);
  peer->send(pattern(10));
  ASSERT_TRUE(world.run_until([&] { return client.received.size() == 10; }));
  EXPECT_EQ(client.connect_result, Errc::ok);
  EXPECT_EQ(SimulatedPeer::accept(world, k_address), nullptr) << "nobody else connects";
  SimulatedPeer::stop_listening(world, k_address);
}

class SimulatedFiles : public ::testing::Test {
 protected:
  SimulatedFiles() {
    file_ =
        std::move(*world_.files().open("a", {.direct = false, .create = true, .create_size_bytes = 16384}));
  }
  int64_t run(FileOp::Kind kind, uint64_t offset, std::vector<uint8_t> bytes, uint64_t length_bytes = 0) {
    const Segment data{bytes.data(), bytes.size()};
    FileOp op;
    op.kind = kind;
    op.file = file_->descriptor();
    op.offset = offset;
    op.length_bytes = length_bytes;
    if (!bytes.empty()) op.data = {&data, 1};
    result_.reset();
    op.context = this;
    op.done = [](FileOp& done_op, int64_t result) {
      static_cast<SimulatedFiles*>(done_op.context)->result_ = result;
    };
    world_.on(reactor_, [&] { reactor_.io().submit(op); });
    EXPECT_TRUE(world_.run_until([&] { return result_.has_value(); }));
    return *result_;
  }
  uint8_t at(size_t offset) { return world_.file_bytes("a")[offset]; }

  SimulatedWorld world_{1};
  Reactor& reactor_ = world_.add_reactor();
  std::unique_ptr<File> file_;
  std::optional<int64_t> result_;
};

TEST_F(SimulatedFiles, a_power_failure_drops_what_was_not_synced_and_nothing_else) {
  run(FileOp::Kind::write, 0, std::vector<uint8_t>(100, 1));
  run(FileOp::Kind::sync_data, 0, {});
  run(FileOp::Kind::write, 50, std::vector<uint8_t>(100, 2));
  run(FileOp::Kind::write_durable, 60, std::vector<uint8_t>(10, 3));
  run(FileOp::Kind::write, 8192, std::vector<uint8_t>(10, 4));
  EXPECT_EQ(at(55), 2);
  world_.drop_unsynced_writes();
  EXPECT_EQ(at(0), 1);
  EXPECT_EQ(at(55), 1);
  EXPECT_EQ(at(60), 3);
  EXPECT_EQ(at(120), 0);
  EXPECT_EQ(at(8192), 0);
}

TEST_F(SimulatedFiles, a_hole_is_durable_only_after_a_sync) {
  run(FileOp::Kind::write_durable, 0, std::vector<uint8_t>(4096, 1));
  EXPECT_EQ(run(FileOp::Kind::punch_hole, 0, {}, 4096), 0);
  EXPECT_EQ(at(0), 0);
  world_.drop_unsynced_writes();
  EXPECT_EQ(at(0), 1);
  run(FileOp::Kind::zero_range, 0, {}, 4096);
  run(FileOp::Kind::sync_data, 0, {});
  world_.drop_unsynced_writes();
  EXPECT_EQ(at(0), 0);
}

TEST_F(SimulatedFiles, a_fault_answers_the_next_operations_of_its_kind_and_changes_nothing) {
  world_.fail_file_operations("a", FileOp::Kind::write, ENOSPC, 2);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(run(FileOp::Kind::write, 0, {9}), -ENOSPC);
  EXPECT_EQ(at(0), 0);
  EXPECT_EQ(run(FileOp::Kind::write, 0, {9}), 1);
  world_.fail_file_operations("a", FileOp::Kind::write, EIO, 5);
  world_.fail_file_operations("a", FileOp::Kind::write, EIO, 0);
  EXPECT_EQ(run(FileOp::Kind::write, 0, {8}), 1);
  world_.fail_file_operations("b", FileOp::Kind::read, EIO, 1);
  EXPECT_EQ(run(FileOp::Kind::read, 0, {0}), 1);
}

TEST_F(SimulatedFiles, held_operations_wait_until_they_are_released) {
  world_.hold_file_operations(true);
  std::vector<uint8_t> bytes(10, 7);
  const Segment data{bytes.data(), bytes.size()};
  FileOp op;
  op.kind = FileOp::Kind::write;
  op.file = file_->descriptor();
  op.data = {&data, 1};
  bool is_done = false;
  op.context = &is_done;
  op.done = [](FileOp& done_op, int64_t) { *static_cast<bool*>(done_op.context) = true; };
  world_.on(reactor_, [&] { reactor_.io().submit(op); });
  world_.advance(k_ns_per_s);
  EXPECT_FALSE(is_done);
  EXPECT_EQ(at(0), 0);
  world_.hold_file_operations(false);
  world_.settle();
  EXPECT_TRUE(is_done);
  EXPECT_EQ(at(0), 7);
}

}  // namespace
}  // namespace ballast::test
