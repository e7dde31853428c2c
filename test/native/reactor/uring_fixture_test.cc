// BackendWorld over UringBackend: the real kernel, loopback, and a folder of its own for files. Both reactors
// are turned by the test's thread; the sleeping variant also sleeps, shortly, whenever a turn found nothing.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "backend_fixture.h"
#include "reactor/kernel_file_system.h"
#include "reactor/uring_backend.h"

namespace ballast::test {
namespace {

// Far above what any test takes; only a hang gets here.
constexpr uint64_t k_limit_ns = 20 * k_ns_per_s;
constexpr uint64_t k_nap_ns = 200 * k_ns_per_us;

class UringBackendWorld final : public BackendWorld {
 public:
  UringBackendWorld(UringLevel best, bool sleeps) : sleeps_(sleeps) {
    for (uint32_t i = 0; i < 2; ++i) nodes_.push_back(std::make_unique<Node>(clock_, i, best));
    std::string name = (std::filesystem::temp_directory_path() / "ballast-reactor-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~UringBackendWorld() override { std::filesystem::remove_all(folder_); }

  Reactor& reactor(size_t index) override { return *nodes_[index]->reactor; }
  FileSystem& files() override { return files_; }
  std::string path(const std::string& name) override { return folder_ + "/" + name; }
  bool run_until(const std::function<bool()>& done) override {
    const uint64_t end_ns = clock_.now_ns() + k_limit_ns;
    while (!done()) {
      turn();
      if (clock_.now_ns() > end_ns) return false;
    }
    return true;
  }
  void settle() override {
    // Enough turns without news for hot sockets to cool, and for loopback to deliver.
    const int quiet_turns = sleeps_ ? 20 : 600;
    for (int quiet = 0; quiet < quiet_turns;) quiet = turn() ? 0 : quiet + 1;
  }

 private:
  struct Node {
    Node(Clock& clock, uint32_t index, UringLevel best) {
      backend = std::move(UringBackend::create(clock, best).value());
      auto buffers = std::move(BufferArena::create({}).value());
      backend->register_memory(buffers->mapping());
      reactor = std::make_unique<Reactor>(ReactorOptions{.index = index}, *backend, clock, prng,
                                          std::move(buffers));
    }
    Prng prng{1};
    std::unique_ptr<UringBackend> backend;
    std::unique_ptr<Reactor> reactor;
  };

  bool turn() {
    bool did_something = false;
    for (auto& node : nodes_) {
      const Reactor::Entered entered(*node->reactor);
      const bool useful = node->reactor->turn();
      if (!useful && sleeps_) node->backend->sleep(clock_.now_ns() + k_nap_ns);
      did_something |= useful;
    }
    return did_something;
  }

  bool sleeps_;
  MonotonicClock clock_;
  KernelFileSystem files_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::string folder_;
};

}  // namespace

std::unique_ptr<BackendWorld> make_uring() {
  return std::make_unique<UringBackendWorld>(UringLevel::defer_taskrun, false);
}
std::unique_ptr<BackendWorld> make_uring_sleeping() {
  return std::make_unique<UringBackendWorld>(UringLevel::defer_taskrun, true);
}
std::unique_ptr<BackendWorld> make_uring_plain() {
  return std::make_unique<UringBackendWorld>(UringLevel::plain, true);
}

}  // namespace ballast::test
