#include "bdev/mirror/snapshot_carrier.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "bdev/mirror/planted.h"

namespace ballast::bdev::mirror {

const char* carry_refusal_text(CarryRefusal refusal) {
  switch (refusal) {
    case CarryRefusal::none: return "not refused";
    case CarryRefusal::not_serving: return "its head does not serve";
    case CarryRefusal::busy: return "another snapshot of it is being carried";
    case CarryRefusal::unknown: return "a snapshot is carried between two members";
    case CarryRefusal::away: return "both members must be in sync";
  }
  return "unknown";
}

const char* carry_state_text(CarryState state) {
  switch (state) {
    case CarryState::none: return "none";
    case CarryState::running: return "running";
    case CarryState::done: return "done";
    case CarryState::cancelled: return "cancelled";
    case CarryState::failed: return "failed";
  }
  return "unknown";
}

SnapshotCarrier::SnapshotCarrier(Reactor& reactor, const Uuid& snapshot, std::vector<Uuid> bases,
                                 const Uuid& from, const Uuid& to, Ask source, Ask target, Rate rate)
    : reactor_(reactor),
      bases_(std::move(bases)),
      source_(std::move(source)),
      target_(std::move(target)),
      rate_(std::move(rate)),
      buffer_(std::make_unique<Buffer>()),
      timer_([](Timer&, void* context) { static_cast<SnapshotCarrier*>(context)->wait_or_read(); }, this) {
  report_.snapshot = snapshot;
  report_.from = from;
  report_.to = to;
}

SnapshotCarrier::~SnapshotCarrier() { BALLAST_ASSERT(!is_running() && !is_asking_); }

void SnapshotCarrier::start() {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  report_.state = CarryState::running;
  ask_list(true);
}

void SnapshotCarrier::cancel() {
  if (!is_running()) return;
  is_cancelled_ = true;
  if (is_asking_) return;  // seen when it is answered
  reactor_.cancel(timer_);
  drop(CarryState::cancelled);
}

// `next` when it was done; else this ends.
void SnapshotCarrier::ask(bool of_source, const ReplicaRequest& request, Next next) {
  BALLAST_ASSERT(!is_asking_);
  is_asking_ = true;
  (of_source ? source_ : target_)(request, [this, of_source, next](const ReplicaAnswer& answer) {
    is_asking_ = false;
    const bool is_unheard = next == &SnapshotCarrier::piece_done && planted(Planted::carried_unheard);
    const bool is_done = answer.status == Status::ok && answer.refusal == Refusal::none;
    if (!is_done && !is_unheard) return fail(why(of_source, answer));
    // What is finished is finished, whoever wants it to end.
    if (is_cancelled_ && next != &SnapshotCarrier::finished) {
      if (next == &SnapshotCarrier::begun) has_begun_ = true;
      return drop(CarryState::cancelled);
    }
    (this->*next)();
  });
}

// ---- what both have ----

void SnapshotCarrier::ask_list(bool of_source) {
  const std::vector<SnapshotEntry>& known = of_source ? at_source_ : at_target_;
  const Uuid after = known.empty() ? Uuid{} : known.back().uuid;
  ask(of_source, {uuid_words(ReplicaOpcode::list_snapshots, after), {}, MutableByteSpan(buffer_->block)},
      of_source ? &SnapshotCarrier::on_source_list : &SnapshotCarrier::on_target_list);
}

void SnapshotCarrier::on_list(bool of_source) {
  std::vector<SnapshotEntry>& known = of_source ? at_source_ : at_target_;
  bool has_more = false;
  const auto found = parse_snapshot_list(buffer_->block, has_more);
  if (!found) return fail("member " + member(of_source).text() + ": its list of snapshots is malformed");
  known.insert(known.end(), found->begin(), found->end());
  if (known.size() > k_snapshots_max) {
    return fail("member " + member(of_source).text() + " has more snapshots than can be compared");
  }
  if (has_more) return ask_list(of_source);
  if (of_source) return ask_list(false);
  choose();
}

// Below it is the newest of the older ones that both have and that may be: the order of the target's is the
// source's, but for those that are below nothing else.
void SnapshotCarrier::choose() {
  const auto is_it = [this](const SnapshotEntry& entry) { return entry.uuid == report_.snapshot; };
  const auto found = std::ranges::find_if(at_source_, is_it);
  if (found == at_source_.end()) return fail("member " + report_.from.text() + " does not have it");
  snapshot_ = *found;
  report_.total_bytes = snapshot_.size_bytes;
  if (std::ranges::any_of(at_target_, is_it)) return finished();
  for (auto older = found; older != at_source_.begin() && below_.is_nil();) {
    --older;
    const bool may_be_below = std::ranges::find(bases_, older->uuid) != bases_.end();
    if (!may_be_below && !planted(Planted::carried_onto_another_size)) continue;
    const auto is_same = [&older](const SnapshotEntry& entry) { return entry.uuid == older->uuid; };
    if (std::ranges::any_of(at_target_, is_same)) below_ = older->uuid;
  }
  at_source_ = {};
  at_target_ = {};
  select();
}

void SnapshotCarrier::select() {
  buffer_->block.fill(0);
  store(MutableByteSpan(buffer_->block), SnapshotSelection{.uuid = report_.snapshot, .since = below_});
  ask(true, {{.opcode = ReplicaOpcode::select_snapshot}, ByteSpan(buffer_->block), {}},
      &SnapshotCarrier::begin_receive);
}

void SnapshotCarrier::begin_receive() {
  const Uuid below = planted(Planted::carried_onto_nothing) ? Uuid{} : below_;
  buffer_->block.fill(0);
  store(MutableByteSpan(buffer_->block), ReceiveRequest{.uuid = report_.snapshot,
                                                        .below = below,
                                                        .created_at_s = snapshot_.created_at_s,
                                                        .size_bytes = snapshot_.size_bytes,
                                                        .name = snapshot_.name});
  ask(false, {{.opcode = ReplicaOpcode::begin_receive}, ByteSpan(buffer_->block), {}},
      &SnapshotCarrier::begun);
}

void SnapshotCarrier::begun() {
  has_begun_ = true;
  read_map();
}

// ---- its data ----

void SnapshotCarrier::read_map() {
  const uint64_t granules = snapshot_.size_bytes / ReplicaLayout::k_granule_bytes;
  map_first_ = next_granule_;
  if (map_first_ == granules) return finish();
  const uint64_t bytes = std::min<uint64_t>((granules - map_first_ + 63) / 64 * 8, k_map_read_bytes_max);
  map_granules_ = std::min(bytes * 8, granules - map_first_);
  ask(true,
      {granule_words(ReplicaOpcode::read_snapshot_map, map_first_, static_cast<uint32_t>(bytes)),
       {},
       MutableByteSpan(buffer_->map).first(bytes)},
      &SnapshotCarrier::next_piece);
}

// Bits behind the end of the snapshot are of nothing.
void SnapshotCarrier::next_piece() {
  const uint64_t end = map_first_ + map_granules_;
  for (; next_granule_ < end; next_granule_ += k_piece_granules) {
    const uint64_t left = end - next_granule_;
    uint32_t mask = load<uint32_t>(ByteSpan(buffer_->map).subspan((next_granule_ - map_first_) / 8));
    if (left < k_piece_granules) mask &= (uint32_t{1} << left) - 1;
    if (mask == 0) continue;
    piece_first_ = next_granule_;
    piece_mask_ = mask;
    return wait_or_read();
  }
  next_granule_ = end;
  report_.done_bytes = end * ReplicaLayout::k_granule_bytes;
  read_map();
}

void SnapshotCarrier::wait_or_read() {
  const uint64_t now_ns = reactor_.clock().now_ns();
  if (now_ns < allowed_ns_) return reactor_.arm(timer_, allowed_ns_ - now_ns);
  const uint64_t rate = rate_();
  const uint32_t bytes = piece_bytes(piece_mask_);
  allowed_ns_ = rate == 0 ? 0 : now_ns + bytes * k_ns_per_s / rate;
  ask(true,
      {granule_words(ReplicaOpcode::read_snapshot, piece_first_, piece_mask_),
       {},
       MutableByteSpan(buffer_->piece).first(bytes)},
      &SnapshotCarrier::send_piece);
}

void SnapshotCarrier::send_piece() {
  ask(false,
      {granule_words(ReplicaOpcode::receive, piece_first_, piece_mask_),
       ByteSpan(buffer_->piece).first(piece_bytes(piece_mask_)),
       {}},
      &SnapshotCarrier::piece_done);
}

void SnapshotCarrier::piece_done() {
  report_.moved_bytes += piece_bytes(piece_mask_);
  next_granule_ = piece_first_ + k_piece_granules * (planted(Planted::carried_with_gaps) ? 2 : 1);
  report_.done_bytes = std::min(next_granule_ * ReplicaLayout::k_granule_bytes, report_.total_bytes);
  next_piece();
}

// ---- the end ----

void SnapshotCarrier::finish() {
  if (planted(Planted::carried_unfinished)) return finished();
  ask(false, {{.opcode = ReplicaOpcode::end_receive}, {}, {}}, &SnapshotCarrier::finished);
}

void SnapshotCarrier::finished() {
  report_.done_bytes = report_.total_bytes;
  report_.state = CarryState::done;
  buffer_.reset();
}

void SnapshotCarrier::fail(std::string trouble) {
  report_.trouble = std::move(trouble);
  drop(CarryState::failed);
}

// The answer says nothing new: who does not get this has lost its association, and drops it, too.
void SnapshotCarrier::drop(CarryState state) {
  const auto end = [this, state] {
    report_.state = state;
    buffer_.reset();
  };
  if (!std::exchange(has_begun_, false)) return end();
  is_asking_ = true;
  target_({{.opcode = ReplicaOpcode::end_receive, .cdw10 = 1}, {}, {}}, [this, end](const ReplicaAnswer&) {
    is_asking_ = false;
    end();
  });
}

std::string SnapshotCarrier::why(bool of_source, const ReplicaAnswer& answer) const {
  const std::string who = "member " + member(of_source).text();
  if (answer.refusal != Refusal::none) return who + ": " + refusal_text(answer.refusal);
  switch (answer.status) {
    case Status::unsupported:
      return who + " carries no snapshots: it is not a volume of a pool, or of an older version";
    case Status::aborted: return who + " was lost";
    default:
      return who + (of_source ? " cannot read it: " : " cannot store it: ") + status_text(answer.status);
  }
}

}  // namespace ballast::bdev::mirror
