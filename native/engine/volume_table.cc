#include "engine/volume_table.h"

#include <algorithm>
#include <deque>

#include "base/log.h"
#include "bdev/crypt/crypt_bdev.h"
#include "engine/blocking.h"

namespace ballast::engine {
namespace {

// Whoever fences I/O waits for it, and must not wait for its limits, which were lifted until `settle`. Makes
// a change, start(done), that may be refused; then `done` is not called.
template <typename Start>
Outcome without_limits(std::function<void()> settle, target::Target::Done done, Start start) {
  const Outcome begun = start([settle, done = std::move(done)] {
    settle();
    if (done) done();
  });
  if (!begun.ok()) settle();
  return begun;
}

std::vector<std::string> sorted(std::vector<std::string> hosts) {
  std::sort(hosts.begin(), hosts.end());
  hosts.erase(std::unique(hosts.begin(), hosts.end()), hosts.end());
  return hosts;
}

}  // namespace

VolumeTable::VolumeTable(target::Target& target, FileSystem& files, PoolTable& pools, MirrorTable& mirrors,
                         std::shared_ptr<bdev::qos::Node> qos_node)
    : target_(target), files_(files), pools_(pools), mirrors_(mirrors), qos_node_(std::move(qos_node)) {}

Result<VolumeInfo> VolumeTable::add(const VolumeConfig& config) {
  TRY(const Unit checked, check_volume_config(config));
  TRY(const Unit fits, check_new(config));
  TRY(const uint32_t nsid, choose_nsid(config));
  TRY(const Unit kept, qos_node_->check_promise(0, config.qos.min_iops));
  static_cast<void>(checked), static_cast<void>(fits), static_cast<void>(kept);
  TRY(std::shared_ptr<bdev::Bdev> below, open(config));
  auto governed = bdev::qos::make_qos_bdev(std::move(below), qos_node_, config.qos);
  BALLAST_ASSERT(governed.ok());  // all that can be refused was asked above
  std::shared_ptr<bdev::qos::QosBdev> device = std::move(*governed);
  Outcome added = ensure_subsystem(config);
  if (added.ok()) {
    const target::NamespaceConfig served{nsid, config.uuid, device, config.read_only, config.ana_state};
    added = change([&](auto done) { return target_.add_namespace(config.nqn, served, done); });
  }
  if (!added.ok()) {
    drop_subsystem_if_empty(config.nqn);
    device.reset();
    close(config.name, config.pool);
    return added.error();
  }
  VolumeInfo info = describe_volume(config, nsid, *device);
  info.qos_stats = device->stats_cells();
  info.counters = target_.namespace_counters(config.nqn, nsid);
  volumes_.emplace(config.name, Volume{info, std::move(device), config.pool});
  names_by_uuid_.emplace(info.uuid, config.name);
  subsystems_.at(config.nqn).volumes.emplace(nsid, config.name);
  log(LogLevel::info, "engine", "volume %s is namespace %u of %s", log_escape(config.name).c_str(), nsid,
      config.nqn.c_str());
  return info;
}

void VolumeTable::close(const std::string& name, const std::string& pool) {
  if (!pool.empty()) pools_.close_volume(pool, name);
  mirrors_.close(name);
}

Result<std::shared_ptr<bdev::Bdev>> VolumeTable::open(const VolumeConfig& config) {
  if (config.kind == VolumeKind::mirror) return mirrors_.open(config.name, config.uuid, *config.mirror);
  if (config.kind != VolumeKind::pool) return open_device(config, files_);
  TRY(PoolTable::Opened opened, pools_.open_volume(config.pool, config.name));
  Result<std::shared_ptr<bdev::Bdev>> device = std::move(opened.device);
  if (opened.info.uuid != config.uuid) {
    device = Error{Errc::invalid_argument, "its UUID is " + opened.info.uuid.text()};
  } else if (opened.info.encrypted != (config.key != nullptr)) {
    device = Error{Errc::permission_denied,
                   opened.info.encrypted ? "it is encrypted: its key is needed" : "it is not encrypted"};
  } else if (config.key != nullptr) {
    device = bdev::make_crypt_bdev(std::move(*device), std::move(*config.key));
  }
  opened.device.reset();
  if (!device.ok()) pools_.close_volume(config.pool, config.name);
  return device;
}

// What can be refused by looking at the volumes that are there.
Outcome VolumeTable::check_new(const VolumeConfig& config) const {
  if (volumes_.contains(config.name)) {
    return Error{Errc::already_exists, "a volume of this name is served already"};
  }
  if (const auto same = names_by_uuid_.find(config.uuid); same != names_by_uuid_.end()) {
    return Error{Errc::already_exists, "volume " + same->second + " has the same UUID"};
  }
  const auto found = subsystems_.find(config.nqn);
  if (found == subsystems_.end()) return Unit{};
  const Subsystem& subsystem = found->second;
  if (config.nsid != 0 && subsystem.volumes.contains(config.nsid)) {
    return Error{Errc::already_exists, "volume " + subsystem.volumes.at(config.nsid) + " is namespace " +
                                           std::to_string(config.nsid) + " of " + config.nqn};
  }
  if (config.hosts_given && (subsystem.allow_any_host || subsystem.hosts != sorted(config.hosts))) {
    return Error{Errc::invalid_argument, "the hosts differ from those of the other volumes of " + config.nqn};
  }
  return Unit{};
}

Result<uint32_t> VolumeTable::choose_nsid(const VolumeConfig& config) const {
  if (config.nsid != 0) return config.nsid;
  const auto found = subsystems_.find(config.nqn);
  uint32_t nsid = 1;
  if (found != subsystems_.end()) {
    for (const auto& [taken, name] : found->second.volumes) {
      if (taken != nsid) break;  // in ascending order: the first gap
      ++nsid;
    }
  }
  if (nsid > nvme::k_namespaces_per_subsystem_max) {
    return Error{Errc::too_many, config.nqn + " has all the namespaces it can have"};
  }
  return nsid;
}

Outcome VolumeTable::ensure_subsystem(const VolumeConfig& config) {
  if (subsystems_.contains(config.nqn)) return Unit{};
  target::SubsystemConfig subsystem;
  subsystem.nqn = config.nqn;
  subsystem.serial_number = serial_number_of(config.nqn);
  subsystem.allow_any_host = !config.hosts_given;
  subsystem.hosts = sorted(config.hosts);
  TRY(const Unit added, change([&](auto done) { return target_.add_subsystem(subsystem, done); }));
  subsystems_.emplace(config.nqn, Subsystem{subsystem.allow_any_host, subsystem.hosts, {}});
  return added;
}

void VolumeTable::drop_subsystem_if_empty(const std::string& nqn) {
  const auto found = subsystems_.find(nqn);
  if (found == subsystems_.end() || !found->second.volumes.empty()) return;
  const Outcome removed = change([&](auto done) { return target_.remove_subsystem(nqn, done); });
  BALLAST_ASSERT(removed.ok());  // we added it
  subsystems_.erase(found);
}

Outcome VolumeTable::remove(const std::string& name) {
  const auto found = volumes_.find(name);
  if (found == volumes_.end()) return Error{Errc::not_found, "no volume of this name is served"};
  const VolumeInfo info = found->second.info;
  const std::string pool = found->second.pool;
  // Hosts' I/O ends first, and under a low limit that could take for ever.
  wait_for([&](auto done) { found->second.device->drain(done); });
  mirrors_.end(name);  // what waits for members or for the store would wait for ever
  const Outcome removed =
      change([&](auto done) { return target_.remove_namespace(info.nqn, info.nsid, done); });
  BALLAST_ASSERT(removed.ok());  // we added it
  subsystems_.at(info.nqn).volumes.erase(info.nsid);
  names_by_uuid_.erase(info.uuid);
  volumes_.erase(found);
  close(info.name, pool);
  drop_subsystem_if_empty(info.nqn);
  return removed;
}

std::function<void()> VolumeTable::lift(const Subsystem& subsystem) {
  std::vector<bdev::qos::QosBdev::Done> settles;
  for (const auto& [nsid, name] : subsystem.volumes) settles.push_back(volumes_.at(name).device->lift());
  return [settles = std::move(settles)] {
    for (const auto& settle : settles) settle();
  };
}

Outcome VolumeTable::set_qos(const std::string& name, const bdev::qos::Config& config) {
  const auto found = volumes_.find(name);
  if (found == volumes_.end()) return Error{Errc::not_found, "no volume of this name is served"};
  return change([&](auto done) { return found->second.device->set(config, done); });
}

void VolumeTable::drain_all() {
  // All together: each goes round its reactors, and there may be thousands.
  std::deque<Signal> drained(volumes_.size());
  auto next = drained.begin();
  for (auto& [name, volume] : volumes_) {
    volume.device->drain([&one = *next] { one.raise(); });
    ++next;
  }
  for (Signal& one : drained) one.wait();
}

Outcome VolumeTable::remove_of_pool(const std::string& pool) {
  std::vector<std::string> names;
  for (const auto& [name, volume] : volumes_) {
    if (volume.pool == pool) names.push_back(name);
  }
  for (const std::string& name : names) {
    TRY(const Unit removed, remove(name));
    static_cast<void>(removed);
  }
  return Unit{};
}

Result<PoolVolumeInfo> VolumeTable::resize(const std::string& pool, const std::string& name,
                                           uint64_t size_bytes) {
  TRY(PoolVolumeInfo resized, pools_.resize_volume(pool, name, size_bytes));
  const auto found = volumes_.find(name);
  if (found == volumes_.end() || found->second.pool != pool) return resized;
  VolumeInfo& info = found->second.info;
  info.size_bytes = resized.size_bytes;
  TRY(const Unit told,
      change([&](auto done) { return target_.namespace_changed(info.nqn, info.nsid, done); }));
  static_cast<void>(told);
  return resized;
}

Result<uint64_t> VolumeTable::resize_mirror(const std::string& name) {
  const auto found = volumes_.find(name);
  if (found == volumes_.end()) return Error{Errc::not_found, "no mirrored volume of this name is served"};
  TRY(const uint64_t size_bytes, mirrors_.grow_device(name));
  VolumeInfo& info = found->second.info;
  if (info.size_bytes == size_bytes) return size_bytes;
  info.size_bytes = size_bytes;
  TRY(const Unit told,
      change([&](auto done) { return target_.namespace_changed(info.nqn, info.nsid, done); }));
  static_cast<void>(told);
  return size_bytes;
}

// Does not wait: what a device has of a host that lost access may take its time, and nobody else's changes
// wait for that.
Outcome VolumeTable::set_hosts(const std::string& nqn, bool allow_any_host, std::vector<std::string> hosts,
                               target::Target::Done done) {
  const auto found = subsystems_.find(nqn);
  if (found == subsystems_.end())
    return Error{Errc::not_found, "no volume is served under " + log_escape(nqn, 223)};
  for (const std::string& host : hosts) {
    TRY(const Unit valid, check_nqn(host));
    static_cast<void>(valid);
  }
  hosts = sorted(std::move(hosts));
  const Outcome begun = without_limits(lift(found->second), std::move(done), [&](auto settled) {
    return target_.set_hosts(nqn, allow_any_host, hosts, std::move(settled));
  });
  if (!begun.ok()) return begun;
  found->second.allow_any_host = allow_any_host;
  found->second.hosts = hosts;
  return begun;
}

Outcome VolumeTable::set_ana_state(const std::string& name, nvme::AnaState state, target::Target::Done done) {
  const auto found = volumes_.find(name);
  if (found == volumes_.end()) return Error{Errc::not_found, "no volume of this name is served"};
  VolumeInfo& info = found->second.info;
  const auto set = [&](auto settled) {
    return target_.set_ana_state(info.nqn, info.nsid, state, std::move(settled));
  };
  if (nvme::ana_status(state).ok()) return set(std::move(done));
  return without_limits(found->second.device->lift(), std::move(done), set);
}

Outcome VolumeTable::drop_host(const std::string& name, const std::string& host_nqn,
                               target::Target::Done done) {
  const auto found = volumes_.find(name);
  if (found == volumes_.end()) return Error{Errc::not_found, "no volume of this name is served"};
  TRY(const Unit valid, check_nqn(host_nqn));
  static_cast<void>(valid);
  const std::string& nqn = found->second.info.nqn;
  return without_limits(lift(subsystems_.at(nqn)), std::move(done), [&](auto settled) {
    return target_.drop_controllers(nqn, host_nqn, std::move(settled));
  });
}

Result<std::vector<target::ConnectedHost>> VolumeTable::hosts(const std::string& nqn) {
  std::vector<target::ConnectedHost> hosts;
  TRY(const Unit listed, change([&](auto done) {
        return target_.list_hosts(nqn, [&hosts, done](std::vector<target::ConnectedHost> found) {
          hosts = std::move(found);
          done();
        });
      }));
  static_cast<void>(listed);
  return hosts;
}

}  // namespace ballast::engine
