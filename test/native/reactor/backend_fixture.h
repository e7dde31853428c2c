// What the conformance suites of IoBackend run over: reactors of one implementation, turned by the test's own
// thread, and sockets and files with recorders for observers.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "reactor/reactor.h"

namespace ballast::test {

class BackendWorld {
 public:
  virtual ~BackendWorld() = default;
  virtual Reactor& reactor(size_t index) = 0;  // 0 and 1
  virtual FileSystem& files() = 0;
  virtual std::string path(const std::string& name) = 0;  // of a file that does not exist yet
  // Turns both reactors until `done` holds; false if it does not within a generous limit.
  virtual bool run_until(const std::function<bool()>& done) = 0;
  // Turns until nothing more is likely to happen.
  virtual void settle() = 0;
};

using MakeBackendWorld = std::unique_ptr<BackendWorld> (*)();
struct BackendCase {
  const char* name;
  MakeBackendWorld make;
};
std::unique_ptr<BackendWorld> make_simulated();
std::unique_ptr<BackendWorld> make_uring();
std::unique_ptr<BackendWorld> make_uring_sleeping();
std::unique_ptr<BackendWorld> make_uring_plain();  // sleeping, with none of the optional io_uring features
inline const auto k_all_backends = ::testing::Values(
    BackendCase{"simulated", make_simulated}, BackendCase{"uring", make_uring},
    BackendCase{"uring_sleeping", make_uring_sleeping}, BackendCase{"uring_plain", make_uring_plain});

// Receives all there is into `received`, unless told otherwise.
class RecordingObserver : public SocketObserver {
 public:
  bool on_readable() override {
    ++readable_calls;
    if (receive_on_readable) receive_once();
    if (after_readable && gave_something) after_readable();
    return gave_something;
  }
  void on_writable() override {
    ++writable_calls;
    if (after_writable) after_writable();
  }
  void on_connected(Errc errc) override {
    ++connected_calls;
    connect_result = errc;
  }
  void receive_once() {
    std::vector<uint8_t> buffer(receive_bytes);
    const Segment into{buffer.data(), buffer.size()};
    const int64_t result = socket->receive({&into, 1});
    gave_something = result != -EAGAIN;
    if (result > 0) received.insert(received.end(), buffer.begin(), buffer.begin() + result);
    if (result == 0) closed = true;
    if (result < 0 && result != -EAGAIN) error = static_cast<int>(-result);
  }
  int64_t send(const std::vector<uint8_t>& bytes) {
    const Segment data{const_cast<uint8_t*>(bytes.data()), bytes.size()};
    return socket->send({&data, 1});
  }

  std::unique_ptr<Socket> socket;
  std::vector<uint8_t> received;
  size_t receive_bytes = 64 * 1024;
  bool receive_on_readable = true;
  bool gave_something = false;
  bool closed = false;
  int error = 0;
  int readable_calls = 0;
  int writable_calls = 0;
  int connected_calls = 0;
  Errc connect_result = Errc::ok;
  std::function<void()> after_readable;
  std::function<void()> after_writable;
};

// Keeps what was accepted.
class RecordingAcceptor : public AcceptObserver {
 public:
  void on_accepted(Descriptor descriptor, const SocketAddress& peer) override {
    accepted.push_back(descriptor);
    peers.push_back(peer);
  }
  std::vector<Descriptor> accepted;
  std::vector<SocketAddress> peers;
};

inline std::vector<uint8_t> pattern(size_t bytes_count, uint8_t salt = 0) {
  std::vector<uint8_t> bytes(bytes_count);
  for (size_t i = 0; i < bytes_count; ++i) bytes[i] = static_cast<uint8_t>(i * 31 + (i >> 8) * 7 + salt);
  return bytes;
}

class BackendTest : public ::testing::TestWithParam<BackendCase> {
 protected:
  BackendTest() : world(GetParam().make()) {}

  void on(size_t index, const std::function<void()>& body) {
    const Reactor::Entered entered(world->reactor(index));
    body();
  }
  // Listens on reactor 0, connects from `client_reactor`, adopts on `server_reactor`.
  void connect_pair(size_t client_reactor = 0, size_t server_reactor = 0) {
    Result<std::unique_ptr<ListenSocket>> made = world->reactor(0).io().listen({"127.0.0.1", 0}, acceptor);
    ASSERT_TRUE(made.ok()) << made.error().text;
    listener = std::move(*made);
    Result<std::unique_ptr<Socket>> connected =
        world->reactor(client_reactor).io().connect(listener->local_address(), client);
    ASSERT_TRUE(connected.ok()) << connected.error().text;
    client.socket = std::move(*connected);
    ASSERT_EQ(client.connected_calls, 0) << "never from inside connect()";
    ASSERT_TRUE(
        world->run_until([&] { return client.connected_calls == 1 && acceptor.accepted.size() == 1; }));
    ASSERT_EQ(client.connect_result, Errc::ok);
    Result<std::unique_ptr<Socket>> adopted =
        world->reactor(server_reactor).io().adopt(acceptor.accepted[0], server);
    ASSERT_TRUE(adopted.ok());
    server.socket = std::move(*adopted);
  }

  std::unique_ptr<BackendWorld> world;
  RecordingAcceptor acceptor;
  RecordingObserver client;
  RecordingObserver server;
  std::unique_ptr<ListenSocket> listener;
};

}  // namespace ballast::test
