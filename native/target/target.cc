// Target: checks a change against what there is, then makes it on every shard, in steps where the order over
// shards matters. One thread at a time calls it (the engine's control thread).
#include "target/target.h"

#include <algorithm>
#include <atomic>
#include <map>

#include "base/log.h"
#include "nvme/nqn.h"
#include "target/countdown.h"
#include "target/target_shard.h"

namespace ballast::target {
namespace {

struct NamespaceRecord {
  explicit NamespaceRecord(uint32_t reactors_count) : counters(new IoCounters[reactors_count]) {}
  std::shared_ptr<IoCounters[]> counters;  // by reactor; the shards point into it
  bool read_only = false;
  nvme::AnaState ana_state = nvme::AnaState::optimized;
  bool removing = false;
  std::atomic<bool> gone{false};  // the shards have let go of it
};

struct SubsystemRecord {
  std::map<uint32_t, std::unique_ptr<NamespaceRecord>> namespaces;
  bool removing = false;
  std::atomic<bool> gone{false};
};

bool is_text(const std::string& text, size_t bytes_max) {
  const auto is_printable = [](char c) { return c >= ' ' && c <= '~'; };
  return text.size() <= bytes_max && std::all_of(text.begin(), text.end(), is_printable);
}

Outcome check_hosts(const std::vector<std::string>& hosts) {
  for (const std::string& host : hosts) {
    if (!nvme::is_valid_nqn(host)) {
      return Error{Errc::invalid_argument, "not a host NQN: " + log_escape(host)};
    }
  }
  return Unit{};
}

Outcome check_subsystem(const SubsystemConfig& config) {
  if (!nvme::is_valid_nqn(config.nqn) || config.nqn == nvme::k_discovery_nqn) {
    return Error{Errc::invalid_argument, "not a subsystem NQN: " + log_escape(config.nqn)};
  }
  if (!is_text(config.serial_number, 20)) {
    return Error{Errc::invalid_argument, "the serial number is not 20 or fewer printable ASCII characters"};
  }
  if (!is_text(config.model_number, 40)) {
    return Error{Errc::invalid_argument, "the model number is not 40 or fewer printable ASCII characters"};
  }
  return check_hosts(config.hosts);
}

// One for each host, of one for each controller.
std::vector<ConnectedHost> by_host(const std::vector<ConnectedHost>& controllers) {
  std::map<std::string, ConnectedHost> hosts;
  for (const ConnectedHost& one : controllers) {
    const auto [place, is_new] = hosts.emplace(one.nqn, one);
    if (is_new) continue;
    ConnectedHost& host = place->second;
    host.keep_alive_ms = std::max(host.keep_alive_ms, one.keep_alive_ms);
    host.silent_ns = std::min(host.silent_ns, one.silent_ns);
    host.is_ending = host.is_ending && one.is_ending;
  }
  std::vector<ConnectedHost> sorted;
  for (const auto& [nqn, host] : hosts) sorted.push_back(host);
  return sorted;
}

class ShardedTarget final : public Target {
 public:
  ShardedTarget(const std::vector<Reactor*>& reactors, const TargetOptions& options)
      : context_(options, reactors.front()->clock().now_ns()) {
    context_.shards.resize(reactors.size());
    for (uint32_t i = 0; i < reactors.size(); ++i) {
      shards_.push_back(std::make_unique<TargetShard>(*reactors[i], i, context_));
      context_.shards[i] = shards_.back().get();
    }
  }

  transport::ConnectionObserver& connection_observer(uint32_t reactor_index) override {
    return *shards_.at(reactor_index);
  }

  void set_host_lost_sink(HostLost sink) override {
    BALLAST_ASSERT(controllers_count() == 0);
    context_.host_lost = std::move(sink);
  }

  Outcome add_subsystem(const SubsystemConfig& config, Done done) override {
    forget_gone();
    TRY(const Unit checked, check_subsystem(config));
    if (subsystems_.contains(config.nqn)) {
      return Error{Errc::already_exists, "subsystem " + config.nqn + " exists already"};
    }
    subsystems_.emplace(config.nqn, std::make_unique<SubsystemRecord>());
    on_all(
        [config](TargetShard& shard, Countdown& parts) {
          shard.add_subsystem(config);
          parts.finish();
        },
        std::move(done));
    return checked;
  }

  // First every controller of it goes, on all shards; then the shards' copies, which I/O queues of those
  // controllers were using.
  Outcome remove_subsystem(const std::string& nqn, Done done) override {
    forget_gone();
    TRY(SubsystemRecord* const record, find(nqn));
    record->removing = true;
    on_all([nqn](TargetShard& shard, Countdown& parts) { shard.close_subsystem(nqn, parts); },
           [this, nqn, record, done = std::move(done)]() mutable {
             on_all([nqn](TargetShard& shard, Countdown& parts) { shard.drop_subsystem(nqn, parts); },
                    [this, record, done = std::move(done)] {
                      record->gone.store(true, std::memory_order_release);
                      some_gone_.store(true, std::memory_order_release);
                      if (done) done();
                    });
           });
    return Unit{};
  }

  // I/O to a namespace works on every reactor before any host can learn of it.
  Outcome add_namespace(const std::string& nqn, const NamespaceConfig& config, Done done) override {
    forget_gone();
    TRY(SubsystemRecord* const subsystem, find(nqn));
    TRY(const Unit checked, check_namespace(*subsystem, config));
    const uint32_t nsid = config.nsid;
    auto added = std::make_unique<NamespaceRecord>(static_cast<uint32_t>(shards_.size()));
    added->read_only = config.read_only;
    added->ana_state = config.ana_state;
    IoCounters* const counters = added->counters.get();
    subsystem->namespaces.emplace(nsid, std::move(added));
    on_all(
        [nqn, config, counters](TargetShard& shard, Countdown& parts) {
          shard.add_namespace(nqn, config, &counters[shard.index()]);
          parts.finish();
        },
        [this, nqn, nsid, counters, done = std::move(done)]() mutable {
          on_all(
              [nqn, nsid, counters](TargetShard& shard, Countdown& parts) {
                shard.announce_namespace(nqn, nsid, counters);
                parts.finish();
              },
              std::move(done));
        });
    return checked;
  }

  Outcome remove_namespace(const std::string& nqn, uint32_t nsid, Done done) override {
    forget_gone();
    TRY(NamespaceRecord* const record, find(nqn, nsid));
    record->removing = true;
    on_all([nqn, nsid](TargetShard& shard, Countdown& parts) { shard.remove_namespace(nqn, nsid, parts); },
           [this, record, done = std::move(done)] {
             record->gone.store(true, std::memory_order_release);
             some_gone_.store(true, std::memory_order_release);
             if (done) done();
           });
    return Unit{};
  }

  // Every reactor knows the new size before any host is told to look.
  Outcome namespace_changed(const std::string& nqn, uint32_t nsid, Done done) override {
    forget_gone();
    TRY(NamespaceRecord* const record, find(nqn, nsid));
    on_all(
        [nqn, nsid, read_only = record->read_only](TargetShard& shard, Countdown& parts) {
          shard.update_namespace(nqn, nsid, read_only);
          parts.finish();
        },
        [this, nqn, nsid, done = std::move(done)]() mutable {
          on_all(
              [nqn, nsid](TargetShard& shard, Countdown& parts) {
                shard.notify_namespace_changed(nqn, nsid);
                parts.finish();
              },
              std::move(done));
        });
    return Unit{};
  }

  // As with a new size. What waits for I/O waits behind the telling: that is what makes hosts go elsewhere.
  Outcome set_ana_state(const std::string& nqn, uint32_t nsid, nvme::AnaState state, Done done) override {
    forget_gone();
    TRY(NamespaceRecord* const record, find(nqn, nsid));
    const nvme::AnaState before = record->ana_state;
    if (before == nvme::AnaState::persistent_loss && state != before) {
      return Error{Errc::invalid_argument,
                   "the path to namespace " + std::to_string(nsid) + " of " + nqn + " is lost for good"};
    }
    record->ana_state = state;
    on_all(
        [nqn, nsid, state](TargetShard& shard, Countdown& parts) {
          shard.set_ana_state(nqn, nsid, state);
          parts.finish();
        },
        [this, nqn, nsid, is_news = state != before, done = std::move(done)]() mutable {
          on_all(
              [nqn, nsid, is_news](TargetShard& shard, Countdown& parts) {
                shard.finish_ana_change(nqn, nsid, is_news, parts);
              },
              std::move(done));
        });
    return Unit{};
  }

  Outcome drop_controllers(const std::string& nqn, const std::string& host_nqn, Done done) override {
    forget_gone();
    TRY(SubsystemRecord* const record, find(nqn));
    static_cast<void>(record);
    TRY(const Unit checked, check_hosts({host_nqn}));
    on_all([nqn, host_nqn](TargetShard& shard,
                           Countdown& parts) { shard.drop_controllers(nqn, host_nqn, parts); },
           std::move(done));
    return checked;
  }

  Outcome set_hosts(const std::string& nqn, bool allow_any_host, std::vector<std::string> hosts,
                    Done done) override {
    forget_gone();
    TRY(SubsystemRecord* const record, find(nqn));
    static_cast<void>(record);
    TRY(const Unit checked, check_hosts(hosts));
    on_all([nqn, allow_any_host, hosts = std::move(hosts)](
               TargetShard& shard, Countdown& parts) { shard.set_hosts(nqn, allow_any_host, hosts, parts); },
           std::move(done));
    return checked;
  }

  Outcome list_hosts(const std::string& nqn, Hosts done) override {
    forget_gone();
    TRY(SubsystemRecord* const record, find(nqn));
    static_cast<void>(record);
    // Each shard fills its own; the countdown orders that before the reading.
    auto found = std::make_shared<std::vector<std::vector<ConnectedHost>>>(shards_.size());
    on_all(
        [nqn, found](TargetShard& shard, Countdown& parts) {
          (*found)[shard.index()] = shard.hosts_of(nqn);
          parts.finish();
        },
        [found, done = std::move(done)] {
          std::vector<ConnectedHost> controllers;
          for (const auto& of_shard : *found)
            controllers.insert(controllers.end(), of_shard.begin(), of_shard.end());
          done(by_host(controllers));
        });
    return Unit{};
  }

  Outcome set_listeners(std::vector<ListenerConfig> listeners, Done done) override {
    constexpr size_t k_address_bytes_max = 255;  // TRADDR
    for (const ListenerConfig& listener : listeners) {
      if (!is_text(listener.address.host, k_address_bytes_max) || listener.address.port == 0) {
        return Error{Errc::invalid_argument,
                     "not an address with a port: " + log_escape(listener.address.host)};
      }
    }
    on_all(
        [listeners = std::move(listeners)](TargetShard& shard, Countdown& parts) {
          shard.set_listeners(listeners);
          parts.finish();
        },
        std::move(done));
    return Unit{};
  }

  void close(Done done) override {
    on_all([](TargetShard& shard, Countdown& parts) { shard.close_connections(parts); },
           [this, done = std::move(done)]() mutable {
             on_all([](TargetShard& shard, Countdown& parts) { shard.drop_everything(parts); },
                    std::move(done));
           });
  }

  NamespaceCounters namespace_counters(const std::string& nqn, uint32_t nsid) const override {
    const auto found = subsystems_.find(nqn);
    if (found == subsystems_.end()) return {};
    const auto record = found->second->namespaces.find(nsid);
    if (record == found->second->namespaces.end()) return {};
    return {record->second->counters, static_cast<uint32_t>(shards_.size())};
  }

  uint32_t controllers_count() const override {
    return context_.controllers_count.load(std::memory_order_relaxed);
  }
  uint64_t keep_alive_timeouts() const override {
    return context_.keep_alive_timeouts.load(std::memory_order_relaxed);
  }

 private:
  // Runs step(shard, parts) on every shard, and `then` when each has finished its part.
  template <typename Step>
  void on_all(Step step, std::function<void()> then) {
    Countdown& parts = Countdown::start(static_cast<uint32_t>(shards_.size()), std::move(then));
    for (const auto& shard : shards_) {
      send_task(shard->reactor(), [receiver = shard.get(), step, &parts] { step(*receiver, parts); });
    }
  }

  Result<SubsystemRecord*> find(const std::string& nqn) {
    const auto found = subsystems_.find(nqn);
    if (found == subsystems_.end() || found->second->removing) {
      return Error{Errc::not_found, "there is no subsystem " + log_escape(nqn)};
    }
    return found->second.get();
  }

  Result<NamespaceRecord*> find(const std::string& nqn, uint32_t nsid) {
    TRY(SubsystemRecord* const subsystem, find(nqn));
    const auto found = subsystem->namespaces.find(nsid);
    if (found == subsystem->namespaces.end() || found->second->removing) {
      return Error{Errc::not_found, "there is no namespace " + std::to_string(nsid) + " in " + nqn};
    }
    return found->second.get();
  }

  static Outcome check_namespace(const SubsystemRecord& subsystem, const NamespaceConfig& config) {
    if (config.nsid == 0 || config.nsid > nvme::k_namespaces_per_subsystem_max) {
      return Error{Errc::invalid_argument, "the NSID is not 1 to 1024"};
    }
    if (config.bdev == nullptr || config.uuid.is_nil()) {
      return Error{Errc::invalid_argument, "a namespace needs a device and a UUID"};
    }
    const bdev::Geometry& geometry = config.bdev->geometry();
    if ((geometry.block_size_bytes != 512 && geometry.block_size_bytes != 4096) ||
        geometry.blocks_count == 0) {
      return Error{Errc::invalid_argument, "the device has no blocks of 512 or 4096 bytes"};
    }
    if (subsystem.namespaces.contains(config.nsid)) {
      return Error{Errc::already_exists, "namespace " + std::to_string(config.nsid) + " exists already"};
    }
    return Unit{};
  }

  // Drops the records of what all shards have let go of since the last call.
  void forget_gone() {
    if (!some_gone_.exchange(false, std::memory_order_acquire)) return;
    const auto is_gone = [](const auto& entry) { return entry.second->gone.load(std::memory_order_acquire); };
    std::erase_if(subsystems_, is_gone);
    for (auto& [nqn, record] : subsystems_) std::erase_if(record->namespaces, is_gone);
  }

  TargetContext context_;
  std::vector<std::unique_ptr<TargetShard>> shards_;
  std::map<std::string, std::unique_ptr<SubsystemRecord>> subsystems_;
  std::atomic<bool> some_gone_{false};  // a record of them, or of their namespaces, is gone
};

}  // namespace

std::unique_ptr<Target> Target::create(std::vector<Reactor*> reactors, const TargetOptions& options) {
  BALLAST_ASSERT(!reactors.empty());
  BALLAST_ASSERT(options.controller_id_first > 0);
  BALLAST_ASSERT(options.controller_id_first <= options.controller_id_last);
  return std::make_unique<ShardedTarget>(reactors, options);
}

}  // namespace ballast::target
