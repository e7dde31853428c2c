#include "engine/replica_table.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "bdev/file/file_bdev.h"
#include "bdev/mirror/replica_local.h"
#include "bdev/mirror/replica_open.h"
#include "bdev/mirror/replica_port.h"
#include "engine/remote_replica.h"
#include "engine/replica_service.h"
#include "engine/volume.h"

namespace ballast::engine {
namespace {

namespace mirror = bdev::mirror;

constexpr uint32_t k_replica_nsid = 1;
constexpr size_t k_name_bytes_max = 255;
// Heads that come and go leave theirs until their Keep Alive Timeout is over.
// One head uses it at a time, which has less in work, by the queue of its association, too; more waits in
// line.
constexpr mirror::ReplicaOptions k_options{.associations_max = 64, .ios_max = 256};

Error invalid(std::string text) { return Error{Errc::invalid_argument, std::move(text)}; }

bool is_missing(FileSystem& files, const std::string& path) {
  return files.open(path, {.read_only = true}).errc() == Errc::not_found;
}

}  // namespace

Outcome check_replica_config(const ReplicaConfig& config) {
  if (config.name.empty() || config.name.size() > k_name_bytes_max) {
    return invalid("a replica's name has 1 to 255 bytes");
  }
  const bool is_file = !config.path.empty();
  if (is_file != config.pool.empty() || is_file != config.volume.empty()) {
    return invalid("a replica is a file, or a volume of a pool");
  }
  if (config.block_size_bytes != 512 && config.block_size_bytes != 4096) {
    return invalid("the block size is 512 or 4096 bytes");
  }
  if (!is_file && (config.block_size_bytes != 4096 || config.size_bytes != 0)) {
    return invalid("a volume of a pool has its own size, and blocks of 4096 bytes");
  }
  if (config.content == mirror::Content::partial) return invalid("a new replica is complete or has nothing");
  for (const std::string& host : config.hosts) {
    TRY(const Unit valid, check_nqn(host));
    static_cast<void>(valid);
  }
  return Unit{};
}

ReplicaTable::ReplicaTable(target::Target& target, ReactorSet& reactors, PoolTable& pools)
    : target_(target), reactors_(reactors), pools_(pools) {}

ReplicaTable::~ReplicaTable() { BALLAST_ASSERT(replicas_.empty()); }

Result<ReplicaInfo> ReplicaTable::add(const ReplicaConfig& config) {
  TRY(const Unit checked, check_replica_config(config));
  static_cast<void>(checked);
  if (replicas_.contains(config.name)) {
    return Error{Errc::already_exists, "a replica of this name is kept already"};
  }
  Entry entry;
  TRY(entry.devices, open_devices(config));
  Outcome added = open(config, entry);
  if (added.ok()) added = serve(config, entry);
  if (!added.ok()) {
    close(entry);
    close_devices(entry.devices, true);
    return added.error();
  }
  const auto [at, is_new] = replicas_.emplace(config.name, std::move(entry));
  BALLAST_ASSERT(is_new);
  log(LogLevel::debug, "engine", "replica %s is %s", log_escape(config.name).c_str(), at->second.nqn.c_str());
  return describe(config.name, at->second);
}

// ---- devices ----

Result<ReplicaTable::Devices> ReplicaTable::open_devices(const ReplicaConfig& config) {
  return config.path.empty() ? open_volumes(config) : open_files(config);
}

Result<ReplicaTable::Devices> ReplicaTable::open_files(const ReplicaConfig& config) {
  FileSystem& files = reactors_.files();
  const std::string beside = config.path + ".replica";
  Devices devices;
  for (const std::string& path : {config.path, beside}) {
    if (is_missing(files, path)) devices.made.push_back(path);
  }
  // One that is there may have grown since.
  const auto open = [&](const std::string& path, uint64_t size_bytes, uint32_t block) {
    bdev::FileBdevOptions options{.path = path, .block_size_bytes = block};
    const bool is_made = std::ranges::find(devices.made, path) != devices.made.end();
    if (size_bytes != 0 && (is_made || !devices.made.empty())) options.size_bytes = size_bytes;
    return bdev::make_file_bdev(files, options);
  };
  // What it says of the data would be believed.
  if (devices.made == std::vector<std::string>{config.path}) {
    return Error{Errc::not_found, config.path + " is not there, its metadata " + beside +
                                      " is: a new replica needs both to be gone"};
  }
  auto data = open(config.path, config.size_bytes, config.block_size_bytes);
  if (!data.ok()) return data.error();
  devices.data = std::move(*data);
  if (devices.data->geometry().blocks_count * config.block_size_bytes < config.size_bytes) {
    const uint64_t found_bytes = devices.data->geometry().blocks_count * config.block_size_bytes;
    close_devices(devices, true);
    return invalid(config.path + " has " + std::to_string(found_bytes) + " bytes, not " +
                   std::to_string(config.size_bytes) + " or more");
  }
  const bdev::Geometry& geometry = devices.data->geometry();
  const auto bytes = mirror::replica_metadata_bytes(geometry.blocks_count * geometry.block_size_bytes);
  auto metadata = bytes ? open(beside, *bytes, mirror::k_replica_block_bytes)
                        : Result<std::shared_ptr<bdev::Bdev>>(invalid("no replica can be of this size"));
  if (!metadata.ok()) {
    close_devices(devices, true);
    return metadata.error();
  }
  devices.metadata = std::move(*metadata);
  return devices;
}

Result<ReplicaTable::Devices> ReplicaTable::open_volumes(const ReplicaConfig& config) {
  TRY(PoolTable::Opened data, pools_.open_volume(config.pool, config.volume));
  Devices devices{.data = std::move(data.device), .pool = config.pool, .volume = config.volume};
  const auto bytes = mirror::replica_metadata_bytes(data.info.size_bytes);
  Result<PoolTable::Opened> metadata = invalid("no replica can be of this size");
  if (data.info.encrypted) {
    metadata = Error{Errc::permission_denied, "the volume is encrypted: no replica can lie in it"};
  } else if (bytes) {
    metadata = pools_.open_replica_metadata(config.pool, data.info.uuid, *bytes);
  }
  if (!metadata.ok()) {
    close_devices(devices, true);
    return metadata.error();
  }
  devices.metadata = std::move(metadata->device);
  devices.metadata_volume = metadata->info.name;
  return devices;
}

void ReplicaTable::close_devices(Devices& devices, bool removes_made) {
  devices.data.reset();
  devices.metadata.reset();
  if (!devices.volume.empty()) pools_.close_volume(devices.pool, devices.volume);
  if (!devices.metadata_volume.empty()) pools_.close_volume(devices.pool, devices.metadata_volume);
  for (const std::string& path : devices.made) {
    if (removes_made) reactors_.files().remove(path);
  }
}

// ---- the replica and its subsystem ----

// By the volume, so that the replicas of many are spread, and those of one volume are where its head is.
Reactor& ReplicaTable::home_of(const ReplicaConfig& config) {
  const Uuid& by = config.volume_uuid.is_nil() ? config.uuid : config.volume_uuid;
  const uint64_t number =
      by.is_nil() ? std::hash<std::string>{}(config.name) : load<uint64_t>(ByteSpan(by.bytes));
  const auto reactors = reactors_.reactors();
  return *reactors[number % reactors.size()];
}

Outcome ReplicaTable::open(const ReplicaConfig& config, Entry& entry) {
  Reactor& home = home_of(config);
  const mirror::ReplicaFormat format{config.uuid, config.volume_uuid, config.content};
  Result<std::unique_ptr<mirror::Replica>> opened = Errc::io_error;
  Signal ended;
  send_task(home, [&] {
    mirror::open_replica(home, entry.devices.data, entry.devices.metadata, format, k_options,
                         [&](Result<std::unique_ptr<mirror::Replica>> result) {
                           opened = std::move(result);
                           ended.raise();
                         });
  });
  ended.wait();
  if (!opened.ok()) return opened.error();
  entry.replica = std::move(*opened);
  TRY(mirror::Replica::Grower grower, grower_of(entry.devices, home));
  TRY(mirror::Replica::Snapshots snapshots, snapshots_of(entry.devices, home));
  std::unique_ptr<mirror::SnapshotTransfer> transfer;
  if (!entry.devices.volume.empty()) {
    TRY(VolumeAccess access, pools_.access(entry.devices.pool, entry.devices.volume));
    transfer = make_pool_snapshot_transfer(home, std::move(access));
  }
  run_on(home, [&] {
    entry.replica->set_grower(std::move(grower));
    entry.replica->set_snapshots(std::move(snapshots));
    entry.replica->set_snapshot_transfer(std::move(transfer));
  });
  if (seal_sink_) {
    run_on(home, [&] {
      entry.replica->set_on_seal([this, name = config.name](bool is_sealed) { seal_sink_(name, is_sealed); });
    });
  }
  // A copied disk, or the same one twice.
  for (const auto& [name, other] : replicas_) {
    if (other.replica->uuid() != entry.replica->uuid()) continue;
    return Error{Errc::already_exists, "replica " + name + " has the same UUID"};
  }
  return Unit{};
}

Result<mirror::Replica::Grower> ReplicaTable::grower_of(const Devices& devices, Reactor& home) {
  const auto status_of = [](const Outcome& outcome) {
    if (outcome.ok()) return bdev::Status::ok;
    log(LogLevel::warning, "engine", "a replica does not grow: %s", outcome.error().text.c_str());
    return outcome.errc() == Errc::invalid_argument ? bdev::Status::invalid : bdev::Status::no_space;
  };
  // A file has the size that it had when it was opened.
  if (devices.volume.empty()) return mirror::Replica::Grower();
  TRY(PoolTable::Grow grow, pools_.grower(devices.pool, devices.volume));
  return mirror::Replica::Grower([grow = std::move(grow), &home, status_of](uint64_t size_bytes, auto grown) {
    // Of whole blocks of the pool.
    grow(size_bytes, [&home, status_of, grown = std::move(grown)](const Outcome& outcome) {
      send_task(home, [grown, status = status_of(outcome)] { grown(status); });
    });
  });
}

// Snapshots of a replica are those of its volume. A file has none.
Result<mirror::Replica::Snapshots> ReplicaTable::snapshots_of(const Devices& devices, Reactor& home) {
  if (devices.volume.empty()) return mirror::Replica::Snapshots();
  TRY(PoolTable::Snapshots of_volume, pools_.snapshots_of(devices.pool, devices.volume));
  // In what the pool's reactor calls.
  const auto on_home = [&home](mirror::Replica::SnapshotEnded ended) {
    return [&home, ended = std::move(ended)](const Outcome& outcome) {
      bdev::Status status = bdev::Status::ok;
      mirror::Refusal refusal = mirror::Refusal::none;
      switch (outcome.errc()) {
        case Errc::ok: break;
        case Errc::already_exists: refusal = mirror::Refusal::exists; break;
        case Errc::no_space:
        case Errc::too_many: status = bdev::Status::no_space; break;
        case Errc::invalid_argument: status = bdev::Status::invalid; break;
        default: status = bdev::Status::io_error;
      }
      if (!outcome.ok()) {
        log(LogLevel::warning, "engine", "a snapshot of a replica: %s",
            log_escape(outcome.error().text).c_str());
      }
      send_task(home, [ended, status, refusal] { ended(status, refusal); });
    };
  };
  mirror::Replica::Snapshots snapshots;
  snapshots.take = [take = of_volume.take, on_home, volume = devices.volume](
                       const mirror::SnapshotRequest& request, mirror::Replica::SnapshotEnded ended) {
    PoolSnapshotConfig config;
    config.volume = volume;
    config.name = request.name_text();
    config.uuid = request.uuid;
    take(std::move(config), request.created_at_s, on_home(std::move(ended)));
  };
  snapshots.remove = [remove = of_volume.remove, on_home](const Uuid& uuid,
                                                          mirror::Replica::SnapshotEnded ended) {
    remove(uuid, on_home(std::move(ended)));
  };
  return snapshots;
}

Outcome ReplicaTable::serve(const ReplicaConfig& config, Entry& entry) {
  const std::string nqn = replica_nqn(entry.replica->uuid());
  target::SubsystemConfig subsystem;
  subsystem.nqn = nqn;
  subsystem.serial_number = serial_number_of(nqn);
  subsystem.allow_any_host = config.hosts.empty();
  subsystem.hosts = config.hosts;
  subsystem.extension = std::make_shared<ReplicaService>(*entry.replica);
  TRY(const Unit added, change([&](auto done) { return target_.add_subsystem(subsystem, done); }));
  entry.nqn = nqn;
  const target::NamespaceConfig served{k_replica_nsid, entry.replica->uuid(),
                                       mirror::make_replica_bdev(*entry.replica), false};
  TRY(const Unit is_served, change([&](auto done) { return target_.add_namespace(nqn, served, done); }));
  static_cast<void>(added);
  return is_served;
}

// As far as it was opened. Its controllers have ended, and so has their I/O, before the replica does.
void ReplicaTable::close(Entry& entry) {
  if (!entry.nqn.empty()) {
    const Outcome removed = change([&](auto done) { return target_.remove_subsystem(entry.nqn, done); });
    BALLAST_ASSERT(removed.ok());  // we added it
    entry.nqn.clear();
  }
  Signal closed;
  begin_close(entry, closed);
  end_close(entry, closed);
}

void ReplicaTable::begin_close(Entry& entry, Signal& closed) {
  if (entry.replica == nullptr) return closed.raise();
  send_task(entry.replica->home(),
            [&entry, &closed] { entry.replica->close([&closed] { closed.raise(); }); });
}

void ReplicaTable::end_close(Entry& entry, Signal& closed) {
  closed.wait();
  if (entry.replica != nullptr) run_on(entry.replica->home(), [&entry] { entry.replica.reset(); });
}

bool ReplicaTable::is_held(const Entry& entry) {
  return std::ranges::any_of(entry.connectors, [](const auto& connector) { return !connector.expired(); });
}

Result<ReplicaTable::Entry*> ReplicaTable::find(const std::string& name) {
  const auto found = replicas_.find(name);
  if (found == replicas_.end()) return Error{Errc::not_found, "no replica of this name is kept"};
  return &found->second;
}

Outcome ReplicaTable::remove(const std::string& name) {
  TRY(Entry* const entry, find(name));
  if (is_held(*entry)) return Error{Errc::in_use, "a mirrored volume of this process uses the replica"};
  close(*entry);
  close_devices(entry->devices, false);
  replicas_.erase(name);
  return Unit{};
}

Outcome ReplicaTable::remove_of_pool(const std::string& pool) {
  std::vector<std::string> names;
  for (const auto& [name, entry] : replicas_) {
    if (entry.devices.pool == pool) names.push_back(name);
  }
  for (const std::string& name : names) {
    TRY(const Unit removed, remove(name));
    static_cast<void>(removed);
  }
  return Unit{};
}

void ReplicaTable::close_all() {
  // All together: there may be thousands.
  std::deque<Signal> closed(replicas_.size());
  auto next = closed.begin();
  for (auto& [name, entry] : replicas_) {
    BALLAST_ASSERT(!is_held(entry));
    entry.nqn.clear();  // the target has closed it
    begin_close(entry, *next++);
  }
  next = closed.begin();
  for (auto& [name, entry] : replicas_) {
    end_close(entry, *next++);
    close_devices(entry.devices, false);
  }
  replicas_.clear();
}

// ---- what is known, and the way to it ----

ReplicaInfo ReplicaTable::describe(const std::string& name, Entry& entry) {
  mirror::ReplicaFacts facts;
  run_on(entry.replica->home(), [&] { facts = entry.replica->facts(); });
  const uint32_t block_size_bytes = entry.replica->geometry().block_size_bytes;
  ReplicaInfo info;
  info.name = name;
  info.uuid = entry.replica->uuid();
  info.volume_uuid = facts.volume_uuid;
  info.nqn = entry.nqn;
  const bdev::Geometry& data = entry.devices.data->geometry();
  const uint64_t blocks_count = facts.is_unusable ? data.blocks_count : facts.blocks_count;
  info.size_bytes = blocks_count * block_size_bytes;
  info.size_max_bytes = facts.is_unusable ? info.size_bytes : facts.blocks_count_max * block_size_bytes;
  info.block_size_bytes = block_size_bytes;
  info.max_epoch = facts.max_epoch;
  info.content = facts.content;
  info.is_unusable = facts.is_unusable;
  info.marked_regions = facts.marked_regions;
  info.absent.assign(facts.absent.begin(), facts.absent.begin() + facts.absent_members);
  info.is_sealed = facts.is_sealed;
  return info;
}

bool ReplicaTable::serves(const std::string& nqn) const {
  return std::any_of(replicas_.begin(), replicas_.end(),
                     [&nqn](const auto& one) { return one.second.nqn == nqn; });
}

Outcome ReplicaTable::set_hosts(const std::string& nqn, bool allow_any_host, std::vector<std::string> hosts,
                                target::Target::Done done) {
  return target_.set_hosts(nqn, allow_any_host, std::move(hosts), std::move(done));
}

Result<ReplicaInfo> ReplicaTable::info(const std::string& name) {
  TRY(Entry* const entry, find(name));
  return describe(name, *entry);
}

std::vector<ReplicaInfo> ReplicaTable::list() {
  std::vector<ReplicaInfo> listed;
  for (auto& [name, entry] : replicas_) listed.push_back(describe(name, entry));
  return listed;
}

Result<std::shared_ptr<mirror::ReplicaConnector>> ReplicaTable::connector(const std::string& name,
                                                                          Reactor& reactor) {
  TRY(Entry* const entry, find(name));
  std::erase_if(entry->connectors, [](const auto& connector) { return connector.expired(); });
  std::shared_ptr<mirror::ReplicaConnector> made = mirror::make_local_connector(*entry->replica, reactor);
  entry->connectors.push_back(made);
  return made;
}

}  // namespace ballast::engine
