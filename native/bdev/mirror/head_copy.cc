// The head's own I/O: making regions equal, bringing a member up to date, writing again what one could not
// read. And the marks that say which regions are being written.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "bdev/mirror/head.h"

namespace ballast::bdev::mirror {

// ---- regions that were being written when a head ended ----

// One region at a time, as a whole, before anybody reads it. A read that took it from one member would show
// what the loss of that member undoes.
void Head::advance_reconcile(uint64_t now_ns) {
  if (unreconciled_.empty() || !leaving_.empty() || !left_.empty()) return;
  if (writable().size() == 1 || planted(Planted::not_reconciled)) {
    // Nobody to differ from. The absent ones have these regions noted, and the marks stay until they are
    // cleared.
    for (uint64_t region = 0; (region = unreconciled_.next(region)) != RegionMap::k_none; ++region) {
      marked_before_.set(region);
    }
    unreconciled_.clear_all();
    reconcile_region_ = RegionMap::k_none;
    return;
  }
  if (reconcile_region_ == RegionMap::k_none) {
    if (now_ns < reconcile_retry_ns_) return;
    const uint64_t wanted = std::exchange(reconcile_wanted_, RegionMap::k_none);
    const bool is_wanted = wanted != RegionMap::k_none && unreconciled_.has(wanted);
    reconcile_region_ = is_wanted ? wanted : unreconciled_.next(0);
    reconcile_next_lba_ = reconcile_region_ * region_blocks_;
    reconcile_failed_ = false;
  }
  const uint64_t end = std::min((reconcile_region_ + 1) * region_blocks_, record_.blocks_count);
  while (reconcile_next_lba_ < end && reconcile_copies_ < options_.copies_max) {
    const uint64_t count = std::min<uint64_t>(copy_blocks(), end - reconcile_next_lba_);
    Op* const op =
        take_op(Purpose::reconcile, IoType::write, reconcile_next_lba_, static_cast<uint32_t>(count));
    if (op == nullptr) return;
    ++reconcile_copies_;
    reconcile_next_lba_ += count;
    if (may_start(*op)) start_op(now_ns, *op);
  }
  if (reconcile_next_lba_ < end || reconcile_copies_ > 0) return;
  const uint64_t region = std::exchange(reconcile_region_, RegionMap::k_none);
  if (reconcile_failed_ && !planted(Planted::unreconciled_written)) {
    // Some of it nobody could read. Which value it has is not known, so neither is shown; I/O there ends with
    // that error until it can be read after all.
    if (unreadable_region_ == region) reconcile_retry_ns_ = now_ns + options_.reconnect_ns;
    return advance_reconcile(now_ns);
  }
  if (unreadable_region_ == region) unreadable_region_ = RegionMap::k_none;
  unreconciled_.clear(region);
  marked_before_.set(region);
  advance_reconcile(now_ns);
}

// ---- a member that comes back ----

void Head::set_all_granules() {
  const uint64_t granules = (record_.blocks_count + granule_blocks_ - 1) / granule_blocks_;
  for (uint64_t first = 0; first < granules; first += 64) {
    const uint64_t left = granules - first;
    join_.map->add_word(first, left >= 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1);
  }
}

// Granules from `first` on that are copied, or zeroed, by one I/O.
uint64_t Head::run_end(uint64_t first, uint64_t copy_bytes) const {
  const bool zeroes = is_empty(first);
  const uint64_t granules_max = (zeroes ? k_zeroing_bytes_max : copy_bytes) / k_granule_bytes;
  uint64_t end = first + 1;
  while (end - first < granules_max && end < join_.map->regions_count() && join_.map->has(end) &&
         is_empty(end) == zeroes) {
    ++end;
  }
  return end;
}

bool Head::is_filled(const Op& op) const {
  const uint64_t first = op.lba / granule_blocks_;
  const uint64_t last = (op.lba + op.blocks_count - 1) / granule_blocks_;
  const uint64_t found = join_.filled->next(first);
  return found != RegionMap::k_none && found <= last;
}

void Head::advance_copies(uint64_t now_ns) {
  if (planted(Planted::joined_unfinished) && join_.cursor > 0) join_.step = JoinStep::tell;
  const bool yielding = yields(now_ns);
  const uint64_t bytes_per_s = copy_rate(now_ns);
  const uint32_t copies_max = yielding ? 1 : options_.copies_max;
  const uint64_t copy_bytes =
      yielding ? std::min(options_.busy_copy_bytes, options_.copy_bytes) : options_.copy_bytes;
  while (join_.copies < copies_max && now_ns >= join_.next_copy_ns) {
    const uint64_t first = join_.map->next(join_.cursor);
    const uint64_t lba = first == RegionMap::k_none ? record_.blocks_count : first * granule_blocks_;
    if (lba >= record_.blocks_count) break;
    const uint64_t end = run_end(first, copy_bytes);
    const uint64_t count = std::min(end * granule_blocks_, record_.blocks_count) - lba;
    const bool zeroes = is_empty(first);
    Op* const op =
        take_op(Purpose::resync, zeroes ? IoType::unmap : IoType::write, lba, static_cast<uint32_t>(count));
    if (op == nullptr) return;
    ++join_.copies;
    join_.cursor = planted(Planted::copied_with_gaps) ? end + 1 : end;
    if (bytes_per_s != 0 && !zeroes) {
      const uint64_t bytes = count * record_.block_size_bytes;
      join_.next_copy_ns = std::max(join_.next_copy_ns, now_ns) + bytes * 1'000'000'000 / bytes_per_s;
    }
    if (may_start(*op)) start_op(now_ns, *op);
  }
  if (join_.copies > 0 || now_ns < join_.next_copy_ns) return;
  if (join_.map->next(join_.cursor) == RegionMap::k_none ||
      join_.map->next(join_.cursor) * granule_blocks_ >= record_.blocks_count) {
    join_.step = JoinStep::tell;
  }
}

void Head::set_resync_rate(uint64_t now_ns, uint64_t bytes_per_s) {
  options_.resync_bytes_per_s = bytes_per_s;
  join_.next_copy_ns = std::min(join_.next_copy_ns, now_ns);
  verify_.next_ns = std::min(verify_.next_ns, now_ns);
  advance(now_ns);
}

CopyProgress Head::copy_progress(uint32_t member) const {
  if (member != join_.member || join_.step < JoinStep::copy) return {};
  return {join_.granules_count * k_granule_bytes, join_.map->count() * k_granule_bytes};
}

// ---- the ends of all of them ----

// As try_finish() for what is not the user's.
void Head::finish_own(uint64_t now_ns, Op& op) {
  if (op.was_reading) return finish(op, op.status);  // it could not be read
  const bool done = op.done.has_all(op.targets & writable()) && op.refused.empty();
  // Who refused a copy that the others take has another opinion of the volume.
  op.refused.for_each([&](uint32_t member) { drop_member(now_ns, member); });
  finish(op, done ? Status::ok : Status::io_error);
}

void Head::on_copied(Op& op, Status status) {
  switch (op.purpose) {
    case Purpose::user:
    case Purpose::repair: break;
    case Purpose::verify: verify_.is_out = false; break;
    case Purpose::reconcile:
      --reconcile_copies_;
      if (status != Status::ok) reconcile_failed_ = true;
      if (status == Status::media_error) unreadable_region_ = first_region(op);
      break;
    case Purpose::resync:
      if (join_.member == k_nobody) break;
      --join_.copies;
      if (status == Status::busy) {
        // It was written since it was found to be empty: now it is copied.
        join_.cursor = std::min(join_.cursor, op.lba / granule_blocks_);
      } else if (status != Status::ok &&
                 !(planted(Planted::joined_unreadable) && status == Status::media_error)) {
        // Again, what has not been copied; after a while, as what nobody can read may stay so. It does not
        // join before: what it has there is older, and could be read.
        join_.cursor = 0;
        join_.next_copy_ns = std::max(join_.next_copy_ns, tick_ns_ + options_.reconnect_ns);
      } else {
        for (uint64_t at = op.lba / granule_blocks_; at * granule_blocks_ < op.lba + op.blocks_count; ++at) {
          join_.map->clear(at);
        }
      }
      break;
  }
}

// Those that answered with a media error get what another one has.
void Head::repair(const Op& op) {
  Op* const again = take_op(Purpose::repair, IoType::write, op.lba, op.blocks_count);
  if (again == nullptr) return;  // the next read finds it again
  again->tried = op.tried;
}

// ---- marks ----

void Head::note_write(const Op& op) {
  for (uint64_t region = first_region(op); region <= last_region(op); ++region) {
    marked_now_.set(region);
    if (join_.marks != nullptr) join_.marks->set(region);
  }
  if (join_.filled == nullptr || op.purpose == Purpose::resync || planted(Planted::skipped_written)) return;
  const uint64_t last = (op.lba + op.blocks_count - 1) / granule_blocks_;
  for (uint64_t granule = op.lba / granule_blocks_; granule <= last; ++granule) join_.filled->set(granule);
}

// It writes, or will without being looked at again.
bool Head::is_changing(const Op& op) {
  return op.phase == Phase::writing || op.phase == Phase::held ||
         (op.phase == Phase::reading && !is_reader(op));
}

bool Head::is_written(uint64_t region) {
  for (Op* op = active_.front(); op != nullptr; op = active_.after(*op)) {
    if (is_changing(*op) && first_region(*op) <= region && region <= last_region(*op)) return true;
  }
  return false;
}

// Regions in which everything is equal everywhere need no mark. They are written again only when all members
// have forgotten it: a mark that one has and another not would be lost with the one.
void Head::advance_intent(uint64_t now_ns) {
  const bool is_stopping = state_ == HeadState::stopping;
  if (!leaving_.empty() || !left_.empty()) return;
  if (clearing_.empty()) {
    const bool is_old = now_ns >= generation_ns_ + options_.intent_idle_ns;
    const bool is_full = marked_now_.count() + marked_before_.count() >= options_.intent_regions_max;
    if (!is_old && !is_full && !is_stopping) return;
    if (marked_before_.empty()) {
      std::swap(marked_now_, marked_before_);
      generation_ns_ = now_ns;
      if (!is_full && !is_stopping) return;
    }
    for (uint64_t region = 0; clearing_.size() < k_clearing_max; ++region) {
      region = marked_before_.next(region);
      if (region == RegionMap::k_none) break;
      marked_before_.clear(region);
      if (marked_now_.has(region)) continue;
      if ((unreconciled_.has(region) && !planted(Planted::unreconciled_cleared)) ||
          (is_written(region) && !planted(Planted::written_cleared))) {
        marked_now_.set(region);
      } else {
        clearing_.push_back(static_cast<uint32_t>(region));
        in_clearing_.set(region);
      }
    }
    if (clearing_.empty()) return;
    clear_left_ = clear_unsent_ = readable();
  }
  (clear_unsent_ & clear_left_).for_each([&](uint32_t member) {
    if (send_command(now_ns, member, CommandKind::clear_intent)) clear_unsent_.remove(member);
  });
}

uint64_t Head::marked_regions() const {
  uint64_t count = marked_now_.count() + clearing_.size();
  for (uint64_t region = 0; (region = marked_before_.next(region)) != RegionMap::k_none; ++region) {
    if (!marked_now_.has(region)) ++count;
  }
  return count;
}

void Head::on_cleared() {
  for (const uint32_t region : clearing_) in_clearing_.clear(region);
  clearing_.clear();
}

}  // namespace ballast::bdev::mirror
