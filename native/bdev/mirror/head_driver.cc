#include "bdev/mirror/head_driver.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "base/assert.h"

namespace ballast::bdev::mirror {

HeadDriver::HeadDriver(Reactor& reactor, const HeadDriverOptions& options, const Record& record,
                       const std::vector<ReplicaConnector*>& connectors, AskStore ask_store)
    : reactor_(reactor),
      members_count_(record.members_count),
      block_size_bytes_(record.block_size_bytes),
      ops_max_(options.head.ops_max),
      ask_store_(std::move(ask_store)),
      on_state_(options.on_state),
      head_(options.head, record, actions_),
      works_(Head::ops_count(options.head)),
      children_(new Child[works_.size() * members_count_]),
      copy_bytes_(options.head.copy_bytes),
      timer_(
          [](Timer&, void* context) {
            static_cast<HeadDriver*>(context)->tell(
                [](Head& head, uint64_t now_ns) { head.on_tick(now_ns); });
          },
          this) {
  BALLAST_ASSERT(connectors.size() == members_count_);
  // One call of the head asks for at most a few things of each I/O and of each member.
  const size_t actions_max = 2 * works_.size() * members_count_ + 8 * members_count_;
  actions_.reserve(actions_max);
  at_work_.reserve(actions_max);
  for (uint32_t member = 0; member < members_count_; ++member) {
    links_.push_back(std::make_unique<MemberLink>(static_cast<HeadAccess&>(*this), *connectors[member],
                                                  options.volume, options.head.node, member));
    for (OpIndex op = 0; op < works_.size(); ++op) {
      Child& child = child_of(op, member);
      child.driver = this;
      child.op = op;
      child.member = member;
      child.io.context = &child;
      child.io.done = child_done;
    }
  }
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
    case Action::Kind::connect: return links_[action.member]->connect(action);
    case Action::Kind::disconnect: return links_[action.member]->disconnect();
    case Action::Kind::command: return links_[action.member]->command(action);
    case Action::Kind::submit: return submit_child(action);
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
  links_open_ = members_count_;
  const std::function<void()> stopped = std::exchange(stopped_, nullptr);
  for (const auto& link : links_) {
    link->when_closed([this, stopped] {
      if (--links_open_ == 0) stopped();
    });
  }
}

MemberView HeadDriver::member(uint32_t number) const {
  return {head_.member_state(number), links_[number]->trouble()};
}

}  // namespace ballast::bdev::mirror
