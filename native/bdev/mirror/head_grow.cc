// A larger volume. Members in sync are made larger first, one after the other or at once; when all of them
// have the room the store says so, and only then anything is read or written there. So whoever takes over, at
// any moment, has members that are large enough. Who is not in sync is made larger when it joins. New blocks
// read zeroes at each of them: there is nothing to be copied.
#include <algorithm>

#include "base/assert.h"
#include "bdev/mirror/head.h"

namespace ballast::bdev::mirror {

ChangeRefusal Head::grow(uint64_t now_ns, uint64_t blocks_count) {
  if (state_ != HeadState::serving) return ChangeRefusal::not_serving;
  if (change_.kind != Change::Kind::none || store_wish_ == StoreWish::add || is_snapshotting()) {
    return ChangeRefusal::busy;
  }
  if (blocks_count < record_.blocks_count) return ChangeRefusal::smaller;
  if (blocks_count > ReplicaLayout::k_size_bytes_max / record_.block_size_bytes) {
    return ChangeRefusal::too_large;
  }
  if (blocks_count == record_.blocks_count) return ChangeRefusal::none;
  change_ = {.kind = Change::Kind::grow, .blocks_count = blocks_count};
  growth_trouble_ = {};
  // Its maps are of the size before; the copy goes on where it was.
  if (join_.member != k_nobody && is_usable(join_.member)) drop_member(now_ns, join_.member);
  advance(now_ns);
  return ChangeRefusal::none;
}

uint64_t Head::growing_to() const {
  return change_.kind == Change::Kind::grow ? change_.blocks_count : record_.blocks_count;
}

bool Head::have_grown(uint64_t now_ns) {
  if (join_.member != k_nobody) return false;
  bool all = readable() == record_.in_sync;
  readable().for_each([&](uint32_t member) {
    if (members_[member].grown_to >= change_.blocks_count) return;
    all = planted(Planted::grown_early) && all;
    send_command(now_ns, member, CommandKind::grow);
  });
  return all;
}

// False: the member did not become larger, which is no fault of it: the volume stays as it is.
void Head::on_grow_done(uint32_t member, Status status) {
  MemberWork& work = members_[member];
  if (status == Status::ok) {
    work.grown_to = work.asked_to_grow_to;
    work.said.blocks_count = std::max(work.said.blocks_count, work.grown_to);
  } else if (change_.kind == Change::Kind::grow) {
    growth_trouble_ = {record_.members[member], status};
    if (store_wish_ != StoreWish::change) change_ = {};
  }
}

// What is known by regions, after the record has changed.
void Head::fit_maps() {
  const uint64_t bytes = record_.blocks_count * record_.block_size_bytes;
  const uint64_t regions = (bytes + k_region_bytes - 1) / k_region_bytes;
  if (regions <= unreconciled_.regions_count()) return;
  for (RegionMap* const map : {&unreconciled_, &marked_now_, &marked_before_, &in_clearing_})
    map->grow(regions);
}

}  // namespace ballast::bdev::mirror
