// Drives a Head in production: carries out what it asks over links to the members, the reactor's clock and
// timers and the store, and tells it what happened. No rule of replication stands here.
//
// What must stay true:
//   * The head is called by one caller at a time: what happens while its actions are being carried out, such
//     as an I/O that a member ends within submit(), waits in line until they are.
//   * A user's I/O is answered, and its memory given back, when everything that was submitted for it has
//     ended, also on connections that were given up. A new attempt of an I/O begins only then, too: what a
//     late answer of the earlier one still does to the memory would look like an answer of this one.
//   * Time is read anew for each call of the head: a lease that is judged by the time at which this turn of
//     the reactor began could have run out since.
//
// On its reactor, but for what says otherwise. Nothing is allocated for an I/O.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/intrusive_list.h"
#include "bdev/bdev.h"
#include "bdev/home_channel.h"
#include "bdev/mirror/head.h"
#include "bdev/mirror/member_link.h"
#include "bdev/mirror/snapshot_carrier.h"
#include "bdev/mirror/snapshot_listing.h"
#include "reactor/reactor.h"

namespace ballast::bdev::mirror {

struct HeadDriverOptions {
  Uuid volume;
  HeadOptions head;
  // Called on the driver's reactor when the head's state is another one than at the last call, from inside
  // of whatever changed it: to pass it on. May be empty.
  std::function<void(HeadState)> on_state;
};

// A compare-and-swap of the record. The answer is HeadDriver::on_stored() or on_store_unavailable(), later.
using AskStore = std::function<void(uint64_t expected_revision, const Record& wanted)>;

struct MemberView {
  MemberState state = MemberState::down;
  std::string trouble;  // why it is down
};

class HeadDriver final : private HeadAccess {
 public:
  // `connectors` are those of record.members, by their places; null: the place is free.
  HeadDriver(Reactor& reactor, const HeadDriverOptions& options, const Record& record,
             const std::vector<std::shared_ptr<ReplicaConnector>>& connectors, AskStore ask_store);
  ~HeadDriver();  // after `stopped`

  void start();
  // Waits for I/O in flight, clears the marks, lets the members go; I/O that comes later ends with `fenced`.
  // Called once.
  void stop(std::function<void()> stopped);
  // After stop(): does not wait for the members or the store any more. The next head finds what is marked.
  void abandon();

  // As Channel::submit(), through a home channel. Waits while as many I/Os as there are numbers for are in
  // work.
  void submit(Io& io);

  // --- from the store ---
  void on_stored(bool ok, const Record& current);
  void on_store_unavailable();
  void on_record(const Record& current);

  // --- another number of members ---
  // As Head's; `connector` is how it is reached from now on.
  ChangeRefusal add_member(const Uuid& replica, std::shared_ptr<ReplicaConnector> connector, bool is_near);
  ChangeRefusal remove_member(const Uuid& replica);
  ChangeRefusal grow(uint64_t blocks_count);

  // As Head's.
  VerifyRefusal start_verify();
  void cancel_verify();
  void set_resync_rate(uint64_t bytes_per_s);
  SnapshotRefusal snapshot(const SnapshotRequest& request);
  SnapshotRefusal delete_snapshot(const Uuid& uuid);
  // A snapshot that the member of this replica has gets to another one that lacks it, at the rates of copies
  // to members that join. One at a time; how far it is: carry_report().
  // `bases`: other snapshots of when the volume was as large.
  CarryRefusal carry_snapshot(const Uuid& snapshot, const Uuid& from, const Uuid& to,
                              std::vector<Uuid> bases);
  void cancel_carry();
  // What a member in sync says that it has; `listed` on this reactor, once, if it was not refused: `busy`
  // while one is carried.
  CarryRefusal list_snapshots(const Uuid& replica, SnapshotsListed listed);

  // --- what is known ---
  const CarryReport& carry_report() const;  // of the last one
  const Head& head() const { return head_; }
  MemberView member(uint32_t place) const;

 private:
  struct Line {  // what the driver keeps in an Io of its user while it waits
    ListNode node;
    Io* io = nullptr;
  };
  static_assert(sizeof(Line) + sizeof(HomeScratch) <= sizeof(Io::layer_scratch));
  struct Child {  // an I/O at a member
    Io io;
    HeadDriver* driver = nullptr;
    OpIndex op = 0;
    uint32_t member = 0;
    uint32_t session = 0;
    uint32_t attempt = 0;
    bool is_out = false;
    bool compares = false;
    std::span<uint32_t> sums;  // of a range that is compared; empty: it is an I/O
    Segment segment;           // its data, where that is not the user's
    Status status = Status::ok;
    ListNode node;
  };
  struct Work {          // what there is of an op of the head
    Io* user = nullptr;  // null: the head's own
    Segment copy;        // of these: where its data is, or checksums; of a comparison: what was read
    uint32_t attempt = 0;
    uint32_t out_count = 0;  // submitted, and not ended
    bool is_complete = false;
    Status status = Status::ok;
    // Of the attempt, what waits for the earlier one's I/O to end.
    uint32_t held_count = 0;
    std::array<Action, k_members_max> held;
  };
  using Arrivals = IntrusiveList<Line, &Line::node>;
  using Ended = IntrusiveList<Child, &Child::node>;

  // HeadAccess
  Head& head() override { return head_; }
  void with_head(const Call& call) override;

  template <typename Tell>
  void tell(Tell tell);
  void run();
  void carry_out();
  void carry_out(const Action& action);
  bool take_arrival();
  void arm_timer();
  void reserve_actions();
  MemberLink& link_to(uint32_t place);
  std::optional<uint32_t> place_in_sync(const Uuid& replica) const;
  SnapshotCarrier::Ask ask_of(uint32_t place);
  MemberLink& take_up(uint32_t place, const Uuid& replica, std::shared_ptr<ReplicaConnector> connector);
  void finish_stop();

  // head_driver_io.cc
  Child& child_of(OpIndex op, uint32_t place) { return members_[place].children[op]; }
  void submit_child(const Action& action);
  void start_child(const Action& action);
  void start_checksums(Child& child, Work& work);
  void start_held(Work& work);
  void set_data(Child& child, Work& work, IoType type);
  bool set_zeroing(Child& child);
  static void child_done(Io& io, Status status);
  void on_child_done(Child& child);
  void complete(const Action& action);
  void release_if_over(OpIndex op);
  Segment take_copy_buffer(size_t size_bytes);
  void give_copy_buffer_back(Segment buffer);

  struct Member {  // by its place
    std::unique_ptr<MemberLink> link;
    std::unique_ptr<Child[]> children;  // one for each op; made when the place is first taken
  };

  Reactor& reactor_;
  const HeadDriverOptions options_;
  const uint32_t block_size_bytes_;
  const uint32_t ops_max_;
  AskStore ask_store_;
  const std::function<void(HeadState)> on_state_;
  HeadState said_state_ = HeadState::claiming;
  Actions actions_, at_work_;  // the head's, and those that are being carried out
  Head head_;
  std::array<Member, k_members_max> members_;
  // Who was to be added last, and how it is reached; null: it has its place.
  Uuid added_;
  std::shared_ptr<ReplicaConnector> added_connector_;
  // Of who had a place before, until nothing is left of their sessions.
  std::vector<std::unique_ptr<MemberLink>> ending_links_;
  std::vector<Work> works_;
  std::unique_ptr<SnapshotCarrier> carrier_;  // null: nothing was carried yet
  Arrivals arrivals_;
  Ended ended_;
  bool is_running_ = false;
  uint32_t in_work_count_ = 0;  // of the user's

  // Buffers of copy_bytes_ for the head's own I/O and for comparisons: made when first needed, and kept.
  std::vector<uint8_t*> free_copies_;
  const size_t copy_bytes_;

  Timer timer_;
  uint64_t timer_at_ns_ = 0;
  bool head_stopped_ = false;
  uint32_t links_open_ = 0;
  std::function<void()> stopped_;
};

}  // namespace ballast::bdev::mirror
