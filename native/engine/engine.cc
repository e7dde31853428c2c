#include "engine/engine.h"

#include "engine/blocking.h"

namespace ballast::engine {
namespace {

Outcome check_options(const EngineOptions& options) {
  if (options.in_capsule_bytes % 16 != 0 || options.in_capsule_bytes > nvme::k_transfer_bytes_max) {
    return Error{Errc::invalid_argument, "the in-capsule data size is a multiple of 16, at most " +
                                             std::to_string(nvme::k_transfer_bytes_max)};
  }
  const uint32_t ids = options.controller_id_last + 1u - options.controller_id_first;
  if (options.controller_id_first == 0 || options.controller_id_last > nvme::k_controller_id_max ||
      options.controller_id_first > options.controller_id_last || ids < options.reactors.reactors_count) {
    return Error{Errc::invalid_argument,
                 "controller identifiers are a range within 1 to 65519, of one for each reactor at least"};
  }
  return Unit{};
}

uint64_t read(const std::atomic<uint64_t>& counter) { return counter.load(std::memory_order_relaxed); }

void add(TransportCounters& sum, const transport::tcp::TargetCounters& shard) {
  sum.connections += read(shard.connections);
  sum.connections_total += read(shard.connections_total);
  sum.bytes_received += read(shard.bytes_received);
  sum.bytes_sent += read(shard.bytes_sent);
  sum.receives += read(shard.receives);
  sum.sends += read(shard.sends);
  sum.flushes += read(shard.flushes);
  sum.data_digest_errors += read(shard.data_digest_errors);
  for (size_t fes = 0; fes < sum.pdu_errors.size(); ++fes) sum.pdu_errors[fes] += read(shard.pdu_errors[fes]);
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::start(const EngineOptions& options) {
  TRY(const Unit checked, check_options(options));
  static_cast<void>(checked);
  auto engine = std::unique_ptr<Engine>(new Engine(options));
  auto reactors = ReactorSet::start(options.reactors);
  if (!reactors.ok()) {
    engine->closed_ = true;  // nothing to take down
    return reactors.error();
  }
  engine->reactors_ = std::move(reactors.value());
  engine->build();
  return engine;
}

Engine::Engine(const EngineOptions& options) : options_(options) {}

Engine::~Engine() { close(); }

// Nothing here can fail once the reactors run.
void Engine::build() {
  const std::vector<Reactor*> reactors(reactors_->reactors().begin(), reactors_->reactors().end());
  target::TargetOptions target_options;
  target_options.in_capsule_bytes = options_.in_capsule_bytes;
  target_options.controller_id_first = options_.controller_id_first;
  target_options.controller_id_last = options_.controller_id_last;
  target_ = target::Target::create(reactors, target_options);

  transport::tcp::TargetOptions tcp_options;
  tcp_options.in_capsule_bytes = options_.in_capsule_bytes;
  std::vector<Acceptor::Destination> destinations;
  for (uint32_t i = 0; i < reactors.size(); ++i) {
    Shard& shard = shards_.emplace_back(Shard{reactors[i], nullptr});
    run_on(*shard.reactor, [&] {
      shard.transport = transport::tcp::TargetTransport::create(*shard.reactor, tcp_options,
                                                                target_->connection_observer(i));
    });
    destinations.push_back({shard.reactor, shard.transport.get()});
  }
  run_on(*reactors.front(), [&] { acceptor_ = std::make_unique<Acceptor>(std::move(destinations)); });
  pools_ = std::make_unique<PoolTable>(*reactors_, options_.pool_map_bytes);
  // What waits is handled on the last reactor: listeners, our own controllers and the first pool are on the
  // first.
  qos_node_ = bdev::qos::Node::create(*reactors.back());
  replicas_ = std::make_unique<ReplicaTable>(*target_, *reactors_, *pools_);
  mirrors_ = std::make_unique<MirrorTable>(*reactors_, *replicas_);
  volumes_ = std::make_unique<VolumeTable>(*target_, reactors_->files(), *pools_, *mirrors_, qos_node_);
  host_side_ = std::make_unique<HostSide>(reactors);
}

Result<VolumeInfo> Engine::add_volume(const VolumeConfig& config) {
  BALLAST_ASSERT(!closed_);
  return volumes_->add(config);
}

Outcome Engine::remove_volume(const std::string& name) {
  BALLAST_ASSERT(!closed_);
  return volumes_->remove(name);
}

Outcome Engine::set_hosts(const std::string& nqn, bool allow_any_host, std::vector<std::string> hosts,
                          target::Target::Done done) {
  BALLAST_ASSERT(!closed_);
  if (replicas_->serves(nqn)) {
    return replicas_->set_hosts(nqn, allow_any_host, std::move(hosts), std::move(done));
  }
  return volumes_->set_hosts(nqn, allow_any_host, std::move(hosts), std::move(done));
}

Outcome Engine::set_ana_state(const std::string& volume, nvme::AnaState state, target::Target::Done done) {
  BALLAST_ASSERT(!closed_);
  return volumes_->set_ana_state(volume, state, std::move(done));
}

Outcome Engine::drop_host(const std::string& volume, const std::string& host_nqn, target::Target::Done done) {
  BALLAST_ASSERT(!closed_);
  return volumes_->drop_host(volume, host_nqn, std::move(done));
}

Result<std::vector<target::ConnectedHost>> Engine::hosts(const std::string& nqn) {
  BALLAST_ASSERT(!closed_);
  return volumes_->hosts(nqn);
}

Outcome Engine::set_qos(const std::string& volume, const bdev::qos::Config& config) {
  BALLAST_ASSERT(!closed_);
  return volumes_->set_qos(volume, config);
}

Outcome Engine::set_qos_budget(const bdev::qos::NodeBudget& budget) {
  BALLAST_ASSERT(!closed_);
  Signal changed;
  TRY(const Unit set, qos_node_->set_budget(budget, [&changed] { changed.raise(); }));
  changed.wait();
  return set;
}

Result<PoolVolumeInfo> Engine::resize_pool_volume(const std::string& pool, const std::string& volume,
                                                  uint64_t size_bytes) {
  BALLAST_ASSERT(!closed_);
  return volumes_->resize(pool, volume, size_bytes);
}

Outcome Engine::close_pool(const std::string& pool, bool exported) {
  BALLAST_ASSERT(!closed_);
  TRY(const Unit removed, volumes_->remove_of_pool(pool));
  TRY(const Unit gone, replicas_->remove_of_pool(pool));
  static_cast<void>(removed), static_cast<void>(gone);
  return pools_->close(pool, exported);
}

Result<ReplicaInfo> Engine::add_replica(const ReplicaConfig& config) {
  BALLAST_ASSERT(!closed_);
  return replicas_->add(config);
}

Outcome Engine::remove_replica(const std::string& name) {
  BALLAST_ASSERT(!closed_);
  return replicas_->remove(name);
}

Result<ReplicaInfo> Engine::replica_info(const std::string& name) {
  BALLAST_ASSERT(!closed_);
  return replicas_->info(name);
}

void Engine::set_store_request_sink(StoreRequestSink sink) {
  BALLAST_ASSERT(!closed_);
  mirrors_->set_store_request_sink(std::move(sink));
}

void Engine::answer_store(const std::string& volume, const StoreAnswer& answer) {
  mirrors_->answer_store(volume, answer);
}

Outcome Engine::promote_mirror(const std::string& volume, const MirrorConfig& config) {
  BALLAST_ASSERT(!closed_);
  TRY(const Unit promoted, mirrors_->promote(volume, config));
  // It may have grown since this volume was added.
  TRY(const uint64_t size_bytes, volumes_->resize_mirror(volume));
  static_cast<void>(size_bytes);
  return promoted;
}

Outcome Engine::demote_mirror(const std::string& volume) {
  BALLAST_ASSERT(!closed_);
  return mirrors_->demote(volume);
}

void Engine::begin_demotions(const std::vector<std::string>& volumes) {
  BALLAST_ASSERT(!closed_);
  mirrors_->begin_demotions(volumes);
}

void Engine::set_head_state_sink(HeadStateSink sink) {
  BALLAST_ASSERT(!closed_);
  mirrors_->set_head_state_sink(std::move(sink));
}

void Engine::set_host_lost_sink(HostLostSink sink) {
  BALLAST_ASSERT(!closed_);
  target_->set_host_lost_sink(std::move(sink));
}

void Engine::set_replica_seal_sink(ReplicaSealSink sink) {
  BALLAST_ASSERT(!closed_);
  replicas_->set_seal_sink(std::move(sink));
}

Result<MirrorInfo> Engine::mirror_info(const std::string& volume) {
  BALLAST_ASSERT(!closed_);
  return mirrors_->info(volume);
}

Outcome Engine::add_mirror_member(const std::string& volume, const MirrorMemberConfig& member) {
  BALLAST_ASSERT(!closed_);
  return mirrors_->add_member(volume, member);
}

Outcome Engine::remove_mirror_member(const std::string& volume, const Uuid& replica) {
  BALLAST_ASSERT(!closed_);
  return mirrors_->remove_member(volume, replica);
}

Outcome Engine::grow_mirror(const std::string& volume, uint64_t size_bytes) {
  BALLAST_ASSERT(!closed_);
  return mirrors_->grow(volume, size_bytes);
}

Result<uint64_t> Engine::resize_mirror(const std::string& volume) {
  BALLAST_ASSERT(!closed_);
  return volumes_->resize_mirror(volume);
}

Outcome Engine::snapshot_mirror(const std::string& volume, const Uuid& uuid, const std::string& name,
                                uint64_t now_s) {
  BALLAST_ASSERT(!closed_);
  return mirrors_->snapshot(volume, uuid, name, now_s);
}

Outcome Engine::delete_mirror_snapshot(const std::string& volume, const Uuid& uuid) {
  BALLAST_ASSERT(!closed_);
  return mirrors_->delete_snapshot(volume, uuid);
}

Outcome Engine::carry_mirror_snapshot(const std::string& volume, const Uuid& snapshot, const Uuid& from,
                                      const Uuid& to, std::vector<Uuid> bases) {
  BALLAST_ASSERT(!closed_);
  return mirrors_->carry_snapshot(volume, snapshot, from, to, std::move(bases));
}

void Engine::list_mirror_snapshots(const std::string& volume, const Uuid& replica,
                                   std::function<void(Result<std::optional<std::vector<Uuid>>>)> listed) {
  BALLAST_ASSERT(!closed_);
  mirrors_->list_snapshots(volume, replica, std::move(listed));
}

Outcome Engine::cancel_mirror_carry(const std::string& volume) {
  BALLAST_ASSERT(!closed_);
  return mirrors_->cancel_carry(volume);
}

Outcome Engine::start_mirror_verify(const std::string& volume) {
  BALLAST_ASSERT(!closed_);
  return mirrors_->start_verify(volume);
}

Outcome Engine::cancel_mirror_verify(const std::string& volume) {
  BALLAST_ASSERT(!closed_);
  return mirrors_->cancel_verify(volume);
}

Outcome Engine::set_mirror_resync_rate(const std::string& volume, uint64_t bytes_per_s) {
  BALLAST_ASSERT(!closed_);
  return mirrors_->set_resync_rate(volume, bytes_per_s);
}

Result<SocketAddress> Engine::listen(const ListenConfig& config) {
  BALLAST_ASSERT(!closed_);
  Result<SocketAddress> bound = Errc::io_error;
  run_on(*shards_.front().reactor, [&] { bound = acceptor_->listen(config.address); });
  if (!bound.ok()) return bound.error();
  Outcome advertised = advertise(config, bound.value());
  if (!advertised.ok()) {
    run_on(*shards_.front().reactor, [&] { acceptor_->stop_last(); });
    return advertised.error();
  }
  return bound;
}

Result<uint32_t> Engine::attach(HostController& controller, const AttachmentConfig& config) {
  BALLAST_ASSERT(!closed_);
  TRY(auto attachment, Attachment::start(controller.controller(), config));
  const uint32_t id = next_attachment_++;
  attachments_.emplace(id, std::move(attachment));
  return id;
}

Attachment* Engine::find_attachment(uint32_t id) {
  const auto found = attachments_.find(id);
  return found == attachments_.end() ? nullptr : found->second.get();
}

Outcome Engine::detach(uint32_t id) {
  Attachment* const attachment = find_attachment(id);
  if (attachment == nullptr) return Unit{};
  TRY(const Unit detached, attachment->detach());
  static_cast<void>(detached);
  attachments_.erase(id);
  return Unit{};
}

Outcome Engine::advertise(const ListenConfig& config, const SocketAddress& bound) {
  const size_t listeners_before = listeners_.size();
  std::vector<SocketAddress> addresses = config.advertised;
  if (addresses.empty()) addresses.push_back(bound);
  for (SocketAddress& address : addresses) {
    if (address.port == 0) address.port = bound.port;
    listeners_.push_back({address, static_cast<uint16_t>(listeners_.size() + 1)});
  }
  Signal changed;
  Outcome outcome = target_->set_listeners(listeners_, [&changed] { changed.raise(); });
  if (outcome.ok()) {
    changed.wait();
  } else {
    listeners_.resize(listeners_before);
  }
  return outcome;
}

// The order matters. Hand-overs of accepted connections are in the mailboxes before the acceptor is gone, so
// each transport has them all before close_all() reaches it. Hosts' I/O in flight ends in target_->close(),
// which needs the transports; only then may they go. What waits for a limit is let go first of
// all: it has to end.
void Engine::close() {
  if (closed_) return;
  closed_ = true;
  run_on(*shards_.front().reactor, [&] { acceptor_.reset(); });
  volumes_->drain_all();
  mirrors_->end_all();
  wait_for([&](auto done) { host_side_->close(done); });
  host_side_.reset();
  attachments_.clear();  // their I/O has ended with the controllers
  wait_for([&](auto done) { target_->close(done); });
  volumes_.reset();  // with the devices of mirrored volumes, whose heads use replicas
  mirrors_.reset();
  replicas_->close_all();
  replicas_.reset();
  for (Shard& shard : shards_) {
    Signal closed;
    send_task(*shard.reactor, [&shard, &closed] {
      shard.transport->close_all(transport::CloseReason::local_request, [&closed] { closed.raise(); });
    });
    closed.wait();
  }
  for (Shard& shard : shards_) run_on(*shard.reactor, [&] { shard.transport.reset(); });
  target_.reset();
  run_on(qos_node_->home(), [] {});  // behind all messages to the node, which keep it
  qos_node_.reset();
  pools_.reset();
  reactors_.reset();
}

Counters Engine::counters() const {
  Counters counters;
  for (const Shard& shard : shards_) {
    const ReactorStats& stats = shard.reactor->stats();
    const transport::tcp::TargetCounters& tcp = shard.transport->counters();
    counters.reactors.push_back({read(stats.turns), read(stats.sleeps), read(stats.messages),
                                 read(stats.busy_ns), read(tcp.connections)});
    add(counters.transport, tcp);
  }
  counters.controllers = target_->controllers_count();
  counters.keep_alive_timeouts = target_->keep_alive_timeouts();
  return counters;
}

}  // namespace ballast::engine
