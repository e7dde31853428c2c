#include "target/namespace_shard.h"

#include <algorithm>
#include <string>
#include <utility>

#include "nvme/limits.h"

namespace ballast::target {

NamespaceShard::NamespaceShard(const NamespaceShardConfig& config, uint64_t generation, Reactor& reactor)
    : reactor_(reactor),
      config_(config),
      path_status_(nvme::ana_status(config.ana_state)),
      generation_(generation),
      channel_(config.bdev->open(reactor)) {
  update(config.read_only);
}

void NamespaceShard::update(bool read_only) {
  config_.read_only = read_only;
  geometry_ = config_.bdev->geometry();
}

void NamespaceShard::set_ana_state(nvme::AnaState state) {
  config_.ana_state = state;
  path_status_ = nvme::ana_status(state);
  if (path_status_.ok()) tell_idle();  // I/O may go on for ever now: who waits has been overtaken
}

// Later: an I/O is on its way out, and what runs then may remove the namespace.
void NamespaceShard::tell_idle() {
  for (std::function<void()>& waiting : std::exchange(idle_waiting_, {})) {
    send_task(reactor_, std::move(waiting));
  }
}

NamespaceTable::~NamespaceTable() {
  BALLAST_ASSERT(count_ == 0);
  BALLAST_ASSERT(removals_.empty());
}

Outcome NamespaceTable::add(const NamespaceShardConfig& config) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  BALLAST_ASSERT(config.counters != nullptr);
  if (config.nsid == 0 || config.nsid > nvme::k_namespaces_per_subsystem_max) {
    return Error{Errc::invalid_argument, "nsid " + std::to_string(config.nsid) + " is not 1 to " +
                                             std::to_string(nvme::k_namespaces_per_subsystem_max)};
  }
  if (config.bdev == nullptr) return Error{Errc::invalid_argument, "a namespace needs a device"};
  const bool leaving = std::any_of(removals_.begin(), removals_.end(), [&config](const auto& removal) {
    return removal->shard->nsid() == config.nsid;
  });
  if (leaving || find(config.nsid) != nullptr) {
    return Error{Errc::already_exists, "nsid " + std::to_string(config.nsid) + " is taken"};
  }
  if (shards_.size() < config.nsid) shards_.resize(config.nsid);
  shards_[config.nsid - 1].reset(new NamespaceShard(config, ++generation_last_, reactor_));
  ++count_;
  return Unit{};
}

Outcome NamespaceTable::remove(uint32_t nsid, Done done) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  if (find(nsid) == nullptr) return Errc::not_found;
  Removal& removal =
      *removals_.emplace_back(new Removal{this, std::move(shards_[nsid - 1]), std::move(done)});
  --count_;
  Gate& in_flight = removal.shard->in_flight_;
  if (in_flight.inside() == 0) {
    in_flight.close(nullptr, nullptr);
    finish_removal(removal);
    return Unit{};
  }
  // The last I/O leaves from inside its device's completion: the channel is closed after that has returned.
  in_flight.close(
      [](void* context) {
        Removal& emptied = *static_cast<Removal*>(context);
        send_task(emptied.table->reactor_, [&emptied] { emptied.table->finish_removal(emptied); });
      },
      &removal);
  return Unit{};
}

void NamespaceTable::finish_removal(Removal& removal) {
  const auto found = std::find_if(removals_.begin(), removals_.end(),
                                  [&removal](const auto& owned) { return owned.get() == &removal; });
  const std::unique_ptr<Removal> finished = std::move(*found);
  removals_.erase(found);
  finished->shard.reset();
  if (finished->done) finished->done();  // last: the table may be ended from inside
}

Outcome NamespaceTable::update(uint32_t nsid, bool read_only) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  NamespaceShard* const shard = find(nsid);
  if (shard == nullptr) return Errc::not_found;
  shard->update(read_only);
  return Unit{};
}

Result<bool> NamespaceTable::set_ana_state(uint32_t nsid, nvme::AnaState state) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  NamespaceShard* const shard = find(nsid);
  if (shard == nullptr) return Errc::not_found;
  if (shard->ana_state() == state) return false;
  shard->set_ana_state(state);
  return true;
}

void NamespaceTable::when_path_idle(uint32_t nsid, Done done) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  NamespaceShard* const shard = find(nsid);
  if (shard == nullptr || shard->path_status().ok() || shard->in_flight_.inside() == 0) return done();
  shard->idle_waiting_.push_back(std::move(done));
}

NamespaceShard* NamespaceTable::next(uint32_t nsid) {
  for (size_t i = nsid; i < shards_.size(); ++i) {
    if (shards_[i] != nullptr) return shards_[i].get();
  }
  return nullptr;
}

nvme::Status NamespaceTable::path_status_of_all() {
  for (NamespaceShard* shard = next(0); shard != nullptr; shard = next(shard->nsid())) {
    if (!shard->path_status().ok()) return shard->path_status();
  }
  return nvme::status::success;
}

bool NamespaceTable::has_volatile_write_cache() {
  for (NamespaceShard* shard = next(0); shard != nullptr; shard = next(shard->nsid())) {
    if (shard->capabilities().volatile_write_cache) return true;
  }
  return false;
}

}  // namespace ballast::target
