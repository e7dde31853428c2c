// How a member comes back: what it misses is found, copied by head_copy.cc, and it is made one of the set.
#include <algorithm>
#include <bit>
#include <memory>
#include <utility>

#include "base/assert.h"
#include "bdev/mirror/head.h"

namespace ballast::bdev::mirror {

// The last epoch in which copying to it began. A disk that is older than that lacks what was copied since.
uint64_t Head::copying_since(uint32_t member) {
  uint64_t since_epoch = 0;
  if (planted(Planted::resumed_older)) return since_epoch;
  // Also of one that is failing: it may be one of the set when all come back.
  record_.in_sync.for_each([&](uint32_t other) {
    const AbsentSlot* const slot = find_slot(members_[other], record_.members[member]);
    if (slot != nullptr && slot->copying) since_epoch = std::max(since_epoch, slot->since_epoch);
  });
  return since_epoch;
}

// Members that know what it lacks: of one that was in sync, those that noted what it missed since; of one
// that was being copied, those that noted what was left.
MemberSet Head::absent_sources() {
  MemberSet sources;
  if (members_[join_.member].said.content == Content::nothing && !planted(Planted::joined_older)) {
    return sources;
  }
  const bool was_in_sync = record_.sealed_epoch[join_.member] != 0;
  readable().for_each([&](uint32_t other) {
    const AbsentSlot* const slot = find_slot(members_[other], record_.members[join_.member]);
    if (slot == nullptr) return;
    const bool everything = slot->everything && !slot->copying;
    if (!everything && (was_in_sync || slot->copying)) sources.add(other);
  });
  return sources;
}

// Of those the one that has noted least.
uint32_t Head::choose_source() {
  uint32_t found = k_nobody;
  uint64_t copied_most = 0;
  absent_sources().for_each([&](uint32_t other) {
    const AbsentSlot* const slot = find_slot(members_[other], record_.members[join_.member]);
    const uint64_t copied = slot->everything ? slot->copied_regions : UINT64_MAX;
    if (found != k_nobody && copied < copied_most) return;
    found = other;
    copied_most = copied;
  });
  return found;
}

void Head::on_join_command(uint64_t now_ns, uint32_t member) {
  if (join_.member == k_nobody || members_[member].command_round != round_) return;
  join_.asked = false;
  switch (join_.step) {
    case JoinStep::grow: break;
    case JoinStep::set_syncing:
      // From now on it gets what is written. What began before may still be on its way past it.
      members_[join_.member].state = MemberState::joining;
      join_.step = JoinStep::drain;
      break;
    case JoinStep::read_absent: join_.step = JoinStep::read_intent; break;
    case JoinStep::read_intent:
      if (is_worth_asking()) {
        join_.step = JoinStep::read_allocation;
      } else {
        prepare_copy(now_ns);
      }
      break;
    case JoinStep::read_allocation: join_.step = JoinStep::compare_allocation; break;
    case JoinStep::compare_allocation:
      join_.knows_filled = true;
      prepare_copy(now_ns);
      break;
    case JoinStep::set_partial: begin_copy(now_ns); break;
    case JoinStep::note_copying:
    case JoinStep::clear_syncing: join_.step = JoinStep::store; break;
    case JoinStep::none:
    case JoinStep::drain:
    case JoinStep::copy:
    case JoinStep::tell:
    case JoinStep::store: break;
  }
}

void Head::advance_join(uint64_t now_ns) {
  if (state_ != HeadState::serving) return;
  if (join_.member == k_nobody) {
    if (!leaving_.empty() || !left_.empty() || change_.kind == Change::Kind::grow) return;
    (record_.all() - record_.in_sync).for_each([&](uint32_t member) {
      if (join_.member == k_nobody && members_[member].state == MemberState::sealed) join_.member = member;
    });
    if (join_.member == k_nobody) return;
    ++round_;
    join_.step = JoinStep::grow;
    join_.map =
        std::make_unique<RegionMap>(unreconciled_.regions_count() * (k_region_bytes / k_granule_bytes));
    join_.filled = std::make_unique<RegionMap>(join_.map->regions_count());
    join_.marks = std::make_unique<RegionMap>(unreconciled_.regions_count());
  }
  MemberWork& work = members_[join_.member];
  if (!is_usable(join_.member)) {
    // It failed while the store was being asked to make it one of the set.
    if (store_wish_ != StoreWish::add) join_ = {};
    return;
  }
  switch (join_.step) {
    case JoinStep::none: break;
    case JoinStep::grow:
      if (work.said.blocks_count < record_.blocks_count) {
        if (!join_.asked) join_.asked = send_command(now_ns, join_.member, CommandKind::grow);
        break;
      }
      join_.step = JoinStep::set_syncing;
      [[fallthrough]];
    case JoinStep::set_syncing:
      if (!join_.asked) join_.asked = send_command(now_ns, join_.member, CommandKind::set_syncing, 0, true);
      break;
    case JoinStep::drain: {
      if (!drain_for_join()) break;
      join_.source = choose_source();
      join_.step = join_.source == k_nobody ? JoinStep::read_intent : JoinStep::read_absent;
      if (join_.source == k_nobody) set_all_granules();
      return advance_join(now_ns);
    }
    case JoinStep::read_absent:
      if (!join_.asked)
        join_.asked = send_command(now_ns, join_.source, CommandKind::read_absent, join_.member);
      break;
    case JoinStep::read_intent:
      if (!join_.asked) join_.asked = send_command(now_ns, join_.member, CommandKind::read_intent);
      break;
    case JoinStep::read_allocation:
      if (!join_.asked && allocation_source() != k_nobody) {
        join_.asked = send_command(now_ns, allocation_source(), CommandKind::read_allocation);
      }
      break;
    case JoinStep::compare_allocation:
      if (!join_.asked) join_.asked = send_command(now_ns, join_.member, CommandKind::read_allocation);
      break;
    case JoinStep::note_copying:
      join_.untold.for_each([&](uint32_t member) {
        if (is_usable(member)) send_command(now_ns, member, CommandKind::begin_copying, join_.member);
      });
      if (!join_.untold.empty() || !leaving_.empty()) break;
      // Or one that knows better of a member that had it all once would be believed.
      if (copies_everything() && !join_.noters.has_all(record_.in_sync)) break;
      join_.step = JoinStep::set_partial;
      [[fallthrough]];
    case JoinStep::set_partial:
      if (!join_.asked) join_.asked = send_command(now_ns, join_.member, CommandKind::set_partial);
      break;
    case JoinStep::copy: advance_copies(now_ns); break;
    case JoinStep::tell:
      // It is to note what other absent members miss before anybody relies on it. What they have missed
      // already only the others know: for them everything is missing here.
      if (!leaving_.empty() || !left_.empty()) break;
      if (!join_.asked) {
        work.begin_absent = record_.all() - record_.in_sync - MemberSet::of(join_.member);
        work.end_absent = slots_of(work) & (record_.in_sync | MemberSet::of(join_.member));
        join_.asked = true;
      }
      if (!planted(Planted::joined_untold) && !tell_absent(now_ns, join_.member)) break;
      join_.asked = false;
      join_.step = JoinStep::clear_syncing;
      [[fallthrough]];
    case JoinStep::clear_syncing:
      if (!join_.asked) join_.asked = send_command(now_ns, join_.member, CommandKind::set_syncing, 0, false);
      break;
    case JoinStep::store:
      if (!leaving_.empty() || !left_.empty()) break;
      if (!is_in_barrier() || planted(Planted::snapshot_doubted)) ask_store(StoreWish::add);
      break;
  }
}

// ---- what need not be copied ----

// A member answers for 2 GiB at a time, so it does not pay for a few granules.
bool Head::is_worth_asking() const { return join_.map->count() >= join_.map->regions_count() / 8; }

uint32_t Head::allocation_source() const {
  const MemberSet sources = readable();
  if (sources.empty()) return k_nobody;
  return near_member_ < k_members_max && sources.has(near_member_) ? near_member_ : sources.lowest();
}

// Of the source: what it does not have reads zeroes, until it is written. Of the one that joins: what neither
// has is equal already. In that order, and both after all that is written goes to the one that joins, too.
void Head::on_allocation(uint32_t member, uint32_t session, uint64_t first, std::span<const uint64_t> words) {
  const MemberWork& work = members_[member];
  if (is_over() || session != work.session || work.command_round != round_ || join_.filled == nullptr) return;
  for (size_t i = 0; i < words.size(); ++i) {
    const uint64_t at = first + 64 * i;
    if (at >= join_.map->regions_count()) break;
    if (join_.step == JoinStep::read_allocation) {
      join_.filled->add_word(at, words[i]);
    } else if (join_.step == JoinStep::compare_allocation && member == join_.member) {
      const uint64_t there = planted(Planted::skipped_not_zeroed) ? 0 : words[i];
      uint64_t equal = join_.map->word(at) & ~join_.filled->word(at) & ~there;
      for (; equal != 0; equal &= equal - 1) {
        join_.map->clear(at + static_cast<uint64_t>(std::countr_zero(equal)));
      }
    }
  }
}

// What is worth more than to begin anew with is noted while it is copied. Who has nothing counts as partial
// when all of it is noted, and not before.
void Head::prepare_copy(uint64_t now_ns) {
  if (join_.map->count() * k_granule_bytes < options_.settle_bytes) return begin_copy(now_ns);
  join_.noters = join_.source == k_nobody ? readable() : absent_sources();
  join_.untold = join_.noters;
  join_.step = JoinStep::note_copying;
}

void Head::on_copying_noted(uint32_t member) {
  MemberWork& work = members_[member];
  if (AbsentSlot* const slot = find_slot(work, work.about_replica); slot != nullptr) {
    slot->since_epoch = record_.epoch;
    slot->copying = true;
  }
  if (work.command_round == round_) join_.untold.remove(member);
}

void Head::begin_copy(uint64_t now_ns) {
  join_.step = JoinStep::copy;
  join_.granules_count = join_.map->count();
  join_.settle_ns = now_ns;
}

// True: nothing that is being written goes past it any more.
bool Head::drain_for_join() {
  if (planted(Planted::joined_undrained)) return true;
  if (!leaving_.empty() || !left_.empty()) return false;
  bool drained = true;
  for (Op* op = active_.front(); op != nullptr; op = active_.after(*op)) {
    if (op->targets.empty() || op->pending.has(join_.member) || op->done.has(join_.member)) continue;
    // What waits for more members would wait for this one: it is written again, to it as well.
    if (op->phase == Phase::held && !planted(Planted::joined_held)) to_waiting(*op);
    if (op->phase == Phase::writing) drained = false;
  }
  return drained;
}

void Head::on_joined() {
  const uint32_t member = join_.member;
  left_in_order_.remove(member);
  // The others may have cleared these; now it can, too.
  for (uint64_t region = 0; (region = join_.marks->next(region)) != RegionMap::k_none; ++region) {
    if (!planted(Planted::joined_marks_forgotten)) marked_before_.set(region);
  }
  join_ = {};
  if (members_[member].state == MemberState::joining) members_[member].state = MemberState::in_sync;
  record_.in_sync.for_each([&](uint32_t other) {
    if (other != member) members_[other].end_absent.add(member);
  });
}

}  // namespace ballast::bdev::mirror
