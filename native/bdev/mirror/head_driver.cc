#include "bdev/mirror/head_driver.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "base/assert.h"

namespace ballast::bdev::mirror {

HeadDriver::HeadDriver(Reactor& reactor, const HeadDriverOptions& options, const Record& record,
                       const std::vector<std::shared_ptr<ReplicaConnector>>& connectors, AskStore ask_store)
    : reactor_(reactor),
      options_(options),
      block_size_bytes_(record.block_size_bytes),
      ops_max_(options.head.ops_max),
      ask_store_(std::move(ask_store)),
      on_state_(options.on_state),
      head_(options.head, record, actions_),
      works_(Head::ops_count(options.head)),
      copy_bytes_(options.head.copy_bytes),
      timer_(
          [](Timer&, void* context) {
            static_cast<HeadDriver*>(context)->tell(
                [](Head& head, uint64_t now_ns) { head.on_tick(now_ns); });
          },
          this) {
  BALLAST_ASSERT(connectors.size() == record.members_count);
  record.all().for_each([&](uint32_t place) { take_up(place, record.members[place], connectors[place]); });
  reserve_actions();
}

HeadDriver::~HeadDriver() {
  BALLAST_ASSERT(arrivals_.empty() && ended_.empty() && links_open_ == 0);
  reactor_.cancel(timer_);
  for (uint8_t* const memory : free_copies_) std::free(memory);
}

void HeadDriver::start() {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  tell([](Head& head, uint64_t now_ns) { head.start(now_ns); });
}

// ---- the head, and what it asks for ----

template <typename Tell>
void HeadDriver::tell(Tell tell) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  BALLAST_ASSERT(!is_running_);
  tell(head_, reactor_.clock().now_ns());
  run();
}

void HeadDriver::with_head(const Call& call) { tell(call); }

// Until nothing is left: what it asks for may end at once, which it is told then, and so on.
void HeadDriver::run() {
  if (is_running_) return;
  is_running_ = true;
  for (;;) {
    if (!actions_.empty()) {
      carry_out();
    } else if (Child* const child = ended_.pop_front(); child != nullptr) {
      on_child_done(*child);
    } else if (!take_arrival()) {
      break;
    }
  }
  is_running_ = false;
  arm_timer();
  if (on_state_ && head_.state() != said_state_) on_state_(said_state_ = head_.state());
  if (head_stopped_) finish_stop();
}

void HeadDriver::carry_out() {
  std::swap(actions_, at_work_);
  for (const Action& action : at_work_) carry_out(action);
  at_work_.clear();
}

void HeadDriver::carry_out(const Action& action) {
  switch (action.kind) {
    case Action::Kind::connect: return link_to(action.member).connect(action);
    case Action::Kind::disconnect: return members_[action.member].link->disconnect();
    case Action::Kind::command: return members_[action.member].link->command(action);
    case Action::Kind::submit:
    case Action::Kind::read_checksums: return submit_child(action);
    case Action::Kind::complete: return complete(action);
    case Action::Kind::compare_and_set: return ask_store_(action.expected_revision, head_.wanted_record());
    case Action::Kind::stopped: head_stopped_ = true; return;
  }
}

void HeadDriver::submit(Io& io) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  Line& line = *new (io.layer_scratch + sizeof(HomeScratch)) Line;
  line.io = &io;
  arrivals_.push_back(line);
  run();
}

// False: nobody waits, or for somebody's end.
bool HeadDriver::take_arrival() {
  if (arrivals_.empty() || in_work_count_ == ops_max_) return false;
  Line& line = *arrivals_.pop_front();
  Io& io = *line.io;
  line.~Line();
  OpIndex op = 0;
  const bool taken = head_.submit(reactor_.clock().now_ns(), io.type, io.lba, io.blocks_count, op);
  BALLAST_ASSERT(taken);
  ++in_work_count_;
  works_[op].user = &io;
  return true;
}

// Two of its kinds of times are far apart: armed for the nearer one, and looked at when it comes.
void HeadDriver::arm_timer() {
  const uint64_t next_ns = head_.next_tick_ns();
  if (next_ns == UINT64_MAX) return reactor_.cancel(timer_);
  if (timer_.armed() && timer_.deadline_ns() <= next_ns) return;
  const uint64_t now_ns = reactor_.clock().now_ns();
  reactor_.arm(timer_, next_ns > now_ns ? next_ns - now_ns : 0);
}

// ---- members ----

// One call of the head asks for at most a few things of each I/O and of each member.
void HeadDriver::reserve_actions() {
  size_t taken_count = 1;  // of who is to be added, beside those
  for (const Member& member : members_) taken_count += member.link != nullptr ? 1 : 0;
  const size_t actions_max = 2 * works_.size() * taken_count + 8 * k_members_max;
  actions_.reserve(actions_max);
  at_work_.reserve(actions_max);
}

MemberLink& HeadDriver::link_to(uint32_t place) {
  const Uuid& replica = head_.replica_at(place);
  if (added_connector_ != nullptr && replica == added_) {
    return take_up(place, replica, std::exchange(added_connector_, nullptr));
  }
  BALLAST_ASSERT(members_[place].link->replica() == replica);
  return *members_[place].link;
}

// Who had the place before has been let go.
MemberLink& HeadDriver::take_up(uint32_t place, const Uuid& replica,
                                std::shared_ptr<ReplicaConnector> connector) {
  Member& member = members_[place];
  std::erase_if(ending_links_, [](const auto& link) { return link->is_closed(); });
  if (member.link != nullptr) ending_links_.push_back(std::move(member.link));
  member.link = std::make_unique<MemberLink>(
      static_cast<HeadAccess&>(*this), std::move(connector),
      MemberName{.volume = options_.volume, .node = options_.head.node, .replica = replica, .place = place});
  if (member.children == nullptr) {
    member.children.reset(new Child[works_.size()]);
    for (OpIndex op = 0; op < works_.size(); ++op) {
      Child& child = member.children[op];
      child.driver = this;
      child.op = op;
      child.member = place;
      child.io.context = &child;
      child.io.done = child_done;
    }
  }
  return *member.link;
}

ChangeRefusal HeadDriver::add_member(const Uuid& replica, std::shared_ptr<ReplicaConnector> connector,
                                     bool is_near) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  if (head_.is_changing()) return ChangeRefusal::busy;
  added_ = replica;
  added_connector_ = std::move(connector);
  ChangeRefusal refusal = ChangeRefusal::none;
  tell([&](Head& head, uint64_t now_ns) { refusal = head.add_member(now_ns, replica, is_near); });
  if (refusal != ChangeRefusal::none) added_connector_.reset();
  reserve_actions();
  return refusal;
}

ChangeRefusal HeadDriver::remove_member(const Uuid& replica) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  ChangeRefusal refusal = ChangeRefusal::none;
  tell([&](Head& head, uint64_t now_ns) { refusal = head.remove_member(now_ns, replica); });
  return refusal;
}

ChangeRefusal HeadDriver::grow(uint64_t blocks_count) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  ChangeRefusal refusal = ChangeRefusal::none;
  tell([&](Head& head, uint64_t now_ns) { refusal = head.grow(now_ns, blocks_count); });
  return refusal;
}

VerifyRefusal HeadDriver::start_verify() {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  VerifyRefusal refusal = VerifyRefusal::none;
  tell([&](Head& head, uint64_t now_ns) { refusal = head.start_verify(now_ns); });
  return refusal;
}

void HeadDriver::cancel_verify() {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  tell([](Head& head, uint64_t) { head.cancel_verify(); });
}

void HeadDriver::set_resync_rate(uint64_t bytes_per_s) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  tell([bytes_per_s](Head& head, uint64_t now_ns) { head.set_resync_rate(now_ns, bytes_per_s); });
}

SnapshotRefusal HeadDriver::snapshot(const SnapshotRequest& request) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  SnapshotRefusal refusal = SnapshotRefusal::none;
  tell([&](Head& head, uint64_t now_ns) { refusal = head.snapshot(now_ns, request); });
  return refusal;
}

SnapshotRefusal HeadDriver::delete_snapshot(const Uuid& uuid) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  SnapshotRefusal refusal = SnapshotRefusal::none;
  tell([&](Head& head, uint64_t now_ns) { refusal = head.delete_snapshot(now_ns, uuid); });
  return refusal;
}

// ---- snapshots are carried ----

std::optional<uint32_t> HeadDriver::place_in_sync(const Uuid& replica) const {
  const Record& record = head_.record();
  std::optional<uint32_t> found;
  record.in_sync.for_each([&](uint32_t place) {
    if (record.members[place] == replica) found = place;
  });
  const bool is_there = found && head_.member_state(*found) == MemberState::in_sync;
  return is_there && members_[*found].link->session() != 0 ? found : std::nullopt;
}

// The place may be another's by then, and the session another one.
SnapshotCarrier::Ask HeadDriver::ask_of(uint32_t place) {
  const MemberLink& link = *members_[place].link;
  return [this, place, replica = link.replica(), session = link.session()](const ReplicaRequest& request,
                                                                           ReplicaConnection::Done done) {
    MemberLink& now = *members_[place].link;
    if (now.replica() != replica) return done({.status = Status::aborted});
    now.request(session, request, std::move(done));
  };
}

CarryRefusal HeadDriver::carry_snapshot(const Uuid& snapshot, const Uuid& from, const Uuid& to,
                                        std::vector<Uuid> bases) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  if (head_.state() != HeadState::serving) return CarryRefusal::not_serving;
  if (carrier_ != nullptr && carrier_->is_running()) return CarryRefusal::busy;
  const auto is_member = [this](const Uuid& replica) {
    return !replica.is_nil() &&
           std::ranges::find(head_.record().members, replica) != head_.record().members.end();
  };
  if (from == to || !is_member(from) || !is_member(to)) return CarryRefusal::unknown;
  const auto source = place_in_sync(from), target = place_in_sync(to);
  if (!source || !target) return CarryRefusal::away;
  const auto rate = [this] { return head_.copy_rate(reactor_.clock().now_ns()); };
  carrier_ = std::make_unique<SnapshotCarrier>(reactor_, snapshot, std::move(bases), from, to,
                                               ask_of(*source), ask_of(*target), rate);
  carrier_->start();
  return CarryRefusal::none;
}

CarryRefusal HeadDriver::list_snapshots(const Uuid& replica, SnapshotsListed listed) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  if (head_.state() != HeadState::serving) return CarryRefusal::not_serving;
  if (carrier_ != nullptr && carrier_->is_running()) return CarryRefusal::busy;
  const auto place = place_in_sync(replica);
  if (!place) return CarryRefusal::away;
  mirror::list_snapshots(replica, ask_of(*place), std::move(listed));
  return CarryRefusal::none;
}

void HeadDriver::cancel_carry() {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  if (carrier_ != nullptr) carrier_->cancel();
}

const CarryReport& HeadDriver::carry_report() const {
  static const CarryReport none;
  return carrier_ == nullptr ? none : carrier_->report();
}

// ---- the store ----

void HeadDriver::on_stored(bool ok, const Record& current) {
  tell([&](Head& head, uint64_t now_ns) { head.on_stored(now_ns, ok, current); });
}

void HeadDriver::on_store_unavailable() {
  tell([](Head& head, uint64_t now_ns) { head.on_store_unavailable(now_ns); });
}

void HeadDriver::on_record(const Record& current) {
  tell([&](Head& head, uint64_t now_ns) { head.on_record(now_ns, current); });
}

// ---- the end ----

void HeadDriver::stop(std::function<void()> stopped) {
  BALLAST_ASSERT(stopped_ == nullptr);
  stopped_ = std::move(stopped);
  const bool is_over = head_.state() == HeadState::fenced;
  cancel_carry();
  tell([](Head& head, uint64_t now_ns) { head.stop(now_ns); });
  if (is_over) {  // it says nothing more
    head_stopped_ = true;
    finish_stop();
  }
}

void HeadDriver::abandon() {
  tell([](Head& head, uint64_t) { head.abandon(); });
}

// The head asks for nothing more; what it had submitted may still be out.
void HeadDriver::finish_stop() {
  const bool is_quiet = std::ranges::all_of(works_, [](const Work& work) { return work.out_count == 0; });
  if (!is_quiet || stopped_ == nullptr) return;
  reactor_.cancel(timer_);
  std::vector<MemberLink*> links;
  for (const Member& member : members_) {
    if (member.link != nullptr) links.push_back(member.link.get());
  }
  for (const auto& link : ending_links_) links.push_back(link.get());
  links_open_ = static_cast<uint32_t>(links.size());
  const std::function<void()> stopped = std::exchange(stopped_, nullptr);
  for (MemberLink* const link : links) {
    link->when_closed([this, stopped] {
      if (--links_open_ == 0) stopped();
    });
  }
}

MemberView HeadDriver::member(uint32_t place) const {
  const std::unique_ptr<MemberLink>& link = members_[place].link;
  return {head_.member_state(place), link == nullptr ? std::string() : link->trouble()};
}

}  // namespace ballast::bdev::mirror
