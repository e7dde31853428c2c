// The conformance suite of IoBackend, sockets: run over the kernel (spinning and sleeping) and the simulator.
#include <cerrno>

#include "backend_fixture.h"

namespace ballast::test {
namespace {

using BackendSocket = BackendTest;

TEST_P(BackendSocket, refuses_to_listen_on_a_name_that_is_no_address) {
  const auto result = world->reactor(0).io().listen({"localhost", 0}, acceptor);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.errc(), Errc::invalid_argument);
  EXPECT_NE(result.error().text.find("localhost"), std::string::npos);
}

TEST_P(BackendSocket, refuses_a_second_listener_on_the_same_port_and_names_it) {
  auto first = world->reactor(0).io().listen({"127.0.0.1", 0}, acceptor);
  ASSERT_TRUE(first.ok());
  const SocketAddress address = (*first)->local_address();
  EXPECT_NE(address.port, 0);
  const auto second = world->reactor(1).io().listen(address, acceptor);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.errc(), Errc::address_in_use);
  EXPECT_NE(second.error().text.find(address.text()), std::string::npos);
}

TEST_P(BackendSocket, tells_a_refused_connect_later_and_once) {
  SocketAddress address;
  {
    auto gone = world->reactor(0).io().listen({"127.0.0.1", 0}, acceptor);
    ASSERT_TRUE(gone.ok());
    address = (*gone)->local_address();
  }
  world->settle();
  auto connected = world->reactor(0).io().connect(address, client);
  ASSERT_TRUE(connected.ok());
  client.socket = std::move(*connected);
  EXPECT_EQ(client.connected_calls, 0);
  ASSERT_TRUE(world->run_until([&] { return client.connected_calls > 0; }));
  EXPECT_EQ(client.connect_result, Errc::connection_refused);
  world->settle();
  EXPECT_EQ(client.connected_calls, 1);
  EXPECT_EQ(client.readable_calls, 0);
}

TEST_P(BackendSocket, connects_over_ipv6) {
  auto made = world->reactor(0).io().listen({"::1", 0}, acceptor);
  if (!made.ok()) GTEST_SKIP() << "no IPv6 here: " << made.error().text;
  auto connected = world->reactor(0).io().connect((*made)->local_address(), client);
  ASSERT_TRUE(connected.ok());
  client.socket = std::move(*connected);
  ASSERT_TRUE(world->run_until([&] { return client.connected_calls == 1 && acceptor.accepted.size() == 1; }));
  EXPECT_EQ(client.connect_result, Errc::ok);
  EXPECT_EQ(client.socket->peer_address(), (*made)->local_address());
  EXPECT_EQ(acceptor.peers[0], client.socket->local_address());
  world->reactor(0).io().close_descriptor(acceptor.accepted[0]);
}

TEST_P(BackendSocket, carries_bytes_both_ways_between_two_reactors) {
  connect_pair(0, 1);
  const std::vector<uint8_t> request = pattern(1000, 1);
  const std::vector<uint8_t> answer = pattern(3000, 2);
  EXPECT_EQ(client.send(request), 1000);
  ASSERT_TRUE(world->run_until([&] { return server.received.size() >= 1000; }));
  EXPECT_EQ(server.received, request);
  EXPECT_EQ(server.send(answer), 3000);
  ASSERT_TRUE(world->run_until([&] { return client.received.size() >= 3000; }));
  EXPECT_EQ(client.received, answer);
  EXPECT_EQ(client.socket->peer_address(), server.socket->local_address());
  EXPECT_EQ(server.socket->peer_address(), client.socket->local_address());
  EXPECT_EQ(acceptor.peers[0], client.socket->local_address());
}

TEST_P(BackendSocket, delivers_what_arrived_before_it_was_adopted) {
  connect_pair();
  RecordingObserver second_client;
  auto connected = world->reactor(0).io().connect(listener->local_address(), second_client);
  ASSERT_TRUE(connected.ok());
  second_client.socket = std::move(*connected);
  ASSERT_TRUE(
      world->run_until([&] { return acceptor.accepted.size() == 2 && second_client.connected_calls == 1; }));
  EXPECT_EQ(second_client.send(pattern(10)), 10);
  world->settle();
  RecordingObserver late;
  auto adopted = world->reactor(1).io().adopt(acceptor.accepted[1], late);
  ASSERT_TRUE(adopted.ok());
  late.socket = std::move(*adopted);
  ASSERT_TRUE(world->run_until([&] { return late.received.size() == 10; }));
}

TEST_P(BackendSocket, receive_says_again_when_nothing_is_there) {
  connect_pair();
  server.receive_once();
  EXPECT_FALSE(server.gave_something);
  EXPECT_FALSE(server.closed);
  EXPECT_EQ(server.error, 0);
}

TEST_P(BackendSocket, calls_readable_again_while_data_remains) {
  connect_pair();
  server.receive_bytes = 7;
  const std::vector<uint8_t> sent = pattern(700);
  EXPECT_EQ(client.send(sent), 700);
  ASSERT_TRUE(world->run_until([&] { return server.received.size() >= 700; }));
  EXPECT_EQ(server.received, sent);
  EXPECT_GE(server.readable_calls, 100);
}

TEST_P(BackendSocket, does_not_call_readable_while_reading_is_off) {
  connect_pair();
  server.socket->set_reading(false);
  EXPECT_EQ(client.send(pattern(100)), 100);
  world->settle();
  EXPECT_EQ(server.readable_calls, 0);
  server.socket->set_reading(true);
  ASSERT_TRUE(world->run_until([&] { return server.received.size() == 100; }));
}

TEST_P(BackendSocket, hears_data_that_comes_after_a_long_silence) {
  connect_pair();
  for (int i = 0; i < 3; ++i) world->settle();
  EXPECT_EQ(client.send(pattern(5)), 5);
  ASSERT_TRUE(world->run_until([&] { return server.received.size() == 5; }));
}

TEST_P(BackendSocket, pushes_back_when_the_peer_does_not_read_and_says_once_when_there_is_room) {
  connect_pair();
  server.socket->set_reading(false);
  const std::vector<uint8_t> piece = pattern(64 * 1024);
  size_t sent_bytes = 0;
  int64_t result = 0;
  for (int i = 0; i < 10'000 && result != -EAGAIN; ++i) {
    result = client.send(piece);
    if (result > 0) sent_bytes += static_cast<size_t>(result);
  }
  ASSERT_EQ(result, -EAGAIN) << "the send buffer has no end";
  client.socket->notify_writable();
  world->settle();
  // A kernel may move bytes to the other side's buffer and make room once more; then fill it again.
  for (int i = 0; i < 100 && client.writable_calls > 0; ++i) {
    client.writable_calls = 0;
    for (result = 0; result != -EAGAIN;) {
      result = client.send(piece);
      if (result > 0) sent_bytes += static_cast<size_t>(result);
    }
    client.socket->notify_writable();
    world->settle();
  }
  ASSERT_EQ(client.writable_calls, 0);
  server.socket->set_reading(true);
  ASSERT_TRUE(world->run_until([&] { return client.writable_calls > 0; }));
  ASSERT_TRUE(world->run_until([&] { return server.received.size() == sent_bytes; }));
  world->settle();
  EXPECT_EQ(client.writable_calls, 1) << "once for each notify_writable()";
}

TEST_P(BackendSocket, half_close_lets_the_other_direction_go_on) {
  connect_pair();
  EXPECT_EQ(client.send(pattern(100)), 100);
  client.socket->shutdown_send();
  ASSERT_TRUE(world->run_until([&] { return server.closed; }));
  EXPECT_EQ(server.received.size(), 100u);
  const int calls_at_end = server.readable_calls;
  EXPECT_EQ(server.send(pattern(50)), 50);
  ASSERT_TRUE(world->run_until([&] { return client.received.size() == 50; }));
  EXPECT_FALSE(client.closed);
  world->settle();
  EXPECT_EQ(server.readable_calls, calls_at_end) << "nothing can come after the end";
}

TEST_P(BackendSocket, a_destroyed_socket_is_seen_as_closed) {
  connect_pair();
  client.socket.reset();
  ASSERT_TRUE(world->run_until([&] { return server.closed; }));
}

TEST_P(BackendSocket, what_has_not_left_is_thrown_away_where_that_was_asked_for) {
  connect_pair();
  server.socket->set_reading(false);
  const std::vector<uint8_t> piece = pattern(64 * 1024);
  for (int64_t result = 0; result != -EAGAIN;) result = client.send(piece);
  client.socket->discard_unsent_on_close();
  client.socket.reset();
  world->settle();
  server.socket->set_reading(true);
  ASSERT_TRUE(world->run_until([&] { return server.error == ECONNRESET; })) << "not a proper end";
}

TEST_P(BackendSocket, destroying_with_unread_data_resets_the_peer) {
  connect_pair();
  server.socket->set_reading(false);
  EXPECT_EQ(client.send(pattern(10)), 10);
  world->settle();
  server.socket.reset();
  ASSERT_TRUE(world->run_until([&] { return client.error == ECONNRESET; }));
}

TEST_P(BackendSocket, sending_to_a_gone_peer_is_an_error_not_a_signal) {
  connect_pair();
  server.socket.reset();
  client.socket->set_reading(false);
  int64_t result = 0;
  ASSERT_TRUE(world->run_until([&] {
    result = client.send(pattern(10));
    return result < 0;
  }));
  EXPECT_TRUE(result == -EPIPE || result == -ECONNRESET) << result;
}

TEST_P(BackendSocket, the_observer_may_destroy_the_socket_inside_readable) {
  connect_pair();
  server.after_readable = [&] { server.socket.reset(); };
  EXPECT_EQ(client.send(pattern(10)), 10);
  ASSERT_TRUE(world->run_until([&] { return client.closed || client.error != 0; }));
  EXPECT_EQ(server.readable_calls, server.socket == nullptr ? server.readable_calls : -1);
  const int calls = server.readable_calls;
  world->settle();
  EXPECT_EQ(server.readable_calls, calls);
}

TEST_P(BackendSocket, the_observer_may_destroy_the_socket_inside_writable) {
  connect_pair();
  client.after_writable = [&] { client.socket.reset(); };
  client.socket->notify_writable();
  ASSERT_TRUE(world->run_until([&] { return server.closed; }));
  EXPECT_EQ(client.writable_calls, 1);
}

TEST_P(BackendSocket, an_observer_may_destroy_all_other_sockets_inside_readable) {
  connect_pair();
  constexpr size_t k_pairs_count = 20;
  std::vector<std::unique_ptr<RecordingObserver>> clients;
  std::vector<std::unique_ptr<RecordingObserver>> servers;
  for (size_t i = 0; i < k_pairs_count; ++i) {
    clients.push_back(std::make_unique<RecordingObserver>());
    servers.push_back(std::make_unique<RecordingObserver>());
    auto connected = world->reactor(1).io().connect(listener->local_address(), *clients[i]);
    ASSERT_TRUE(connected.ok());
    clients[i]->socket = std::move(*connected);
    ASSERT_TRUE(world->run_until(
        [&] { return acceptor.accepted.size() == i + 2 && clients[i]->connected_calls == 1; }));
    auto adopted = world->reactor(0).io().adopt(acceptor.accepted[i + 1], *servers[i]);
    ASSERT_TRUE(adopted.ok());
    servers[i]->socket = std::move(*adopted);
    servers[i]->after_readable = [&servers, i] {
      for (size_t other = 0; other < k_pairs_count; ++other) {
        if (other != i) servers[other]->socket.reset();
      }
    };
  }
  for (auto& each : clients) EXPECT_EQ(each->send(pattern(10)), 10);
  ASSERT_TRUE(world->run_until([&] {
    size_t gone = 0;
    for (auto& each : clients) gone += each->closed || each->error != 0;
    return gone == k_pairs_count - 1;
  }));
  size_t alive = 0;
  for (auto& each : servers) alive += each->socket != nullptr;
  EXPECT_EQ(alive, 1u);
}

TEST_P(BackendSocket, a_flooding_peer_does_not_starve_another) {
  connect_pair();
  RecordingObserver quiet_client;
  RecordingObserver quiet_server;
  auto connected = world->reactor(1).io().connect(listener->local_address(), quiet_client);
  ASSERT_TRUE(connected.ok());
  quiet_client.socket = std::move(*connected);
  ASSERT_TRUE(
      world->run_until([&] { return acceptor.accepted.size() == 2 && quiet_client.connected_calls == 1; }));
  auto adopted = world->reactor(0).io().adopt(acceptor.accepted[1], quiet_server);
  ASSERT_TRUE(adopted.ok());
  quiet_server.socket = std::move(*adopted);
  server.receive_bytes = 1;  // a megabyte byte by byte: it never runs dry during this test
  for (int i = 0; i < 16; ++i) static_cast<void>(client.send(pattern(64 * 1024)));
  EXPECT_EQ(quiet_client.send(pattern(10)), 10);
  ASSERT_TRUE(world->run_until([&] { return quiet_server.received.size() == 10; }));
  EXPECT_LT(server.received.size(), 64u * 1024);
}

TEST_P(BackendSocket, a_destroyed_listener_refuses_new_connections) {
  connect_pair();
  const SocketAddress address = listener->local_address();
  listener.reset();
  world->settle();
  RecordingObserver late;
  auto connected = world->reactor(0).io().connect(address, late);
  ASSERT_TRUE(connected.ok());
  late.socket = std::move(*connected);
  ASSERT_TRUE(world->run_until([&] { return late.connected_calls == 1; }));
  EXPECT_EQ(late.connect_result, Errc::connection_refused);
}

TEST_P(BackendSocket, closing_an_accepted_descriptor_closes_the_connection) {
  connect_pair();
  auto connected = world->reactor(0).io().connect(listener->local_address(), server);
  RecordingObserver other;
  auto other_connected = world->reactor(0).io().connect(listener->local_address(), other);
  ASSERT_TRUE(other_connected.ok());
  other.socket = std::move(*other_connected);
  ASSERT_TRUE(world->run_until([&] { return acceptor.accepted.size() == 3; }));
  world->reactor(0).io().close_descriptor(acceptor.accepted[1]);
  world->reactor(0).io().close_descriptor(acceptor.accepted[2]);
  ASSERT_TRUE(world->run_until([&] { return other.closed; }));
}

TEST_P(BackendSocket, accepts_a_hundred_connections_at_once) {
  connect_pair();
  std::vector<std::unique_ptr<RecordingObserver>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(std::make_unique<RecordingObserver>());
    auto connected = world->reactor(1).io().connect(listener->local_address(), *clients.back());
    ASSERT_TRUE(connected.ok());
    clients.back()->socket = std::move(*connected);
  }
  ASSERT_TRUE(world->run_until([&] { return acceptor.accepted.size() == 101; }));
  for (size_t i = 1; i < 101; ++i) world->reactor(0).io().close_descriptor(acceptor.accepted[i]);
}

TEST_P(BackendSocket, destroying_a_connecting_socket_calls_nobody) {
  connect_pair();
  RecordingObserver hasty;
  auto connected = world->reactor(0).io().connect(listener->local_address(), hasty);
  ASSERT_TRUE(connected.ok());
  connected->reset();
  world->settle();
  EXPECT_EQ(hasty.connected_calls, 0);
  for (size_t i = 1; i < acceptor.accepted.size(); ++i) {
    world->reactor(0).io().close_descriptor(acceptor.accepted[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(backends, BackendSocket, k_all_backends,
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace ballast::test
