#include "engine/pool_table.h"

#include <algorithm>

#include "base/log.h"
#include "bdev/pool/volume_bdev.h"
#include "engine/pool_call.h"

namespace ballast::engine {
namespace {

using bdev::pool::Pool;
using bdev::pool::Task;
using bdev::pool::Volumes;

constexpr uint32_t k_listed_at_once = 1000;
// What hosts of a replica wrote is in a volume that users know; what it knows of itself is in one of this
// name.
constexpr char k_replica_prefix[] = ".replica.";

// --- coroutines on a pool's reactor; what they are given by value is theirs ---

Task<Result<PoolVolumeInfo>> describe(Pool& pool, uint32_t id) {
  Volumes& volumes = pool.volumes();
  const Result<bdev::pool::VolumeValue> value = co_await volumes.get(id);
  if (!value.ok()) co_return value.error();
  PoolVolumeInfo info;
  info.name = bdev::pool::name_text(value->name);
  info.uuid = value->uuid;
  info.size_bytes = value->size_bytes;
  info.thick = (value->flags & bdev::pool::k_volume_thick) != 0;
  info.created_at_s = value->created_at_s;
  info.encrypted = (value->flags & bdev::pool::k_volume_encrypted) != 0;
  if (value->origin_layer != 0) {
    const Result<bdev::pool::LayerValue> origin = co_await volumes.layer(value->origin_layer);
    const bool is_there = origin.ok() && origin->state == bdev::pool::LayerState::snapshot;
    if (is_there) info.origin = origin->snapshot_uuid;
  }
  if (info.encrypted) {
    Result<std::vector<uint8_t>> key = co_await volumes.wrapped_key(id);
    if (!key.ok()) co_return key.error();
    info.wrapped_key = std::move(*key);
  }
  co_return info;
}

Task<Result<PoolVolumeInfo>> describe(Pool& pool, Result<uint32_t> id) {
  if (!id.ok()) co_return id.error();
  co_return co_await describe(pool, *id);
}

Task<Result<std::vector<PoolVolumeInfo>>> list(Pool& pool) {
  std::vector<PoolVolumeInfo> listed;
  for (uint32_t from = 0;;) {
    const auto found = co_await pool.volumes().list(from, k_listed_at_once);
    if (!found.ok()) co_return found.error();
    for (const bdev::pool::VolumeListing& listing : *found) {
      Result<PoolVolumeInfo> info = co_await describe(pool, listing.id);
      if (info.errc() == Errc::not_found) continue;  // deleted meanwhile
      if (!info.ok()) co_return info.error();
      from = listing.id + 1;
      if (!info->name.starts_with(k_replica_prefix)) listed.push_back(std::move(*info));
    }
    if (found->size() < k_listed_at_once) co_return listed;
  }
}

Task<Result<PoolInfo>> describe(Pool& pool) {
  const bdev::pool::PoolFacts facts = pool.facts();
  const bdev::pool::Superblock& superblock = facts.superblock;
  const uint64_t extent_bytes = uint64_t{1} << superblock.extent_size_log2;
  PoolInfo info;
  info.name = bdev::pool::name_text(superblock.name);
  info.uuid = superblock.head.pool_uuid;
  for (size_t i = 0; i < facts.paths.size(); ++i) {
    const bdev::pool::DeviceEntry& device = superblock.devices[i];
    info.devices.push_back({device.uuid, facts.paths[i], device.size_bytes, device.extents_count});
  }
  info.checksums = (superblock.read_only_compatible & bdev::pool::k_read_only_compatible_checksums) != 0;
  info.extent_bytes = static_cast<uint32_t>(extent_bytes);
  info.capacity_bytes = facts.extents_count * extent_bytes;
  info.used_bytes = facts.extents_used * extent_bytes;
  info.free_bytes = facts.extents_free * extent_bytes;
  info.metadata_bytes = superblock.metadata_bytes;
  info.metadata_free_bytes = facts.metadata_pages_free * bdev::pool::k_page_bytes;
  info.is_working = facts.is_working;
  info.is_broken = facts.is_broken;
  info.scrub_is_running = facts.scrub.is_running;
  info.scrub_done_bytes = facts.scrub.done_bytes;
  info.scrub_total_bytes = facts.scrub.total_bytes;
  info.scrub_errors = facts.scrub.errors;
  // A pool that is broken still tells what it is.
  const Result<Volumes::Totals> totals = co_await pool.volumes().totals();
  if (totals.ok()) {
    info.provisioned_bytes = totals->size_bytes;
    info.policy = totals->policy;
    info.volumes_count = totals->volumes_count;
    info.layers_count = totals->layers_count;
  }
  co_return info;
}

Task<Result<uint32_t>> find_snapshot(Pool& pool, std::string volume, std::string snapshot) {
  const Result<uint32_t> id = co_await pool.volumes().find(std::move(volume));
  if (!id.ok()) co_return id.error();
  co_return co_await pool.volumes().find_snapshot(*id, std::move(snapshot));
}

Task<Result<PoolVolumeInfo>> clone(Pool& pool, std::string volume, std::string snapshot,
                                   bdev::pool::VolumeRequest request) {
  const Result<uint32_t> layer = co_await find_snapshot(pool, std::move(volume), std::move(snapshot));
  if (!layer.ok()) co_return layer.error();
  const Result<uint32_t> made = co_await pool.volumes().clone(*layer, std::move(request));
  co_return co_await describe(pool, made);
}

Task<Result<std::vector<PoolSnapshotInfo>>> list_snapshots(Pool& pool, std::string volume) {
  const Result<uint32_t> id = co_await pool.volumes().find(std::move(volume));
  if (!id.ok()) co_return id.error();
  std::vector<PoolSnapshotInfo> listed;
  for (uint32_t from = 0;;) {
    const auto found = co_await pool.volumes().snapshots(*id, from, k_listed_at_once);
    if (!found.ok()) co_return found.error();
    for (const bdev::pool::SnapshotListing& one : *found) {
      listed.push_back({std::string(bdev::pool::name_text(one.value.name)), one.value.snapshot_uuid,
                        one.value.size_bytes, one.value.created_at_s});
      from = one.layer + 1;
    }
    if (found->size() < k_listed_at_once) co_return listed;
  }
}

Task<Result<std::vector<PoolSnapshotInfo>>> take_snapshots(Pool& pool,
                                                           std::vector<PoolSnapshotConfig> configs,
                                                           uint64_t now_s) {
  std::vector<bdev::pool::SnapshotRequest> requests;
  for (const PoolSnapshotConfig& config : configs) {
    const Result<uint32_t> id = co_await pool.volumes().find(config.volume);
    if (!id.ok()) co_return id.error();
    requests.push_back({*id, config.name, config.uuid});
  }
  const auto made = co_await pool.snapshot(requests, now_s);
  if (!made.ok()) co_return made.error();
  std::vector<PoolSnapshotInfo> infos;
  for (const uint32_t layer : *made) {
    const Result<bdev::pool::LayerValue> value = co_await pool.volumes().layer(layer);
    if (!value.ok()) co_return value.error();
    infos.push_back({std::string(bdev::pool::name_text(value->name)), value->snapshot_uuid, value->size_bytes,
                     value->created_at_s});
  }
  co_return infos;
}

Task<Result<bdev::pool::Ranges>> find_ranges(Pool& pool, PoolRangesConfig config) {
  const Result<uint32_t> id = co_await pool.volumes().find(config.volume);
  if (!id.ok()) co_return id.error();
  const Result<bdev::pool::VolumeValue> volume = co_await pool.volumes().get(*id);
  if (!volume.ok()) co_return volume.error();
  uint32_t layer = volume->head_layer;
  uint64_t size_bytes = volume->size_bytes;
  if (!config.snapshot.empty()) {
    const Result<uint32_t> found = co_await pool.volumes().find_snapshot(*id, config.snapshot);
    if (!found.ok()) co_return found.error();
    const Result<bdev::pool::LayerValue> value = co_await pool.volumes().layer(*found);
    if (!value.ok()) co_return value.error();
    layer = *found;
    size_bytes = value->size_bytes;
  }
  std::optional<uint32_t> since;
  if (!config.since.empty()) {
    const Result<uint32_t> found = co_await pool.volumes().find_snapshot(*id, config.since);
    if (!found.ok()) co_return found.error();
    since = *found;
  }
  co_return co_await pool.ranges(layer, since, size_bytes, config.offset_bytes, config.count_max);
}

std::string replica_metadata_name(const Uuid& volume) { return k_replica_prefix + volume.text(); }

bool is_hidden(const std::string& volume) { return volume.starts_with(k_replica_prefix); }

Outcome check_new_name(const std::string& name) {
  if (!is_hidden(name)) return Unit{};
  return Error{Errc::invalid_argument,
               std::string("names that begin with ") + k_replica_prefix + " are ours"};
}

Outcome check_known(const std::string& name) {
  if (!is_hidden(name)) return Unit{};
  return Error{Errc::not_found, "there is no " + name};
}

bdev::pool::VolumeRequest request_of(const PoolVolumeConfig& config) {
  bdev::pool::VolumeRequest request;
  request.name = config.name;
  request.uuid = config.uuid;
  request.size_bytes = config.size_bytes;
  request.flags = config.thick ? bdev::pool::k_volume_thick : 0;
  request.wrapped_key = config.wrapped_key;
  request.now_s = config.now_s;
  return request;
}

// Files that are opened, and those that this made: they go again when it comes to nothing.
class OpenedFiles {
 public:
  explicit OpenedFiles(FileSystem& files) : files_(files) {}
  ~OpenedFiles() {
    for (const std::string& path : made_) files_.remove(path);
  }
  Outcome open(const std::string& path, uint64_t size_bytes, bool read_only = false) {
    FileOptions options;
    options.create = size_bytes > 0;
    options.create_size_bytes = size_bytes;
    options.read_only = read_only;
    TRY(std::unique_ptr<File> file, files_.open(path, options));
    if (file->created()) made_.push_back(path);
    if (size_bytes > 0 && file->size_bytes() != size_bytes) {
      return Error{Errc::invalid_argument, path + ": has " + std::to_string(file->size_bytes()) +
                                               " bytes, not " + std::to_string(size_bytes)};
    }
    if (file->direct_alignment_bytes() > bdev::pool::k_page_bytes) {
      return Error{Errc::unsupported, path + ": has sectors of more than 4 KiB"};
    }
    opened_.push_back({path, std::move(file)});
    return Unit{};
  }
  std::vector<bdev::pool::PoolFile> take() { return std::move(opened_); }
  void keep() { made_.clear(); }

 private:
  FileSystem& files_;
  std::vector<bdev::pool::PoolFile> opened_;
  std::vector<std::string> made_;
};

}  // namespace

PoolTable::~PoolTable() {
  for (auto& [name, entry] : pools_) {
    while (!entry.open.empty()) close_volume(name, std::string(entry.open.begin()->first));
    const Outcome closed = call_on(*entry.reactor, [&pool = *entry.pool] { return pool.close(); });
    if (!closed.ok()) {
      log(LogLevel::error, "engine", "pool %s: %s", log_escape(name).c_str(),
          log_escape(closed.error().text).c_str());
    }
    drop(entry);
  }
}

void PoolTable::drop(Entry& entry) {
  run_on(*entry.reactor, [&entry] { entry.pool.reset(); });
}

Reactor& PoolTable::next_reactor() {
  const auto reactors = reactors_.reactors();
  return *reactors[next_reactor_++ % reactors.size()];
}

Result<PoolTable::Entry*> PoolTable::find(const std::string& pool) {
  const auto found = pools_.find(pool);
  if (found == pools_.end()) return Error{Errc::not_found, "no pool of this name is open"};
  return &found->second;
}

// --- pools ---

Result<PoolInfo> PoolTable::take(Entry entry) {
  Result<PoolInfo> info = call_on(*entry.reactor, [&pool = *entry.pool] { return describe(pool); });
  const std::string name = info.ok() ? info->name : std::string();
  if (info.ok() && !pools_.contains(name)) {
    pools_.emplace(name, std::move(entry));
    return info;
  }
  static_cast<void>(call_on(*entry.reactor, [&pool = *entry.pool] { return pool.close(); }));
  drop(entry);
  if (!info.ok()) return info;
  return Error{Errc::already_exists, "a pool of this name is open"};
}

Result<PoolInfo> PoolTable::create(const PoolConfig& config) {
  if (pools_.contains(config.name)) return Error{Errc::already_exists, "a pool of this name is open"};
  OpenedFiles files(reactors_.files());
  bdev::pool::PoolSettings settings;
  settings.name = config.name;
  settings.uuid = config.uuid;
  settings.keeps_checksums = config.checksums;
  settings.extent_bytes = config.extent_bytes;
  settings.policy = config.policy;
  settings.now_s = config.now_s;
  settings.overwrites = config.force;
  for (const PoolDeviceConfig& device : config.devices) {
    TRY(const Unit opened, files.open(device.path, device.size_bytes));
    static_cast<void>(opened);
    settings.device_uuids.push_back(device.uuid);
  }
  Entry entry;
  entry.reactor = &next_reactor();
  bdev::pool::PoolOptions options;
  options.fills_journal = true;
  auto made =
      call_on(*entry.reactor, [&] { return Pool::create(*entry.reactor, files.take(), settings, options); });
  if (!made.ok()) return made.error();
  files.keep();
  entry.pool = std::move(*made);
  return take(std::move(entry));
}

Result<PoolInfo> PoolTable::open(const std::vector<std::string>& paths) {
  OpenedFiles files(reactors_.files());
  for (const std::string& path : paths) {
    TRY(const Unit opened, files.open(path, 0));
    static_cast<void>(opened);
  }
  Entry entry;
  entry.reactor = &next_reactor();
  auto opened = call_on(*entry.reactor, [&] { return Pool::open(*entry.reactor, files.take()); });
  if (!opened.ok()) return opened.error();
  entry.pool = std::move(*opened);
  return take(std::move(entry));
}

Outcome PoolTable::close(const std::string& pool, bool exported) {
  TRY(Entry* const entry, find(pool));
  if (!entry->open.empty()) return Error{Errc::in_use, "a volume of the pool is served"};
  const auto state = exported ? bdev::pool::PoolState::exported : bdev::pool::PoolState::active;
  const Outcome closed =
      call_on(*entry->reactor, [&pool = *entry->pool, state] { return pool.close(state); });
  drop(*entry);
  pools_.erase(pool);
  return closed;
}

Outcome PoolTable::destroy(const std::string& pool) {
  TRY(Entry* const entry, find(pool));
  if (!entry->open.empty()) return Error{Errc::in_use, "a volume of the pool is served"};
  const Outcome destroyed = call_on(*entry->reactor, [&pool = *entry->pool] { return pool.destroy(); });
  if (destroyed.errc() == Errc::in_use) return destroyed;  // before anything was done
  drop(*entry);
  pools_.erase(pool);
  return destroyed;
}

Result<PoolInfo> PoolTable::add_device(const std::string& pool, const PoolDeviceConfig& config) {
  TRY(Entry* const entry, find(pool));
  OpenedFiles files(reactors_.files());
  TRY(const Unit opened, files.open(config.path, config.size_bytes));
  static_cast<void>(opened);
  TRY(const Unit added, call_on(*entry->reactor, [&] {
        return entry->pool->add_device(std::move(files.take().front()), config.uuid);
      }));
  static_cast<void>(added);
  files.keep();
  return info(pool);
}

Result<PoolInfo> PoolTable::info(const std::string& pool) {
  TRY(Entry* const entry, find(pool));
  return call_on(*entry->reactor, [&pool = *entry->pool] { return describe(pool); });
}

Result<PoolInfo> PoolTable::set_policy(const std::string& pool, const bdev::pool::PoolPolicy& policy) {
  TRY(Entry* const entry, find(pool));
  const Outcome set =
      call_on(*entry->reactor, [&pool = *entry->pool, &policy] { return pool.volumes().set_policy(policy); });
  if (!set.ok()) return set.error();
  return info(pool);
}

Outcome PoolTable::start_scrub(const std::string& pool, uint64_t bytes_per_second) {
  TRY(Entry* const entry, find(pool));
  Outcome outcome = Unit{};
  run_on(*entry->reactor, [&] { outcome = entry->pool->start_scrub(bytes_per_second); });
  return outcome;
}

Outcome PoolTable::stop_scrub(const std::string& pool) {
  TRY(Entry* const entry, find(pool));
  run_on(*entry->reactor, [&] { entry->pool->stop_scrub(); });
  return Unit{};
}

Result<bdev::pool::CheckReport> PoolTable::check(const std::vector<std::string>& paths,
                                                 const bdev::pool::CheckOptions& options) {
  OpenedFiles files(reactors_.files());
  for (const std::string& path : paths) {
    TRY(const Unit opened, files.open(path, 0, !options.repair));
    static_cast<void>(opened);
  }
  Reactor& reactor = next_reactor();
  check_progress_.begin(0);
  bdev::pool::CheckOptions shown = options;
  shown.progress = &check_progress_;
  return call_on(reactor, [&] { return bdev::pool::check(reactor, files.take(), shown); });
}

// --- volumes ---

Result<std::vector<PoolVolumeInfo>> PoolTable::volumes(const std::string& pool) {
  TRY(Entry* const entry, find(pool));
  return call_on(*entry->reactor, [&pool = *entry->pool] { return list(pool); });
}

Result<PoolVolumeInfo> PoolTable::create_volume(const std::string& pool, const PoolVolumeConfig& config) {
  TRY(Entry* const entry, find(pool));
  TRY(const Unit named, check_new_name(config.name));
  static_cast<void>(named);
  TRY(const uint32_t id,
      call_on(*entry->reactor, [&] { return entry->pool->create_volume(request_of(config)); }));
  return call_on(*entry->reactor, [&] { return describe(*entry->pool, id); });
}

Result<PoolVolumeInfo> PoolTable::clone_volume(const std::string& pool, const std::string& volume,
                                               const std::string& snapshot, const PoolVolumeConfig& config) {
  TRY(Entry* const entry, find(pool));
  TRY(const Unit named, check_new_name(config.name));
  static_cast<void>(named);
  return call_on(*entry->reactor, [&] { return clone(*entry->pool, volume, snapshot, request_of(config)); });
}

Result<PoolVolumeInfo> PoolTable::resize_volume(const std::string& pool, const std::string& volume,
                                                uint64_t size_bytes) {
  TRY(Entry* const entry, find(pool));
  TRY(const Unit known, check_known(volume));
  static_cast<void>(known);
  TRY(const uint32_t id, call_on(*entry->reactor, [&] { return entry->pool->volumes().find(volume); }));
  TRY(const Unit resized, call_on(*entry->reactor, [&] { return entry->pool->resize(id, size_bytes); }));
  static_cast<void>(resized);
  if (const auto opened = entry->open.find(volume); opened != entry->open.end()) {
    bdev::pool::resize_volume_bdev(*opened->second.device, size_bytes / bdev::pool::k_page_bytes);
  }
  return call_on(*entry->reactor, [&] { return describe(*entry->pool, id); });
}

Result<PoolVolumeInfo> PoolTable::rename_volume(const std::string& pool, const std::string& volume,
                                                const std::string& name) {
  TRY(Entry* const entry, find(pool));
  TRY(const Unit known, check_known(volume));
  TRY(const Unit named, check_new_name(name));
  static_cast<void>(known), static_cast<void>(named);
  if (entry->open.contains(volume)) return Error{Errc::in_use, "the volume is served"};
  TRY(const uint32_t id, call_on(*entry->reactor, [&] { return entry->pool->volumes().find(volume); }));
  TRY(const Unit renamed, call_on(*entry->reactor, [&] { return entry->pool->volumes().rename(id, name); }));
  static_cast<void>(renamed);
  return call_on(*entry->reactor, [&] { return describe(*entry->pool, id); });
}

Result<PoolVolumeInfo> PoolTable::revert_volume(const std::string& pool, const std::string& volume,
                                                const std::string& snapshot, uint64_t now_s) {
  TRY(Entry* const entry, find(pool));
  TRY(const Unit known, check_known(volume));
  static_cast<void>(known);
  // Its metadata would say that it has what it has no more.
  if (has_replica(*entry, volume)) {
    return Error{Errc::in_use, "the volume is a replica of a mirrored volume"};
  }
  TRY(const uint32_t id, call_on(*entry->reactor, [&] { return entry->pool->volumes().find(volume); }));
  TRY(const uint32_t layer,
      call_on(*entry->reactor, [&] { return entry->pool->volumes().find_snapshot(id, snapshot); }));
  TRY(const Unit reverted, call_on(*entry->reactor, [&] { return entry->pool->revert(id, layer, now_s); }));
  static_cast<void>(reverted);
  return call_on(*entry->reactor, [&] { return describe(*entry->pool, id); });
}

// The metadata of a replica after its data: alone it is nobody's, as no other volume has this UUID.
Outcome PoolTable::delete_volume(const std::string& pool, const std::string& volume, bool erase) {
  TRY(Entry* const entry, find(pool));
  TRY(const Unit known, check_known(volume));
  static_cast<void>(known);
  TRY(const uint32_t id, call_on(*entry->reactor, [&] { return entry->pool->volumes().find(volume); }));
  TRY(const PoolVolumeInfo info, call_on(*entry->reactor, [&] { return describe(*entry->pool, id); }));
  TRY(const Unit removed, call_on(*entry->reactor, [&] { return entry->pool->remove(id, erase); }));
  const std::string beside = replica_metadata_name(info.uuid);
  const auto metadata = call_on(*entry->reactor, [&] { return entry->pool->volumes().find(beside); });
  if (!metadata.ok()) return removed;
  const Outcome gone = call_on(*entry->reactor, [&] { return entry->pool->remove(metadata.value(), erase); });
  if (!gone.ok()) {
    log(LogLevel::warning, "engine", "pool %s: %s is left: %s", log_escape(pool).c_str(), beside.c_str(),
        log_escape(gone.error().text).c_str());
  }
  return removed;
}

bool PoolTable::has_replica(Entry& entry, const std::string& volume) {
  const auto id = call_on(*entry.reactor, [&] { return entry.pool->volumes().find(volume); });
  if (!id.ok()) return false;
  const auto info = call_on(*entry.reactor, [&] { return describe(*entry.pool, *id); });
  if (!info.ok()) return false;
  const std::string beside = replica_metadata_name(info->uuid);
  return call_on(*entry.reactor, [&] { return entry.pool->volumes().find(beside); }).ok();
}

Outcome PoolTable::set_volume_key(const std::string& pool, const std::string& volume,
                                  const std::vector<uint8_t>& wrapped_key) {
  TRY(Entry* const entry, find(pool));
  TRY(const uint32_t id, call_on(*entry->reactor, [&] { return entry->pool->volumes().find(volume); }));
  return call_on(*entry->reactor, [&] { return entry->pool->volumes().set_wrapped_key(id, wrapped_key); });
}

// --- snapshots ---

Result<std::vector<PoolSnapshotInfo>> PoolTable::snapshots(const std::string& pool,
                                                           const std::string& volume) {
  TRY(Entry* const entry, find(pool));
  return call_on(*entry->reactor, [&] { return list_snapshots(*entry->pool, volume); });
}

Result<std::vector<PoolSnapshotInfo>> PoolTable::create_snapshots(
    const std::string& pool, const std::vector<PoolSnapshotConfig>& configs, uint64_t now_s) {
  TRY(Entry* const entry, find(pool));
  return call_on(*entry->reactor, [&] { return take_snapshots(*entry->pool, configs, now_s); });
}

Outcome PoolTable::delete_snapshot(const std::string& pool, const std::string& volume,
                                   const std::string& snapshot) {
  TRY(Entry* const entry, find(pool));
  TRY(const uint32_t layer,
      call_on(*entry->reactor, [&] { return find_snapshot(*entry->pool, volume, snapshot); }));
  return call_on(*entry->reactor, [&] { return entry->pool->remove_snapshot(layer); });
}

Result<bdev::pool::Ranges> PoolTable::ranges(const std::string& pool, const PoolRangesConfig& config) {
  TRY(Entry* const entry, find(pool));
  return call_on(*entry->reactor, [&] { return find_ranges(*entry->pool, config); });
}

// --- volumes that are served ---

Result<PoolTable::Opened> PoolTable::open_volume(const std::string& pool, const std::string& volume) {
  TRY(Entry* const entry, find(pool));
  TRY(const Unit known, check_known(volume));
  static_cast<void>(known);
  return open_any(*entry, volume);
}

Result<PoolTable::Opened> PoolTable::open_replica_metadata(const std::string& pool, const Uuid& volume,
                                                           uint64_t size_bytes) {
  TRY(Entry* const entry, find(pool));
  bdev::pool::VolumeRequest request;
  request.name = replica_metadata_name(volume);
  // One that nobody else has as long as the volume's is its own.
  std::ranges::transform(volume.bytes, request.uuid.bytes.begin(),
                         [](uint8_t byte) { return static_cast<uint8_t>(~byte); });
  request.size_bytes = size_bytes;
  const auto found = call_on(*entry->reactor, [&] { return entry->pool->volumes().find(request.name); });
  if (!found.ok() && found.errc() != Errc::not_found) return found.error();
  if (!found.ok()) {
    TRY(const uint32_t made, call_on(*entry->reactor, [&] { return entry->pool->create_volume(request); }));
    static_cast<void>(made);
  }
  TRY(Opened opened, open_any(*entry, request.name));
  if (opened.info.size_bytes == size_bytes) return opened;
  opened.device.reset();
  close_volume(pool, request.name);
  return Error{Errc::invalid_argument, "the replica's metadata has " +
                                           std::to_string(opened.info.size_bytes) + " bytes, not " +
                                           std::to_string(size_bytes)};
}

Result<PoolTable::Opened> PoolTable::open_any(Entry& entry, const std::string& volume) {
  TRY(const uint32_t id, call_on(*entry.reactor, [&] { return entry.pool->volumes().find(volume); }));
  TRY(PoolVolumeInfo info, call_on(*entry.reactor, [&] { return describe(*entry.pool, id); }));
  TRY(bdev::pool::OpenVolume* const opened,
      call_on(*entry.reactor, [&] { return entry.pool->open_volume(id); }));
  std::shared_ptr<bdev::Bdev> device = bdev::pool::make_volume_bdev(*opened);
  entry.open.emplace(volume, OpenDevice{id, device});
  return Opened{std::move(info), std::move(device)};
}

void PoolTable::close_volume(const std::string& pool, const std::string& volume) {
  Entry& entry = pools_.at(pool);
  const auto found = entry.open.find(volume);
  BALLAST_ASSERT(found != entry.open.end());
  const uint32_t id = found->second.id;
  entry.open.erase(found);
  call_on(*entry.reactor, [&] { return entry.pool->close_volume(id); });
}

}  // namespace ballast::engine
