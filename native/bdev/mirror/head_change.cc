// Another member, or one less, while the head serves. Who is to go is treated as one that has failed; once
// the set does without it, it goes from the record, too, and is told that it is none any more. Who comes is a
// member that has never been in sync: it gets everything.
#include <algorithm>

#include "base/assert.h"
#include "bdev/mirror/head.h"

namespace ballast::bdev::mirror {

const char* change_refusal_text(ChangeRefusal refusal) {
  switch (refusal) {
    case ChangeRefusal::none: return "nothing is refused";
    case ChangeRefusal::not_serving: return "its head does not serve";
    case ChangeRefusal::busy: return "another change is under way";
    case ChangeRefusal::known: return "it is a member already";
    case ChangeRefusal::unknown: return "it is no member";
    case ChangeRefusal::no_place: return "the volume has as many members as it can have";
    case ChangeRefusal::too_few: return "writes need more members than would be left";
    case ChangeRefusal::last_complete: return "no other member has everything";
    case ChangeRefusal::smaller: return "a volume is never made smaller";
    case ChangeRefusal::too_large: return "no volume can be of this size";
  }
  return "unknown";
}

ChangeRefusal Head::add_member(uint64_t now_ns, const Uuid& replica, bool is_near) {
  BALLAST_ASSERT(!replica.is_nil());
  if (state_ != HeadState::serving) return ChangeRefusal::not_serving;
  if (change_.kind != Change::Kind::none || is_snapshotting()) return ChangeRefusal::busy;
  if (record_.place_of(replica) != k_nobody) return ChangeRefusal::known;
  if (record_.all().size() == k_members_max) return ChangeRefusal::no_place;
  if (free_place() == k_nobody) return ChangeRefusal::busy;  // one is being told that it is none any more
  change_ = {Change::Kind::add, replica, is_near};
  advance(now_ns);
  return ChangeRefusal::none;
}

ChangeRefusal Head::remove_member(uint64_t now_ns, const Uuid& replica) {
  if (state_ != HeadState::serving) return ChangeRefusal::not_serving;
  if (change_.kind != Change::Kind::none || is_snapshotting()) return ChangeRefusal::busy;
  const uint32_t place = record_.place_of(replica);
  if (place == k_nobody) return ChangeRefusal::unknown;
  if (record_.all().size() <= record_.min_in_sync) return ChangeRefusal::too_few;
  // What the store is being asked for may be true already, and a member may have failed just now.
  const MemberSet left = readable() - MemberSet::of(place);
  if (left.empty()) return ChangeRefusal::last_complete;
  if (record_.in_sync.has(place) && left.size() < record_.min_in_sync) return ChangeRefusal::too_few;
  change_ = {Change::Kind::remove, replica};
  drop_member(now_ns, place);
  advance(now_ns);
  return ChangeRefusal::none;
}

uint32_t Head::free_place() const {
  for (uint32_t place = 0; place < k_members_max; ++place) {
    if (record_.members[place].is_nil() && !dismissed_.has(place)) return place;
  }
  return k_nobody;
}

bool Head::is_unwanted(const Uuid& replica) const {
  const bool is_going = change_.kind == Change::Kind::remove && replica == change_.replica;
  return is_going || record_.place_of(replica) == k_nobody;
}

void Head::advance_change(uint64_t now_ns) {
  if (change_.kind == Change::Kind::none || state_ != HeadState::serving) return;
  if (!lost_.empty() || !leaving_.empty() || !left_.empty()) return;
  if (change_.kind == Change::Kind::grow && !have_grown(now_ns)) return;
  ask_store(StoreWish::change);
}

void Head::change_members(Record& wanted) const {
  if (change_.kind == Change::Kind::grow) {
    wanted.blocks_count = change_.blocks_count;
    return;
  }
  const bool adds = change_.kind == Change::Kind::add;
  const uint32_t place = adds ? free_place() : record_.place_of(change_.replica);
  BALLAST_ASSERT(place != k_nobody && !record_.in_sync.has(place));
  wanted.members[place] = adds ? change_.replica : Uuid{};
  wanted.sealed_epoch[place] = 0;
  uint32_t& count = wanted.members_count;
  count = std::max(count, place + 1);
  while (wanted.members[count - 1].is_nil()) --count;
}

// `before`: the members as they were.
void Head::on_changed(uint64_t now_ns, const Record& before) {
  const Change change = std::exchange(change_, {});
  if (change.kind == Change::Kind::grow) return;
  if (change.kind == Change::Kind::remove)
    return dismiss(now_ns, before.place_of(change.replica), change.replica);
  const uint32_t place = record_.place_of(change.replica);
  MemberWork& work = members_[place];
  BALLAST_ASSERT(work.state == MemberState::down);
  // Of whatever replica of this epoch: its sessions go on.
  uint32_t session = 0;
  for (const MemberWork& other : members_) session = std::max(session, other.session);
  work = {.session = session};
  if (change.is_near) near_member_ = place;
  forget_snapshotter(place);
  // The others note what it misses from now on, as of any that is absent.
  left_.add(place);
  absent_ranges_.clear();
  record_.in_sync.for_each([&](uint32_t member) { members_[member].begin_absent.add(place); });
  connect(now_ns, place);
}

// Out of the record. It is told once, if it can be reached: nobody relies on its knowing.
void Head::dismiss(uint64_t now_ns, uint32_t place, const Uuid& replica) {
  members_[place].replica = replica;
  forget_snapshotter(place);
  left_in_order_.remove(place);
  if (near_member_ == place) near_member_ = k_nobody;
  for (MemberWork& work : members_) {
    work.begin_absent.remove(place);
    work.end_absent.remove(place);
  }
  dismissed_.add(place);
  connect(now_ns, place);
}

}  // namespace ballast::bdev::mirror
