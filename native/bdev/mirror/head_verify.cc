// Members in sync are compared, one range after the other, at the rate of a copy. A range is read as a copy
// reads it: nothing is written there meanwhile, and what an unclean end left is made equal before. So what
// differs then differs for good.
#include "bdev/mirror/head_verify.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "bdev/mirror/head.h"

namespace ballast::bdev::mirror {

const char* verify_state_text(VerifyState state) {
  switch (state) {
    case VerifyState::none: return "none";
    case VerifyState::running: return "running";
    case VerifyState::done: return "done";
    case VerifyState::cancelled: return "cancelled";
    case VerifyState::failed: return "failed";
  }
  return "unknown";
}

const char* verify_refusal_text(VerifyRefusal refusal) {
  switch (refusal) {
    case VerifyRefusal::none: return "nothing is refused";
    case VerifyRefusal::not_serving: return "its head does not serve";
    case VerifyRefusal::running: return "its members are being compared already";
    case VerifyRefusal::alone: return "only one member is in sync: there is nothing to compare it with";
  }
  return "unknown";
}

VerifyRefusal Head::start_verify(uint64_t now_ns) {
  if (state_ != HeadState::serving) return VerifyRefusal::not_serving;
  // A range of one that was cancelled may be out still.
  if (verify_.report.state == VerifyState::running || verify_.is_out) return VerifyRefusal::running;
  if (readable().size() < 2) return VerifyRefusal::alone;
  verify_.report = {.state = VerifyState::running,
                    .total_bytes = record_.blocks_count * record_.block_size_bytes,
                    .members = record_.members};
  verify_.report.differences.reserve(VerifyReport::k_differences_max);
  verify_.next_granule = verify_.singly_until = verify_.next_ns = 0;
  advance(now_ns);
  return VerifyRefusal::none;
}

void Head::cancel_verify() {
  if (verify_.report.state == VerifyState::running) end_verify(VerifyState::cancelled);
}

void Head::end_verify(VerifyState state) {
  verify_.report.state = state;
  verify_.next_ns = 0;
}

// Those that it began with and that are members still, whether they are there or not.
MemberSet Head::verified() const {
  MemberSet set;
  (record_.all() - verify_.report.unable).for_each([&](uint32_t member) {
    if (record_.members[member] == verify_.report.members[member]) set.add(member);
  });
  return set;
}

void Head::advance_verify(uint64_t now_ns) {
  if (verify_.report.state != VerifyState::running || verify_.is_out) return;
  if (state_ != HeadState::serving || !leaving_.empty() || !left_.empty()) return;
  if (verified().size() < 2) return end_verify(VerifyState::failed);
  const uint64_t first_lba = verify_.next_granule * granule_blocks_;
  const uint64_t end_lba = verify_.report.total_bytes / record_.block_size_bytes;  // it may have grown since
  if (first_lba >= end_lba) return end_verify(VerifyState::done);
  // With one alone it waits for another to come back.
  if (now_ns < verify_.next_ns || (verified() & readable()).size() < 2) return;
  uint64_t bytes = options_.verify_bytes;
  if (yields(now_ns)) bytes = std::min<uint64_t>(bytes, options_.busy_copy_bytes);
  if (verify_.next_granule < verify_.singly_until) bytes = k_granule_bytes;
  const uint64_t blocks_max = bytes / k_granule_bytes * granule_blocks_;
  const uint64_t count = std::min(blocks_max, end_lba - first_lba);
  Op* const op = take_op(Purpose::verify, IoType::read, first_lba, static_cast<uint32_t>(count));
  if (op == nullptr) return;
  verify_.is_out = true;
  if (const uint64_t rate = copy_rate(now_ns); rate != 0) {
    verify_.next_ns = now_ns + count * record_.block_size_bytes * 1'000'000'000 / rate;
  }
  if (may_start(*op)) start_op(now_ns, *op);
}

// At all of them at once. Who could not read it before says the same again.
void Head::start_check(uint64_t now_ns, Op& op) {
  const MemberSet members = (verified() & readable()) - op.tried;
  if (verify_.report.state != VerifyState::running || (members | op.tried).size() < 2) {
    return finish(op, Status::aborted);  // again, when there are two
  }
  if (members.empty()) return finish_check(op);
  --waiting_count_;
  op.phase = Phase::reading;
  members.for_each(
      [&](uint32_t member) { send(now_ns, op, member, IoType::read, Action::Kind::read_checksums); });
}

void Head::on_checksums(uint32_t member, uint32_t session, OpIndex index, uint32_t attempt,
                        std::span<const uint32_t> sums) {
  const Op& op = ops_[index];
  if (is_over() || session != members_[member].session || !is_usable(member)) return;
  if (attempt != op.attempt || !op.pending.has(member)) return;
  BALLAST_ASSERT(op.purpose == Purpose::verify);
  BALLAST_ASSERT(sums.size() <= k_checksums_max);
  std::ranges::copy(sums, verify_.sums[member].begin());
}

void Head::on_check_done(uint64_t now_ns, Op& op, uint32_t member, Status status) {
  switch (status) {
    case Status::ok: op.done.add(member); break;
    case Status::media_error: op.tried.add(member); break;
    case Status::busy: verify_.is_again = true; break;
    case Status::unsupported: verify_.report.unable.add(member); break;
    default: drop_member(now_ns, member);
  }
  if (op.pending.empty()) finish_check(op);
}

// What somebody could not read is looked at granule by granule, to find out which; that one is written again
// there, as after a read of a host.
void Head::finish_check(Op& op) {
  VerifyReport& report = verify_.report;
  const uint64_t granules = (op.blocks_count + granule_blocks_ - 1) / granule_blocks_;
  const bool is_unreadable = !op.tried.empty();
  const bool is_again = std::exchange(verify_.is_again, false);
  if (is_again) verify_.next_ns = tick_ns_ + options_.reconnect_ns;
  if (is_unreadable && granules > 1) {
    verify_.singly_until = verify_.next_granule + granules;
    verify_.next_ns = 0;
  } else if (report.state == VerifyState::running && !is_again && (is_unreadable || op.done.size() >= 2)) {
    compare_granules(op);
    if (is_unreadable) ++report.unreadable_granules;
    if (is_unreadable && !op.done.empty()) repair(op);
    verify_.next_granule += granules;
    report.done_bytes += uint64_t{op.blocks_count} * record_.block_size_bytes;
  }
  finish(op, Status::ok);
}

// Those are odd that are not of the largest group of equal ones.
void Head::compare_granules(const Op& op) {
  const uint64_t granules = (op.blocks_count + granule_blocks_ - 1) / granule_blocks_;
  for (uint64_t i = 0; i < granules; ++i) {
    MemberSet most;
    bool is_tie = false;
    op.done.for_each([&](uint32_t one) {
      MemberSet alike;
      op.done.for_each([&](uint32_t other) {
        if (verify_.sums[other][i] == verify_.sums[one][i]) alike.add(other);
      });
      if (alike.size() > most.size()) {
        most = alike;
        is_tie = false;
      } else if (alike.size() == most.size() && alike != most) {
        is_tie = true;
      }
    });
    if (most != op.done) note_difference(verify_.next_granule + i, is_tie ? MemberSet{} : op.done - most);
  }
}

void Head::note_difference(uint64_t granule, MemberSet odd) {
  VerifyReport& report = verify_.report;
  ++report.different_granules;
  if (!report.differences.empty()) {
    VerifyDifference& last = report.differences.back();
    if (last.first_granule + last.granules_count == granule && last.odd == odd) {
      ++last.granules_count;
      return;
    }
  }
  if (report.differences.size() < VerifyReport::k_differences_max) {
    report.differences.push_back({.first_granule = granule, .granules_count = 1, .odd = odd});
  }
}

}  // namespace ballast::bdev::mirror
