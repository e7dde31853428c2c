#include "engine/pool_questions.h"

#include <algorithm>
#include <set>

namespace ballast::engine {
namespace {

using bdev::pool::Pool;
using bdev::pool::Task;
using bdev::pool::Volumes;

constexpr uint32_t k_listed_at_once = 1000;

}  // namespace

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

Task<Result<std::vector<PoolVolumeInfo>>> list_volumes(Pool& pool) {
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

Task<Result<std::vector<PoolAllocation>>> list_allocations(Pool& pool, std::string volume) {
  const uint64_t extent_bytes = uint64_t{1} << pool.facts().superblock.extent_size_log2;
  uint32_t from = 0, count_max = k_listed_at_once;
  if (!volume.empty()) {
    const Result<uint32_t> id = co_await pool.volumes().find(std::move(volume));
    if (!id.ok()) co_return id.error();
    from = *id;
    count_max = 1;
  }
  std::vector<PoolAllocation> listed;
  for (;;) {
    const auto found = co_await pool.volumes().list(from, count_max);
    if (!found.ok()) co_return found.error();
    for (const bdev::pool::VolumeListing& listing : *found) {
      from = listing.id + 1;
      if (bdev::pool::name_text(listing.value.name).starts_with(k_replica_prefix)) continue;
      const auto extents = co_await pool.volumes().allocated_extents(listing.id);
      if (extents.errc() == Errc::not_found) continue;  // deleted meanwhile
      if (!extents.ok()) co_return extents.error();
      if (extents->has_value()) listed.push_back({listing.value.uuid, **extents * extent_bytes});
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
  info.without_metadata_bytes = facts.extents_without_metadata * extent_bytes;
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

Task<Result<PoolVolumeInfo>> make_clone(Pool& pool, std::string volume, std::string snapshot,
                                        bdev::pool::VolumeRequest request) {
  const Result<uint32_t> layer = co_await find_snapshot(pool, std::move(volume), std::move(snapshot));
  if (!layer.ok()) co_return layer.error();
  const Result<uint32_t> made = co_await pool.volumes().clone(*layer, std::move(request));
  if (!made.ok()) co_return made.error();
  co_return co_await describe(pool, *made);
}

Task<Result<std::vector<PoolSnapshotInfo>>> list_snapshots(Pool& pool, std::string volume) {
  const Result<uint32_t> id = co_await pool.volumes().find(std::move(volume));
  if (!id.ok()) co_return id.error();
  // Numbers do not say the order: one may have been received after a newer one was taken. Of one second those
  // on which the volume stands are in their order, and before others, which it was reverted away from.
  auto below = co_await pool.volumes().snapshots_below(*id);
  if (!below.ok()) co_return below.error();
  std::vector<bdev::pool::SnapshotListing> ordered(below->rbegin(), below->rend());
  std::set<uint32_t> known;
  for (const bdev::pool::SnapshotListing& one : ordered) known.insert(one.layer);
  for (uint32_t from = 0;;) {
    const auto found = co_await pool.volumes().snapshots(*id, from, k_listed_at_once);
    if (!found.ok()) co_return found.error();
    for (const bdev::pool::SnapshotListing& one : *found) {
      if (!known.contains(one.layer)) ordered.push_back(one);
      from = one.layer + 1;
    }
    if (found->size() < k_listed_at_once) break;
  }
  std::ranges::stable_sort(ordered, {}, [](const auto& one) { return one.value.created_at_s; });
  std::vector<PoolSnapshotInfo> listed;
  for (const bdev::pool::SnapshotListing& one : ordered) {
    listed.push_back({std::string(bdev::pool::name_text(one.value.name)), one.value.snapshot_uuid,
                      one.value.size_bytes, one.value.created_at_s});
  }
  co_return listed;
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

Task<Result<std::optional<uint32_t>>> find_snapshot(Pool& pool, uint32_t volume, Uuid uuid) {
  for (uint32_t from = 0;;) {
    const auto found = co_await pool.volumes().snapshots(volume, from, k_listed_at_once);
    if (!found.ok()) co_return found.error();
    for (const bdev::pool::SnapshotListing& one : *found) {
      if (one.value.snapshot_uuid == uuid) co_return one.layer;
      from = one.layer + 1;
    }
    if (found->size() < k_listed_at_once) co_return std::optional<uint32_t>();
  }
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

}  // namespace ballast::engine
