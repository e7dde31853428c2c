#include "target/subsystem_shard.h"

#include "nvme/identify.h"

namespace ballast::target {

SubsystemShard::SubsystemShard(Reactor& reactor, const SubsystemConfig& config, Kind kind)
    : config_(config), kind_(kind), hosts_(config.hosts.begin(), config.hosts.end()), namespaces_(reactor) {}

void SubsystemShard::set_hosts(bool allow_any_host, const std::vector<std::string>& hosts) {
  config_.allow_any_host = allow_any_host;
  config_.hosts = hosts;
  hosts_ = {hosts.begin(), hosts.end()};
}

void SubsystemShard::announce(uint32_t nsid, const IoCounters* counters) {
  visible_.emplace(nsid, Visible{counters, 0});
  ++ana_change_count_;
}

bool SubsystemShard::set_ana_state(uint32_t nsid, nvme::AnaState state) {
  const Result<bool> changed = namespaces_.set_ana_state(nsid, state);
  if (!changed.ok() || !changed.value()) return false;
  if (const auto found = visible_.find(nsid); found != visible_.end()) {
    ++found->second.ana_change_count;
    ++ana_change_count_;
  }
  return true;
}

uint64_t SubsystemShard::ana_change_count(uint32_t nsid) const {
  const auto found = visible_.find(nsid);
  return found == visible_.end() ? 0 : found->second.ana_change_count;
}

nvme::Status SubsystemShard::path_status(uint32_t nsid) {
  if (nsid == nvme::k_nsid_broadcast) return namespaces_.path_status_of_all();
  const NamespaceShard* const shard = visible(nsid);
  return shard == nullptr ? nvme::status::success : shard->path_status();
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
  for (const auto& [id, one] : visible_) {
    if (nsid == 0 || nsid == id) sum += sum_counters(one.counters, reactors_count);
  }
  return sum;
}

}  // namespace ballast::target
