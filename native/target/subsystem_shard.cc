#include "target/subsystem_shard.h"

namespace ballast::target {

SubsystemShard::SubsystemShard(Reactor& reactor, const SubsystemConfig& config, Kind kind)
    : config_(config), kind_(kind), hosts_(config.hosts.begin(), config.hosts.end()), namespaces_(reactor) {}

void SubsystemShard::set_hosts(bool allow_any_host, const std::vector<std::string>& hosts) {
  config_.allow_any_host = allow_any_host;
  config_.hosts = hosts;
  hosts_ = {hosts.begin(), hosts.end()};
}

void SubsystemShard::announce(uint32_t nsid, const IoCounters* counters) {
  visible_.emplace(nsid, counters);
  ++ana_change_count_;
}

void SubsystemShard::withdraw(uint32_t nsid) {
  visible_.erase(nsid);
  ++ana_change_count_;
}

NamespaceShard* SubsystemShard::visible(uint32_t nsid) {
  return visible_.contains(nsid) ? namespaces_.find(nsid) : nullptr;
}

NamespaceShard* SubsystemShard::next_visible(uint32_t nsid) {
  const auto found = visible_.upper_bound(nsid);
  return found == visible_.end() ? nullptr : namespaces_.find(found->first);
}

IoTotals SubsystemShard::totals(uint32_t nsid, uint32_t reactors_count) const {
  IoTotals sum;
  for (const auto& [id, counters] : visible_) {
    if (nsid == 0 || nsid == id) sum += sum_counters(counters, reactors_count);
  }
  return sum;
}

}  // namespace ballast::target
