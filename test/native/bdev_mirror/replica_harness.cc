#include "native/bdev_mirror/replica_harness.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/assert.h"

namespace ballast::bdev::mirror::test {

Uuid uuid_of(uint8_t number) {
  Uuid uuid;
  uuid.bytes.fill(number);
  return uuid;
}

Replica::Replica(uint64_t size_bytes, uint32_t block_size, uint64_t size_max_bytes)
    : block_size_(block_size),
      blocks_count_(size_bytes / block_size),
      layout_(ReplicaLayout::of(std::max(size_bytes, size_max_bytes)).value()),
      platter_(layout_.blocks_count()) {
  for (ReplicaBlock& block : platter_) block.fill(0);
  ReplicaSuperblock superblock;
  superblock.head.replica_uuid = uuid_of(0xaa);
  superblock.volume_uuid = uuid_of(0xbb);
  superblock.block_size_bytes = block_size;
  superblock.blocks_count = size_bytes / block_size;
  superblock.size_max_bytes = std::max(size_bytes, size_max_bytes);
  for (uint64_t generation = 1; generation <= 2; ++generation) {
    superblock.head.generation = generation;
    encode_superblock(platter_[superblock_address(generation)], superblock);
  }
  open();
}

void Replica::open() {
  core_.reset();
  pending_.clear();
  pending_order_.clear();
  open_associations_.clear();
  io_slots_.clear();
  command_slots_.clear();
  ios_.clear();
  in_device_.clear();
  ended_.clear();
  sealed_ = ReplicaCore::k_nobody;
  next_association_ = 0;
  dropped_.clear();
  ReplicaLoader loader(platter_[0], platter_[1], platter_.size());
  load_state_ = loader.state();
  std::unique_ptr<ReplicaMetadata> metadata;
  if (loader.state() == ReplicaLoader::State::reading) {
    while (const auto block = loader.next_block()) loader.take(platter_[*block]);
    metadata = loader.finish();
  }
  core_ = std::make_unique<ReplicaCore>(options_, std::move(metadata));
  actions_ = std::make_unique<ReplicaActions>(core_->actions_max());
}

void Replica::crash(Prng* prng) {
  for (const auto& [ticket, write] : pending_) {
    if (prng == nullptr) continue;
    const uint64_t fate = prng->below(3);
    for (size_t sector = 0; sector < 8; ++sector) {
      const bool is_written = fate == 1 || (fate == 2 && prng->chance(1, 2));
      if (is_written)
        std::memcpy(platter_[write.block].data() + sector * 512, write.bytes.data() + sector * 512, 512);
    }
  }
  open();
}

uint32_t Replica::associate() {
  uint32_t association = next_association_++ % options_.associations_max;
  while (open_associations_.contains(association)) {
    association = next_association_++ % options_.associations_max;
  }
  open_associations_.insert(association);
  dropped_.erase(association);
  step({.kind = ReplicaEvent::Kind::association_opened, .association = association});
  return association;
}

void Replica::close(uint32_t association) {
  open_associations_.erase(association);
  if (sealed_ == association) sealed_ = ReplicaCore::k_nobody;
  step({.kind = ReplicaEvent::Kind::association_closed, .association = association});
}

void Replica::end_metadata(uint32_t ticket, Status status) {
  const PendingWrite write = pending_.at(ticket);
  BALLAST_ASSERT(std::equal(write.where.begin(), write.where.end(), write.bytes.begin()));
  if (status == Status::ok) platter_[write.block] = write.bytes;
  pending_.erase(ticket);
  std::erase(pending_order_, ticket);
  step({.kind = ReplicaEvent::Kind::metadata_done, .ticket = ticket, .status = status});
}

void Replica::end_one_metadata(Status status) {
  BALLAST_ASSERT(!pending_order_.empty());
  end_metadata(pending_order_.front(), status);
}

void Replica::settle() {
  while (!pending_order_.empty()) end_one_metadata();
}

uint32_t Replica::seal(uint32_t association, uint64_t epoch, uint64_t session, uint8_t head,
                       uint64_t sealed_epoch) {
  const SealRequest request{.block_size_bytes = block_size_,
                            .epoch = epoch,
                            .session = session,
                            .sealed_epoch = sealed_epoch,
                            .volume_uuid = uuid_of(0xbb),
                            .replica_uuid = uuid_of(0xaa),
                            .head_uuid = uuid_of(head),
                            .blocks_count = blocks_count_};
  ReplicaBlock block{};
  store(MutableByteSpan(block), request);
  return command(association, ReplicaOpcode::seal, block);
}

uint32_t Replica::command(uint32_t association, ReplicaOpcode opcode, ByteSpan data, size_t out_bytes,
                          uint64_t first, uint32_t argument) {
  const uint32_t number = next_number_++;
  const uint32_t slot = free_slot(command_slots_);
  command_slots_[slot] = number;
  Command& command = commands_[number];
  command.association = association;
  command.is_seal = opcode == ReplicaOpcode::seal;
  command.opcode = opcode;
  command.argument = argument;
  command.data.assign(data.begin(), data.end());
  command.out.assign(out_bytes, 0xee);
  step({.kind = ReplicaEvent::Kind::command,
        .association = association,
        .slot = slot,
        .command = {opcode, command.data, command.out, first, argument,
                    opcode == ReplicaOpcode::grow ? blocks_count_ : 0}});
  // A seal that was not refused at once: nobody is sealed until it is answered.
  if (command.is_seal && !answers_.contains(number)) sealed_ = ReplicaCore::k_nobody;
  return number;
}

uint32_t Replica::regions(uint32_t association, ReplicaOpcode opcode, const std::vector<uint32_t>& list) {
  RegionList request;
  request.count = static_cast<uint32_t>(list.size());
  std::ranges::copy(list, request.regions.begin());
  return command(association, opcode, bytes_of(request));
}

uint32_t Replica::absent(uint32_t association, ReplicaOpcode opcode, uint8_t member,
                         const std::vector<GranuleRange>& ranges, bool everything, uint64_t since_epoch) {
  AbsentRequest request{.member_uuid = uuid_of(member), .since_epoch = since_epoch};
  request.flags = everything ? AbsentRequest::k_everything : 0;
  request.count = static_cast<uint32_t>(ranges.size());
  std::ranges::copy(ranges, request.ranges.begin());
  return command(association, opcode, bytes_of(request));
}

uint32_t Replica::begin_copying(uint32_t association, uint8_t member, bool everything, uint64_t since_epoch) {
  AbsentRequest request{.member_uuid = uuid_of(member), .since_epoch = since_epoch};
  request.flags = AbsentRequest::k_copying | (everything ? AbsentRequest::k_everything : 0);
  return command(association, ReplicaOpcode::begin_absent, bytes_of(request));
}

uint32_t Replica::set_content(uint32_t association, Content content) {
  return command(association, ReplicaOpcode::set_content, {}, 0, 0, static_cast<uint32_t>(content));
}

ReplicaState Replica::state(uint32_t association) {
  const uint32_t number = command(association, ReplicaOpcode::read_state, {}, 4096);
  BALLAST_ASSERT(answers_.at(number).status == Status::ok);
  return load<ReplicaState>(out_of(number));
}

std::set<uint64_t> Replica::marked(uint32_t association) {
  const uint32_t number = command(association, ReplicaOpcode::read_intent, {}, 4096);
  BALLAST_ASSERT(answers_.at(number).status == Status::ok);
  std::set<uint64_t> marks;
  for (size_t bit = 0; bit < 4096 * 8; ++bit) {
    if ((out_of(number)[bit / 8] >> bit % 8 & 1) != 0) marks.insert(bit);
  }
  return marks;
}

std::optional<Answer> Replica::answer_of(uint32_t command) const {
  const auto found = answers_.find(command);
  return found == answers_.end() ? std::nullopt : std::optional(found->second);
}

uint32_t Replica::sealed_association(uint64_t epoch, uint64_t session, uint8_t head) {
  const uint32_t association = associate();
  const uint32_t number = seal(association, epoch, session, head);
  settle();
  BALLAST_ASSERT(answers_.at(number).status == Status::ok);
  return association;
}

uint32_t Replica::submit(uint32_t association, IoType type, uint64_t lba, uint32_t blocks_count) {
  const uint32_t number = next_number_++;
  const uint32_t slot = free_slot(io_slots_);
  io_slots_[slot] = number;
  ios_[number] = {association, type, lba, blocks_count};
  step({.kind = ReplicaEvent::Kind::io_submit,
        .association = association,
        .slot = slot,
        .io_type = type,
        .lba = lba,
        .blocks_count = blocks_count});
  return number;
}

void Replica::end_io(uint32_t io, Status status) {
  BALLAST_ASSERT(in_device_.erase(io) == 1);
  const auto has_number = [io](const auto& entry) { return entry.second == io; };
  const uint32_t slot = std::ranges::find_if(io_slots_, has_number)->first;
  step({.kind = ReplicaEvent::Kind::io_done, .slot = slot, .status = status});
}

std::optional<Answer> Replica::end_of(uint32_t io) const {
  const auto found = ended_.find(io);
  return found == ended_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<uint32_t> Replica::pending_tickets() const { return pending_order_; }

std::vector<uint64_t> Replica::pending_blocks() const {
  std::vector<uint64_t> blocks;
  for (const uint32_t ticket : pending_order_) blocks.push_back(pending_.at(ticket).block);
  return blocks;
}

bool Replica::has_open_command() const { return !command_slots_.empty(); }

const GranuleMap* Replica::absent_map(uint8_t member) const {
  for (uint32_t slot = 0; slot < k_absent_slots; ++slot) {
    if (metadata().superblock.absent[slot].member_uuid == uuid_of(member))
      return metadata().absent[slot].get();
  }
  return nullptr;
}

void Replica::step(const ReplicaEvent& event) {
  core_->step(event, *actions_);
  const std::vector<ReplicaAction> list(actions_->list().begin(), actions_->list().end());
  actions_->clear();
  for (const ReplicaAction& action : list) {
    switch (action.kind) {
      case ReplicaAction::Kind::write_metadata: {
        ++writes_count_;
        for (const auto& [ticket, write] : pending_) {
          if (write.block == action.block_number) trouble_ = "two writes of a metadata block at a time";
        }
        if (pending_.contains(action.ticket)) trouble_ = "a ticket is given out twice";
        PendingWrite& write = pending_[action.ticket];
        write = {action.block_number, action.bytes, {}};
        std::ranges::copy(action.bytes, write.bytes.begin());
        pending_order_.push_back(action.ticket);
        break;
      }
      case ReplicaAction::Kind::submit_io: on_submit(action.slot); break;
      case ReplicaAction::Kind::finish_io:
        ended_[io_slots_.at(action.slot)] = {action.status, action.refusal};
        io_slots_.erase(action.slot);
        break;
      case ReplicaAction::Kind::answer: on_answer(action); break;
      case ReplicaAction::Kind::drop_association: dropped_.insert(action.association); break;
      case ReplicaAction::Kind::grow: asked_growth_ = action.lba; break;
      case ReplicaAction::Kind::take_snapshot:
      case ReplicaAction::Kind::delete_snapshot: asked_snapshot_ = action; break;
      case ReplicaAction::Kind::read_checksums: asked_checksums_[action.slot] = action; break;
      case ReplicaAction::Kind::carry: asked_carry_[action.slot] = action; break;
      case ReplicaAction::Kind::drop_received: asks_drop_ = true; break;
      case ReplicaAction::Kind::read_allocation: asked_allocation_[action.slot] = action; break;
    }
  }
}

void Replica::end_allocation(Status status) {
  const uint32_t slot = asked_allocation_.begin()->first;
  asked_allocation_.erase(slot);
  Command& command = commands_.at(command_slots_.at(slot));
  step({.kind = ReplicaEvent::Kind::allocation_done,
        .slot = slot,
        .status = status,
        .command = {.opcode = ReplicaOpcode::read_allocation, .out = command.out}});
}

void Replica::end_growth(Status status) {
  asked_growth_.reset();
  step({.kind = ReplicaEvent::Kind::grown, .status = status});
}

void Replica::end_snapshot(Status status, Refusal refusal) {
  asked_snapshot_.reset();
  step({.kind = ReplicaEvent::Kind::snapshot_done, .status = status, .refusal = refusal});
}

void Replica::end_carry(Status status, Refusal refusal) {
  const uint32_t slot = asked_carry_.begin()->first;
  asked_carry_.erase(slot);
  Command& command = commands_.at(command_slots_.at(slot));
  step({.kind = ReplicaEvent::Kind::carry_done,
        .slot = slot,
        .status = status,
        .refusal = refusal,
        .command = {.opcode = command.opcode,
                    .data = command.data,
                    .out = command.out,
                    .argument = command.argument}});
}

void Replica::end_drop() {
  asks_drop_ = false;
  step({.kind = ReplicaEvent::Kind::received_dropped});
}

void Replica::end_checksums(Status status) {
  const uint32_t slot = asked_checksums_.begin()->first;
  asked_checksums_.erase(slot);
  Command& command = commands_.at(command_slots_.at(slot));
  step({.kind = ReplicaEvent::Kind::checksums_done,
        .slot = slot,
        .status = status,
        .command = {.opcode = ReplicaOpcode::read_checksums, .out = command.out}});
}

// No write is in the device without a durable mark, and nothing of who is not sealed.
void Replica::on_submit(uint32_t slot) {
  const uint32_t number = io_slots_.at(slot);
  const Io& io = ios_.at(number);
  in_device_[number] = io;
  if (io.association != sealed_) trouble_ = "I/O of an association that is not sealed";
  if (io.type == IoType::read || io.type == IoType::flush || io.type == IoType::compare) return;
  const uint64_t region_blocks = ReplicaLayout::k_region_bytes / block_size_;
  const uint64_t last = (io.lba + io.blocks_count - 1) / region_blocks;
  for (uint64_t region = io.lba / region_blocks; region <= last; ++region) {
    if (!is_mark_durable(region)) trouble_ = "a write without a durable mark";
  }
}

bool Replica::is_mark_durable(uint64_t region) const {
  const uint64_t block = layout_.intent_start() + region / k_map_bits_per_block;
  const uint64_t bit = region % k_map_bits_per_block;
  const auto has = [&](const ReplicaBlock& bytes) {
    const BlockHead expected{k_intent_magic, 0, block, uuid_of(0xaa), k_intent_generation};
    return check_map_block(bytes, expected) == MapBlockCheck::whole &&
           (bytes[sizeof(BlockHead) + bit / 8] >> bit % 8 & 1) != 0;
  };
  for (const auto& [ticket, write] : pending_) {
    if (write.block == block && !has(write.bytes)) return false;
  }
  return has(platter_[block]);
}

void Replica::on_answer(const ReplicaAction& action) {
  const uint32_t number = command_slots_.at(action.slot);
  command_slots_.erase(action.slot);
  answers_[number] = {action.status, action.refusal};
  const Command& command = commands_.at(number);
  if (!command.is_seal || action.status != Status::ok) return;
  if (!in_device_.empty()) trouble_ = "a seal is answered while I/O is in the device";
  sealed_ = command.association;
}

uint32_t Replica::free_slot(const std::map<uint32_t, uint32_t>& used) const {
  uint32_t slot = 0;
  while (used.contains(slot)) ++slot;
  return slot;
}

}  // namespace ballast::bdev::mirror::test
