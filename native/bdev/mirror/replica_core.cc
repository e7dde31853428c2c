#include "bdev/mirror/replica_core.h"

#include <utility>

namespace ballast::bdev::mirror {
namespace {

// How a refusal looks to who knows Status only.
Status status_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::none: return Status::ok;
    case Refusal::fenced: return Status::fenced;
    case Refusal::not_sealed: return Status::fenced;
    case Refusal::wrong_replica: return Status::invalid;
    case Refusal::no_slot: return Status::no_space;
    case Refusal::unusable: return Status::io_error;
    case Refusal::exists:
    case Refusal::no_snapshot: return Status::invalid;
  }
  return Status::io_error;
}

}  // namespace

ReplicaCore::ReplicaCore(const ReplicaOptions& options, std::unique_ptr<ReplicaMetadata> metadata)
    : options_(options),
      metadata_(std::move(metadata)),
      associations_(options.associations_max, AssociationState::closed),
      ios_(options.ios_max),
      queue_(options.commands_max),
      clearing_(metadata_ == nullptr ? 1 : metadata_->layout.regions_count),
      flush_(metadata_ == nullptr ? 1 : metadata_->layout.absent_blocks * k_absent_slots) {
  if (metadata_ == nullptr) return;
  // Nobody is sealed, and nothing commanded, before that is done.
  if (metadata_->is_superblock_worn) write_superblock();
  for (uint32_t slot = 0; slot < k_absent_slots; ++slot) {
    map_generations_[slot] = metadata_->superblock.absent[slot].generation;
  }
}

ReplicaCore::~ReplicaCore() = default;

size_t ReplicaCore::actions_max() const {
  // Each I/O, command and buffer once; the commands at work beside the queue; two associations to drop, and
  // what one of them was receiving.
  return options_.ios_max + options_.commands_max + k_metadata_writes_max + 5;
}

void ReplicaCore::step(const ReplicaEvent& event, ReplicaActions& actions) {
  actions_ = &actions;
  switch (event.kind) {
    case ReplicaEvent::Kind::association_opened:
      BALLAST_ASSERT(associations_[event.association] == AssociationState::closed);
      associations_[event.association] = AssociationState::open;
      break;
    case ReplicaEvent::Kind::association_closed: on_association_closed(event.association); break;
    case ReplicaEvent::Kind::command: on_command(event); break;
    case ReplicaEvent::Kind::io_submit: on_io_submit(event); break;
    case ReplicaEvent::Kind::io_done: on_io_done(event.slot, event.status); break;
    case ReplicaEvent::Kind::metadata_done: on_metadata_done(event.ticket, event.status); break;
    case ReplicaEvent::Kind::allocation_done: on_allocation_done(event); break;
    case ReplicaEvent::Kind::checksums_done: on_checksums_done(event); break;
    case ReplicaEvent::Kind::grown: on_grown(event.status); break;
    case ReplicaEvent::Kind::snapshot_done: on_snapshot_done(event); break;
    case ReplicaEvent::Kind::carry_done: on_carry_done(event); break;
    case ReplicaEvent::Kind::received_dropped: on_received_dropped(); break;
  }
  if (metadata_ != nullptr && !is_poisoned_) {
    advance_command();
    start_commands();
    advance_seal();
    pump_metadata();
  }
  actions_ = nullptr;
}

// ---- who is listened to ----

Refusal ReplicaCore::judge(uint32_t association) const {
  BALLAST_ASSERT(association < associations_.size());
  if (metadata_ == nullptr) return Refusal::unusable;
  if (association == sealed_) return Refusal::none;
  if (planted(Planted::member_replaced_heard) && associations_[association] == AssociationState::replaced) {
    return Refusal::none;
  }
  return associations_[association] == AssociationState::open ? Refusal::not_sealed : Refusal::fenced;
}

void ReplicaCore::on_association_closed(uint32_t association) {
  BALLAST_ASSERT(associations_[association] != AssociationState::closed);
  associations_[association] = AssociationState::closed;
  if (sealing_.stage != Sealing::Stage::none && sealing_.association == association) {
    end_sealing(Status::fenced, Refusal::fenced);
  }
  if (sealed_ != association) return;
  unseal();
}

// By numbers alone; what others have in work does not matter yet.
Refusal ReplicaCore::check_seal(const SealRequest& request) const {
  const ReplicaSuperblock& superblock = metadata_->superblock;
  const bool is_of_volume = superblock.volume_uuid.is_nil() || request.volume_uuid == superblock.volume_uuid;
  const bool is_right = is_of_volume && request.replica_uuid == superblock.head.replica_uuid &&
                        request.block_size_bytes == superblock.block_size_bytes &&
                        request.blocks_count <= superblock.size_max_bytes / superblock.block_size_bytes;
  if (!is_right) return Refusal::wrong_replica;
  const bool is_sealing = sealing_.stage != Sealing::Stage::none;
  const uint64_t epoch = is_sealing ? sealing_.epoch : superblock.max_epoch;
  const Uuid& head = is_sealing ? sealing_.head : superblock.head_uuid;
  const uint64_t session = is_sealing ? sealing_.session : session_;
  if (request.epoch > epoch || planted(Planted::member_epoch_unchecked)) return Refusal::none;
  if (request.epoch < epoch || request.head_uuid != head) return Refusal::fenced;
  return request.session > session ? Refusal::none : Refusal::fenced;
}

void ReplicaCore::on_seal(const ReplicaEvent& event) {
  const std::optional<SealRequest> request = parse_seal_request(event.command.data);
  if (!request) return answer(event.slot, Status::invalid);
  if (associations_[event.association] == AssociationState::closed ||
      associations_[event.association] == AssociationState::replaced) {
    return refuse(event.slot, Refusal::fenced);
  }
  const Refusal refusal = check_seal(*request);
  if (refusal != Refusal::none) return refuse(event.slot, refusal);
  // From here on nothing of anybody begins, whatever becomes of this seal.
  replace_sealed(event.association);
  sealing_ = {.stage = Sealing::Stage::draining,
              .slot = event.slot,
              .association = event.association,
              .epoch = request->epoch,
              .session = request->session,
              .known_epoch = request->sealed_epoch,
              .head = request->head_uuid,
              .volume = request->volume_uuid};
}

// Those without a seal may stay: nothing is taken from them, and one of them may be the next head.
void ReplicaCore::replace_sealed(uint32_t by) {
  const auto drop = [&](uint32_t association) {
    if (association == by) return;
    associations_[association] = AssociationState::replaced;
    actions_->add({.kind = ReplicaAction::Kind::drop_association, .association = association});
  };
  if (sealing_.stage != Sealing::Stage::none) {
    const uint32_t association = sealing_.association;
    end_sealing(Status::fenced, Refusal::fenced);
    drop(association);
  }
  if (sealed_ == k_nobody) return;
  const uint32_t association = sealed_;
  unseal();
  drop(association);
}

// What waits has not taken effect, and does not any more. A number of an association may be given out again.
void ReplicaCore::unseal() {
  sealed_ = k_nobody;
  selection_ = {};
  drop_received();
  advance_waiting();
  for (; queue_count_ > 0; --queue_count_) {
    refuse(queue_[queue_first_].slot, Refusal::fenced);
    queue_first_ = (queue_first_ + 1) % static_cast<uint32_t>(queue_.size());
  }
}

void ReplicaCore::advance_seal() {
  if (sealing_.stage == Sealing::Stage::none || superblock_writes_left_ > 0) return;
  ReplicaSuperblock& superblock = metadata_->superblock;
  if (sealing_.stage == Sealing::Stage::draining) {
    const bool in_device = in_device_count_ > 0 && !planted(Planted::member_seal_undrained);
    if (in_device || stage_ != CommandStage::idle || !is_intent_settled()) return;
    sealing_.stage = Sealing::Stage::persisting;
    max_epoch_before_ = superblock.max_epoch;
    if (superblock.max_epoch != sealing_.epoch) {
      superblock.volume_uuid = sealing_.volume;
      // It has lost what it had then: another disk, an old copy.
      if (superblock.max_epoch < sealing_.known_epoch && !planted(Planted::member_old_content)) {
        superblock.content = Content::nothing;
      }
      superblock.max_epoch = sealing_.epoch;
      superblock.head_uuid = sealing_.head;
      session_ = 0;
      write_superblock();
      if (!planted(Planted::member_epoch_volatile)) return;
    }
  }
  sealed_ = sealing_.association;
  session_ = sealing_.session;
  is_state_unread_ = true;
  associations_[sealed_] = AssociationState::sealed;
  end_sealing(Status::ok, Refusal::none);
}

void ReplicaCore::end_sealing(Status status, Refusal refusal) {
  BALLAST_ASSERT(sealing_.stage != Sealing::Stage::none);
  sealing_.stage = Sealing::Stage::none;
  answer(sealing_.slot, status, refusal);
}

// What a failed write left on the device is unknown: nothing may rely on it, and nothing is changed any more.
void ReplicaCore::poison() {
  if (is_poisoned_) return;
  is_poisoned_ = true;
  if (sealing_.stage != Sealing::Stage::none) end_sealing(Status::io_error, Refusal::none);
  if (stage_ != CommandStage::idle) end_command(Status::io_error);
  start_commands();
  advance_waiting();
}

void ReplicaCore::answer(uint32_t slot, Status status, Refusal refusal, uint32_t out_bytes) {
  actions_->add({.kind = ReplicaAction::Kind::answer,
                 .slot = slot,
                 .out_bytes = out_bytes,
                 .status = status,
                 .refusal = refusal});
}

void ReplicaCore::refuse(uint32_t slot, Refusal refusal) { answer(slot, status_of(refusal), refusal); }

void ReplicaCore::finish_io(uint32_t slot, Status status, Refusal refusal) {
  ios_[slot].state = ReplicaIo::State::free;
  actions_->add({.kind = ReplicaAction::Kind::finish_io,
                 .slot = slot,
                 .status = refusal == Refusal::none ? status : status_of(refusal),
                 .refusal = refusal});
}

}  // namespace ballast::bdev::mirror
