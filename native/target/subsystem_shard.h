// One NVM subsystem, or the discovery subsystem, as one reactor knows it: names, who may connect, and its
// namespaces. Every shard has its own copy; messages of the Target keep them equal. On its reactor only.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "target/namespace_shard.h"
#include "target/target.h"

namespace ballast::target {

class SubsystemShard {
 public:
  enum class Kind : uint8_t { nvm, discovery };
  SubsystemShard(Reactor& reactor, const SubsystemConfig& config, Kind kind);

  const SubsystemConfig& config() const { return config_; }
  bool is_discovery() const { return kind_ == Kind::discovery; }
  bool allows(const std::string& host_nqn) const {
    return config_.allow_any_host || hosts_.contains(host_nqn);
  }
  void set_hosts(bool allow_any_host, const std::vector<std::string>& hosts);

  // For I/O: what the dispatch finds. A namespace is here on every reactor before any host is told of it.
  NamespaceTable& namespaces() { return namespaces_; }

  // For Identify and logs: what hosts have been told of. `counters` are those of all reactors, by index.
  void announce(uint32_t nsid, const IoCounters* counters);
  void withdraw(uint32_t nsid);
  // I/O follows at once. False: it was in this state, or is not there.
  bool set_ana_state(uint32_t nsid, nvme::AnaState state);
  // Null unless announced.
  NamespaceShard* visible(uint32_t nsid);
  // The visible namespace with the lowest nsid above `nsid`; null at the end.
  NamespaceShard* next_visible(uint32_t nsid);
  uint32_t visible_count() const { return static_cast<uint32_t>(visible_.size()); }
  // Of one namespace, or of all with nsid 0.
  IoTotals totals(uint32_t nsid, uint32_t reactors_count) const;
  // Each namespace is an ANA group of its own, with its NSID as identifier: the same on every node.
  // How often what the ANA log says has changed: in all, and of one group. 0 where there is none.
  uint64_t ana_change_count() const { return ana_change_count_; }
  uint64_t ana_change_count(uint32_t nsid) const;
  // What an admin command is to be answered with that names this NSID: 0 names none, FFFFFFFFh all.
  nvme::Status path_status(uint32_t nsid);

  // Set while the subsystem is being removed: no new controller.
  bool closing = false;

 private:
  SubsystemConfig config_;
  Kind kind_;
  std::set<std::string> hosts_;
  NamespaceTable namespaces_;
  struct Visible {
    const IoCounters* counters = nullptr;
    uint64_t ana_change_count = 0;
  };
  std::map<uint32_t, Visible> visible_;
  uint64_t ana_change_count_ = 0;
};

}  // namespace ballast::target
