#include "reactor/simulated_world.h"

#include <algorithm>

#include "base/assert.h"
#include "reactor/simulated_state.h"

namespace ballast {
namespace {

// A world that is still busy after this many rounds at one point in time spins; no test needs as many.
constexpr uint32_t k_rounds_max = 10'000'000;

}  // namespace

SimulatedWorld::State::Node::Node(State& state, std::unique_ptr<BufferArena> buffers, uint32_t index)
    : backend(state.clock, state.network, state.files, state.descriptors),
      reactor({.index = index}, backend, state.clock, state.prng, std::move(buffers)) {}

bool SimulatedWorld::State::step() {
  bool happened = events.run_due();
  for (SimulatedPeer::Impl* const peer : peers) happened |= peer->drain();
  for (const std::unique_ptr<Node>& node : nodes) {
    const Reactor::Entered entered(node->reactor);
    happened |= node->reactor.turn();
  }
  return happened;
}

uint64_t SimulatedWorld::State::next_ns() const {
  uint64_t next_ns = events.next_ns();
  for (const std::unique_ptr<Node>& node : nodes) {
    next_ns = std::min(next_ns, node->reactor.next_deadline_ns());
  }
  return next_ns;
}

SimulatedWorld::SimulatedWorld(uint64_t seed) : state_(std::make_unique<State>(seed)) {}

SimulatedWorld::~SimulatedWorld() { BALLAST_ASSERT(state_->peers.empty()); }

Clock& SimulatedWorld::clock() { return state_->clock; }
Prng& SimulatedWorld::prng() { return state_->prng; }
SimulatedNetworkOptions& SimulatedWorld::network() { return state_->network.options(); }
FileSystem& SimulatedWorld::files() { return state_->files; }

Reactor& SimulatedWorld::add_reactor(const BufferArenaSizes& buffers) {
  Result<std::unique_ptr<BufferArena>> arena = BufferArena::create(buffers);
  BALLAST_ASSERT(arena.ok());
  const auto index = static_cast<uint32_t>(state_->nodes.size());
  state_->nodes.push_back(std::make_unique<State::Node>(*state_, std::move(*arena), index));
  return state_->nodes.back()->reactor;
}

void SimulatedWorld::on(Reactor& reactor, const std::function<void()>& body) {
  const Reactor::Entered entered(reactor);
  body();
}

bool SimulatedWorld::run_until(const std::function<bool()>& done, uint64_t for_ns) {
  const uint64_t end_ns = state_->clock.now_ns() + for_ns;
  uint32_t rounds = 0;
  while (!done()) {
    if (state_->step()) {
      BALLAST_ASSERT(++rounds < k_rounds_max);
      continue;
    }
    rounds = 0;
    const uint64_t next_ns = state_->next_ns();
    if (next_ns == k_no_deadline) return done();
    state_->clock.jump_to(std::clamp(next_ns, state_->clock.now_ns(), end_ns));
    if (next_ns > end_ns) return done();
  }
  return true;
}

void SimulatedWorld::settle() {
  for (uint32_t rounds = 0; state_->step(); ++rounds) BALLAST_ASSERT(rounds < k_rounds_max);
}

void SimulatedWorld::advance(uint64_t ns) {
  const uint64_t end_ns = state_->clock.now_ns() + ns;
  settle();
  for (uint64_t next_ns = state_->next_ns(); next_ns <= end_ns; next_ns = state_->next_ns()) {
    state_->clock.jump_to(std::max(next_ns, state_->clock.now_ns()));
    settle();
  }
  state_->clock.jump_to(end_ns);
  settle();
}

void SimulatedWorld::fail_file_operations(const std::string& path, FileOp::Kind kind, int error,
                                          uint32_t count) {
  state_->files.fail({path, kind, count, {SimulatedFault::Kind::error, error, 0}});
}

void SimulatedWorld::spoil_file_operations(const std::string& path, FileOp::Kind kind,
                                           const SimulatedFault& effect, uint32_t count) {
  state_->files.fail({path, kind, count, effect});
}

void SimulatedWorld::spoil_file(const std::string& path, uint64_t offset, uint8_t mask) {
  state_->files.spoil(path, offset, mask);
}

void SimulatedWorld::make_unreadable(const std::string& path, uint64_t offset) {
  state_->files.make_unreadable(path, offset);
}

void SimulatedWorld::hold_file_operations(bool hold) { state_->files.held = hold; }
void SimulatedWorld::hold_file_operation(const std::string& path, FileOp::Kind kind, uint32_t skipped) {
  state_->files.hold = {path, kind, skipped};
}
bool SimulatedWorld::holds_file_operation() const {
  return state_->files.hold && state_->files.hold->op != nullptr;
}
void SimulatedWorld::release_file_operation() { state_->files.hold.reset(); }
void SimulatedWorld::shuffle_file_operations(bool shuffle) {
  state_->files.shuffled_by = shuffle ? &state_->prng : nullptr;
}

std::vector<uint8_t> SimulatedWorld::file_bytes(const std::string& path) const {
  return state_->files.bytes(path);
}

void SimulatedWorld::drop_unsynced_writes() { state_->files.drop_unsynced(); }

uint64_t SimulatedWorld::file_changes_count() const { return state_->files.changes_count(); }
void SimulatedWorld::cut_power_after(uint64_t changes_count) { state_->files.cut_power_after(changes_count); }
bool SimulatedWorld::power_is_off() const { return state_->files.power_is_off(); }
void SimulatedWorld::restore_power(UnsyncedWrites unsynced) {
  state_->files.restore_power(unsynced, state_->prng);
}
void SimulatedWorld::restart_process() { state_->files.restart_process(); }

}  // namespace ballast
