// The limit: what loopback TCP carries when nothing is done with the bytes. A polling server on one CPU and a
// polling client on another, a given number outstanding, spread over the connections. Called by
// bench/lib/limit.mjs with the message sizes of NVMe/TCP; prints one line of JSON. Server and client are
// processes in sessions of their own, as a target and its client are: a busy machine shares its CPUs among
// sessions.
//   raw_loopback REQUEST_BYTES RESPONSE_BYTES OUTSTANDING SECONDS SERVER_CPU CLIENT_CPU
//                [CONNECTIONS [MEMORY_MIB]]
// Sizes are lists such as 72,72,4168: a cycle that both sides know, so that nothing has to be parsed. The
// response to the request at one place of the cycle is that at the same place. CPU -1: not pinned.
// MEMORY_MIB: the server sends the data of each message from a random place of so much memory, as a device
// does whose data is in no cache; otherwise each send takes the same memory.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace {

constexpr size_t k_receive_buffer_bytes = 256 * 1024;
// Small enough to stay in a cache: a sender that walks through more memory measures the memory.
constexpr size_t k_send_buffer_bytes = 1024 * 1024;
constexpr size_t k_block_bytes = 4096;

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

// What a side sends, and where it receives: one for all of its connections.
struct Memory {
  std::vector<uint8_t> receive = std::vector<uint8_t>(k_receive_buffer_bytes);
  std::vector<uint8_t> send = std::vector<uint8_t>(k_send_buffer_bytes, 0x5a);
  uint8_t* device = nullptr;
  size_t device_blocks = 0;
  uint64_t random = 88172645463325252u;

  void make_device(size_t bytes) {
    void* const mapping = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) die("mmap");
    madvise(mapping, bytes, MADV_HUGEPAGE);
    std::memset(mapping, 0x5a, bytes);
    device = static_cast<uint8_t*>(mapping);
    device_blocks = bytes / k_block_bytes;
  }
  uint8_t* random_place(size_t bytes) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return device + random % (device_blocks - bytes / k_block_bytes) * k_block_bytes;
  }
};

// One side of a connection: counts whole messages that came, sends whole messages that are owed, never
// blocks.
class Side {
 public:
  Side(int socket, const Sizes& receive_bytes, const Sizes& send_bytes, Memory& memory)
      : socket_(socket), receive_bytes_(receive_bytes), send_bytes_(send_bytes), memory_(memory) {}
  int socket() const { return socket_; }

  // The number of messages completed by what one receive brought; -1 when the peer has closed.
  int64_t receive_messages() {
    const ssize_t received = recv(socket_, memory_.receive.data(), memory_.receive.size(), MSG_DONTWAIT);
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
    const size_t size = std::min(bytes_owed_, memory_.send.size());
    const ssize_t sent = memory_.device != nullptr
                             ? send_blocks(size)
                             : send(socket_, memory_.send.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    bytes_owed_ -= static_cast<size_t>(sent);
    return true;
  }

 private:
  // Of each message what is whole blocks comes from the device; what is left over stands for its headers.
  ssize_t send_blocks(size_t size) {
    const size_t message_bytes = *std::max_element(send_bytes_.begin(), send_bytes_.end());
    std::array<iovec, 512> parts;
    size_t parts_count = 0;
    size_t left = size;
    while (left > 0) {
      const size_t rest = left % message_bytes == 0 ? message_bytes : left % message_bytes;
      if (parts_count + 2 > parts.size()) break;
      const size_t header = rest % k_block_bytes;
      if (header > 0) parts[parts_count++] = {memory_.send.data(), header};
      if (rest > header) parts[parts_count++] = {memory_.random_place(rest - header), rest - header};
      left -= rest;
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts_count;
    return sendmsg(socket_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  int socket_;
  const Sizes& receive_bytes_;
  const Sizes& send_bytes_;
  Memory& memory_;
  size_t receive_place_ = 0;
  size_t send_place_ = 0;
  size_t bytes_pending_ = 0;
  size_t bytes_owed_ = 0;
};

// The connections of one side. One is simply polled, of several epoll says which have something.
class Sides {
 public:
  Sides() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) die("epoll_create1");
  }
  void add(std::unique_ptr<Side> side) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = sides_.size();
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, side->socket(), &event) != 0) die("epoll_ctl");
    sides_.push_back(std::move(side));
  }
  size_t count() const { return sides_.size(); }
  Side& operator[](size_t index) { return *sides_[index]; }

  // Calls visit(index) for those to look at.
  template <typename Visit>
  void poll(Visit visit) {
    if (sides_.size() == 1) return visit(size_t{0});
    std::array<epoll_event, 64> events;
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) visit(static_cast<size_t>(events[static_cast<size_t>(i)].data.u64));
  }

 private:
  int epoll_;
  std::vector<std::unique_ptr<Side>> sides_;
};

void no_delay(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

struct Cycle {
  Sizes requests;
  Sizes responses;
};

struct Load {
  Cycle cycle;
  size_t outstanding;
  double seconds;
  size_t connections;
  size_t memory_mib;
};

void serve(int listener, const Load& load, Memory& memory, int cpu) {
  pin(cpu);
  Sides sides;
  while (sides.count() < load.connections) {
    const int socket = accept(listener, nullptr, nullptr);
    if (socket < 0) die("accept");
    no_delay(socket);
    sides.add(std::make_unique<Side>(socket, load.cycle.requests, load.cycle.responses, memory));
  }
  for (bool open = true; open;) {
    sides.poll([&](size_t index) {
      Side& side = sides[index];
      const int64_t requests = side.receive_messages();
      if (requests > 0) side.owe(requests);
      if (requests < 0 || !side.send_owed()) open = false;
    });
  }
}

struct Measured {
  uint64_t messages;
  double seconds;
  double mean_us;
};

// Latency is taken from the order of responses: on a connection they come in the order of the requests.
Measured request(Sides& sides, const Load& load) {
  const size_t each = load.outstanding / load.connections;
  std::vector<uint64_t> sent_ns(each * load.connections, now_ns());
  std::vector<uint64_t> answered(load.connections, 0);
  const uint64_t begin_ns = now_ns();
  const uint64_t end_ns = begin_ns + static_cast<uint64_t>(load.seconds * 1e9);
  uint64_t messages = 0;
  uint64_t latency_ns_sum = 0;
  uint64_t now = begin_ns;
  for (size_t i = 0; i < sides.count(); ++i) {
    sides[i].owe(static_cast<int64_t>(each));
    if (!sides[i].send_owed()) die("send");
  }
  while (now < end_ns) {
    sides.poll([&](size_t index) {
      Side& side = sides[index];
      const int64_t responses = side.receive_messages();
      if (responses < 0) die("the server closed");
      now = now_ns();
      for (int64_t i = 0; i < responses; ++i, ++messages) {
        uint64_t& slot = sent_ns[index * each + answered[index]++ % each];
        latency_ns_sum += now - slot;
        slot = now;
      }
      side.owe(responses);
      if (!side.send_owed()) die("send");
    });
    now = now_ns();
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
  if (argc < 7 || argc > 9) {
    std::fprintf(stderr,
                 "usage: raw_loopback REQUEST RESPONSE OUTSTANDING SECONDS SERVER_CPU CLIENT_CPU "
                 "[CONNECTIONS [MEMORY_MIB]]\n");
    return 2;
  }
  const Load load{{parse_sizes(argv[1]), parse_sizes(argv[2])},
                  std::strtoul(argv[3], nullptr, 10),
                  std::strtod(argv[4], nullptr),
                  argc > 7 ? std::strtoul(argv[7], nullptr, 10) : 1,
                  argc > 8 ? std::strtoul(argv[8], nullptr, 10) : 0};
  const Cycle& cycle = load.cycle;
  const bool sizes_ok = !cycle.requests.empty() && cycle.requests.size() == cycle.responses.size();
  if (!sizes_ok || load.connections == 0 || load.outstanding < load.connections || !(load.seconds > 0)) {
    std::fprintf(stderr,
                 "raw_loopback: sizes, outstanding for each connection and seconds must be above 0\n");
    return 2;
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t address_bytes = sizeof address;
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, SOMAXCONN) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &address_bytes) != 0)
    die("listen");
  Memory memory;
  // Before there is a client, whose time it would take.
  if (load.memory_mib > 0) memory.make_device(load.memory_mib << 20);
  const pid_t server = fork();
  if (server < 0) die("fork");
  if (server == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    serve(listener, load, memory, std::atoi(argv[5]));
    _exit(0);
  }

  pin(std::atoi(argv[6]));
  memory.device = nullptr;  // the server's
  Sides sides;
  while (sides.count() < load.connections) {
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client < 0 || connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      die("connect");
    no_delay(client);
    sides.add(std::make_unique<Side>(client, cycle.responses, cycle.requests, memory));
  }
  const Measured measured = request(sides, load);
  for (size_t i = 0; i < sides.count(); ++i) close(sides[i].socket());
  int status = 0;
  if (waitpid(server, &status, 0) != server || status != 0) {
    std::fprintf(stderr, "raw_loopback: the server ended with status %d\n", status);
    return 1;
  }
  std::printf("{\"perSecond\": %.1f, \"meanUs\": %.3f}\n",
              static_cast<double>(measured.messages) / measured.seconds, measured.mean_us);
  return 0;
}
