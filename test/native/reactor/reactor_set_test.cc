// Reactors on threads of their own over the kernel: refusals, wake-ups, connections across reactors, idling.
#include "reactor/reactor_set.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "backend_fixture.h"

namespace ballast::test {
namespace {

std::unique_ptr<ReactorSet> start(const ReactorSetOptions& options) {
  auto set = ReactorSet::start(options);
  EXPECT_TRUE(set.ok()) << set.error().text;
  return std::move(*set);
}

// Runs `body` on the reactor and waits until it has run.
template <typename Body>
void run_on(Reactor& reactor, Body body) {
  sem_t done;
  sem_init(&done, 0, 0);
  send_task(reactor, [&] {
    body();
    sem_post(&done);
  });
  while (sem_wait(&done) != 0) {
  }
  sem_destroy(&done);
}

// Asks on the reactor until it holds.
template <typename Condition>
bool eventually(Reactor& reactor, Condition condition) {
  const MonotonicClock clock;
  const uint64_t end_ns = clock.now_ns() + 30 * k_ns_per_s;
  for (bool holds = false; clock.now_ns() < end_ns;) {
    run_on(reactor, [&] { holds = condition(); });
    if (holds) return true;
    std::this_thread::yield();
  }
  return false;
}

uint64_t thread_cpu_ns() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * k_ns_per_s + static_cast<uint64_t>(time.tv_nsec);
}

TEST(ReactorSetTest, refuses_no_reactor_and_too_many) {
  EXPECT_EQ(ReactorSet::start({.reactors_count = 0}).errc(), Errc::invalid_argument);
  EXPECT_EQ(ReactorSet::start({.reactors_count = k_reactors_max + 1}).errc(), Errc::invalid_argument);
}

TEST(ReactorSetTest, refuses_a_cpu_that_does_not_exist_and_names_it) {
  for (const int cpu : {-1, 1023, 100'000}) {
    const auto set = ReactorSet::start({.reactors_count = 1, .cpus = {cpu}});
    ASSERT_FALSE(set.ok());
    EXPECT_EQ(set.errc(), Errc::invalid_argument);
    EXPECT_NE(set.error().text.find(std::to_string(cpu)), std::string::npos);
  }
}

TEST(ReactorSetTest, refuses_a_list_of_cpus_of_another_length) {
  EXPECT_EQ(ReactorSet::start({.reactors_count = 2, .cpus = {0}}).errc(), Errc::invalid_argument);
}

TEST(ReactorSetTest, one_bad_cpu_of_several_stops_the_others) {
  EXPECT_EQ(ReactorSet::start({.reactors_count = 2, .cpus = {0, 100'000}}).errc(), Errc::invalid_argument);
}

TEST(ReactorSetTest, runs_each_reactor_on_a_named_pinned_thread_of_its_own) {
  const auto set = start({.reactors_count = 2, .cpus = {0, 0}});
  ASSERT_EQ(set->count(), 2u);
  pthread_t threads[2];
  for (uint32_t i = 0; i < 2; ++i) {
    run_on(set->at(i), [&, i] {
      threads[i] = pthread_self();
      char name[16];
      pthread_getname_np(pthread_self(), name, sizeof(name));
      EXPECT_EQ(std::string(name), "ballast-r" + std::to_string(i));
      cpu_set_t cpus;
      sched_getaffinity(0, sizeof(cpus), &cpus);
      EXPECT_EQ(CPU_COUNT(&cpus), 1);
      EXPECT_TRUE(set->at(i).is_current());
      EXPECT_EQ(set->at(i).index(), i);
    });
  }
  EXPECT_FALSE(pthread_equal(threads[0], threads[1]));
}

TEST(ReactorSetTest, says_what_the_kernel_gave) { EXPECT_NE(uring_features_text(), ""); }

// Each message waits for an answer before the next, so that every one meets a reactor that sleeps or is about
// to: a lost wake-up hangs.
TEST(ReactorSetTest, no_wake_up_is_lost_between_many_threads_and_a_reactor_that_sleeps_at_once) {
  const auto set = start({.reactors_count = 1, .spin_us = k_spin_us_never});
  Reactor& reactor = set->at(0);
  constexpr int k_threads_count = 6;
  constexpr int k_rounds_count = 2000;
  std::atomic<int> answers{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < k_threads_count; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < k_rounds_count; ++i) run_on(reactor, [&] { ++answers; });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answers.load(), k_threads_count * k_rounds_count);
  EXPECT_GT(reactor.stats().sleeps.load(), 0u);
  // Counted when the turn that ran them ends.
  while (reactor.stats().messages.load() < uint64_t{k_threads_count * k_rounds_count}) sched_yield();
  EXPECT_EQ(reactor.stats().messages.load(), uint64_t{k_threads_count * k_rounds_count});
}

// A message that two reactors send each other `left` times.
struct Ball : Message {
  Ball(std::span<Reactor* const> reactors_, int left_)
      : Message([](Message& message) { static_cast<Ball&>(message).pass(); }),
        reactors(reactors_),
        left(left_) {
    sem_init(&done, 0, 0);
  }
  ~Ball() { sem_destroy(&done); }
  void pass() {
    if (--left == 0) {
      sem_post(&done);
    } else {
      reactors[left % 2]->send(*this);
    }
  }
  void play() {
    reactors[0]->send(*this);
    while (sem_wait(&done) != 0) {
    }
  }
  const std::span<Reactor* const> reactors;
  int left;
  sem_t done;
};

TEST(ReactorSetTest, two_sleeping_reactors_play_a_message_back_and_forth) {
  const auto set = start({.reactors_count = 2, .spin_us = k_spin_us_never});
  Ball ball(set->reactors(), 20'000);
  ball.play();
  EXPECT_EQ(ball.left, 0);
}

// One that only looks for work lets the other, that has some, have the CPU at once: it takes a few turns for
// each pass, and tens of thousands if it went on until the kernel takes the CPU from it.
TEST(ReactorSetTest, a_reactor_that_spins_does_not_keep_the_cpu_from_another) {
  const auto set = start({.reactors_count = 2, .cpus = {0, 0}, .spin_us = k_spin_us_always});
  constexpr int k_passes_count = 200;
  Ball ball(set->reactors(), k_passes_count);
  const auto turns = [&] { return set->at(0).stats().turns.load() + set->at(1).stats().turns.load(); };
  const uint64_t before = turns();
  ball.play();
  EXPECT_LT((turns() - before) / k_passes_count, 1000u);
}

class ReactorSetSocketTest : public ::testing::Test {
 protected:
  explicit ReactorSetSocketTest(uint32_t spin_us = k_spin_us_never)
      : set_(start({.reactors_count = 2, .spin_us = spin_us})) {
    run_on(accepting(), [this] {
      listener_ = std::move(*accepting().io().listen({"127.0.0.1", 0}, acceptor_));
    });
  }
  ~ReactorSetSocketTest() override {
    run_on(accepting(), [this] { listener_.reset(); });
  }
  Reactor& accepting() { return set_->at(0); }
  Reactor& serving() { return set_->at(1); }

  std::unique_ptr<ReactorSet> set_;
  RecordingAcceptor acceptor_;
  std::unique_ptr<ListenSocket> listener_;
};

TEST_F(ReactorSetSocketTest, a_connection_is_accepted_on_one_reactor_and_served_on_another_that_sleeps) {
  RecordingObserver client;
  RecordingObserver server;
  run_on(accepting(),
         [&] { client.socket = std::move(*accepting().io().connect(listener_->local_address(), client)); });
  ASSERT_TRUE(
      eventually(accepting(), [&] { return acceptor_.accepted.size() == 1 && client.connected_calls == 1; }));
  server.after_readable = [&server] {
    // Echoes, from inside the observer.
    server.send(server.received);
    server.received.clear();
  };
  run_on(serving(), [&] { server.socket = std::move(*serving().io().adopt(acceptor_.accepted[0], server)); });
  for (size_t i = 1; i <= 200; ++i) {
    run_on(accepting(), [&] { client.send(pattern(10)); });
    ASSERT_TRUE(eventually(accepting(), [&] { return client.received.size() == 10 * i; }));
  }
  run_on(accepting(), [&] { client.socket.reset(); });
  ASSERT_TRUE(eventually(serving(), [&] { return server.closed; }));
  run_on(serving(), [&] { server.socket.reset(); });
}

TEST_F(ReactorSetSocketTest, an_idle_reactor_with_a_hundred_connections_sleeps_without_turning) {
  std::vector<std::unique_ptr<RecordingObserver>> clients;
  std::vector<std::unique_ptr<RecordingObserver>> servers;
  run_on(accepting(), [&] {
    for (int i = 0; i < 100; ++i) {
      clients.push_back(std::make_unique<RecordingObserver>());
      clients.back()->socket =
          std::move(*accepting().io().connect(listener_->local_address(), *clients.back()));
    }
  });
  ASSERT_TRUE(eventually(accepting(), [&] { return acceptor_.accepted.size() == 100; }));
  uint64_t cpu_before_ns = 0;
  run_on(serving(), [&] {
    for (const Descriptor descriptor : acceptor_.accepted) {
      servers.push_back(std::make_unique<RecordingObserver>());
      servers.back()->socket = std::move(*serving().io().adopt(descriptor, *servers.back()));
    }
    cpu_before_ns = thread_cpu_ns();
  });
  // Nothing arrives: however long we wait, there is one turn to find that out, and a sleep.
  const uint64_t turns_before = serving().stats().turns.load();
  usleep(200'000);
  const uint64_t turns = serving().stats().turns.load() - turns_before;
  EXPECT_LE(turns, 20u) << "it wakes by itself";
  // All of them are still heard.
  run_on(accepting(), [&] {
    for (auto& client : clients) client->send(pattern(1));
  });
  for (auto& server : servers) {
    ASSERT_TRUE(eventually(serving(), [&] { return server->received.size() == 1; }));
  }
  run_on(accepting(), [&] { clients.clear(); });
  run_on(serving(), [&] { servers.clear(); });
}

TEST_F(ReactorSetSocketTest, accepting_rests_when_no_descriptor_is_left_and_goes_on_afterwards) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  RecordingObserver client;
  run_on(accepting(), [&] {
    client.socket = std::move(*accepting().io().connect(listener_->local_address(), client));
    // The server's end is in the kernel's backlog, and no number is left for it.
    const rlimit none{0, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  });
  ASSERT_TRUE(eventually(accepting(), [&] { return client.connected_calls == 1; }));
  EXPECT_TRUE(acceptor_.accepted.empty());
  const uint64_t turns_before = accepting().stats().turns.load();
  usleep(50'000);
  EXPECT_LE(accepting().stats().turns.load() - turns_before, 20u) << "it spins on the shortage";
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(eventually(accepting(), [&] { return acceptor_.accepted.size() == 1; }));
  run_on(accepting(), [&] {
    accepting().io().close_descriptor(acceptor_.accepted[0]);
    client.socket.reset();
  });
}

}  // namespace
}  // namespace ballast::test
