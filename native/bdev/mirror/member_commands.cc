#include "bdev/mirror/member_commands.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/assert.h"

namespace ballast::bdev::mirror {
namespace {

uint64_t divide_up(uint64_t value, uint64_t by) { return (value + by - 1) / by; }

bool makes_sense(const ReplicaState& state) {
  if (state.version != k_protocol_version || state.content > Content::nothing) return false;
  return std::ranges::all_of(
      state.absent, [](const AbsentEntry& entry) { return entry.everything <= 1 && entry.copying <= 1; });
}

SealedMember sealed_member(const ReplicaState& state) {
  SealedMember said;
  said.content = state.content;
  said.blocks_count = state.blocks_count;
  for (const AbsentEntry& entry : state.absent) {
    if (entry.is_free()) continue;
    said.absent[said.absent_count++] = {entry.member_uuid, entry.since_epoch, entry.everything != 0,
                                        entry.copying != 0, entry.copied_regions};
  }
  return said;
}

}  // namespace

const char* member_fault_text(MemberFault fault) {
  switch (fault) {
    case MemberFault::none: return "nothing is wrong";
    case MemberFault::malformed: return "its answer is malformed";
    case MemberFault::wrong_volume: return "it is a replica of another volume";
    case MemberFault::wrong_replica: return "it is another replica than the record of the volume says";
    case MemberFault::wrong_block_size: return "it has another block size than the volume";
    case MemberFault::too_small: return "it was made for less than the volume has";
    case MemberFault::wrong_seal: return "it does not say that it is sealed in this epoch and session";
    case MemberFault::no_slot: return "it has forgotten what an absent member misses";
  }
  return "unknown";
}

Status head_status(Status status, Refusal refusal) {
  switch (refusal) {
    case Refusal::none: return status;
    case Refusal::fenced: return Status::fenced;
    case Refusal::not_sealed:
    case Refusal::wrong_replica:
    case Refusal::no_slot:
    case Refusal::unusable: return Status::io_error;
    case Refusal::exists:
    case Refusal::no_snapshot: return Status::invalid;
  }
  return Status::io_error;
}

void MemberCommands::start(const Head& head, const Action& action) {
  BALLAST_ASSERT(action.kind == Action::Kind::connect || action.kind == Action::Kind::command);
  const Record& record = head.record();
  action_ = action;
  fault_ = MemberFault::none;
  next_ = 0;
  is_last_ = true;
  replica_ = head.replica_at(action.member);
  about_ = head.told_about(action.member);
  block_size_bytes_ = record.block_size_bytes;
  blocks_count_ = record.blocks_count;
  if (action.kind == Action::Kind::connect) {
    stage_ = Stage::seal;
    block_.fill(0);
    store(MutableByteSpan(block_), SealRequest{.block_size_bytes = block_size_bytes_,
                                               .epoch = action.epoch,
                                               .session = action.session,
                                               .sealed_epoch = action.sealed_epoch,
                                               .volume_uuid = volume_,
                                               .replica_uuid = replica_,
                                               .head_uuid = head_,
                                               .blocks_count = blocks_count_});
    request_ = {.words = {.opcode = ReplicaOpcode::seal}, .data = block_};
    return;
  }
  stage_ = Stage::command;
  const uint64_t size_bytes = blocks_count_ * block_size_bytes_;
  switch (action.command) {
    case CommandKind::ping: break;
    case CommandKind::read_intent: bits_count_ = divide_up(size_bytes, k_region_bytes); break;
    case CommandKind::read_absent:
    case CommandKind::read_allocation: bits_count_ = divide_up(size_bytes, k_granule_bytes); break;
    case CommandKind::mark_intent: break;
    case CommandKind::clear_intent: regions_.assign(head.clearing().begin(), head.clearing().end()); break;
    case CommandKind::begin_absent: {
      const uint64_t granule_blocks = k_granule_bytes / block_size_bytes_;
      everything_ = head.absent_everything(action.member);
      ranges_.clear();
      for (const LbaRange& range : head.absent_ranges()) {
        const uint64_t first = range.lba / granule_blocks;
        ranges_.push_back({first, (range.lba + range.blocks_count - 1) / granule_blocks - first + 1});
      }
      break;
    }
    case CommandKind::end_absent:
      everything_ = false;
      ranges_.clear();
      break;
    case CommandKind::begin_copying:
      everything_ = head.copies_everything();
      ranges_.clear();
      break;
    case CommandKind::clear_absent: {
      constexpr uint64_t k_per_region = k_region_bytes / k_granule_bytes;
      const RegionRange& regions = head.settling();
      const uint64_t end = std::min(regions.end * k_per_region, divide_up(size_bytes, k_granule_bytes));
      everything_ = false;
      ranges_.assign(1, {regions.first * k_per_region, end - regions.first * k_per_region});
      break;
    }
    case CommandKind::forget_copied:
      regions_.assign(head.settling_marks().begin(), head.settling_marks().end());
      break;
    case CommandKind::grow: blocks_count_ = head.growing_to(); break;
    case CommandKind::snapshot: snapshot_ = head.snapshot_report().request; break;
    case CommandKind::delete_snapshot: snapshot_ = {.uuid = head.snapshot_removal().uuid}; break;
    case CommandKind::set_partial:
    case CommandKind::set_syncing:
    case CommandKind::dismiss: break;
  }
  prepare(head);
}

// The next request of a command.
void MemberCommands::prepare(const Head& head) {
  switch (action_.command) {
    case CommandKind::ping: return prepare_state(Stage::command);
    case CommandKind::read_intent: return prepare_map(ReplicaOpcode::read_intent);
    case CommandKind::read_allocation: return prepare_map(ReplicaOpcode::read_allocation);
    case CommandKind::read_absent: return prepare_state(Stage::find_slot);
    case CommandKind::mark_intent:
    case CommandKind::clear_intent:
    case CommandKind::forget_copied: return prepare_regions(head);
    case CommandKind::begin_absent:
    case CommandKind::begin_copying: return prepare_absent(ReplicaOpcode::begin_absent);
    case CommandKind::end_absent: return prepare_absent(ReplicaOpcode::end_absent);
    case CommandKind::clear_absent: return prepare_absent(ReplicaOpcode::clear_absent);
    case CommandKind::grow:
      request_ = {.words = {.opcode = ReplicaOpcode::grow,
                            .cdw10 = static_cast<uint32_t>(blocks_count_),
                            .cdw11 = static_cast<uint32_t>(blocks_count_ >> 32),
                            .cdw12 = static_cast<uint32_t>(head.record().blocks_count),
                            .cdw13 = static_cast<uint32_t>(head.record().blocks_count >> 32)}};
      return;
    case CommandKind::snapshot:
      block_.fill(0);
      store(MutableByteSpan(block_), snapshot_);
      request_ = {.words = {.opcode = ReplicaOpcode::snapshot}, .data = block_};
      return;
    case CommandKind::delete_snapshot:
      request_ = {.words = uuid_words(ReplicaOpcode::delete_snapshot, snapshot_.uuid)};
      return;
    case CommandKind::set_partial:
      request_ = {.words = {.opcode = ReplicaOpcode::set_content, .cdw10 = 2}};
      return;
    case CommandKind::set_syncing:
      request_ = {.words = {.opcode = ReplicaOpcode::set_content, .cdw10 = action_.flag ? 1u : 0u}};
      return;
    case CommandKind::dismiss:
      request_ = {.words = {.opcode = ReplicaOpcode::set_content, .cdw10 = 3}};
      return;
  }
}

void MemberCommands::prepare_state(Stage stage) {
  stage_ = stage;
  request_ = {.words = {.opcode = ReplicaOpcode::read_state}, .answer_bytes = k_protocol_bytes};
}

void MemberCommands::prepare_map(ReplicaOpcode opcode) {
  stage_ = Stage::read_map;
  BALLAST_ASSERT(next_ < bits_count_);
  const uint64_t bytes = std::min<uint64_t>(divide_up(bits_count_ - next_, 64) * 8, k_map_read_bytes_max);
  is_last_ = next_ + bytes * 8 >= bits_count_;
  request_ = {.words = {.opcode = opcode,
                        .cdw10 = static_cast<uint32_t>(next_),
                        .cdw11 = static_cast<uint32_t>(next_ >> 32),
                        .cdw12 = static_cast<uint32_t>(bytes),
                        .cdw13 = opcode == ReplicaOpcode::read_absent ? slot_ : 0},
              .answer_bytes = static_cast<uint32_t>(bytes)};
}

// What is to be reconciled is read as it is now, in the order of regions: until all members have answered
// nothing is taken from it, and what is added belongs to an agreement that tells them all again.
void MemberCommands::prepare_regions(const Head& head) {
  const bool marks = action_.command == CommandKind::mark_intent;
  RegionList list;
  if (marks) {
    uint64_t region = head.unreconciled().next(next_);
    for (; region != RegionMap::k_none && list.count < RegionList::k_regions_max;
         region = head.unreconciled().next(region + 1)) {
      list.regions[list.count++] = static_cast<uint32_t>(region);
    }
    next_ = region;
    is_last_ = region == RegionMap::k_none;
  } else {
    const uint64_t count = std::min<uint64_t>(regions_.size() - next_, RegionList::k_regions_max);
    std::copy_n(regions_.begin() + static_cast<int64_t>(next_), count, list.regions.begin());
    list.count = static_cast<uint32_t>(count);
    next_ += count;
    is_last_ = next_ == regions_.size();
  }
  store(MutableByteSpan(block_), list);
  request_ = {.words = {.opcode = marks ? ReplicaOpcode::mark_intent : ReplicaOpcode::clear_intent},
              .data = block_};
}

void MemberCommands::prepare_absent(ReplicaOpcode opcode) {
  const bool begins = opcode == ReplicaOpcode::begin_absent;
  AbsentRequest request{.member_uuid = about_, .since_epoch = begins ? action_.epoch : 0};
  request.flags = everything_ ? AbsentRequest::k_everything : 0;
  if (action_.command == CommandKind::begin_copying) request.flags |= AbsentRequest::k_copying;
  const uint64_t count = std::min<uint64_t>(ranges_.size() - next_, AbsentRequest::k_ranges_max);
  std::copy_n(ranges_.begin() + static_cast<int64_t>(next_), count, request.ranges.begin());
  request.count = static_cast<uint32_t>(count);
  next_ += count;
  is_last_ = next_ == ranges_.size();
  store(MutableByteSpan(block_), request);
  request_ = {.words = {.opcode = opcode}, .data = block_};
}

const MemberCommands::Request& MemberCommands::request() const {
  BALLAST_ASSERT(stage_ != Stage::idle);
  return request_;
}

// ---- answers ----

bool MemberCommands::on_answer(Head& head, uint64_t now_ns, const MemberAnswer& answer) {
  BALLAST_ASSERT(stage_ != Stage::idle);
  const Status status = head_status(answer.status, answer.refusal);
  const bool is_sealing = stage_ == Stage::seal || stage_ == Stage::state;
  if (status != Status::ok) {
    const bool asks_allocation = !is_sealing && action_.command == CommandKind::read_allocation;
    if (asks_allocation && status == Status::unsupported) return on_no_allocation(head, now_ns);
    if (!is_sealing) return end_command(head, now_ns, status);
    stage_ = Stage::idle;
    if (status == Status::fenced) {
      head.on_member_fenced(now_ns, action_.member, action_.session);
    } else {
      head.on_member_failed(now_ns, action_.member, action_.session);
    }
    return false;
  }
  if (answer.data.size() != request_.answer_bytes) return fail(head, now_ns, MemberFault::malformed);
  ReplicaState state;
  if (request_.words.opcode == ReplicaOpcode::read_state) {
    const MemberFault fault = check_state(answer.data, state);
    if (fault != MemberFault::none) return fail(head, now_ns, fault);
  }
  switch (stage_) {
    case Stage::idle: break;
    case Stage::seal: prepare_state(Stage::state); return true;
    case Stage::state:
      stage_ = Stage::idle;
      head.on_sealed(now_ns, action_.member, action_.session, sealed_member(state));
      return false;
    case Stage::command: return go_on(head, now_ns);
    case Stage::find_slot: return on_slot_found(head, now_ns, state);
    case Stage::read_map: return on_map(head, now_ns, answer.data);
  }
  return false;
}

MemberFault MemberCommands::check_state(ByteSpan data, ReplicaState& state) const {
  state = load<ReplicaState>(data);
  if (!makes_sense(state)) return MemberFault::malformed;
  if (state.volume_uuid != volume_) return MemberFault::wrong_volume;
  if (state.replica_uuid != replica_) return MemberFault::wrong_replica;
  if (state.block_size_bytes != block_size_bytes_) return MemberFault::wrong_block_size;
  if (state.size_max_bytes / block_size_bytes_ < blocks_count_) return MemberFault::too_small;
  const bool is_ours = state.sealed_epoch == action_.epoch && state.session == action_.session;
  return is_ours ? MemberFault::none : MemberFault::wrong_seal;
}

bool MemberCommands::on_slot_found(Head& head, uint64_t now_ns, const ReplicaState& state) {
  const auto is_wanted = [this](const AbsentEntry& entry) { return entry.member_uuid == about_; };
  const auto found = std::ranges::find_if(state.absent, is_wanted);
  if (found == state.absent.end()) return fail(head, now_ns, MemberFault::no_slot);
  slot_ = static_cast<uint32_t>(found - state.absent.begin());
  prepare_map(ReplicaOpcode::read_absent);
  return true;
}

bool MemberCommands::on_map(Head& head, uint64_t now_ns, ByteSpan data) {
  std::array<uint64_t, 64> words;
  for (size_t at = 0; at < data.size(); at += sizeof words) {
    const size_t bytes = std::min(data.size() - at, sizeof words);
    std::memcpy(words.data(), data.data() + at, bytes);
    const std::span<const uint64_t> found(words.data(), bytes / 8);
    tell_map(head, next_ + at * 8, found);
  }
  next_ += data.size() * 8;
  if (is_last_) return end_command(head, now_ns, Status::ok);
  prepare_map(request_.words.opcode);
  return true;
}

void MemberCommands::tell_map(Head& head, uint64_t first, std::span<const uint64_t> words) {
  switch (request_.words.opcode) {
    case ReplicaOpcode::read_intent: return head.on_intent(action_.member, action_.session, first, words);
    case ReplicaOpcode::read_absent: return head.on_absent(action_.member, action_.session, first, words);
    case ReplicaOpcode::read_allocation:
      return head.on_allocation(action_.member, action_.session, first, words);
    default: BALLAST_ASSERT(false);
  }
}

// It does not know the command: what it says of nothing may hold anything.
bool MemberCommands::on_no_allocation(Head& head, uint64_t now_ns) {
  std::array<uint64_t, 64> words;
  words.fill(~uint64_t{0});
  for (; next_ < bits_count_; next_ += words.size() * 64) tell_map(head, next_, words);
  return end_command(head, now_ns, Status::ok);
}

bool MemberCommands::go_on(Head& head, uint64_t now_ns) {
  if (is_last_) return end_command(head, now_ns, Status::ok);
  prepare(head);
  return true;
}

bool MemberCommands::end_command(Head& head, uint64_t now_ns, Status status) {
  stage_ = Stage::idle;
  head.on_command_done(now_ns, action_.member, action_.session, status);
  return false;
}

bool MemberCommands::fail(Head& head, uint64_t now_ns, MemberFault fault) {
  fault_ = fault;
  stage_ = Stage::idle;
  head.on_member_failed(now_ns, action_.member, action_.session);
  return false;
}

}  // namespace ballast::bdev::mirror
