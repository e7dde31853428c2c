// A copy that is interrupted goes on where it was: what has been copied to the member that joins is taken out
// of what the others note for it, and it forgets its marks there. Both are done for whole regions, one range
// of them after the other, in which nothing is left to be copied and nothing is being written: a write that
// only some have got would not be noted any more, or not be marked.
#include <algorithm>

#include "base/assert.h"
#include "bdev/mirror/head.h"

namespace ballast::bdev::mirror {
namespace {

constexpr uint64_t k_granules_per_region = k_region_bytes / k_granule_bytes;
constexpr uint64_t k_settle_ns = 1'000'000'000;

}  // namespace

void Head::advance_settle(uint64_t now_ns) {
  if (settling_.empty()) start_settle(now_ns);
  if (settling_.empty()) return;
  if (!settle_told_) {
    if (!leaving_.empty() || !left_.empty()) return;
    // It is to be made equal first, which is writing, too.
    if (unreconciled_.next(settling_.first) < settling_.end) return end_settle();
    if (is_changed(settling_) && !planted(Planted::settled_written)) return;
    settle_told_ = true;
    settle_left_ = settle_unsent_ = (join_.noters & readable()) | MemberSet::of(settle_member_);
  }
  settle_unsent_.for_each([&](uint32_t member) {
    const bool joins = member == settle_member_;
    const CommandKind command = joins ? CommandKind::forget_copied : CommandKind::clear_absent;
    if (send_command(now_ns, member, command, settle_member_)) settle_unsent_.remove(member);
  });
}

// From now on no write begins there.
void Head::start_settle(uint64_t now_ns) {
  const bool copies = state_ == HeadState::serving && join_.step == JoinStep::copy;
  if (!copies || (join_.noters & readable()).empty()) return;
  const uint64_t left = join_.map->next(join_.settled * k_granules_per_region);
  uint64_t end = left == RegionMap::k_none ? join_.marks->regions_count() : left / k_granules_per_region;
  if (planted(Planted::settled_uncopied)) end = std::min(end + 1, join_.marks->regions_count());
  end = std::min(end, unreconciled_.next(join_.settled));
  if (end <= join_.settled) return;
  const bool is_much = (end - join_.settled) * k_region_bytes >= options_.settle_bytes;
  if (!is_much && now_ns < join_.settle_ns + k_settle_ns) return;
  settling_ = {join_.settled, end};
  settle_told_ = false;
  settle_round_ = round_;
  settle_member_ = join_.member;
  settling_marks_.clear();
  for (uint64_t region = settling_.first; (region = join_.marks->next(region)) < end; ++region) {
    settling_marks_.push_back(static_cast<uint32_t>(region));
  }
}

bool Head::is_changed(const RegionRange& regions) {
  for (Op* op = active_.front(); op != nullptr; op = active_.after(*op)) {
    const bool overlaps = first_region(*op) < regions.end && regions.first <= last_region(*op);
    if (overlaps && is_changing(*op)) return true;
  }
  return false;
}

// What it was told it does, or it has forgotten that it was; the others wait for nobody who is lost.
void Head::lose_settler(uint32_t member) {
  if (settling_.empty()) return;
  if (member == settle_member_) {
    settle_left_ = settle_left_ - settle_unsent_;
    settle_unsent_ = {};
    if (!settle_told_) return end_settle();
  }
  settle_left_.remove(member);
  settle_unsent_.remove(member);
  if (settle_told_ && settle_left_.empty()) end_settle();
}

void Head::on_settled() {
  if (settle_round_ == round_ && join_.member == settle_member_) {
    join_.settled = settling_.end;
    for (const uint32_t region : settling_marks_) join_.marks->clear(region);
  }
  end_settle();
}

void Head::end_settle() {
  settling_ = {};
  settling_marks_.clear();
  settle_left_ = settle_unsent_ = {};
}

}  // namespace ballast::bdev::mirror
