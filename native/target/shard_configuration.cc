// What the Target's messages change on one shard. See target.cc for the order of the steps over all shards.
#include "base/log.h"
#include "target/controller.h"
#include "target/target_shard.h"

namespace ballast::target {

SubsystemShard* TargetShard::find_subsystem(const std::string& nqn) {
  const auto found = subsystems_.find(nqn);
  return found == subsystems_.end() ? nullptr : found->second.get();
}

void TargetShard::add_subsystem(const SubsystemConfig& config) {
  auto subsystem = std::make_unique<SubsystemShard>(reactor_, config, SubsystemShard::Kind::nvm);
  const bool is_new = subsystems_.emplace(config.nqn, std::move(subsystem)).second;
  BALLAST_ASSERT(is_new);
  notify_discovery_changed();
}

void TargetShard::close_subsystem(const std::string& nqn, Countdown& parts) {
  SubsystemShard* const subsystem = find_subsystem(nqn);
  BALLAST_ASSERT(subsystem != nullptr);
  subsystem->closing = true;
  notify_discovery_changed();
  terminate_controllers([subsystem](Controller& controller) { return &controller.subsystem() == subsystem; },
                        parts);
}

void TargetShard::drop_subsystem(const std::string& nqn, Countdown& parts) {
  const auto found = subsystems_.find(nqn);
  BALLAST_ASSERT(found != subsystems_.end());
  // Kept by the countdown until its last namespace is closed.
  SubsystemShard* const subsystem = found->second.release();
  subsystems_.erase(found);
  NamespaceTable& namespaces = subsystem->namespaces();
  std::vector<uint32_t> nsids;
  for (NamespaceShard* shard = namespaces.next(0); shard != nullptr; shard = namespaces.next(shard->nsid())) {
    nsids.push_back(shard->nsid());
  }
  Countdown& closed = Countdown::start(static_cast<uint32_t>(nsids.size()) + 1, [this, subsystem, &parts] {
    // Later: the table may be on the stack.
    send(index_, [subsystem, &parts](TargetShard& shard) {
      shard.latencies_.settle();  // the counters of its namespaces may go with it
      delete subsystem;
      parts.finish();
    });
  });
  for (const uint32_t nsid : nsids) {
    const Outcome removed = namespaces.remove(nsid, [&closed] { closed.finish(); });
    BALLAST_ASSERT(removed.ok());
  }
  closed.finish();
}

void TargetShard::add_namespace(const std::string& nqn, const NamespaceConfig& config, IoCounters* counters) {
  SubsystemShard* const subsystem = find_subsystem(nqn);
  BALLAST_ASSERT(subsystem != nullptr);
  const Outcome added = subsystem->namespaces().add(
      {config.nsid, config.uuid, config.bdev, config.read_only, counters, config.ana_state});
  if (!added.ok()) {
    log(LogLevel::error, "target", "namespace %u of %s: %s", config.nsid, nqn.c_str(),
        errc_text(added.errc()));
  }
}

void TargetShard::announce_namespace(const std::string& nqn, uint32_t nsid,
                                     const IoCounters* counters_of_all) {
  find_subsystem(nqn)->announce(nsid, counters_of_all);
  notify_namespace_changed(nqn, nsid);
}

void TargetShard::remove_namespace(const std::string& nqn, uint32_t nsid, Countdown& parts) {
  SubsystemShard* const subsystem = find_subsystem(nqn);
  subsystem->withdraw(nsid);
  notify_namespace_changed(nqn, nsid);
  const Outcome removed = subsystem->namespaces().remove(nsid, [this, &parts] {
    latencies_.settle();  // its counters may go with it
    parts.finish();
  });
  if (!removed.ok()) parts.finish();
}

void TargetShard::update_namespace(const std::string& nqn, uint32_t nsid, bool read_only) {
  const Outcome updated = find_subsystem(nqn)->namespaces().update(nsid, read_only);
  static_cast<void>(updated);
}

void TargetShard::set_ana_state(const std::string& nqn, uint32_t nsid, nvme::AnaState state) {
  find_subsystem(nqn)->set_ana_state(nsid, state);
}

void TargetShard::finish_ana_change(const std::string& nqn, uint32_t nsid, bool is_news, Countdown& parts) {
  SubsystemShard* const subsystem = find_subsystem(nqn);
  if (subsystem == nullptr) return parts.finish();  // removed meanwhile: its I/O has ended
  for (auto& [id, controller] : controllers_) {
    if (is_news && &controller->subsystem() == subsystem) controller->ana_changed();
  }
  subsystem->namespaces().when_path_idle(nsid, [&parts] { parts.finish(); });
}

void TargetShard::notify_namespace_changed(const std::string& nqn, uint32_t nsid) {
  SubsystemShard* const subsystem = find_subsystem(nqn);
  for (auto& [id, controller] : controllers_) {
    if (&controller->subsystem() == subsystem) controller->namespace_changed(nsid);
  }
}

void TargetShard::set_hosts(const std::string& nqn, bool allow_any_host,
                            const std::vector<std::string>& hosts, Countdown& parts) {
  SubsystemShard* const subsystem = find_subsystem(nqn);
  subsystem->set_hosts(allow_any_host, hosts);
  notify_discovery_changed();
  terminate_controllers(
      [subsystem](Controller& controller) {
        return &controller.subsystem() == subsystem && !subsystem->allows(controller.host_nqn());
      },
      parts);
}

void TargetShard::drop_controllers(const std::string& nqn, const std::string& host_nqn, Countdown& parts) {
  SubsystemShard* const subsystem = find_subsystem(nqn);
  terminate_controllers(
      [subsystem, &host_nqn](Controller& controller) {
        return &controller.subsystem() == subsystem && controller.host_nqn() == host_nqn;
      },
      parts);
}

std::vector<ConnectedHost> TargetShard::hosts_of(const std::string& nqn) {
  SubsystemShard* const subsystem = find_subsystem(nqn);
  std::vector<ConnectedHost> hosts;
  for (auto& [id, controller] : controllers_) {
    if (&controller->subsystem() != subsystem) continue;
    const KeepAlive& alive = controller->keep_alive();
    hosts.push_back(
        {controller->host_nqn(), alive.timeout_ms(), alive.silent_ns(), controller->is_terminating()});
  }
  return hosts;
}

void TargetShard::set_listeners(const std::vector<ListenerConfig>& listeners) {
  listeners_ = listeners;
  notify_discovery_changed();
}

void TargetShard::notify_discovery_changed() {
  ++discovery_generation_;
  for (auto& [id, controller] : controllers_) {
    if (controller->subsystem().is_discovery()) controller->discovery_changed();
  }
}

// Finishes one part when all chosen controllers have gone.
void TargetShard::terminate_controllers(const std::function<bool(Controller&)>& chosen, Countdown& parts) {
  std::vector<ControllerRef> refs;
  for (auto& [id, controller] : controllers_) {
    if (chosen(*controller)) refs.push_back(controller->ref());
  }
  Countdown& gone = Countdown::start(static_cast<uint32_t>(refs.size()) + 1, [&parts] { parts.finish(); });
  for (const ControllerRef& ref : refs) {
    find_controller(ref)->when_gone([&gone] { gone.finish(); });
    find_controller(ref)->terminate(transport::CloseReason::local_request);
  }
  gone.finish();
}

void TargetShard::drop_everything(Countdown& parts) {
  std::vector<std::string> nqns;
  for (const auto& [nqn, subsystem] : subsystems_) nqns.push_back(nqn);
  Countdown& dropped = Countdown::start(static_cast<uint32_t>(nqns.size()) + 1, [&parts] { parts.finish(); });
  for (const std::string& nqn : nqns) drop_subsystem(nqn, dropped);
  dropped.finish();
}

}  // namespace ballast::target
