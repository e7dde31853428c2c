#include "native/bdev_mirror/driver_rig.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace ballast::bdev::mirror::test {

// ---- MemoryReplica ----

namespace {
constexpr uint64_t k_grows_times = 4;
constexpr ReplicaOptions k_replica_options{.associations_max = 16, .ios_max = 64, .commands_max = 8};
}  // namespace

MemoryReplica::MemoryReplica(SimulatedWorld& world, Reactor& reactor, const Uuid& volume, const Uuid& uuid,
                             uint64_t blocks_count, Content content)
    : world_(world), reactor_(reactor), data_(blocks_count * k_block_bytes, 0) {
  ReplicaSuperblock superblock;
  superblock.volume_uuid = volume;
  superblock.head.replica_uuid = uuid;
  superblock.blocks_count = blocks_count;
  superblock.size_max_bytes = k_grows_times * data_.size();
  superblock.content = content;
  const auto layout = ReplicaLayout::of(superblock.size_max_bytes);
  platter_.resize(layout->blocks_count());
  for (uint64_t generation = 1; generation <= 2; ++generation) {
    superblock.head.generation = generation;
    encode_superblock(platter_[superblock_address(generation)], superblock);
  }
  open();
}

MemoryReplica::~MemoryReplica() { EXPECT_TRUE(connections.empty()); }

void MemoryReplica::open() {
  receiving.reset();
  ReplicaLoader loader(platter_[0], platter_[1], platter_.size());
  while (const auto block = loader.next_block()) loader.take(platter_[*block]);
  core_ = std::make_unique<ReplicaCore>(k_replica_options, loader.finish());
  actions_ = std::make_unique<ReplicaActions>(core_->actions_max());
}

void MemoryReplica::step(const ReplicaEvent& event) {
  events_.push_back(event);
  if (is_stepping_) return;
  is_stepping_ = true;
  while (!events_.empty()) {
    const ReplicaEvent next = events_.front();
    events_.pop_front();
    actions_->clear();
    core_->step(next, *actions_);
    const std::vector<ReplicaAction> actions(actions_->list().begin(), actions_->list().end());
    for (const ReplicaAction& action : actions) carry_out(action);
  }
  is_stepping_ = false;
}

void MemoryReplica::carry_out(const ReplicaAction& action) {
  switch (action.kind) {
    case ReplicaAction::Kind::write_metadata:
      std::copy(action.bytes.begin(), action.bytes.end(), platter_[action.block_number].begin());
      events_.push_back({.kind = ReplicaEvent::Kind::metadata_done, .ticket = action.ticket});
      break;
    case ReplicaAction::Kind::submit_io:
      if (is_held(ios_.at(action.slot))) {
        held_.push_back(action.slot);
      } else {
        do_io(action.slot);
      }
      break;
    case ReplicaAction::Kind::finish_io: {
      const PendingIo ended = std::move(ios_.extract(action.slot).mapped());
      ended.done(action.status, action.refusal, ended.bytes);
      break;
    }
    case ReplicaAction::Kind::answer: {
      const auto ended = std::move(commands_.extract(action.slot).mapped());
      ended.done({action.status, action.refusal});
      break;
    }
    case ReplicaAction::Kind::read_allocation:
      for (uint64_t i = 0; i < action.blocks_count; ++i) {
        const auto block = data_.begin() + static_cast<int64_t>((action.lba + i) * k_block_bytes);
        const bool is_taken =
            std::any_of(block, block + k_block_bytes, [](uint8_t byte) { return byte != 0; });
        if (is_taken) action.out[i / 8] = static_cast<uint8_t>(action.out[i / 8] | 1u << i % 8);
      }
      events_.push_back({.kind = ReplicaEvent::Kind::allocation_done,
                         .slot = action.slot,
                         .command = commands_.at(action.slot).command});
      break;
    case ReplicaAction::Kind::read_checksums: read_checksums(action); break;
    case ReplicaAction::Kind::grow: grow(action.lba); break;
    case ReplicaAction::Kind::take_snapshot: take_snapshot(load<SnapshotRequest>(action.bytes)); break;
    case ReplicaAction::Kind::delete_snapshot:
      snapshots.erase(load<Uuid>(action.bytes));
      events_.push_back({.kind = ReplicaEvent::Kind::snapshot_done});
      break;
    case ReplicaAction::Kind::carry: carry(action); break;
    case ReplicaAction::Kind::drop_received:
      receiving.reset();
      events_.push_back({.kind = ReplicaEvent::Kind::received_dropped});
      break;
    case ReplicaAction::Kind::drop_association:
      if (associations_.contains(action.association)) associations_.at(action.association)();
      break;
  }
}

bool MemoryReplica::is_held(const PendingIo& io) const {
  const uint64_t end = io.lba + io.bytes.size() / k_block_bytes;
  return holds_ && (!held_lba_ || (io.lba <= *held_lba_ && *held_lba_ < end));
}

bool MemoryReplica::is_spoiled(uint64_t lba, uint64_t count) const {
  const auto found = spoiled_.lower_bound(lba);
  return found != spoiled_.end() && *found < lba + count;
}

void MemoryReplica::grow(uint64_t blocks_count) {
  if (holds_growth) return;
  if (growth_status == Status::ok) data_.resize(blocks_count * k_block_bytes, 0);
  events_.push_back({.kind = ReplicaEvent::Kind::grown, .status = growth_status});
}

void MemoryReplica::take_snapshot(const SnapshotRequest& request) {
  if (holds_snapshots) return;
  const bool exists = snapshots.contains(request.uuid);
  if (!exists && snapshot_status == Status::ok) snapshots[request.uuid] = data_;
  events_.push_back({.kind = ReplicaEvent::Kind::snapshot_done,
                     .status = snapshot_status,
                     .refusal = exists ? Refusal::exists : Refusal::none});
}

void MemoryReplica::carry(const ReplicaAction& action) {
  const ReplicaCommand command = commands_.at(action.slot).command;
  const Refusal refusal = carry(command, load<SnapshotSelection>(action.bytes));
  Status status = Status::ok;
  if (command.opcode == ReplicaOpcode::read_snapshot) status = carry_read_status;
  if (command.opcode == ReplicaOpcode::receive) status = carry_receive_status;
  events_.push_back({.kind = ReplicaEvent::Kind::carry_done,
                     .slot = action.slot,
                     .status = status,
                     .refusal = refusal,
                     .command = command});
}

Refusal MemoryReplica::carry(const ReplicaCommand& command, const SnapshotSelection& selection) {
  switch (command.opcode) {
    case ReplicaOpcode::list_snapshots: list_snapshots(command.uuid, command.out); return Refusal::none;
    case ReplicaOpcode::read_snapshot_map:
    case ReplicaOpcode::read_snapshot:
      if (!snapshots.contains(selection.uuid)) return Refusal::no_snapshot;
      read_snapshot(command, selection);
      return Refusal::none;
    case ReplicaOpcode::begin_receive: {
      const auto request = load<ReceiveRequest>(command.data);
      EXPECT_FALSE(receiving);
      if (snapshots.contains(request.uuid)) return Refusal::exists;
      receiving = {request, std::vector<uint8_t>(request.size_bytes)};
      if (!request.below.is_nil()) receiving->data = snapshots.at(request.below);
      return Refusal::none;
    }
    case ReplicaOpcode::receive: {
      size_t from = 0;
      for (uint32_t i = 0; i < k_piece_granules; ++i) {
        if ((command.argument >> i & 1) == 0) continue;
        const auto at = receiving->data.begin() + static_cast<int64_t>((command.first + i) * k_block_bytes);
        EXPECT_LE((command.first + i + 1) * k_block_bytes, receiving->data.size());
        std::copy_n(command.data.begin() + static_cast<int64_t>(from), k_block_bytes, at);
        from += k_block_bytes;
      }
      return Refusal::none;
    }
    case ReplicaOpcode::end_receive:
      if (command.argument == 0) snapshots[receiving->request.uuid] = receiving->data;
      receiving.reset();
      return Refusal::none;
    default: break;
  }
  return Refusal::no_snapshot;
}

void MemoryReplica::list_snapshots(const Uuid& after, MutableByteSpan out) const {
  SnapshotList list;
  auto next = snapshots.upper_bound(after);
  for (; next != snapshots.end() && list.count < SnapshotList::k_entries_max; ++next) {
    SnapshotEntry& entry = list.entries[list.count++];
    entry.uuid = next->first;
    entry.size_bytes = next->second.size();
    entry.name[0] = 's';
  }
  list.has_more = next != snapshots.end() ? 1 : 0;
  store(out, list);
}

void MemoryReplica::read_snapshot(const ReplicaCommand& command, const SnapshotSelection& selection) const {
  const std::vector<uint8_t>& data = snapshots.at(selection.uuid);
  const std::vector<uint8_t> zeroes(data.size());
  const std::vector<uint8_t>& since = selection.since.is_nil() ? zeroes : snapshots.at(selection.since);
  if (command.opcode == ReplicaOpcode::read_snapshot_map) {
    std::ranges::fill(command.out, uint8_t{0});
    for (uint64_t i = 0; i < command.out.size() * 8; ++i) {
      const auto at = static_cast<int64_t>((command.first + i) * k_block_bytes);
      const bool is_behind = static_cast<uint64_t>(at) >= data.size();
      // Bits behind its end say nothing.
      const bool differs =
          is_behind || !std::equal(data.begin() + at, data.begin() + at + k_block_bytes, since.begin() + at);
      if (differs) command.out[i / 8] = static_cast<uint8_t>(command.out[i / 8] | 1u << i % 8);
    }
    return;
  }
  auto to = command.out.begin();
  for (uint32_t i = 0; i < k_piece_granules; ++i) {
    if ((command.argument >> i & 1) == 0) continue;
    const auto at = data.begin() + static_cast<int64_t>((command.first + i) * k_block_bytes);
    to = std::copy_n(at, k_block_bytes, to);
  }
}

void MemoryReplica::read_checksums(const ReplicaAction& action) {
  const bool is_bad = is_spoiled(action.lba, action.blocks_count);
  for (uint64_t i = 0; i < action.blocks_count; ++i) {
    const ByteSpan block = ByteSpan(data_).subspan((action.lba + i) * k_block_bytes, k_block_bytes);
    store(action.out.subspan(i * sizeof(uint32_t)), crc32c(block));
  }
  events_.push_back({.kind = ReplicaEvent::Kind::checksums_done,
                     .slot = action.slot,
                     .status = is_bad ? Status::media_error : Status::ok,
                     .command = commands_.at(action.slot).command});
}

void MemoryReplica::do_io(uint32_t slot) {
  PendingIo& io = ios_.at(slot);
  const auto at = data_.begin() + static_cast<int64_t>(io.lba * k_block_bytes);
  if (io.type == IoType::read && is_spoiled(io.lba, io.bytes.size() / k_block_bytes)) {
    events_.push_back({.kind = ReplicaEvent::Kind::io_done, .slot = slot, .status = Status::media_error});
    return;
  }
  if (io_status_ == Status::ok) {
    for (uint64_t i = 0; io.type != IoType::read && i < io.bytes.size() / k_block_bytes; ++i) {
      spoiled_.erase(io.lba + i);
    }
    if (io.type == IoType::read) {
      std::copy_n(at, io.bytes.size(), io.bytes.begin());
    } else {
      std::copy(io.bytes.begin(), io.bytes.end(), at);
      ++writes_count_;
      (io.type == IoType::write ? blocks_written_ : blocks_zeroed_) += io.bytes.size() / k_block_bytes;
      if (io.type == IoType::unmap) ++unmaps_count_;
    }
  }
  events_.push_back({.kind = ReplicaEvent::Kind::io_done, .slot = slot, .status = io_status_});
}

void MemoryReplica::hold_ios(bool hold, std::optional<uint64_t> lba) {
  holds_ = hold;
  held_lba_ = lba;
  if (hold) return;
  for (const uint32_t slot : std::exchange(held_, {})) do_io(slot);
  if (events_.empty()) return;
  const ReplicaEvent first = events_.front();
  events_.pop_front();
  step(first);
}

uint32_t MemoryReplica::associate(std::function<void()> dropped) {
  uint32_t number = 0;
  while (associations_.contains(number)) ++number;
  associations_[number] = std::move(dropped);
  step({.kind = ReplicaEvent::Kind::association_opened, .association = number});
  return number;
}

void MemoryReplica::close_association(uint32_t association) {
  if (associations_.erase(association) == 0) return;
  step({.kind = ReplicaEvent::Kind::association_closed, .association = association});
}

void MemoryReplica::submit(uint32_t association, const Io& io, IoEnded done) {
  uint32_t slot = 0;
  while (ios_.contains(slot)) ++slot;
  PendingIo& pending = ios_[slot];
  pending = {.type = io.type, .lba = io.lba, .bytes = {}, .done = std::move(done)};
  if (io.type == IoType::write) {
    for (const Segment& segment : io.data) {
      pending.bytes.insert(pending.bytes.end(), segment.base, segment.base + segment.size_bytes);
    }
  }
  pending.bytes.resize(size_t{io.blocks_count} * k_block_bytes);
  step({.kind = ReplicaEvent::Kind::io_submit,
        .association = association,
        .slot = slot,
        .io_type = io.type,
        .lba = io.lba,
        .blocks_count = io.blocks_count});
}

void MemoryReplica::command(uint32_t association, const ReplicaRequest& request,
                            ReplicaConnection::Done done) {
  ++commands_count_;
  const ReplicaOpcode opcode = request.words.opcode;
  const bool carries = opcode >= ReplicaOpcode::list_snapshots && opcode != ReplicaOpcode::delete_snapshot;
  if ((opcode == ReplicaOpcode::read_checksums && !knows_checksums) || (carries && !knows_carrying)) {
    return done({Status::unsupported, Refusal::none});
  }
  uint32_t slot = 0;
  while (commands_.contains(slot)) ++slot;
  const ReplicaCommand command = replica_command(request.words, request.data, request.out);
  commands_[slot] = {command, std::move(done)};
  step({.kind = ReplicaEvent::Kind::command, .association = association, .slot = slot, .command = command});
}

// ---- MemoryConnection ----

class MemoryConnection final : public ReplicaConnection {
 public:
  MemoryConnection(MemoryConnector& way, ReplicaConnector::Lost lost) : way_(way), lost_(std::move(lost)) {
    way_.replica().connections.insert(this);
    association_ = way_.replica().associate([this] { lose("dropped"); });
  }
  ~MemoryConnection() override { EXPECT_TRUE(closed_ && out_.empty() && requests_.empty()); }
  const Geometry& geometry() const override { return geometry_; }
  const Capabilities& capabilities() const override { return way_.replica().capabilities; }

  void request(const ReplicaRequest& request, Done done) override {
    const uint64_t number = requests_taken_++;
    requests_[number] = std::move(done);
    const std::shared_ptr<bool> life = life_;
    if (!alive_)
      return way_.later(0, [this, life, number] {
        if (*life) end_request(number, {Status::io_error, Refusal::none});
      });
    way_.later(way_.delay_ns, [this, life, number, request] {
      if (!*life || !alive_) return;
      way_.replica().command(association_, request, [this, life, number](const ReplicaAnswer& answer) {
        way_.later(way_.delay_ns, [this, life, number, answer] {
          if (*life) end_request(number, answer);
        });
      });
    });
  }

  void submit(Io& io) override {
    if (!alive_) return io.done(io, Status::io_error);
    out_.insert(&io);
    const std::shared_ptr<bool> life = life_;
    way_.later(way_.delay_ns, [this, life, &io] {
      if (!*life || !alive_) return;
      way_.replica().submit(
          association_, io,
          [this, life, &io](Status status, Refusal refusal, const std::vector<uint8_t>& read) {
            if (!*life || !alive_) return;
            way_.later(way_.delay_ns, [this, life, &io, read, status = head_status(status, refusal)] {
              if (*life && out_.contains(&io)) end_io(io, status, read);
            });
          });
    });
  }

  void close(std::function<void()> closed) override {
    EXPECT_FALSE(closing_);
    closing_ = true;
    alive_ = false;
    way_.later(way_.close_ns, [this, closed = std::move(closed)] {
      end_all();
      closed_ = true;
      leave();
      closed();
    });
  }

  void lose(const std::string& why) {
    if (!alive_) return;
    alive_ = false;
    leave();
    way_.later(0, [this, why, life = life_] {
      if (!*life || closing_) return;
      end_all();
      lost_(why);
    });
  }
  void leave() {
    if (way_.replica().connections.erase(this) == 0) return;
    way_.replica().close_association(association_);
  }

 private:
  void end_request(uint64_t number, const ReplicaAnswer& answer) {
    const auto ended = requests_.extract(number);
    if (!ended.empty()) ended.mapped()(answer);
  }
  void end_io(Io& io, Status status, const std::vector<uint8_t>& read) {
    out_.erase(&io);
    auto from = read.begin();
    for (const Segment& segment : io.data) {
      if (io.type != IoType::read || status != Status::ok) break;
      std::copy_n(from, segment.size_bytes, segment.base);
      from += static_cast<int64_t>(segment.size_bytes);
    }
    io.done(io, status);
  }
  void end_all() {
    *life_ = false;
    while (!requests_.empty()) end_request(requests_.begin()->first, {Status::io_error, Refusal::none});
    for (Io* const io : std::exchange(out_, {})) io->done(*io, Status::io_error);
  }

  MemoryConnector& way_;
  ReplicaConnector::Lost lost_;
  uint32_t association_ = 0;
  // Whether anybody still waits for anything; outlives the connection.
  std::shared_ptr<bool> life_ = std::make_shared<bool>(true);
  bool alive_ = true, closing_ = false, closed_ = false;
  std::map<uint64_t, Done> requests_;
  uint64_t requests_taken_ = 0;
  std::set<Io*> out_;
  Geometry geometry_;
};

void MemoryConnector::later(uint64_t ns, std::function<void()> what) {
  struct Later {
    Later(MemoryConnector& owner, std::function<void()> what_to_do)
        : timer(
              [](Timer&, void* context) {
                const std::unique_ptr<Later> self(static_cast<Later*>(context));
                self->what();
              },
              this),
          what(std::move(what_to_do)) {
      static_cast<void>(owner);
    }
    Timer timer;
    std::function<void()> what;
  };
  reactor_.arm((new Later(*this, std::move(what)))->timer, ns);
}

void MemoryConnector::connect(Connected connected, Lost lost) {
  cancelled_ = false;
  ++connects_count;
  later(2 * delay_ns, [this, connected = std::move(connected), lost = std::move(lost)]() mutable {
    if (cancelled_) return connected(Error{Errc::aborted, "given up"});
    if (replica_.is_unreachable()) return connected(Error{Errc::io_error, "nobody answers"});
    connected(std::unique_ptr<ReplicaConnection>(std::make_unique<MemoryConnection>(*this, std::move(lost))));
  });
}

void MemoryReplica::be_unreachable(bool is) {
  is_unreachable_ = is;
  if (!is) return;
  const auto lost = connections;
  for (MemoryConnection* const connection : lost) connection->lose("the connection is broken");
}

void MemoryReplica::restart() {
  const auto lost = connections;
  for (MemoryConnection* const connection : lost) connection->lose("the process ended");
  connections.clear();  // also those that are closing: their numbers mean nothing any more
  held_.clear();
  ios_.clear();
  commands_.clear();
  associations_.clear();
  events_.clear();
  open();
}

// ---- DriverRig ----

DriverRig::DriverRig(uint32_t members_count, uint64_t seed, bool user_is_away)
    : world(seed), home(world.add_reactor()), user(user_is_away ? world.add_reactor() : home) {
  options.volume = number_uuid(1, 0);
  options.head.node = number_uuid(2, 0);
  options.head.ops_max = 16;
  options.head.lease_ns = 100 * k_ms;
  options.head.latency_budget_ns = 500 * k_ms;
  options.head.reconnect_ns = 50 * k_ms;
  options.head.copy_bytes = 64 * 1024;
  record.revision = 1;
  record.members_count = members_count;
  for (uint32_t i = 0; i < members_count; ++i) record.members[i] = number_uuid(3, i);
  record.in_sync = record.all();
  record.blocks_count = k_blocks;
  for (uint32_t i = 0; i < members_count; ++i) make_replica(Content::complete);
}

void DriverRig::make_replica(Content content) {
  const Uuid uuid = number_uuid(3, static_cast<uint32_t>(replicas.size()));
  replicas.push_back(std::make_unique<MemoryReplica>(world, home, options.volume, uuid, k_blocks, content));
  connectors.push_back(std::make_unique<MemoryConnector>(world, home, *replicas.back()));
}

Uuid DriverRig::add_replica() {
  make_replica(Content::nothing);
  std::ranges::fill(replicas.back()->data(), uint8_t{0x5a});
  return number_uuid(3, static_cast<uint32_t>(replicas.size() - 1));
}

std::shared_ptr<ReplicaConnector> DriverRig::way_to(const Uuid& replica) {
  for (uint32_t i = 0; i < connectors.size(); ++i) {
    if (replica == number_uuid(3, i)) return {std::shared_ptr<void>(), connectors[i].get()};
  }
  return nullptr;
}

DriverRig::~DriverRig() {
  if (slot != nullptr) stop();
  world.advance(10 * k_ms);  // what is on its way to who has gone
}

void DriverRig::start() {
  std::vector<std::shared_ptr<ReplicaConnector>> ways;
  for (uint32_t place = 0; place < record.members_count; ++place)
    ways.push_back(way_to(record.members[place]));
  world.on(home, [&] {
    driver = std::make_unique<HeadDriver>(
        home, options, record, ways,
        [this](uint64_t expected, const Record& wanted) { ask_store(expected, wanted); });
    driver->start();
  });
  if (slot == nullptr) {
    slot = std::make_unique<HeadSlot>(home, Geometry{record.block_size_bytes, record.blocks_count});
    device = make_mirror_bdev(*slot);
    world.on(user, [&] { channel = device->open(user); });
  }
  world.on(home, [&] { slot->put(*driver); });
}

void DriverRig::stop_head(bool in_order) {
  bool stopped = false;
  world.on(home, [&] {
    driver->stop([&stopped] { stopped = true; });
    if (!in_order) driver->abandon();
  });
  EXPECT_TRUE(wait_for([&] { return stopped; })) << std::as_const(*driver).head().describe();
  world.on(home, [&] {
    slot->clear();
    driver.reset();
  });
}

void DriverRig::stop() {
  if (driver != nullptr) stop_head();
  world.on(user, [&] { channel.reset(); });
  device.reset();
  slot.reset();
  world.advance(k_ns_per_s);  // what is still on its way arrives nowhere
}

void DriverRig::ask_store(uint64_t expected_revision, const Record& wanted) {
  ++store_requests;
  if (store == Store::holds) {
    held_requests_.emplace_back(expected_revision, wanted);
    return;
  }
  connectors[0]->later(100 * k_us, [this, expected_revision, wanted] {
    if (driver == nullptr) return;
    if (store == Store::is_down) return driver->on_store_unavailable();
    answer_store(expected_revision, wanted);
  });
}

void DriverRig::answer_store(uint64_t expected_revision, const Record& wanted) {
  const bool ok = record.revision == expected_revision;
  if (ok) {
    record = wanted;
    record.revision = expected_revision + 1;
  }
  driver->on_stored(ok, record);
}

DriverRig::Op& DriverRig::submit(IoType type, uint64_t lba, uint32_t blocks, uint8_t value) {
  Op& op = *ops_.emplace_back(std::make_unique<Op>());
  const size_t bytes = size_t{blocks} * k_block_bytes * (type == IoType::compare_and_write ? 2 : 1);
  op.memory.assign(bytes, value);
  const size_t first = bytes / 2 / 512 * 512;  // two pieces, not at a border of blocks
  op.segments = {{op.memory.data(), first}, {op.memory.data() + first, bytes - first}};
  op.io.type = type;
  op.io.lba = lba;
  op.io.blocks_count = blocks;
  if (type != IoType::write_zeroes && type != IoType::unmap && type != IoType::flush) {
    op.io.data = op.segments;
  }
  op.io.context = &op;
  op.io.done = [](Io& io, Status status) {
    auto& ended = *static_cast<Op*>(io.context);
    EXPECT_FALSE(ended.status.has_value());
    ended.status = status;
  };
  return op;
}

Status DriverRig::write(uint64_t lba, uint32_t blocks, uint8_t value) {
  Op& op = submit(IoType::write, lba, blocks, value);
  world.on(user, [&] { channel->submit(op.io); });
  EXPECT_TRUE(wait_for([&] { return is_over(op); })) << std::as_const(*driver).head().describe();
  return op.status.value_or(Status::aborted);
}

std::vector<uint8_t> DriverRig::read(uint64_t lba, uint32_t blocks) {
  Op& op = submit(IoType::read, lba, blocks, 0xee);
  world.on(user, [&] { channel->submit(op.io); });
  EXPECT_TRUE(wait_for([&] { return is_over(op); })) << std::as_const(*driver).head().describe();
  return op.status == Status::ok ? op.memory : std::vector<uint8_t>();
}

bool DriverRig::wait_for(const std::function<bool()>& done, uint64_t for_ns) {
  return world.run_until(done, for_ns);
}

bool DriverRig::wait_in_sync() {
  return wait_for([&] {
    return record.in_sync == record.all() && std::as_const(*driver).head().state() == HeadState::serving &&
           std::as_const(*driver).head().activity() == Activity::serving;
  });
}

bool DriverRig::all_equal() {
  const std::vector<uint8_t>* first = nullptr;
  for (uint32_t i = 0; i < replicas.size(); ++i) {
    if (record.place_of(number_uuid(3, i)) == k_members_max) continue;
    if (first == nullptr) first = &replicas[i]->data();
    if (replicas[i]->data() != *first) return false;
  }
  return true;
}

}  // namespace ballast::bdev::mirror::test
