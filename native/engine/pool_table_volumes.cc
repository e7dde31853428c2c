// What is in pools: volumes, snapshots, and those volumes that are served.
#include <algorithm>

#include "base/log.h"
#include "bdev/pool/volume_bdev.h"
#include "engine/pool_call.h"
#include "engine/pool_questions.h"
#include "engine/pool_table.h"

namespace ballast::engine {
namespace {

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

}  // namespace

// --- volumes ---

Result<std::vector<PoolVolumeInfo>> PoolTable::volumes(const std::string& pool) {
  TRY(Entry* const entry, find(pool));
  return call_on(*entry->reactor, [&pool = *entry->pool] { return list_volumes(pool); });
}

Result<std::vector<PoolAllocation>> PoolTable::allocations(const std::string& pool,
                                                           const std::string& volume) {
  TRY(Entry* const entry, find(pool));
  TRY(const Unit known, check_known(volume));
  static_cast<void>(known);
  return call_on(*entry->reactor, [&] { return list_allocations(*entry->pool, volume); });
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
  return call_on(*entry->reactor,
                 [&] { return make_clone(*entry->pool, volume, snapshot, request_of(config)); });
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
  // One that was there is of what the volume was then; whether that is enough its own records say.
  return open_any(*entry, request.name);
}

namespace {

Detached grow_volume(bdev::pool::Pool& pool, uint32_t id, std::shared_ptr<bdev::Bdev> device,
                     uint64_t size_bytes, std::function<void(Outcome)> done) {
  const Outcome resized = co_await pool.resize(id, size_bytes);
  if (resized.ok()) bdev::pool::resize_volume_bdev(*device, size_bytes / bdev::pool::k_page_bytes);
  device.reset();
  done(resized);
}

}  // namespace

Result<PoolTable::Grow> PoolTable::grower(const std::string& pool, const std::string& volume) {
  TRY(Entry* const entry, find(pool));
  const auto opened = entry->open.find(volume);
  if (opened == entry->open.end()) return Error{Errc::not_found, "the volume is not open"};
  return Grow([reactor = entry->reactor, of = entry->pool.get(), id = opened->second.id,
               device = std::weak_ptr(opened->second.device)](uint64_t size_bytes, auto done) {
    send_task(*reactor, [of, id, device = device.lock(), size_bytes, done = std::move(done)]() mutable {
      if (device == nullptr) return done(Outcome(Errc::not_found));
      grow_volume(*of, id, std::move(device), size_bytes, std::move(done));
    });
  });
}

namespace {

// `device` keeps the volume open meanwhile.
Detached snapshot_volume(bdev::pool::Pool& pool, uint32_t id, std::shared_ptr<bdev::Bdev> device,
                         PoolSnapshotConfig config, uint64_t now_s, std::function<void(Outcome)> done) {
  const auto found = co_await find_snapshot(pool, id, config.uuid);
  Outcome outcome = Unit{};
  if (!found.ok()) {
    outcome = found.error();
  } else if (found->has_value()) {
    outcome = Error{Errc::already_exists, "there is a snapshot of this UUID"};
  } else {
    std::vector<bdev::pool::SnapshotRequest> requests(1);
    requests[0] = {id, config.name, config.uuid};
    const auto made = co_await pool.snapshot(std::move(requests), now_s);
    if (!made.ok()) outcome = made.error();
  }
  device.reset();
  done(outcome);
}

Detached delete_snapshot_of(bdev::pool::Pool& pool, uint32_t id, std::shared_ptr<bdev::Bdev> device,
                            Uuid uuid, std::function<void(Outcome)> done) {
  const auto found = co_await find_snapshot(pool, id, uuid);
  Outcome outcome = Unit{};
  if (!found.ok()) {
    outcome = found.error();
  } else if (found->has_value()) {
    outcome = co_await pool.remove_snapshot(**found);
  }
  device.reset();
  done(outcome);
}

}  // namespace

Result<PoolTable::Snapshots> PoolTable::snapshots_of(const std::string& pool, const std::string& volume) {
  TRY(Entry* const entry, find(pool));
  const auto opened = entry->open.find(volume);
  if (opened == entry->open.end()) return Error{Errc::not_found, "the volume is not open"};
  Reactor* const reactor = entry->reactor;
  bdev::pool::Pool* const of = entry->pool.get();
  const uint32_t id = opened->second.id;
  const std::weak_ptr held(opened->second.device);
  Snapshots snapshots;
  snapshots.take = [=](PoolSnapshotConfig config, uint64_t now_s, std::function<void(Outcome)> done) {
    send_task(*reactor, [=, config = std::move(config), done = std::move(done)]() mutable {
      std::shared_ptr<bdev::Bdev> device = held.lock();
      if (device == nullptr) return done(Outcome(Errc::not_found));
      snapshot_volume(*of, id, std::move(device), std::move(config), now_s, std::move(done));
    });
  };
  snapshots.remove = [=](Uuid uuid, std::function<void(Outcome)> done) {
    send_task(*reactor, [=, done = std::move(done)]() mutable {
      std::shared_ptr<bdev::Bdev> device = held.lock();
      if (device == nullptr) return done(Outcome(Errc::not_found));
      delete_snapshot_of(*of, id, std::move(device), uuid, std::move(done));
    });
  };
  return snapshots;
}

Result<VolumeAccess> PoolTable::access(const std::string& pool, const std::string& volume) {
  TRY(Entry* const entry, find(pool));
  const auto opened = entry->open.find(volume);
  if (opened == entry->open.end()) return Error{Errc::not_found, "the volume is not open"};
  return VolumeAccess{entry->reactor, entry->pool.get(), opened->second.id, opened->second.device};
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
