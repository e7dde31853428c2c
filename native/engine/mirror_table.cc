#include "engine/mirror_table.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include "base/log.h"
#include "engine/blocking.h"
#include "engine/remote_replica.h"
#include "engine/volume.h"

namespace ballast::engine {
namespace {

namespace mirror = bdev::mirror;

// As much I/O of a volume as is in work at a time; more waits in line.
constexpr uint32_t k_ios_max = 128;
// Of thousands of volumes most are not used at a time: asking their members all the time would take more than
// the I/O of the others. Who uses one again waits for one round trip more, once.
constexpr uint64_t k_quiet_ns = 10 * k_ns_per_s;
constexpr uint32_t k_lease_ms_min = 50, k_lease_ms_max = 60'000;
constexpr auto k_proper_end = std::chrono::seconds(5);

Error invalid(std::string text) { return Error{Errc::invalid_argument, std::move(text)}; }
Error unknown_volume() { return Error{Errc::not_found, "no mirrored volume of this name is served"}; }

mirror::HeadDriverOptions options_of(const Uuid& uuid, const MirrorConfig& config) {
  mirror::HeadDriverOptions options{.volume = uuid};
  options.head.node = config.node;
  options.head.ops_max = k_ios_max;
  options.head.lease_ns = config.lease_ms * k_ns_per_ms;
  options.head.quiet_ns = k_quiet_ns;
  options.head.latency_budget_ns = config.latency_budget_ms * k_ns_per_ms;
  options.head.resync_bytes_per_s = config.resync_bytes_per_s;
  options.head.fail_below_min = config.fail_below_min;
  for (uint32_t i = 0; i < config.members.size(); ++i) {
    if (!config.members[i].local_replica.empty()) options.head.near_member = i;
  }
  return options;
}

const char* member_state_text(mirror::MemberState state) {
  switch (state) {
    case mirror::MemberState::down: return "down";
    case mirror::MemberState::connecting: return "connecting";
    case mirror::MemberState::sealed: return "sealed";
    case mirror::MemberState::in_sync: return "in_sync";
    case mirror::MemberState::joining: return "joining";
    case mirror::MemberState::leaving: return "leaving";
  }
  return "unknown";
}

MirrorVerifyInfo describe(const mirror::VerifyReport& report, const mirror::Record& record) {
  const auto uuids = [&report](mirror::MemberSet members) {
    std::vector<Uuid> found;
    members.for_each([&](uint32_t place) { found.push_back(report.members[place]); });
    return found;
  };
  MirrorVerifyInfo info;
  info.state = verify_state_text(report.state);
  info.done_bytes = report.done_bytes;
  info.total_bytes = report.total_bytes;
  info.different_bytes = report.different_granules * mirror::k_granule_bytes;
  info.unreadable_bytes = report.unreadable_granules * mirror::k_granule_bytes;
  info.unable = uuids(report.unable);
  const uint64_t size_bytes = record.blocks_count * record.block_size_bytes;
  for (const mirror::VerifyDifference& one : report.differences) {
    const uint64_t offset_bytes = one.first_granule * mirror::k_granule_bytes;
    const uint64_t found_bytes = one.granules_count * mirror::k_granule_bytes;
    info.differences.push_back({.offset_bytes = offset_bytes,
                                .size_bytes = std::min(found_bytes, size_bytes - offset_bytes),
                                .odd = uuids(one.odd)});
  }
  return info;
}

std::string trouble_of(const mirror::SnapshotReport& report) {
  if (report.failure == mirror::SnapshotFailure::none) return {};
  if (report.failure != mirror::SnapshotFailure::refused) return snapshot_failure_text(report.failure);
  const std::string who = "member " + report.refuser.text();
  switch (report.status) {
    case bdev::Status::unsupported:
      return who + " takes no snapshots: it is not a volume of a pool, or of an older version";
    case bdev::Status::invalid: return who + " has a snapshot of this name already";
    default: return who + " took none: " + bdev::status_text(report.status);
  }
}

void describe_snapshots(const mirror::Head& head, MirrorInfo& info) {
  const mirror::SnapshotReport& report = head.snapshot_report();
  if (report.state != mirror::SnapshotState::none) {
    info.snapshot = {.uuid = report.request.uuid,
                     .state = snapshot_state_text(report.state),
                     .trouble = trouble_of(report),
                     .size_bytes = report.blocks_count * info.record.block_size_bytes,
                     .held_ns = report.held_ns,
                     .members = {report.members.begin(), report.members.begin() + report.members_count}};
  }
  const mirror::SnapshotRemoval& removal = head.snapshot_removal();
  if (removal.uuid.is_nil()) return;
  info.snapshot_removal = {
      .uuid = removal.uuid,
      .is_running = head.is_removing_snapshot(),
      .members = {removal.members.begin(), removal.members.begin() + removal.members_count}};
}

MirrorInfo describe(const std::string& volume, const mirror::HeadDriver& driver) {
  const mirror::Head& head = driver.head();
  MirrorInfo info;
  info.volume = volume;
  info.state = head_state_text(head.state());
  info.activity = activity_text(head.activity());
  info.record = head.record();
  info.unreconciled_regions = head.unreconciled().count();
  info.marked_regions = head.marked_regions();
  info.resync_bytes_per_s = head.resync_rate();
  info.is_changing = head.is_changing();
  if (const auto& trouble = head.growth_trouble(); !trouble.member.is_nil()) {
    info.change_trouble =
        "member " + trouble.member.text() + " did not become larger: " + bdev::status_text(trouble.status);
  }
  if (head.verify_report().state != mirror::VerifyState::none) {
    info.verify = describe(head.verify_report(), info.record);
  }
  describe_snapshots(head, info);
  const mirror::CarryReport& carried = driver.carry_report();
  if (carried.state != mirror::CarryState::none) {
    info.carry = {.snapshot = carried.snapshot,
                  .from = carried.from,
                  .to = carried.to,
                  .state = carry_state_text(carried.state),
                  .trouble = carried.trouble,
                  .done_bytes = carried.done_bytes,
                  .total_bytes = carried.total_bytes,
                  .moved_bytes = carried.moved_bytes};
  }
  info.record.all().for_each([&](uint32_t i) {
    const mirror::MemberView view = driver.member(i);
    MirrorMemberInfo& member = info.members.emplace_back();
    member.uuid = info.record.members[i];
    member.state = member_state_text(view.state);
    member.text = view.trouble;
    const mirror::CopyProgress progress = head.copy_progress(i);
    member.resync_done_bytes = progress.total_bytes - progress.left_bytes;
    member.resync_total_bytes = progress.total_bytes;
  });
  return info;
}

}  // namespace

Outcome check_mirror_config(const MirrorConfig& config) {
  const mirror::Record& record = config.record;
  if (config.members.empty() || config.members.size() > mirror::k_members_max) {
    return invalid("a mirrored volume has 1 to " + std::to_string(mirror::k_members_max) + " members");
  }
  if (record.members_count != config.members.size()) return invalid("the record has other members");
  for (uint32_t i = 0; i < record.members_count; ++i) {
    if (record.members[i] != config.members[i].uuid) return invalid("the record has other members");
  }
  if (record.in_sync.empty() || !record.all().has_all(record.in_sync)) {
    return invalid("the record names no member that is in sync");
  }
  if (record.block_size_bytes != 512 && record.block_size_bytes != 4096) {
    return invalid("the block size is 512 or 4096 bytes");
  }
  const uint64_t blocks_max = mirror::ReplicaLayout::k_size_bytes_max / record.block_size_bytes;
  if (record.blocks_count == 0 || record.blocks_count > blocks_max) {
    return invalid("no mirrored volume can be of this size");
  }
  if (record.min_in_sync == 0 || record.min_in_sync > record.all().size()) {
    return invalid("min_in_sync is 1 to the number of members");
  }
  if (config.lease_ms < k_lease_ms_min || config.lease_ms > k_lease_ms_max) {
    return invalid("the lease is " + std::to_string(k_lease_ms_min) + " to " +
                   std::to_string(k_lease_ms_max) + " ms");
  }
  if (config.latency_budget_ms < config.lease_ms) return invalid("the latency budget is below the lease");
  if (config.node.is_nil()) return invalid("the node has no UUID");
  return Unit{};
}

MirrorTable::MirrorTable(ReactorSet& reactors, ReplicaTable& replicas)
    : reactors_(reactors), replicas_(replicas), drivers_(reactors.count()) {}

MirrorTable::~MirrorTable() {
  while (!mirrors_.empty()) close(std::string(mirrors_.begin()->first));
}

// By the name alone: whoever brings an answer knows nothing else.
uint32_t MirrorTable::home_of(const std::string& volume) const {
  return static_cast<uint32_t>(std::hash<std::string>{}(volume) % reactors_.count());
}

Result<MirrorTable::Connector> MirrorTable::connector(Reactor& home, const MirrorConfig& config,
                                                      const MirrorMemberConfig& member) {
  if (!member.local_replica.empty()) return replicas_.connector(member.local_replica, home);
  return Connector(make_remote_connector(home, {.address = member.address,
                                                .replica = member.uuid,
                                                .host_nqn = config.host_nqn,
                                                .host_id = config.host_id}));
}

Result<std::vector<MirrorTable::Connector>> MirrorTable::connectors(Reactor& home,
                                                                    const MirrorConfig& config) {
  std::vector<Connector> ways;
  for (const MirrorMemberConfig& member : config.members) {
    if (member.uuid.is_nil()) {
      ways.emplace_back();
      continue;
    }
    auto way = connector(home, config, member);
    if (!way.ok()) {
      release(home, std::move(ways));
      return way.error();
    }
    ways.push_back(std::move(*way));
  }
  return ways;
}

void MirrorTable::release(Reactor& home, std::vector<Connector> connectors) {
  run_on(home, [&] { connectors.clear(); });
}

Result<std::shared_ptr<bdev::Bdev>> MirrorTable::open(const std::string& volume, const Uuid& uuid,
                                                      const MirrorConfig& config) {
  TRY(const Unit checked, check_mirror_config(config));
  static_cast<void>(checked);
  BALLAST_ASSERT(!mirrors_.contains(volume));
  Entry entry{.home = &reactors_.at(home_of(volume)), .uuid = uuid, .known = config.record};
  const bdev::Geometry geometry{config.record.block_size_bytes, config.record.blocks_count};
  entry.slot = std::make_unique<mirror::HeadSlot>(*entry.home, geometry);
  if (config.is_head) {
    TRY(const Unit started, start_head(volume, entry, config));
    static_cast<void>(started);
  }
  auto device = mirror::make_mirror_bdev(*entry.slot);
  mirrors_.emplace(volume, std::move(entry));
  return device;
}

Outcome MirrorTable::start_head(const std::string& volume, Entry& entry, const MirrorConfig& config) {
  BALLAST_ASSERT(sink_ != nullptr);
  Reactor& home = *entry.home;
  TRY(std::vector<Connector> ways, connectors(home, config));
  entry.config = config;
  mirror::HeadDriverOptions options = options_of(entry.uuid, config);
  if (state_sink_) {
    options.on_state = [this, volume](mirror::HeadState state) {
      state_sink_(volume, head_state_text(state));
    };
  }
  entry.is_ended = false;
  run_on(home, [&] {
    entry.driver = std::make_unique<mirror::HeadDriver>(
        home, options, config.record, ways, [this, volume](uint64_t expected, const mirror::Record& wanted) {
          sink_({.volume = volume, .expected_revision = expected, .wanted = wanted});
        });
    ways.clear();
    drivers_[home_of(volume)].emplace(volume, entry.driver.get());
    entry.slot->put(*entry.driver);
    entry.driver->start();
  });
  return Unit{};
}

// After end().
void MirrorTable::drop_head(const std::string& volume, Entry& entry) {
  run_on(*entry.home, [&] {
    entry.slot->clear();
    if (entry.driver != nullptr) entry.known = std::as_const(*entry.driver).head().record();
    drivers_[home_of(volume)].erase(volume);
    entry.driver.reset();
  });
}

bool MirrorTable::runs(Entry& entry) {
  if (entry.driver == nullptr) return false;
  bool is_over = false;
  run_on(*entry.home, [&] {
    const mirror::HeadState state = std::as_const(*entry.driver).head().state();
    is_over = state == mirror::HeadState::fenced || state == mirror::HeadState::stopped;
  });
  return !is_over;
}

Outcome MirrorTable::promote(const std::string& volume, const MirrorConfig& config) {
  TRY(const Unit checked, check_mirror_config(config));
  static_cast<void>(checked);
  const auto found = mirrors_.find(volume);
  if (found == mirrors_.end()) return unknown_volume();
  Entry& entry = found->second;
  const bdev::Geometry& geometry = entry.slot->geometry();
  if (config.record.block_size_bytes != geometry.block_size_bytes ||
      config.record.blocks_count < geometry.blocks_count) {
    return invalid("the record is of a volume of another size");
  }
  if (runs(entry)) return Error{Errc::already_exists, "its head runs here already"};
  TRY(const Unit ended, demote(volume));
  static_cast<void>(ended);
  return start_head(volume, entry, config);
}

Outcome MirrorTable::demote(const std::string& volume) {
  const auto found = mirrors_.find(volume);
  if (found == mirrors_.end()) return unknown_volume();
  Entry& entry = found->second;
  if (entry.driver == nullptr) return Unit{};
  end(volume);
  drop_head(volume, entry);
  return Unit{};
}

void MirrorTable::begin_demotions(const std::vector<std::string>& volumes) {
  for (const std::string& volume : volumes) {
    if (const auto found = mirrors_.find(volume); found != mirrors_.end()) begin_end(found->second);
  }
}

void MirrorTable::begin_end(Entry& entry) {
  if (entry.driver == nullptr || entry.is_ended || entry.ending != nullptr) return;
  entry.ending = std::make_shared<Signal>();
  send_task(*entry.home, [driver = entry.driver.get(), ending = entry.ending] {
    driver->stop([ending] { ending->raise(); });
  });
}

void MirrorTable::end(const std::string& volume) {
  const auto found = mirrors_.find(volume);
  if (found == mirrors_.end() || found->second.driver == nullptr || found->second.is_ended) return;
  mirror::HeadDriver& driver = *found->second.driver;
  begin_end(found->second);
  const std::shared_ptr<Signal> ending = std::exchange(found->second.ending, nullptr);
  found->second.is_ended = true;
  if (ending->wait_for(k_proper_end)) return;
  log(LogLevel::warning, "engine", "volume %s: its head could not end properly: marks are left",
      log_escape(volume).c_str());
  send_task(*found->second.home, [&driver] { driver.abandon(); });
  ending->wait();
}

void MirrorTable::end_all() {
  for (auto& [volume, entry] : mirrors_) begin_end(entry);
  for (auto& [volume, entry] : mirrors_) end(volume);
}

void MirrorTable::close(const std::string& volume) {
  const auto found = mirrors_.find(volume);
  if (found == mirrors_.end()) return;
  end(volume);
  drop_head(volume, found->second);
  mirrors_.erase(found);
}

Result<MirrorInfo> MirrorTable::info(const std::string& volume) {
  TRY(Entry* const entry, find(volume));
  if (entry->driver == nullptr) {
    return MirrorInfo{.volume = volume, .state = "standby", .activity = "standby", .record = entry->known};
  }
  MirrorInfo info;
  run_on(*entry->home, [&] { info = describe(volume, *entry->driver); });
  return info;
}

// ---- another number of members ----

namespace {

Outcome outcome_of(mirror::ChangeRefusal refusal) {
  const auto refuse = [refusal](Errc errc) { return Error{errc, change_refusal_text(refusal)}; };
  switch (refusal) {
    case mirror::ChangeRefusal::none: break;
    case mirror::ChangeRefusal::not_serving:
    case mirror::ChangeRefusal::busy: return refuse(Errc::in_use);
    case mirror::ChangeRefusal::known: return refuse(Errc::already_exists);
    case mirror::ChangeRefusal::unknown: return refuse(Errc::not_found);
    case mirror::ChangeRefusal::no_place: return refuse(Errc::too_many);
    case mirror::ChangeRefusal::too_few:
    case mirror::ChangeRefusal::last_complete: return refuse(Errc::permission_denied);
    case mirror::ChangeRefusal::smaller:
    case mirror::ChangeRefusal::too_large: return refuse(Errc::invalid_argument);
  }
  return Unit{};
}

}  // namespace

Outcome MirrorTable::add_member(const std::string& volume, const MirrorMemberConfig& member) {
  TRY(Entry* const entry, find(volume));
  if (entry->driver == nullptr) return outcome_of(mirror::ChangeRefusal::not_serving);
  Reactor& home = *entry->home;
  TRY(Connector way, connector(home, entry->config, member));
  mirror::ChangeRefusal refusal{};
  run_on(home, [&] {
    refusal = entry->driver->add_member(member.uuid, std::move(way), !member.local_replica.empty());
  });
  return outcome_of(refusal);
}

Outcome MirrorTable::remove_member(const std::string& volume, const Uuid& replica) {
  TRY(Entry* const entry, find(volume));
  if (entry->driver == nullptr) return outcome_of(mirror::ChangeRefusal::not_serving);
  mirror::ChangeRefusal refusal{};
  run_on(*entry->home, [&] { refusal = entry->driver->remove_member(replica); });
  return outcome_of(refusal);
}

// ---- a larger volume ----

Outcome MirrorTable::grow(const std::string& volume, uint64_t size_bytes) {
  TRY(Entry* const entry, find(volume));
  const uint32_t block_size_bytes = entry->slot->geometry().block_size_bytes;
  if (size_bytes % block_size_bytes != 0) {
    return invalid("the size is a multiple of " + std::to_string(block_size_bytes) + " bytes");
  }
  if (entry->driver == nullptr) return outcome_of(mirror::ChangeRefusal::not_serving);
  mirror::ChangeRefusal refusal{};
  run_on(*entry->home, [&] { refusal = entry->driver->grow(size_bytes / block_size_bytes); });
  return outcome_of(refusal);
}

Result<uint64_t> MirrorTable::grow_device(const std::string& volume) {
  TRY(Entry* const entry, find(volume));
  TRY(const MirrorInfo known, info(volume));
  mirror::HeadSlot& slot = *entry->slot;
  if (known.record.blocks_count > slot.geometry().blocks_count) slot.grow(known.record.blocks_count);
  return slot.geometry().blocks_count * slot.geometry().block_size_bytes;
}

// ---- members are compared ----

Outcome MirrorTable::start_verify(const std::string& volume) {
  TRY(Entry* const entry, find(volume));
  mirror::VerifyRefusal refusal = mirror::VerifyRefusal::not_serving;
  if (entry->driver != nullptr) run_on(*entry->home, [&] { refusal = entry->driver->start_verify(); });
  const auto refuse = [refusal](Errc errc) { return Error{errc, verify_refusal_text(refusal)}; };
  switch (refusal) {
    case mirror::VerifyRefusal::none: break;
    case mirror::VerifyRefusal::not_serving:
    case mirror::VerifyRefusal::running: return refuse(Errc::in_use);
    case mirror::VerifyRefusal::alone: return refuse(Errc::permission_denied);
  }
  return Unit{};
}

Outcome MirrorTable::cancel_verify(const std::string& volume) {
  TRY(Entry* const entry, find(volume));
  if (entry->driver != nullptr) run_on(*entry->home, [&] { entry->driver->cancel_verify(); });
  return Unit{};
}

Outcome MirrorTable::set_resync_rate(const std::string& volume, uint64_t bytes_per_s) {
  TRY(Entry* const entry, find(volume));
  if (entry->driver == nullptr) return Error{Errc::in_use, "its head is not here"};
  run_on(*entry->home, [&] { entry->driver->set_resync_rate(bytes_per_s); });
  return Unit{};
}

// ---- snapshots ----

namespace {

Outcome outcome_of(mirror::SnapshotRefusal refusal) {
  const auto refuse = [refusal](Errc errc) { return Error{errc, snapshot_refusal_text(refusal)}; };
  switch (refusal) {
    case mirror::SnapshotRefusal::none: break;
    case mirror::SnapshotRefusal::not_serving:
    case mirror::SnapshotRefusal::busy: return refuse(Errc::in_use);
    case mirror::SnapshotRefusal::no_name: return refuse(Errc::invalid_argument);
  }
  return Unit{};
}

Outcome outcome_of(mirror::CarryRefusal refusal) {
  const auto refuse = [refusal](Errc errc) { return Error{errc, carry_refusal_text(refusal)}; };
  switch (refusal) {
    case mirror::CarryRefusal::none: break;
    case mirror::CarryRefusal::not_serving:
    case mirror::CarryRefusal::busy: return refuse(Errc::in_use);
    case mirror::CarryRefusal::unknown: return refuse(Errc::invalid_argument);
    case mirror::CarryRefusal::away: return refuse(Errc::permission_denied);
  }
  return Unit{};
}

}  // namespace

Outcome MirrorTable::snapshot(const std::string& volume, const Uuid& uuid, const std::string& name,
                              uint64_t now_s) {
  TRY(Entry* const entry, find(volume));
  mirror::SnapshotRefusal refusal = mirror::SnapshotRefusal::not_serving;
  if (uuid.is_nil() || !mirror::is_snapshot_name(name)) return outcome_of(mirror::SnapshotRefusal::no_name);
  const mirror::SnapshotRequest request = mirror::snapshot_request(uuid, now_s, name);
  if (entry->driver != nullptr) run_on(*entry->home, [&] { refusal = entry->driver->snapshot(request); });
  return outcome_of(refusal);
}

Outcome MirrorTable::delete_snapshot(const std::string& volume, const Uuid& uuid) {
  TRY(Entry* const entry, find(volume));
  mirror::SnapshotRefusal refusal = mirror::SnapshotRefusal::not_serving;
  if (entry->driver != nullptr) run_on(*entry->home, [&] { refusal = entry->driver->delete_snapshot(uuid); });
  return outcome_of(refusal);
}

Outcome MirrorTable::carry_snapshot(const std::string& volume, const Uuid& snapshot, const Uuid& from,
                                    const Uuid& to, std::vector<Uuid> bases) {
  TRY(Entry* const entry, find(volume));
  mirror::CarryRefusal refusal = mirror::CarryRefusal::not_serving;
  if (entry->driver != nullptr) {
    run_on(*entry->home,
           [&] { refusal = entry->driver->carry_snapshot(snapshot, from, to, std::move(bases)); });
  }
  return outcome_of(refusal);
}

void MirrorTable::list_snapshots(const std::string& volume, const Uuid& replica, Listed listed) {
  const Result<Entry*> entry = find(volume);
  if (!entry.ok()) return listed(entry.error());
  mirror::CarryRefusal refusal = mirror::CarryRefusal::not_serving;
  const auto on_listed = [listed](Result<std::optional<std::vector<mirror::SnapshotEntry>>> found) {
    if (!found.ok()) return listed(found.error());
    if (!found->has_value()) return listed(std::optional<std::vector<Uuid>>());
    std::vector<Uuid> uuids;
    for (const mirror::SnapshotEntry& one : **found) uuids.push_back(one.uuid);
    listed(std::optional(std::move(uuids)));
  };
  if ((*entry)->driver != nullptr) {
    run_on(*(*entry)->home, [&] { refusal = (*entry)->driver->list_snapshots(replica, on_listed); });
  }
  const Outcome begun = outcome_of(refusal);
  if (!begun.ok()) listed(begun.error());
}

Outcome MirrorTable::cancel_carry(const std::string& volume) {
  TRY(Entry* const entry, find(volume));
  if (entry->driver != nullptr) run_on(*entry->home, [&] { entry->driver->cancel_carry(); });
  return Unit{};
}

Result<MirrorTable::Entry*> MirrorTable::find(const std::string& volume) {
  const auto found = mirrors_.find(volume);
  if (found == mirrors_.end()) return unknown_volume();
  return &found->second;
}

void MirrorTable::answer_store(const std::string& volume, const StoreAnswer& answer) {
  const uint32_t index = home_of(volume);
  send_task(reactors_.at(index), [this, index, volume, answer] {
    const auto found = drivers_[index].find(volume);
    if (found == drivers_[index].end()) return;
    mirror::HeadDriver& driver = *found->second;
    switch (answer.kind) {
      case StoreAnswer::Kind::stored: return driver.on_stored(true, answer.current);
      case StoreAnswer::Kind::differs: return driver.on_stored(false, answer.current);
      case StoreAnswer::Kind::unavailable: return driver.on_store_unavailable();
    }
  });
}

}  // namespace ballast::engine
