#include "bdev/mirror/replica.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/crc32c.h"
#include "base/log.h"
#include "bdev/mirror/replica_port.h"

namespace ballast::bdev::mirror {
namespace {

constexpr size_t k_part_alignment = 4096;
constexpr uint32_t k_checksum_part_bytes = 128 * 1024;
constexpr uint64_t k_zero_blocks_max = uint64_t{1} << 18;  // in one go

Capabilities capabilities_over(const Capabilities& data) {
  Capabilities capabilities = data;
  capabilities.copy = false;  // a head reads and writes apart
  return capabilities;
}

Geometry geometry_of(const ReplicaMetadata* metadata, const Bdev& data) {
  if (metadata == nullptr) return data.geometry();
  const ReplicaSuperblock& superblock = metadata->superblock;
  return {superblock.block_size_bytes, superblock.size_max_bytes / superblock.block_size_bytes};
}

}  // namespace

Replica::Replica(Reactor& home, const Uuid& uuid, std::shared_ptr<Bdev> data,
                 std::shared_ptr<Bdev> metadata_device, std::unique_ptr<ReplicaMetadata> metadata,
                 const ReplicaOptions& options)
    : home_(home),
      uuid_(uuid),
      data_(std::move(data)),
      metadata_(std::move(metadata_device)),
      data_channel_(data_->open(home)),
      metadata_channel_(metadata_->open(home)),
      geometry_(geometry_of(metadata.get(), *data_)),
      capabilities_(capabilities_over(data_->capabilities())),
      core_(options, std::move(metadata)),
      actions_(core_.actions_max()),
      wake_([](Message& message) {
        Replica& self = *static_cast<Wake&>(message).replica;
        self.is_awaited_ = false;
        self.drive();
      }),
      associations_(options.associations_max),
      children_(options.ios_max),
      commands_(options.commands_max) {
  BALLAST_ASSERT_ON_REACTOR(home_);
  wake_.replica = this;
  for (size_t i = 0; i < children_.size(); ++i) children_.at(i).replica = this;
  for (size_t i = 0; i < commands_.size(); ++i) commands_.at(i).replica = this;
  for (MetadataIo& io : metadata_ios_) io.replica = this;
  growth_.replica = this;
}

Replica::~Replica() {
  BALLAST_ASSERT_ON_REACTOR(home_);
  BALLAST_ASSERT(is_idle());
}

// ---- one after the other ----

void Replica::post(Pending& pending) {
  pending_.push_back(pending);
  drive();
}

void Replica::drive() {
  BALLAST_ASSERT_ON_REACTOR(home_);
  if (is_driving_) return;
  is_driving_ = true;
  for (uint32_t i = 0; i < k_events_at_once_max; ++i) {
    Pending* const next = pending_.pop_front();
    if (next == nullptr) break;
    step(next->event);
  }
  is_driving_ = false;
  if (!pending_.empty() && !is_awaited_) {
    is_awaited_ = true;
    home_.send(wake_);
  }
  const bool is_sealed = core_.sealed_association() != ReplicaCore::k_nobody;
  if (on_seal_ && is_sealed != said_sealed_) on_seal_(said_sealed_ = is_sealed);
  finish_close_if_idle();
}

void Replica::step(const ReplicaEvent& event) {
  // What is carried out may put the same event in line again, as another one.
  const bool is_end = event.kind == ReplicaEvent::Kind::association_closed;
  const uint32_t ended = event.association;
  core_.step(event, actions_);
  for (const ReplicaAction& action : actions_.list()) carry_out(action);
  actions_.clear();
  if (is_end) associations_[ended].is_taken = false;
}

void Replica::carry_out(const ReplicaAction& action) {
  switch (action.kind) {
    case ReplicaAction::Kind::write_metadata: return write_metadata(action);
    case ReplicaAction::Kind::submit_io: return data_channel_->submit(children_.at(action.slot).io);
    case ReplicaAction::Kind::finish_io: return finish_io(action.slot, action.status, action.refusal);
    case ReplicaAction::Kind::answer: return finish_command(action);
    case ReplicaAction::Kind::drop_association: return drop(associations_[action.association]);
    case ReplicaAction::Kind::read_allocation: return read_allocation(action);
    case ReplicaAction::Kind::read_checksums: return read_checksums(action);
    case ReplicaAction::Kind::grow: return grow(action.lba);
    case ReplicaAction::Kind::take_snapshot: return take_snapshot(action.bytes);
    case ReplicaAction::Kind::delete_snapshot: return delete_snapshot(action.bytes);
    case ReplicaAction::Kind::carry: return carry(action);
    case ReplicaAction::Kind::drop_received: return drop_received();
  }
}

// ---- associations ----

bool Replica::open_association(uint64_t association, Dropped dropped) {
  BALLAST_ASSERT_ON_REACTOR(home_);
  BALLAST_ASSERT(association != 0);
  BALLAST_ASSERT(find(association) == ReplicaCore::k_nobody);
  if (is_closing_) return false;
  const auto is_free = [](const Association& one) { return !one.is_taken; };
  const auto found = std::ranges::find_if(associations_, is_free);
  if (found == associations_.end()) return false;
  found->number = association;
  found->is_taken = true;
  found->dropped = std::move(dropped);
  const auto index = static_cast<uint32_t>(found - associations_.begin());
  found->opened.event = {.kind = ReplicaEvent::Kind::association_opened, .association = index};
  post(found->opened);
  return true;
}

void Replica::close_association(uint64_t association) {
  BALLAST_ASSERT_ON_REACTOR(home_);
  const uint32_t index = find(association);
  if (index == ReplicaCore::k_nobody) return;
  Association& closing = associations_[index];
  closing.number = 0;
  closing.dropped = nullptr;
  closing.closed.event = {.kind = ReplicaEvent::Kind::association_closed, .association = index};
  post(closing.closed);
}

// There are a few, and the first is mostly the one.
uint32_t Replica::find(uint64_t association) const {
  for (uint32_t i = 0; association != 0 && i < associations_.size(); ++i) {
    if (associations_[i].number == association) return i;
  }
  return ReplicaCore::k_nobody;
}

void Replica::drop(Association& association) {
  const Dropped dropped = std::exchange(association.dropped, nullptr);
  if (dropped) dropped();
}

// ---- I/O ----

void Replica::submit(Io& io) {
  BALLAST_ASSERT_ON_REACTOR(home_);
  Child* const child = line_.empty() ? children_.try_acquire() : nullptr;
  if (child == nullptr) return line_.push_back(ReplicaPlace::of(io));
  begin(io, *child);
}

void Replica::begin(Io& io, Child& child) {
  const uint32_t association = find(io.association);
  child.parent = &io;
  const auto slot = static_cast<uint32_t>(children_.index_of(child));
  if (association == ReplicaCore::k_nobody) {
    return finish_io(slot, Status::fenced, Refusal::not_sealed);
  }
  child.io.type = io.type;
  child.io.fua = io.fua;
  child.io.lba = io.lba;
  child.io.blocks_count = io.blocks_count;
  child.io.data = io.data;
  child.io.done = child_done;
  child.io.context = &child;
  child.pending.event = {.kind = ReplicaEvent::Kind::io_submit,
                         .association = association,
                         .slot = slot,
                         .io_type = io.type,
                         .lba = io.lba,
                         .blocks_count = io.blocks_count};
  post(child.pending);
}

void Replica::child_done(Io& io, Status status) {
  Child& child = *static_cast<Child*>(io.context);
  Replica& self = *child.replica;
  child.pending.event = {.kind = ReplicaEvent::Kind::io_done,
                         .slot = static_cast<uint32_t>(self.children_.index_of(child)),
                         .status = status};
  self.post(child.pending);
}

// The next one in line gets the child before the submitter hears of it: who submits from inside comes behind.
void Replica::finish_io(uint32_t slot, Status status, Refusal refusal) {
  Child& child = children_.at(slot);
  Io& io = *std::exchange(child.parent, nullptr);
  children_.release(child);
  start_waiting();
  io.refusal = static_cast<uint8_t>(refusal);
  ReplicaPort::answer(io, refusal == Refusal::none ? status : Status::fenced);
}

// In a loop, not by recursion: what is refused ends here at once, and gives its place to the next.
void Replica::start_waiting() {
  if (is_starting_) return;
  is_starting_ = true;
  while (!line_.empty()) {
    Child* const child = children_.try_acquire();
    if (child == nullptr) break;
    begin(line_.pop_front()->io(), *child);
  }
  while (!command_line_.empty()) {
    CommandSlot* const slot = commands_.try_acquire();
    if (slot == nullptr) break;
    begin(*command_line_.pop_front(), *slot);
  }
  is_starting_ = false;
}

// ---- commands ----

void Replica::command(ReplicaOrder& order) {
  BALLAST_ASSERT_ON_REACTOR(home_);
  CommandSlot* const slot = command_line_.empty() ? commands_.try_acquire() : nullptr;
  if (slot == nullptr) return command_line_.push_back(order);
  begin(order, *slot);
}

void Replica::begin(ReplicaOrder& order, CommandSlot& slot) {
  const uint32_t association = find(order.association);
  slot.order = &order;
  const auto index = static_cast<uint32_t>(commands_.index_of(slot));
  if (association == ReplicaCore::k_nobody) {
    return finish_command({.slot = index, .status = Status::fenced, .refusal = Refusal::not_sealed});
  }
  slot.pending.event = {.kind = ReplicaEvent::Kind::command,
                        .association = association,
                        .slot = index,
                        .command = order.command};
  post(slot.pending);
}

void Replica::finish_command(const ReplicaAction& action) {
  CommandSlot& slot = commands_.at(action.slot);
  ReplicaOrder& order = *std::exchange(slot.order, nullptr);
  const Status status = action.status;
  const Refusal refusal = action.refusal;
  commands_.release(slot);
  start_waiting();
  order.done(order, status, refusal);
}

void Replica::read_allocation(const ReplicaAction& action) {
  CommandSlot& slot = commands_.at(action.slot);
  slot.segment = {action.out.data(), action.out.size()};
  slot.io.type = IoType::read_allocation;
  slot.io.lba = action.lba;
  slot.io.blocks_count = action.blocks_count;
  slot.io.data = {&slot.segment, 1};
  slot.io.done = allocation_done;
  slot.io.context = &slot;
  if (!capabilities_.allocation) return allocation_done(slot.io, Status::unsupported);
  data_channel_->submit(slot.io);
}

void Replica::allocation_done(Io& io, Status status) {
  CommandSlot& slot = *static_cast<CommandSlot*>(io.context);
  Replica& self = *slot.replica;
  slot.pending.event = {.kind = ReplicaEvent::Kind::allocation_done,
                        .slot = static_cast<uint32_t>(self.commands_.index_of(slot)),
                        .status = status,
                        .command = slot.order->command};
  self.post(slot.pending);
}

// A part at a time, so that it takes little memory, and others have their turn between.
void Replica::read_checksums(const ReplicaAction& action) {
  CommandSlot& slot = commands_.at(action.slot);
  auto* const memory = static_cast<uint8_t*>(std::aligned_alloc(k_part_alignment, k_checksum_part_bytes));
  slot.segment = {memory, 0};
  slot.checking = action;
  slot.io.type = IoType::read;
  slot.io.done = part_done;
  slot.io.context = &slot;
  if (memory == nullptr) return end_checksums(slot, Status::busy);
  read_next_part(slot);
}

void Replica::read_next_part(CommandSlot& slot) {
  const uint32_t part_blocks = k_checksum_part_bytes / geometry_.block_size_bytes;
  slot.io.lba = slot.checking.lba;
  slot.io.blocks_count = std::min(part_blocks, slot.checking.blocks_count);
  slot.segment.size_bytes = size_t{slot.io.blocks_count} * geometry_.block_size_bytes;
  slot.io.data = {&slot.segment, 1};
  data_channel_->submit(slot.io);
}

void Replica::part_done(Io& io, Status status) {
  CommandSlot& slot = *static_cast<CommandSlot*>(io.context);
  Replica& self = *slot.replica;
  if (status != Status::ok) return self.end_checksums(slot, status);
  ByteSpan data(slot.segment.base, slot.segment.size_bytes);
  while (!data.empty()) {
    const ByteSpan granule = data.first(std::min<size_t>(data.size(), ReplicaLayout::k_granule_bytes));
    store(slot.checking.out, crc32c(granule));
    slot.checking.out = slot.checking.out.subspan(sizeof(uint32_t));
    data = data.subspan(granule.size());
  }
  slot.checking.lba += io.blocks_count;
  slot.checking.blocks_count -= io.blocks_count;
  if (slot.checking.blocks_count > 0) return self.read_next_part(slot);
  self.end_checksums(slot, Status::ok);
}

void Replica::end_checksums(CommandSlot& slot, Status status) {
  std::free(slot.segment.base);
  slot.pending.event = {.kind = ReplicaEvent::Kind::checksums_done,
                        .slot = static_cast<uint32_t>(commands_.index_of(slot)),
                        .status = status,
                        .command = slot.order->command};
  post(slot.pending);
}

// ---- growing ----

void Replica::grow(uint64_t blocks_count) {
  ++outside_count_;
  growth_.next_lba = core_.metadata()->superblock.blocks_count;
  growth_.end_lba = blocks_count;
  if (data_->geometry().blocks_count >= blocks_count) return zero_next();
  if (grower_ == nullptr) return end_growth(Status::unsupported);
  grower_(blocks_count * geometry_.block_size_bytes, [this](Status status) {
    const bool has_grown = data_->geometry().blocks_count >= growth_.end_lba;
    if (status == Status::ok && !has_grown) status = Status::no_space;
    if (status != Status::ok) return end_growth(status);
    zero_next();
  });
}

// It may hold what its device held before.
void Replica::zero_next() {
  if (growth_.next_lba == growth_.end_lba) return end_growth(Status::ok);
  if (!capabilities_.unmap && !capabilities_.write_zeroes) return end_growth(Status::unsupported);
  const uint64_t count = std::min(growth_.end_lba - growth_.next_lba, k_zero_blocks_max);
  growth_.io.type = capabilities_.unmap ? IoType::unmap : IoType::write_zeroes;
  growth_.io.fua = true;
  growth_.io.lba = std::exchange(growth_.next_lba, growth_.next_lba + count);
  growth_.io.blocks_count = static_cast<uint32_t>(count);
  growth_.io.context = this;
  growth_.io.done = [](Io& io, Status status) {
    auto& self = *static_cast<Replica*>(io.context);
    if (status != Status::ok) return self.end_growth(status);
    self.zero_next();
  };
  data_channel_->submit(growth_.io);
}

void Replica::end_growth(Status status) {
  --outside_count_;
  growth_.pending.event = {.kind = ReplicaEvent::Kind::grown, .status = status};
  post(growth_.pending);
}

// ---- snapshots ----

void Replica::take_snapshot(ByteSpan request) {
  ++outside_count_;
  const SnapshotEnded ended = snapshot_ended();
  if (snapshots_.take == nullptr) return ended(Status::unsupported, Refusal::none);
  snapshots_.take(load<SnapshotRequest>(request), ended);
}

void Replica::delete_snapshot(ByteSpan uuid) {
  ++outside_count_;
  const SnapshotEnded ended = snapshot_ended();
  if (snapshots_.remove == nullptr) return ended(Status::ok, Refusal::none);
  snapshots_.remove(load<Uuid>(uuid), ended);
}

Replica::SnapshotEnded Replica::snapshot_ended() {
  return [this](Status status, Refusal refusal) {
    --outside_count_;
    snapshot_done_.event = {.kind = ReplicaEvent::Kind::snapshot_done, .status = status, .refusal = refusal};
    post(snapshot_done_);
  };
}

// ---- snapshots that are carried ----

void Replica::carry(const ReplicaAction& action) {
  CommandSlot& slot = commands_.at(action.slot);
  const ReplicaCommand& command = slot.order->command;
  const auto ended = [this, &slot](Status status, Refusal refusal) {
    slot.pending.event = {.kind = ReplicaEvent::Kind::carry_done,
                          .slot = static_cast<uint32_t>(commands_.index_of(slot)),
                          .status = status,
                          .refusal = refusal,
                          .command = slot.order->command};
    post(slot.pending);
  };
  if (transfer_ == nullptr) return ended(Status::unsupported, Refusal::none);
  const auto selection = load<SnapshotSelection>(action.bytes);
  switch (command.opcode) {
    case ReplicaOpcode::list_snapshots: return transfer_->list(command.uuid, command.out, ended);
    case ReplicaOpcode::read_snapshot_map:
      std::ranges::fill(command.out, uint8_t{0});
      return transfer_->read_map(selection, command.first, command.out, ended);
    case ReplicaOpcode::read_snapshot:
      return transfer_->read(selection, command.first, command.argument, command.out, ended);
    case ReplicaOpcode::begin_receive:
      return transfer_->begin_receive(load<ReceiveRequest>(command.data), ended);
    case ReplicaOpcode::receive:
      return transfer_->receive(command.first, command.argument, command.data, ended);
    case ReplicaOpcode::end_receive:
      return command.argument == 0 ? transfer_->finish_receive(ended) : transfer_->drop_received(ended);
    default: BALLAST_ASSERT(false);
  }
}

void Replica::drop_received() {
  ++outside_count_;
  transfer_->drop_received([this](Status, Refusal) {
    --outside_count_;
    received_dropped_.event = {.kind = ReplicaEvent::Kind::received_dropped};
    post(received_dropped_);
  });
}

// ---- metadata ----

void Replica::write_metadata(const ReplicaAction& action) {
  MetadataIo& write = metadata_ios_[action.ticket];
  // A write does not change what it is given.
  write.segment = {const_cast<uint8_t*>(action.bytes.data()), action.bytes.size()};
  write.io.type = IoType::write;
  write.io.fua = true;
  write.io.lba = action.block_number;
  write.io.blocks_count = 1;
  write.io.data = {&write.segment, 1};
  write.io.done = metadata_done;
  write.io.context = &write;
  ++metadata_writes_count_;
  metadata_channel_->submit(write.io);
}

void Replica::metadata_done(Io& io, Status status) {
  MetadataIo& write = *static_cast<MetadataIo*>(io.context);
  Replica& self = *write.replica;
  if (status != Status::ok) {
    log(LogLevel::error, "replica", "%s: block %llu of the metadata: %s; nothing is done until it is opened",
        self.uuid_.text().c_str(), static_cast<unsigned long long>(io.lba), status_text(status));
  }
  --self.metadata_writes_count_;
  const auto ticket = static_cast<uint32_t>(&write - self.metadata_ios_.data());
  write.pending.event = {.kind = ReplicaEvent::Kind::metadata_done, .ticket = ticket, .status = status};
  self.post(write.pending);
}

// ---- the end ----

void Replica::close(std::function<void()> closed) {
  BALLAST_ASSERT_ON_REACTOR(home_);
  BALLAST_ASSERT(!is_closing_);
  is_closing_ = true;
  closed_ = std::move(closed);
  for (Association& association : associations_) drop(association);
  finish_close_if_idle();
}

bool Replica::is_idle() const {
  const auto is_taken = [](const Association& association) { return association.is_taken; };
  return !is_driving_ && !is_awaited_ && pending_.empty() && metadata_writes_count_ == 0 &&
         outside_count_ == 0 && children_.available() == children_.size() &&
         commands_.available() == commands_.size() && std::ranges::none_of(associations_, is_taken);
}

void Replica::finish_close_if_idle() {
  if (!is_closing_ || closed_ == nullptr || !is_idle()) return;
  // Later: a device may be on the stack.
  send_task(home_, [closed = std::exchange(closed_, nullptr)] { closed(); });
}

ReplicaFacts Replica::facts() const {
  ReplicaFacts facts;
  facts.is_unusable = core_.metadata() == nullptr;
  facts.is_failed = core_.is_poisoned();
  facts.is_sealed = core_.sealed_association() != ReplicaCore::k_nobody;
  if (facts.is_unusable) return facts;
  const ReplicaMetadata& metadata = *core_.metadata();
  facts.volume_uuid = metadata.superblock.volume_uuid;
  facts.blocks_count = metadata.superblock.blocks_count;
  facts.blocks_count_max = metadata.superblock.size_max_bytes / metadata.superblock.block_size_bytes;
  facts.max_epoch = metadata.superblock.max_epoch;
  facts.content = metadata.superblock.content;
  facts.marked_regions = metadata.marks.count();
  for (const AbsentEntry& entry : metadata.superblock.absent) {
    if (!entry.is_free()) facts.absent[facts.absent_members++] = {entry.member_uuid, entry.since_epoch};
  }
  return facts;
}

}  // namespace ballast::bdev::mirror
