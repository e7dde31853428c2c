// The head of a mirrored volume: it takes the volume's I/O, orders it, and has it done by the members. A pure
// state machine: no I/O, no clock, nothing random. What happens comes in by calls with the time at which it
// did; what is to be done goes out as actions. Production drives it over channels and connections, the
// simulator over a model of both, and there is no other place where a rule of replication stands.
//
// The rules, and why they are enough: docs/replication.md. In short:
//   * A head is one by its epoch, granted by the store, and sealed into the members before it serves.
//   * A write is acknowledged when every in-sync member has it. A member that fails leaves the in-sync set in
//     the store before the first acknowledgement that lacks it.
//   * I/O that overlaps waits for each other, reads for writes too: what one read has shown no failure
//   undoes.
//   * After an unclean end of the head before, regions that were being written are made equal before they are
//     read.
//
// All of one thread. Allocates when it is made and when a member joins, never for an I/O.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/intrusive_list.h"
#include "bdev/mirror/head_actions.h"
#include "bdev/mirror/head_options.h"
#include "bdev/mirror/head_snapshot.h"
#include "bdev/mirror/head_types.h"
#include "bdev/mirror/head_verify.h"
#include "bdev/mirror/planted.h"
#include "bdev/mirror/record.h"
#include "bdev/mirror/region_map.h"
#include "bdev/mirror/replica_format.h"

namespace ballast::bdev::mirror {

class Head {
 public:
  Head(const HeadOptions& options, const Record& record, Actions& actions);
  ~Head();
  // Numbers of I/O are below this.
  static uint32_t ops_count(const HeadOptions& options) {
    return options.ops_max + 2 * options.copies_max + k_repairs_max + k_verifies_max;
  }

  // --- what happens ---
  void start(uint64_t now_ns);
  // Another member, to which everything is copied; or one less, which is told so if it can be reached. Done
  // when the record says so; given up when is_changing() ends without. `is_near`: it is to be read from.
  ChangeRefusal add_member(uint64_t now_ns, const Uuid& replica, bool is_near);
  ChangeRefusal remove_member(uint64_t now_ns, const Uuid& replica);
  // To so many blocks, by the same rules; if it is given up, growth_trouble() says why.
  ChangeRefusal grow(uint64_t now_ns, uint64_t blocks_count);
  // Compares all members in sync, range by range; how far it is: verify_report().
  VerifyRefusal start_verify(uint64_t now_ns);
  void cancel_verify();
  // As its option resync_bytes_per_s, from now on. What the rate of before put off is not waited for.
  void set_resync_rate(uint64_t now_ns, uint64_t bytes_per_s);
  uint64_t resync_rate() const { return options_.resync_bytes_per_s; }
  // Of all members in sync, of one moment; what comes of it: snapshot_report(). None is taken of one that is
  // under way, or was done last, already. Its UUID is of this attempt alone: if it cannot be completed, what
  // members have of it is deleted.
  SnapshotRefusal snapshot(uint64_t now_ns, const SnapshotRequest& request);
  // Of all members that can be reached; of which: snapshot_removal(), when nobody is left there.
  SnapshotRefusal delete_snapshot(uint64_t now_ns, const Uuid& uuid);
  // Ends what is in flight, clears all marks, has the store say that this head has stopped, so that the next
  // one waits for no lease; then Action stopped. Later I/O ends with `fenced`.
  void stop(uint64_t now_ns);
  // Ends at once, as if the process had: what is in flight ends with `fenced`, marks stay. Then Action
  // stopped, unless it was over already.
  void abandon();
  // At next_tick_ns() or later.
  void on_tick(uint64_t now_ns);
  // `current` is what the store has now; `ok`: it is what was asked for. Without an answer of the store:
  // on_store_unavailable(), after which nobody knows whether it was done.
  void on_stored(uint64_t now_ns, bool ok, const Record& current);
  void on_store_unavailable(uint64_t now_ns);
  // The store's record has changed by somebody else, or may have. Members and the in-sync set are for the
  // head of the epoch alone to change.
  void on_record(uint64_t now_ns, const Record& current);
  void on_sealed(uint64_t now_ns, uint32_t member, uint32_t session, const SealedMember& said);
  // The connection broke, could not be made, or the member answered what no member should.
  void on_member_failed(uint64_t now_ns, uint32_t member, uint32_t session);
  // The member takes orders of a higher epoch.
  void on_member_fenced(uint64_t now_ns, uint32_t member, uint32_t session);
  void on_command_done(uint64_t now_ns, uint32_t member, uint32_t session, Status status);
  // Bits of 64 regions (granules) a word, from `first` on.
  void on_intent(uint32_t member, uint32_t session, uint64_t first, std::span<const uint64_t> words);
  void on_absent(uint32_t member, uint32_t session, uint64_t first, std::span<const uint64_t> words);
  void on_allocation(uint32_t member, uint32_t session, uint64_t first, std::span<const uint64_t> words);
  void on_io_done(uint64_t now_ns, uint32_t member, uint32_t session, OpIndex op, uint32_t attempt,
                  Status status);
  void on_checksums(uint32_t member, uint32_t session, OpIndex op, uint32_t attempt,
                    std::span<const uint32_t> sums);

  // From above. read, compare, verify; write, write_zeroes, unmap; compare_and_write; flush. The answer is
  // complete(op). False: ops_max are in work; nothing was taken.
  bool submit(uint64_t now_ns, IoType type, uint64_t lba, uint32_t blocks_count, OpIndex& op);
  // The user's op and all that was submitted for it have ended: its number is free.
  void release(OpIndex op);

  // --- what is known ---
  HeadState state() const { return state_; }
  Activity activity() const;
  MemberState member_state(uint32_t member) const { return members_[member].state; }
  const Record& record() const { return record_; }
  struct GrowthTrouble {
    Uuid member;  // nil: there was none
    Status status = Status::ok;
  };
  const GrowthTrouble& growth_trouble() const { return growth_trouble_; }
  // What `grow` tells a member.
  uint64_t growing_to() const;
  bool is_changing() const { return change_.kind != Change::Kind::none; }
  // It is no member, or about to be none.
  bool is_unwanted(const Uuid& replica) const;
  // Who has this place, or had it and is being told that it is no member any more.
  const Uuid& replica_at(uint32_t place) const { return members_[place].replica; }
  uint64_t next_tick_ns() const;
  // What actions carry that most do not need, as of the moment in which they come out.
  const Record& wanted_record() const { return store_record_; }
  const RegionMap& unreconciled() const { return unreconciled_; }
  std::span<const uint32_t> clearing() const { return clearing_; }
  std::span<const LbaRange> absent_ranges() const { return absent_ranges_; }
  // Whom the command that `member` was given last is about.
  const Uuid& told_about(uint32_t member) const { return members_[member].about_replica; }
  // What begin_absent tells `member`: whether all of the volume is missing there.
  bool absent_everything(uint32_t member) const { return member == join_.member; }
  // What was copied to the member that joins and is being noted; and of these, what has a mark there.
  const RegionRange& settling() const { return settling_; }
  std::span<const uint32_t> settling_marks() const { return settling_marks_; }
  // Whether the member that joins gets everything, rather than what others have noted.
  bool copies_everything() const { return join_.source == k_nobody; }
  CopyProgress copy_progress(uint32_t member) const;
  // Bytes a second that copies may move now; 0: no limit.
  uint64_t copy_rate(uint64_t now_ns) const {
    return yields(now_ns) ? options_.busy_resync_bytes_per_s : options_.resync_bytes_per_s;
  }
  // Of the last one of this head.
  const VerifyReport& verify_report() const { return verify_.report; }
  const SnapshotReport& snapshot_report() const { return snapshot_.report; }
  const SnapshotRemoval& snapshot_removal() const { return snapshot_.removal; }
  // Somebody who can be reached has not answered.
  bool is_removing_snapshot() const;
  // That it has not had cleared yet. Looks at all of them.
  uint64_t marked_regions() const;
  // For people who look for what it waits for.
  std::string describe() const;

 private:
  static constexpr uint32_t k_nobody = k_members_max;
  static constexpr uint64_t k_never = UINT64_MAX;
  static constexpr uint32_t k_repairs_max = 8;
  static constexpr uint32_t k_verifies_max = 2;  // one range, and one whose number is not free yet
  // Regions of one command.
  static constexpr size_t k_clearing_max = 1022;
  // Zeroing moves no data, but writes of its range wait for it.
  static constexpr uint64_t k_zeroing_bytes_max = 16 << 20;

  enum class Purpose : uint8_t { user, reconcile, resync, repair, verify };
  enum class Phase : uint8_t {
    free,
    waiting,   // for I/O before it, or for what keeps all of its kind
    reading,   // at one member; compare_and_write: compares; of a comparison of members: at all of them
    writing,   // at all its targets
    held,      // all has ended; the answer waits for the lease or the store
    answered,  // its number is not free yet
  };
  struct Op {
    Phase phase = Phase::free;
    Purpose purpose = Purpose::user;
    IoType type = IoType::read;
    Status status = Status::ok;
    uint64_t lba = 0;
    uint32_t blocks_count = 0;
    uint32_t attempt = 0;  // answers of an earlier one are late
    uint32_t source = k_nobody;
    MemberSet targets;         // of the writing
    MemberSet pending;         // asked, and not answered
    MemberSet done;            // have it
    MemberSet refused;         // answered with what is no fault of the member
    MemberSet tried;           // could not read it; of a repair: get it again
    bool was_reading = false;  // what is held is the answer of a reading
    uint64_t sent_ns = 0;
    ListNode node;
  };
  using OpList = IntrusiveList<Op, &Op::node>;

  // What a member is being told, one command at a time.
  struct MemberWork {
    MemberState state = MemberState::down;
    Uuid replica;  // as of the last connect
    uint32_t session = 0;
    bool in_command = false;
    CommandKind command = CommandKind::ping;
    uint32_t about = 0;
    Uuid about_replica;
    uint64_t command_round = 0;  // round_ when it was sent
    uint64_t command_ns = 0;     // when it was sent
    uint64_t heard_ns = 0;       // when that was sent which it answered last
    uint64_t connect_ns = 0;     // when the connection was asked for, or is to be
    uint64_t read_ns = 0;        // how long reads take there, of late; 0: not known
    bool intent_read = false;
    bool marked = false;     // has what is to be reconciled
    MemberSet begin_absent;  // it is to be told of these
    MemberSet end_absent;
    SealedMember said;
    uint64_t asked_to_grow_to = 0;  // by the last `grow`
    uint64_t grown_to = 0;          // that was done, in this session
  };
  enum class JoinStep : uint8_t {
    none,
    grow,  // to the size of the volume, where it is smaller
    set_syncing,
    drain,
    read_absent,
    read_intent,
    read_allocation,     // of the source
    compare_allocation,  // with that of the one that joins
    note_copying,        // by the others: what it still lacks
    set_partial,         // as they do, what it has got counts
    copy,
    tell,
    clear_syncing,
    store
  };
  struct Join {
    uint32_t member = k_nobody;
    JoinStep step = JoinStep::none;
    uint32_t source = k_nobody;      // whose map is read
    std::unique_ptr<RegionMap> map;  // granules to be copied
    // Granules that may hold something: what the source said, and all that were written since it joins.
    std::unique_ptr<RegionMap> filled;
    bool knows_filled = false;  // else all granules may
    std::unique_ptr<RegionMap>
        marks;           // regions that it has marked: cleared with the others' once it is one of them
    bool asked = false;  // what the step asks a member for
    uint64_t cursor = 0;
    uint32_t copies = 0;
    uint64_t next_copy_ns = 0;
    uint64_t granules_count = 0;  // that were to be copied when it began
    // Members whose map says what it lacks, so that it may shrink while that is copied; none: nobody's may.
    MemberSet noters;
    MemberSet untold;      // of these: do not know yet that copying begins
    uint64_t settled = 0;  // regions before this one are noted as copied
    uint64_t settle_ns = 0;
  };
  enum class StoreWish : uint8_t { none, claim, agree, remove, add, change, stop };
  struct Change {
    enum class Kind : uint8_t { none, add, remove, grow };
    Kind kind = Kind::none;
    Uuid replica;
    bool is_near = false;
    uint64_t blocks_count = 0;  // grow
  };

  // head.cc: from the claim to serving, and the end
  void act(Action::Kind kind, uint32_t member);
  void connect(uint64_t now_ns, uint32_t member);
  void ask_store(StoreWish wish);
  void send_to_store();
  bool is_over() const { return state_ == HeadState::fenced || state_ == HeadState::stopped; }
  void seal_members(uint64_t now_ns);
  MemberSet ready() const;
  uint64_t seal_until_ns(MemberSet found) const;
  void advance_sealing(uint64_t now_ns);
  void on_agreed(uint64_t now_ns);
  void tell_of_slots(uint32_t member);
  MemberSet slots_of(const MemberWork& work) const;
  void advance_agreeing(uint64_t now_ns);
  bool all_in_sync_here() const;
  void advance_waiting(uint64_t now_ns);
  uint64_t first_answer_ns() const;
  void advance(uint64_t now_ns);
  void advance_stop(uint64_t now_ns);
  void fence();
  void disconnect_all();

  // head_members.cc: commands, failures
  bool send_command(uint64_t now_ns, uint32_t member, CommandKind command, uint32_t about = 0,
                    bool flag = false);
  bool is_usable(uint32_t member) const;
  void drop_slow(uint64_t now_ns);
  void drop_member(uint64_t now_ns, uint32_t member);
  void handle_lost(uint64_t now_ns);
  void remember_slot(MemberWork& work, const Uuid& member, bool everything);
  static AbsentSlot* find_slot(MemberWork& work, const Uuid& member);
  void forget_slot(MemberWork& work, const Uuid& member);
  bool tell_absent(uint64_t now_ns, uint32_t member);
  void advance_leaving(uint64_t now_ns);
  void on_left();
  void start_over(uint64_t now_ns);
  uint64_t lease_until_ns() const;
  // While it is quiet members are asked once in so many leases.
  static constexpr uint64_t k_quiet_leases = 4;
  bool is_quiet(uint64_t now_ns) const;
  void ping(uint64_t now_ns);

  const Uuid& stranger_of(const MemberWork& work) const;

  // head_change.cc: another number of members
  uint32_t free_place() const;
  void advance_change(uint64_t now_ns);
  void change_members(Record& wanted) const;
  void on_changed(uint64_t now_ns, const Record& before);
  void dismiss(uint64_t now_ns, uint32_t place, const Uuid& replica);

  // head_grow.cc: a larger volume
  bool have_grown(uint64_t now_ns);
  void on_grow_done(uint32_t member, Status status);
  void fit_maps();

  // head_join.cc: who comes back
  void advance_join(uint64_t now_ns);
  bool drain_for_join();
  void on_join_command(uint64_t now_ns, uint32_t member);
  void on_joined();
  uint64_t copying_since(uint32_t member);
  MemberSet absent_sources();
  uint32_t choose_source();
  void on_copying_noted(uint32_t member);
  bool is_worth_asking() const;
  uint32_t allocation_source() const;
  void prepare_copy(uint64_t now_ns);
  void begin_copy(uint64_t now_ns);

  // head_settle.cc: what was copied is noted as such
  void advance_settle(uint64_t now_ns);
  void start_settle(uint64_t now_ns);
  bool is_changed(const RegionRange& regions);
  void lose_settler(uint32_t member);
  void on_settled();
  void end_settle();

  // head_verify.cc: members are compared
  void advance_verify(uint64_t now_ns);
  MemberSet verified() const;
  void start_check(uint64_t now_ns, Op& op);
  void on_check_done(uint64_t now_ns, Op& op, uint32_t member, Status status);
  void finish_check(Op& op);
  void compare_granules(const Op& op);
  void note_difference(uint64_t granule, MemberSet odd);
  void end_verify(VerifyState state);

  // head_snapshot.cc: all members in sync at one moment
  bool is_snapshotting() const;
  bool is_in_barrier() const;
  bool is_held(const Op& op) const;
  bool is_writing();
  uint64_t snapshot_deadline_ns() const;
  void advance_snapshot(uint64_t now_ns);
  void begin_barrier(uint64_t now_ns);
  void end_drain();
  void tell_to_snapshot(uint64_t now_ns);
  void on_snapshot_answer(uint64_t now_ns, uint32_t member, Status status);
  void fail_snapshot(uint64_t now_ns, SnapshotFailure failure);
  void remove_rest(MemberSet members);
  void advance_removal(uint64_t now_ns);
  void on_snapshot_deleted(uint32_t member, Status status);
  void lose_snapshotter(uint32_t member);
  void forget_snapshotter(uint32_t member);

  // head_io.cc: the user's I/O
  Op* take_op(Purpose purpose, IoType type, uint64_t lba, uint32_t blocks_count);
  OpIndex index_of(const Op& op) const { return static_cast<OpIndex>(&op - ops_.data()); }
  void to_waiting(Op& op);
  static bool is_reader(const Op& op);
  void pump(uint64_t now_ns);
  bool may_start(const Op& op);
  // Nobody comes back to a head that ends: the next one is asked again.
  bool fails_below_min() const { return options_.fail_below_min || state_ == HeadState::stopping; }
  bool is_unreadable(const Op& op) const;
  bool must_follow(const Op& op, const Op& other, bool is_before) const;
  void start_op(uint64_t now_ns, Op& op);
  void start_read(uint64_t now_ns, Op& op);
  void start_write(uint64_t now_ns, Op& op);
  void send(uint64_t now_ns, Op& op, uint32_t member, IoType type, Action::Kind kind = Action::Kind::submit);
  void on_read_done(uint64_t now_ns, Op& op, uint32_t member, Status status);
  void on_write_done(uint64_t now_ns, Op& op, uint32_t member, Status status);
  void try_finish(uint64_t now_ns, Op& op);
  void finish(Op& op, Status status);
  void finish_held(uint64_t now_ns);
  uint32_t choose_reader(MemberSet sources, bool may_probe);
  void note_read(uint32_t member, uint64_t took_ns);
  MemberSet readable() const;
  MemberSet writable() const;
  uint64_t first_region(const Op& op) const;
  uint64_t last_region(const Op& op) const;

  // head_copy.cc: the head's own I/O, and the marks
  void advance_reconcile(uint64_t now_ns);
  uint64_t copy_blocks() const { return options_.copy_bytes / record_.block_size_bytes; }
  void set_all_granules();
  bool is_empty(uint64_t granule) const { return join_.knows_filled && !join_.filled->has(granule); }
  uint64_t run_end(uint64_t first, uint64_t copy_bytes) const;
  bool is_busy(uint64_t now_ns) const { return user_ops_count_ > 0 || now_ns < user_ns_ + options_.busy_ns; }
  bool yields(uint64_t now_ns) const { return options_.resync_bytes_per_s == 0 && is_busy(now_ns); }
  bool is_zeroing(const Op& op) const { return op.purpose == Purpose::resync && op.type == IoType::unmap; }
  bool is_filled(const Op& op) const;
  void advance_copies(uint64_t now_ns);
  void finish_own(uint64_t now_ns, Op& op);
  void on_copied(Op& op, Status status);
  void repair(const Op& op);
  void note_write(const Op& op);
  static bool is_changing(const Op& op);
  bool is_written(uint64_t region);
  void advance_intent(uint64_t now_ns);
  void on_cleared();

  HeadOptions options_;  // of which set_resync_rate() may change one
  uint32_t near_member_;
  Record record_;
  Actions& actions_;
  const uint64_t region_blocks_;
  const uint64_t granule_blocks_;
  HeadState state_ = HeadState::claiming;
  bool stop_wanted_ = false;
  // The head before has stopped: nobody can still be reading by its lease.
  bool predecessor_stopped_ = false;
  // Counts agreements and joins: a command that was sent for an earlier one tells nothing of this.
  uint64_t round_ = 0;
  bool agreed_ = false;  // the store says so, members are being told
  bool has_served_ = false;
  uint64_t tick_ns_ = 0;

  std::array<MemberWork, k_members_max> members_;
  MemberSet lost_;  // failed since handle_lost() was last done
  uint64_t seal_deadline_ns_ = 0;
  uint64_t last_seal_ns_ = 0;

  StoreWish store_wish_ = StoreWish::none;
  bool store_asked_ = false;
  uint64_t store_retry_ns_ = k_never;
  Record store_record_;          // what was asked for
  bool store_in_doubt_ = false;  // an earlier asking had no answer

  MemberSet leaving_;  // of the in-sync set; nothing is acknowledged until they are out of it
  MemberSet left_;     // out of it, or new, and members are being told
  std::vector<LbaRange> absent_ranges_;
  // Absent members that this head itself took out of the set, with all that was under way noted by the
  // others: what such a one has marked differs nowhere else.
  MemberSet left_in_order_;
  bool has_refused_ = false;  // a write that all refused: what they made of it only marks know

  Change change_;
  GrowthTrouble growth_trouble_;
  MemberSet dismissed_;  // places: out of the record, and they are being told

  std::vector<Op> ops_;
  std::vector<OpIndex> free_ops_;
  OpList active_;  // in the order of coming
  uint32_t user_ops_count_ = 0;
  uint64_t user_ns_ = 0;  // when its last came
  uint32_t waiting_count_ = 0, held_count_ = 0;
  uint32_t reader_ = k_nobody;  // whom reads go to
  uint32_t reads_count_ = 0;
  uint32_t probed_ = 0;  // the last that was read from to see how fast it is
  bool pumping_ = false;

  RegionMap unreconciled_;
  uint64_t reconcile_region_ = RegionMap::k_none;
  uint64_t reconcile_next_lba_ = 0;
  uint32_t reconcile_copies_ = 0;
  bool reconcile_failed_ = false;
  uint64_t reconcile_wanted_ = RegionMap::k_none;  // somebody waits for it
  uint64_t reconcile_retry_ns_ = 0;
  uint64_t unreadable_region_ = RegionMap::k_none;  // no member can read all of it

  RegionMap marked_now_, marked_before_;  // written since the last change of generations, and before it
  uint64_t generation_ns_ = 0;
  std::vector<uint32_t> clearing_;
  RegionMap in_clearing_;
  MemberSet clear_left_;    // have not forgotten them yet
  MemberSet clear_unsent_;  // of these: have not been told

  Join join_;
  VerifyWork verify_;
  SnapshotWork snapshot_;

  RegionRange settling_;  // not written until all have noted it
  std::vector<uint32_t> settling_marks_;
  bool settle_told_ = false;   // else what is being written there ends first
  uint64_t settle_round_ = 0;  // round_ when it began
  uint32_t settle_member_ = k_nobody;
  MemberSet settle_left_;    // have not noted it yet
  MemberSet settle_unsent_;  // of these: have not been told
};

}  // namespace ballast::bdev::mirror
