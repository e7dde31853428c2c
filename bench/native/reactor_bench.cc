// The reactor: an empty turn, timers, buffers, messages, and a request over loopback TCP between two reactors
// for every budget of spinning (docs/decisions/0002-spin-before-sleep.md is made from the latter).
#include <benchmark/benchmark.h>
#include <sched.h>
#include <semaphore.h>

#include <array>
#include <memory>
#include <vector>

#include "base/histogram.h"
#include "base/prng.h"
#include "reactor/reactor_set.h"

namespace ballast {
namespace {

// The sizes of a 4 KiB read: command capsule; C2HData header, data.
constexpr size_t k_request_bytes = 72;
constexpr size_t k_response_bytes = 24 + 4096;

class Semaphore {
 public:
  Semaphore() { sem_init(&semaphore_, 0, 0); }
  ~Semaphore() { sem_destroy(&semaphore_); }
  void post() { sem_post(&semaphore_); }
  void wait() {
    while (sem_wait(&semaphore_) != 0) {
    }
  }

 private:
  sem_t semaphore_;
};

template <typename Body>
void run_on(Reactor& reactor, Body body) {
  Semaphore done;
  send_task(reactor, [&] {
    body();
    done.post();
  });
  done.wait();
}

// Answers every request_bytes received with answer_bytes.
class Responder final : public SocketObserver {
 public:
  bool on_readable() override {
    const Segment into{received_.data(), received_.size()};
    const int64_t bytes = socket->receive({&into, 1});
    if (bytes <= 0) return bytes != -EAGAIN;
    pending_bytes_ += static_cast<size_t>(bytes);
    for (; pending_bytes_ >= k_request_bytes; pending_bytes_ -= k_request_bytes) {
      const Segment pieces[] = {{received_.data(), 24}, {received_.data() + 24, k_response_bytes - 24}};
      socket->send(pieces);
    }
    return true;
  }
  void on_writable() override {}
  std::unique_ptr<Socket> socket;

 private:
  std::array<uint8_t, 64 * 1024> received_{};
  size_t pending_bytes_ = 0;
};

// Keeps one request in flight, `gap_ns` of thinking between them; takes the time of each.
class Requester final : public SocketObserver {
 public:
  explicit Requester(Clock& clock) : clock_(clock) {}
  bool on_readable() override {
    const Segment into{received_.data(), received_.size()};
    const int64_t bytes = socket->receive({&into, 1});
    if (bytes <= 0) return bytes != -EAGAIN;
    pending_bytes_ += static_cast<size_t>(bytes);
    if (pending_bytes_ < k_response_bytes) return true;
    pending_bytes_ = 0;
    latency.record(clock_.now_ns() - sent_ns_);
    if (--left == 0) {
      done.post();
    } else {
      think_and_send();
    }
    return true;
  }
  void on_writable() override {}
  void on_connected(Errc errc) override {
    if (errc == Errc::ok) done.post();
  }
  void think_and_send() {
    sent_ns_ = clock_.now_ns();
    if (gap_ns > 0) {
      const uint64_t until_ns = sent_ns_ + gap_ns;
      while (sent_ns_ < until_ns) sent_ns_ = clock_.now_ns();
    }
    const Segment request{received_.data(), k_request_bytes};
    socket->send({&request, 1});
  }

  std::unique_ptr<Socket> socket;
  Semaphore done;
  Histogram latency;
  uint64_t left = 0;
  uint64_t gap_ns = 0;

 private:
  Clock& clock_;
  std::array<uint8_t, 64 * 1024> received_{};
  size_t pending_bytes_ = 0;
  uint64_t sent_ns_ = 0;
};

class Acceptor final : public AcceptObserver {
 public:
  void on_accepted(Descriptor descriptor, const SocketAddress&) override {
    accepted = descriptor;
    done.post();
  }
  Descriptor accepted = -1;
  Semaphore done;
};

uint64_t thread_cpu_ns() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * k_ns_per_s + static_cast<uint64_t>(time.tv_nsec);
}

// One connection between a client reactor on CPU 0 and a server reactor on CPU 1.
class Pair {
 public:
  Pair(uint32_t client_spin_us, uint32_t server_spin_us)
      : client_set_(std::move(*ReactorSet::start({.cpus = {0}, .spin_us = client_spin_us}))),
        server_set_(std::move(*ReactorSet::start({.cpus = {1}, .spin_us = server_spin_us}))),
        requester_(std::make_unique<Requester>(client().clock())) {
    run_on(server(), [this] { listener_ = std::move(*server().io().listen({"127.0.0.1", 0}, acceptor_)); });
    run_on(client(), [this] {
      requester_->socket = std::move(*client().io().connect(listener_->local_address(), *requester_));
    });
    requester_->done.wait();
    acceptor_.done.wait();
    run_on(server(),
           [this] { responder_.socket = std::move(*server().io().adopt(acceptor_.accepted, responder_)); });
  }
  ~Pair() {
    run_on(client(), [this] { requester_->socket.reset(); });
    run_on(server(), [this] {
      responder_.socket.reset();
      listener_.reset();
    });
  }
  Reactor& client() { return client_set_->at(0); }
  Reactor& server() { return server_set_->at(0); }
  Requester& requester() { return *requester_; }

  void run(uint64_t requests_count) {
    send_task(client(), [this, requests_count] {
      requester_->left = requests_count;
      requester_->think_and_send();
    });
    requester_->done.wait();
  }
  uint64_t server_cpu_ns() {
    uint64_t cpu_ns = 0;
    run_on(server(), [&] { cpu_ns = thread_cpu_ns(); });
    return cpu_ns;
  }

 private:
  std::unique_ptr<ReactorSet> client_set_;
  std::unique_ptr<ReactorSet> server_set_;
  Acceptor acceptor_;
  std::unique_ptr<ListenSocket> listener_;
  Responder responder_;
  std::unique_ptr<Requester> requester_;
};

void report(benchmark::State& state, Pair& pair, uint64_t server_cpu_ns) {
  const Histogram& latency = pair.requester().latency;
  state.counters["p50_us"] = static_cast<double>(latency.percentile_ns(50)) / 1000;
  state.counters["p99_us"] = static_cast<double>(latency.percentile_ns(99)) / 1000;
  state.counters["server_cpu_us"] =
      static_cast<double>(server_cpu_ns) / 1000 / static_cast<double>(latency.count());
  state.counters["server_sleeps"] =
      static_cast<double>(pair.server().stats().sleeps.load()) / static_cast<double>(latency.count());
}

// Both ends with the same budget, one request after the other.
void request_back_to_back(benchmark::State& state) {
  Pair pair(static_cast<uint32_t>(state.range(0)), static_cast<uint32_t>(state.range(0)));
  const uint64_t cpu_ns = pair.server_cpu_ns();
  for (auto _ : state) pair.run(1000);
  report(state, pair, pair.server_cpu_ns() - cpu_ns);
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(request_back_to_back)
    ->ArgName("spin_us")
    ->Arg(0)
    ->Arg(10)
    ->Arg(20)
    ->Arg(50)
    ->Arg(100)
    ->Arg(200)
    ->Arg(k_spin_us_always)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// A client that never sleeps and thinks between requests: what the server's budget saves and costs.
void request_after_thinking(benchmark::State& state) {
  Pair pair(k_spin_us_always, static_cast<uint32_t>(state.range(0)));
  pair.requester().gap_ns = static_cast<uint64_t>(state.range(1)) * k_ns_per_us;
  const uint64_t cpu_ns = pair.server_cpu_ns();
  for (auto _ : state) pair.run(1000);
  report(state, pair, pair.server_cpu_ns() - cpu_ns);
}
BENCHMARK(request_after_thinking)
    ->ArgNames({"spin_us", "gap_us"})
    ->ArgsProduct({{0, 10, 20, 50, 100, 200}, {10, 30, 80, 150, 500}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void message_to_another_reactor_and_back(benchmark::State& state) {
  const auto set = std::move(*ReactorSet::start(
      {.reactors_count = 2, .cpus = {0, 1}, .spin_us = static_cast<uint32_t>(state.range(0))}));
  struct Ball : Message {
    Ball()
        : Message([](Message& message) {
            auto& ball = static_cast<Ball&>(message);
            if (--ball.left == 0) {
              ball.done.post();
            } else {
              ball.reactors[ball.left % 2]->send(ball);
            }
          }) {}
    std::span<Reactor* const> reactors;
    uint64_t left = 0;
    Semaphore done;
  } ball;
  ball.reactors = set->reactors();
  for (auto _ : state) {
    ball.left = 2000;
    ball.reactors[0]->send(ball);
    ball.done.wait();
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(message_to_another_reactor_and_back)
    ->ArgName("spin_us")
    ->Arg(0)
    ->Arg(50)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void timer_arm_and_cancel(benchmark::State& state) {
  TimerWheel wheel(0);
  Timer timer([](Timer&, void*) {}, nullptr);
  Prng prng(1);
  for (auto _ : state) wheel.arm(timer, 1 + (prng.next() >> 30));
  wheel.cancel(timer);
}
BENCHMARK(timer_arm_and_cancel);

void buffer_acquire_and_release(benchmark::State& state) {
  const auto arena = std::move(*BufferArena::create({}));
  for (auto _ : state) {
    const Segment buffer = arena->try_acquire(4096, BufferArena::Purpose::transfer);
    benchmark::DoNotOptimize(buffer.base);
    arena->release(buffer);
  }
}
BENCHMARK(buffer_acquire_and_release);

void mailbox_push_and_run(benchmark::State& state) {
  Mailbox mailbox;
  Message message([](Message&) {});
  for (auto _ : state) {
    mailbox.push(message);
    mailbox.run(1);
  }
}
BENCHMARK(mailbox_push_and_run);

}  // namespace
}  // namespace ballast
