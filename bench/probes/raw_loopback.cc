// The limit: what loopback TCP carries when nothing is done with the bytes. One connection, a polling server
// on one CPU and a polling client on another, a given number outstanding. Called by bench/lib/limit.mjs with
// the message sizes of NVMe/TCP; prints one line of JSON. Server and client are processes in sessions of
// their own, as a target and its client are: a busy machine shares its CPUs among sessions.
//   raw_loopback REQUEST_BYTES RESPONSE_BYTES OUTSTANDING SECONDS SERVER_CPU CLIENT_CPU
// Sizes are lists such as 72,72,4168: a cycle that both sides know, so that nothing has to be parsed. The
// response to the request at one place of the cycle is that at the same place. CPU -1: not pinned.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr size_t k_receive_buffer_bytes = 256 * 1024;
// Small enough to stay in a cache: a sender that walks through more memory measures the memory.
constexpr size_t k_send_buffer_bytes = 1024 * 1024;

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

using Sizes = std::vector<size_t>;

// One side of the connection: counts whole messages that came, sends whole messages that are owed, never
// blocks.
class Side {
 public:
  Side(int socket, const Sizes& receive_bytes, const Sizes& send_bytes)
      : socket_(socket), receive_bytes_(receive_bytes), send_bytes_(send_bytes) {
    receive_buffer_.resize(k_receive_buffer_bytes);
    send_buffer_.resize(k_send_buffer_bytes, 0x5a);
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
    int64_t messages = 0;
    for (; bytes_pending_ >= receive_bytes_[receive_place_]; ++messages) {
      bytes_pending_ -= receive_bytes_[receive_place_];
      receive_place_ = (receive_place_ + 1) % receive_bytes_.size();
    }
    return messages;
  }

  void owe(int64_t messages) {
    for (int64_t i = 0; i < messages; ++i) {
      bytes_owed_ += send_bytes_[send_place_];
      send_place_ = (send_place_ + 1) % send_bytes_.size();
    }
  }

  // Nobody looks at the bytes, so each send starts at the beginning of the buffer.
  bool send_owed() {
    if (bytes_owed_ == 0) return true;
    const size_t size = std::min(bytes_owed_, send_buffer_.size());
    const ssize_t sent = send(socket_, send_buffer_.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    bytes_owed_ -= static_cast<size_t>(sent);
    return true;
  }

 private:
  int socket_;
  Sizes receive_bytes_;
  Sizes send_bytes_;
  size_t receive_place_ = 0;
  size_t send_place_ = 0;
  size_t bytes_pending_ = 0;
  size_t bytes_owed_ = 0;
  std::vector<uint8_t> receive_buffer_;
  std::vector<uint8_t> send_buffer_;
};

void no_delay(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

struct Cycle {
  Sizes requests;
  Sizes responses;
};

void serve(int listener, const Cycle& cycle, int cpu) {
  pin(cpu);
  const int socket = accept(listener, nullptr, nullptr);
  if (socket < 0) die("accept");
  no_delay(socket);
  Side side(socket, cycle.requests, cycle.responses);
  for (;;) {
    const int64_t requests = side.receive_messages();
    if (requests < 0) break;
    side.owe(requests);
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
Measured request(int socket, const Cycle& cycle, size_t outstanding, double seconds) {
  Side side(socket, cycle.responses, cycle.requests);
  std::vector<uint64_t> sent_ns(outstanding, now_ns());
  const uint64_t begin_ns = now_ns();
  const uint64_t end_ns = begin_ns + static_cast<uint64_t>(seconds * 1e9);
  uint64_t messages = 0;
  uint64_t latency_ns_sum = 0;
  uint64_t now = begin_ns;
  side.owe(static_cast<int64_t>(outstanding));
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
    side.owe(responses);
  }
  const double mean_us = messages == 0 ? 0 : static_cast<double>(latency_ns_sum) / messages / 1e3;
  return {messages, static_cast<double>(now - begin_ns) / 1e9, mean_us};
}

// Empty where a number is wrong.
Sizes parse_sizes(const char* text) {
  Sizes sizes;
  for (;;) {
    char* end = nullptr;
    sizes.push_back(std::strtoul(text, &end, 10));
    if (sizes.back() == 0 || (*end != ',' && *end != 0)) return {};
    if (*end == 0) return sizes;
    text = end + 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: raw_loopback REQUEST RESPONSE OUTSTANDING SECONDS SERVER_CPU CLIENT_CPU\n");
    return 2;
  }
  const Cycle cycle{parse_sizes(argv[1]), parse_sizes(argv[2])};
  const size_t outstanding = std::strtoul(argv[3], nullptr, 10);
  const double seconds = std::strtod(argv[4], nullptr);
  const bool sizes_ok = !cycle.requests.empty() && cycle.requests.size() == cycle.responses.size();
  if (!sizes_ok || outstanding == 0 || !(seconds > 0)) {
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
  const pid_t server = fork();
  if (server < 0) die("fork");
  if (server == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    serve(listener, cycle, std::atoi(argv[5]));
    _exit(0);
  }

  pin(std::atoi(argv[6]));
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client < 0 || connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    die("connect");
  no_delay(client);
  const Measured measured = request(client, cycle, outstanding, seconds);
  close(client);
  int status = 0;
  if (waitpid(server, &status, 0) != server || status != 0) {
    std::fprintf(stderr, "raw_loopback: the server ended with status %d\n", status);
    return 1;
  }
  std::printf("{\"perSecond\": %.1f, \"meanUs\": %.3f}\n",
              static_cast<double>(measured.messages) / measured.seconds, measured.mean_us);
  return 0;
}
