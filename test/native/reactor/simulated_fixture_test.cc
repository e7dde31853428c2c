// BackendWorld over a SimulatedWorld.
#include "backend_fixture.h"
#include "reactor/simulated_world.h"

namespace ballast::test {
namespace {

class SimulatedBackendWorld final : public BackendWorld {
 public:
  SimulatedBackendWorld() {
    reactors_[0] = &world_.add_reactor();
    reactors_[1] = &world_.add_reactor();
  }
  Reactor& reactor(size_t index) override { return *reactors_[index]; }
  FileSystem& files() override { return world_.files(); }
  std::string path(const std::string& name) override { return name; }
  bool run_until(const std::function<bool()>& done) override { return world_.run_until(done); }
  void settle() override { world_.settle(); }

 private:
  SimulatedWorld world_{1};
  Reactor* reactors_[2];
};

}  // namespace

std::unique_ptr<BackendWorld> make_simulated() { return std::make_unique<SimulatedBackendWorld>(); }

}  // namespace ballast::test
