// The limit: what loopback TCP carries when nothing is done with the bytes. One connection, a polling server
// thread on one CPU and a polling client thread on another; requests and responses have fixed sizes, a given
// number is outstanding. Called by bench/run.mjs with the message sizes of NVMe/TCP; prints one line of JSON.
//   raw_loopback REQUEST_BYTES RESPONSE_BYTES OUTSTANDING SECONDS SERVER_CPU CLIENT_CPU      (CPU -1: not
//   pinned)

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr size_t k_receive_buffer_bytes = 256 * 1024;
constexpr size_t k_messages_per_send_max = 128;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

void pin(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) die("sched_setaffinity");
}

uint64_t now_ns() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

// One side of the connection: counts whole messages that came, sends whole messages that are owed, never
// blocks.
class Side {
 public:
  Side(int socket, size_t receive_bytes, size_t send_bytes)
      : socket_(socket), receive_bytes_(receive_bytes), send_bytes_(send_bytes) {
    receive_buffer_.resize(k_receive_buffer_bytes);
    send_buffer_.resize(send_bytes * k_messages_per_send_max, 0x5a);
  }

  // The number of messages completed by what one receive brought; -1 when the peer has closed.
  int64_t receive_messages() {
    const ssize_t received = recv(socket_, receive_buffer_.data(), receive_buffer_.size(), MSG_DONTWAIT);
    if (received == 0 || (received < 0 && errno == ECONNRESET)) return -1;
    if (received < 0) {
      if (errno == EAGAIN || errno == EINTR) return 0;
      die("recv");
    }
    bytes_pending_ += static_cast<size_t>(received);
    const size_t messages = bytes_pending_ / receive_bytes_;
    bytes_pending_ -= messages * receive_bytes_;
    return static_cast<int64_t>(messages);
  }

  void owe(size_t messages) { bytes_owed_ += messages * send_bytes_; }

  bool send_owed() {
    if (bytes_owed_ == 0) return true;
    // All messages are alike, so only the place within one matters: owed bytes end at a message's end.
    const size_t offset = (send_bytes_ - bytes_owed_ % send_bytes_) % send_bytes_;
    const size_t size = std::min(bytes_owed_, send_buffer_.size() - offset);
    const ssize_t sent = send(socket_, send_buffer_.data() + offset, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN || errno == EINTR) return true;
      return false;
    }
    bytes_owed_ -= static_cast<size_t>(sent);
    return true;
  }

 private:
  int socket_;
  size_t receive_bytes_;
  size_t send_bytes_;
  size_t bytes_pending_ = 0;
  size_t bytes_owed_ = 0;
  std::vector<uint8_t> receive_buffer_;
  std::vector<uint8_t> send_buffer_;
};

void no_delay(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

struct Sizes {
  size_t request_bytes;
  size_t response_bytes;
};

void serve(int listener, Sizes sizes, int cpu) {
  pin(cpu);
  const int socket = accept(listener, nullptr, nullptr);
  if (socket < 0) die("accept");
  no_delay(socket);
  Side side(socket, sizes.request_bytes, sizes.response_bytes);
  for (;;) {
    const int64_t requests = side.receive_messages();
    if (requests < 0) break;
    side.owe(static_cast<size_t>(requests));
    if (!side.send_owed()) break;
  }
  close(socket);
}

struct Measured {
  uint64_t messages;
  double seconds;
  double mean_us;
};

// Latency is taken from the order of responses: they come in the order of the requests.
Measured request(int socket, Sizes sizes, size_t outstanding, double seconds) {
  Side side(socket, sizes.response_bytes, sizes.request_bytes);
  std::vector<uint64_t> sent_ns(outstanding, now_ns());
  const uint64_t begin_ns = now_ns();
  const uint64_t end_ns = begin_ns + static_cast<uint64_t>(seconds * 1e9);
  uint64_t messages = 0;
  uint64_t latency_ns_sum = 0;
  uint64_t now = begin_ns;
  side.owe(outstanding);
  while (now < end_ns) {
    if (!side.send_owed()) die("send");
    const int64_t responses = side.receive_messages();
    if (responses < 0) die("the server closed");
    now = now_ns();
    for (int64_t i = 0; i < responses; ++i, ++messages) {
      uint64_t& slot = sent_ns[messages % outstanding];
      latency_ns_sum += now - slot;
      slot = now;
    }
    side.owe(static_cast<size_t>(responses));
  }
  const double mean_us = messages == 0 ? 0 : static_cast<double>(latency_ns_sum) / messages / 1e3;
  return {messages, static_cast<double>(now - begin_ns) / 1e9, mean_us};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: raw_loopback REQUEST RESPONSE OUTSTANDING SECONDS SERVER_CPU CLIENT_CPU\n");
    return 2;
  }
  const Sizes sizes{std::strtoul(argv[1], nullptr, 10), std::strtoul(argv[2], nullptr, 10)};
  const size_t outstanding = std::strtoul(argv[3], nullptr, 10);
  const double seconds = std::strtod(argv[4], nullptr);
  if (sizes.request_bytes == 0 || sizes.response_bytes == 0 || outstanding == 0 || !(seconds > 0)) {
    std::fprintf(stderr, "raw_loopback: sizes, outstanding and seconds must be above 0\n");
    return 2;
  }

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t address_bytes = sizeof address;
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 1) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &address_bytes) != 0)
    die("listen");
  std::thread server(serve, listener, sizes, std::atoi(argv[5]));

  pin(std::atoi(argv[6]));
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client < 0 || connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    die("connect");
  no_delay(client);
  const Measured measured = request(client, sizes, outstanding, seconds);
  close(client);
  server.join();
  std::printf("{\"perSecond\": %.1f, \"meanUs\": %.3f}\n",
              static_cast<double>(measured.messages) / measured.seconds, measured.mean_us);
  return 0;
}
