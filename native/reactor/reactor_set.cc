#include "reactor/reactor_set.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/random.h>

#include <cstring>

#include "base/assert.h"
#include "base/log.h"
#include "reactor/kernel_file_system.h"
#include "reactor/uring_backend.h"

namespace ballast {
namespace {

class Semaphore {
 public:
  Semaphore() { sem_init(&semaphore_, 0, 0); }
  ~Semaphore() { sem_destroy(&semaphore_); }
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;
  void post() { sem_post(&semaphore_); }
  void wait() {
    while (sem_wait(&semaphore_) != 0) {
    }
  }

 private:
  sem_t semaphore_;
};

uint64_t random_seed() {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) seed = MonotonicClock().now_ns();
  return seed;
}

Outcome pin(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_SET(static_cast<size_t>(cpu), &cpus);
  if (CPU_COUNT(&cpus) == 0 || pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus) != 0) {
    return Error{Errc::invalid_argument,
                 "CPU " + std::to_string(cpu) + " does not exist, or this process may not run on it"};
  }
  return Unit{};
}

}  // namespace

// A reactor and all it stands on: made, run and destroyed by its own thread.
struct ReactorSet::Thread {
  Thread(const ReactorSetOptions& set_options, uint32_t index)
      : options{index, set_options.spin_us, set_options.buffers},
        cpu(set_options.cpus.empty() ? -1 : set_options.cpus[index]),
        is_pinned(!set_options.cpus.empty()) {}

  static void* main(void* self);
  Outcome build();
  void run();

  ReactorOptions options;
  int cpu;
  bool is_pinned;
  pthread_t thread{};
  Outcome built{Unit{}};

  MonotonicClock clock;
  Prng prng{random_seed()};
  std::unique_ptr<UringBackend> backend;
  std::unique_ptr<Reactor> reactor;

  Semaphore built_or_failed;
  Semaphore ended;        // run() is over
  Semaphore may_unbuild;  // all have ended: nobody sends to this reactor any more
};

void* ReactorSet::Thread::main(void* self) {
  static_cast<Thread*>(self)->run();
  return nullptr;
}

// On the reactor's thread, pinned already: its memory comes from the near node, its ring has one issuer.
Outcome ReactorSet::Thread::build() {
  if (is_pinned) {
    TRY(const Unit pinned, pin(cpu));
    static_cast<void>(pinned);
  }
  TRY(backend, UringBackend::create(clock));
  TRY(std::unique_ptr<BufferArena> buffers, BufferArena::create(options.buffers));
  backend->register_memory(buffers->mapping());
  reactor = std::make_unique<Reactor>(options, *backend, clock, prng, std::move(buffers));
  return Unit{};
}

void ReactorSet::Thread::run() {
  const std::string name = "ballast-r" + std::to_string(options.index);
  pthread_setname_np(pthread_self(), name.c_str());
  built = build();
  built_or_failed.post();
  if (reactor != nullptr) reactor->run();
  ended.post();
  may_unbuild.wait();
  reactor.reset();
  backend.reset();
}

ReactorSet::ReactorSet() : files_(std::make_unique<KernelFileSystem>()) {}

Result<std::unique_ptr<ReactorSet>> ReactorSet::start(const ReactorSetOptions& options) {
  if (options.reactors_count == 0 || options.reactors_count > k_reactors_max) {
    return Error{Errc::invalid_argument, "the number of reactors is 1 to " + std::to_string(k_reactors_max)};
  }
  if (!options.cpus.empty() && options.cpus.size() != options.reactors_count) {
    return Error{Errc::invalid_argument, "one CPU for each reactor, or none"};
  }
  std::unique_ptr<ReactorSet> set(new ReactorSet());
  int error = 0;
  for (uint32_t i = 0; i < options.reactors_count && error == 0; ++i) {
    auto thread = std::make_unique<Thread>(options, i);
    error = pthread_create(&thread->thread, nullptr, Thread::main, thread.get());
    if (error == 0) set->threads_.push_back(std::move(thread));
  }
  for (const std::unique_ptr<Thread>& thread : set->threads_) thread->built_or_failed.wait();
  if (error != 0) {
    return Error{Errc::no_memory, std::string("cannot start a thread: ") + std::strerror(error)};
  }
  for (const std::unique_ptr<Thread>& thread : set->threads_) {
    if (!thread->built.ok()) return thread->built.error();
    set->reactors_.push_back(thread->reactor.get());
  }
  const UringLevel level = set->threads_.front()->backend->level();
  if (level == UringLevel::defer_taskrun) {
    log(LogLevel::info, "reactor", "io_uring: %s", uring_level_text(level));
  } else {
    log(LogLevel::warning, "reactor", "%s", uring_level_warning(level));
  }
  return set;
}

ReactorSet::~ReactorSet() {
  for (const std::unique_ptr<Thread>& thread : threads_) {
    if (thread->reactor != nullptr) thread->reactor->stop();
  }
  for (const std::unique_ptr<Thread>& thread : threads_) {
    thread->ended.wait();
  }
  for (const std::unique_ptr<Thread>& thread : threads_) thread->may_unbuild.post();
  for (const std::unique_ptr<Thread>& thread : threads_) {
    pthread_join(thread->thread, nullptr);
  }
}

FileSystem& ReactorSet::files() { return *files_; }

std::string uring_features_text() {
  UringRing probe;
  if (!probe.open(8).ok()) return "none";
  return uring_level_text(probe.level());
}

}  // namespace ballast
