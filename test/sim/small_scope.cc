#include "sim/small_scope.h"

#include <array>
#include <optional>
#include <utility>

#include "sim/simulation.h"

namespace ballast::sim {
namespace {

constexpr uint64_t k_us = 1'000;
// A member without an answer is given up after it.
constexpr uint64_t k_budget_ns = 4 * k_ms;
// Two regions, the second one short.
constexpr uint64_t k_small_volume_bytes =
    bdev::mirror::k_region_bytes + 4 * uint64_t{bdev::mirror::k_granule_bytes};
constexpr uint64_t k_border = bdev::mirror::k_region_bytes / 4096;
constexpr uint64_t k_steps_max = 100'000;  // of one run
constexpr uint64_t k_runs_of_a_point_max = 4096;

struct SmallIo {
  const char* name;
  bool is_read;
  uint64_t lba;
  uint32_t count;
};
constexpr std::array<SmallIo, 4> k_ios = {{{"write a", false, k_border - 1, 1},
                                           {"write ab", false, k_border - 1, 2},
                                           {"write b", false, k_border, 1},
                                           {"read a", true, k_border - 1, 1}}};

// What happens after so many events: these nodes fail, and some of them are away until the others serve
// again.
struct Crash {
  uint64_t step = UINT64_MAX;
  MemberSet nodes, away;
};

struct Case {
  uint32_t members = 2;
  std::vector<uint8_t> ios;
  bool at_once = false;         // not one after the other
  bool clears = false;          // marks go as soon as they may
  Crash first;                  // counted from the first I/O on
  std::optional<Crash> second;  // from the first crash on
};

std::string describe(const Case& what, const Plan& plan) {
  std::string text = std::to_string(what.members) + " members;";
  for (const uint8_t io : what.ios) text += std::string(" ") + k_ios[io].name + ",";
  text += what.at_once ? " at once" : " one after the other";
  if (what.clears) text += "; marks are cleared at once";
  const auto say = [&](const Crash& crash) {
    text +=
        "; nodes " + std::to_string(crash.nodes.bits()) + " crash after step " + std::to_string(crash.step);
    if (!crash.away.empty()) text += ", " + std::to_string(crash.away.bits()) + " stay away";
  };
  if (!what.first.nodes.empty()) say(what.first);
  if (what.second) say(*what.second);
  if (plan.slow_lanes != 0) text += "; lanes " + std::to_string(plan.slow_lanes) + " are slow";
  text += "; left on disks:";
  for (const uint64_t choice : plan.choices) text += " " + std::to_string(choice);
  return text;
}

struct Outcome {
  Report report;
  uint64_t steps = 0;           // from the first I/O to the first crash, or until all was done
  uint64_t recovery_steps = 0;  // from then on, until all was well again
};

// One case from its start to its end.
class SmallRun : public Simulator {
 public:
  SmallRun(const Case& what, Plan& plan, bool traces)
      : Simulator({.seed = 1, .faults = 0, .operations = 0, .trace = traces}), case_(what) {
    world_.follow(plan);
  }

  Outcome run() {
    report_.nodes = case_.members;
    lease_ns_ = 2 * k_ms;
    make_volume(case_.members, k_small_volume_bytes);
    for (uint32_t i = 0; i < case_.members; ++i) start_replica(i);
    control();
    if (!until([&] { return all_well(); })) fail("nobody serves");
    do_ios();
    recover();
    end();
    outcome_.report = conclude();
    return std::move(outcome_);
  }

 private:
  HeadOptions head_options(uint32_t number) override {
    HeadOptions options;
    options.node = name_of(k_head_names + number);
    options.ops_max = 8;
    options.lease_ns = lease_ns_;
    options.latency_budget_ns = k_budget_ns;
    options.seal_timeout_ns = 3 * k_ms;
    options.reconnect_ns = k_ms;
    options.store_retry_ns = k_ms;
    options.intent_idle_ns = case_.clears ? 0 : 10 * k_s;
    options.copy_bytes = bdev::mirror::k_region_bytes / 2;
    options.copies_max = 1;
    return options;
  }

  // False: a step more than are allowed, or something is wrong.
  template <typename Done>
  bool until(Done done) {
    while (!done()) {
      if (!report_.ok || world_.events() == k_steps_max || !world_.step()) return false;
      if (is_recovering_) count_recovery_step();
    }
    return report_.ok;
  }

  // The lowest node that is up is head whenever nobody is.
  void control() {
    world_.after(200 * k_us, [this] { control(); });
    tend_heads();
    if (head() != nullptr || stopping_) return;
    for (uint32_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].up) return start_head(i);
    }
  }
  std::shared_ptr<HeadProcess> head() const {
    for (const Node& node : nodes_) {
      if (node.head != nullptr) return node.head;
    }
    return nullptr;
  }
  bool serves() const { return head() != nullptr && head()->head->state() == HeadState::serving; }

  // ---- until something fails ----

  void do_ios() {
    const auto may_go_on = [&] {
      issue_next();
      return outcome_.steps < case_.first.step && !is_quiet();
    };
    for (; report_.ok && may_go_on(); ++outcome_.steps) {
      if (outcome_.steps == k_steps_max || !world_.step()) fail("I/O does not end");
    }
  }
  void issue_next() {
    while (issued_ < case_.ios.size() && serves()) {
      if (issued_ > 0 && !case_.at_once && !ops_.back()->is_finished) return;
      const SmallIo& io = k_ios[case_.ios[issued_++]];
      ops_.push_back(issue(head(), io.is_read, io.lba, io.count));
    }
  }
  bool is_quiet() const {
    const bool is_done =
        issued_ == case_.ios.size() &&
        std::ranges::all_of(ops_, [](const std::shared_ptr<HostOp>& op) { return op->is_finished; });
    return is_done && (!case_.clears || (serves() && head()->head->marked_regions() == 0));
  }

  // ---- and all is well again ----

  void recover() {
    is_recovering_ = true;
    fail_nodes(case_.first);
    read_all();
    away_.for_each([&](uint32_t node) { restart(node); });
    // A head takes a while to see that a member has failed.
    if (!until([&] { return all_well() && world_.now_ns() >= failed_ns_ + 2 * k_budget_ns; })) {
      fail("the members do not become one");
    }
    is_recovering_ = false;
    read_all();
  }
  void count_recovery_step() {
    if (case_.second && outcome_.recovery_steps++ == case_.second->step) fail_nodes(*case_.second);
    if (!case_.second) ++outcome_.recovery_steps;
  }
  void fail_nodes(const Crash& what) {
    if (what.nodes.empty()) return;
    failed_ns_ = world_.now_ns();
    // Nobody serves without one of them; who is away for longer then is so no more.
    away_ = (record_.in_sync - what.away).empty() ? MemberSet{} : what.away;
    what.nodes.for_each([&](uint32_t node) { crash(node); });
    (what.nodes - away_).for_each([&](uint32_t node) {
      world_.after(100 * k_us, [this, node] { restart(node); });
    });
  }
  // Each of the blocks from each of the members, which are read in turn.
  void read_all() {
    for (const uint64_t lba : {k_border - 1, k_border}) {
      for (uint32_t i = 0; i < case_.members; ++i) {
        if (!until([&] { return serves(); })) return fail("nobody serves any more");
        const std::shared_ptr<HeadProcess> process = head();
        const std::shared_ptr<HostOp> op = issue(process, true, lba, 1);
        if (!until([&] { return op->is_finished || process->gone; })) return fail("a read does not end");
      }
    }
  }
  void end() {
    stopping_ = true;
    if (const std::shared_ptr<HeadProcess> process = head()) {
      with_head(process, [](Head& head, uint64_t now_ns) { head.stop(now_ns); });
    }
    if (!until([&] { return head() == nullptr; })) fail("the head does not stop");
    compare_members();
  }

  const Case& case_;
  Outcome outcome_;
  std::vector<std::shared_ptr<HostOp>> ops_;
  MemberSet away_;
  uint64_t failed_ns_ = 0;
  bool is_recovering_ = false;
};

// All cases, until one fails.
class Search {
 public:
  explicit Search(const SmallScope& scope) : scope_(scope) {}

  SmallScopeReport run() {
    for (uint32_t members = 2; members <= scope_.members_max; ++members) {
      for (uint32_t count = 1; count <= scope_.operations_max; ++count) {
        Case what;
        what.members = members;
        what.ios.assign(count, 0);
        search_sequences(std::move(what));
      }
    }
    if (report_.runs >= scope_.runs_max) report_.is_complete = false;
    return std::move(report_);
  }

 private:
  bool is_over() const { return !report_.failure.empty() || report_.runs >= scope_.runs_max; }

  void search_sequences(Case what) {
    do {
      for (const bool at_once : {false, true}) {
        if (at_once && what.ios.size() == 1) continue;
        what.at_once = at_once;
        for (const bool clears : {false, true}) {
          what.clears = clears;
          search(what);
        }
      }
    } while (next(what.ios));
  }
  // The next sequence of as many; false: that was the last.
  static bool next(std::vector<uint8_t>& ios) {
    for (uint8_t& io : ios) {
      if (++io < k_ios.size()) return true;
      io = 0;
    }
    return false;
  }

  void search(const Case& what) {
    if (!is_over()) ++report_.sequences;
    const std::optional<Outcome> whole = try_one(what);
    if (!whole) return;
    search_crashes(what, {}, whole->steps, true);
    const uint32_t lanes = 1u << what.members * k_lanes_per_member;
    for (uint32_t slow = 1; slow < lanes && !is_over(); ++slow) {
      if (static_cast<uint32_t>(std::popcount(slow)) > scope_.slow_lanes_max) continue;
      const Plan slowly{.slow_lanes = slow, .choices = {}, .of = {}};
      const std::optional<Outcome> slower = try_one(what, slowly);
      if (slower) search_crashes(what, slowly, slower->steps, false);
    }
  }

  // After every step; of the nodes every set, and who stays away: every set that leaves one. Or, in short:
  // the head with its member, or all.
  void search_crashes(Case what, const Plan& plan, uint64_t steps, bool has_all_sets) {
    const MemberSet all = MemberSet::first(what.members);
    for (uint64_t step = 0; step <= steps && !is_over(); ++step) {
      for (uint32_t bits = 1; bits <= all.bits(); ++bits) {
        const MemberSet nodes = MemberSet::from_bits(static_cast<uint8_t>(bits));
        const bool is_short = nodes == all || nodes == MemberSet::of(0);
        for (uint32_t away = 0; away <= bits; ++away) {
          const MemberSet stays = MemberSet::from_bits(static_cast<uint8_t>(away));
          if (!nodes.has_all(stays) || stays == all) continue;
          if (!has_all_sets && (!is_short || away != 0)) continue;
          what.first = {step, nodes, stays};
          search_disks(what, plan);
        }
        if (scope_.crashes_max == 2 && what.ios.size() == 1 && has_all_sets && is_short) {
          what.first = {step, nodes, {}};
          search_second(what);
        }
      }
    }
  }
  void search_second(Case what) {
    const std::optional<Outcome> first = try_one(what);
    if (!first) return;
    for (uint64_t step = 0; step < first->recovery_steps && !is_over(); ++step) {
      for (const MemberSet nodes : {MemberSet::first(what.members), MemberSet::of(0)}) {
        what.second = Crash{step, nodes, {}};
        search_disks(what, {});
      }
    }
  }

  // Everything that may be left of what is under way in the devices.
  void search_disks(const Case& what, Plan plan) {
    ++report_.crash_points;
    for (uint64_t runs = 0; !is_over(); ++runs) {
      if (runs == k_runs_of_a_point_max) {
        report_.is_complete = false;
        return;
      }
      plan.of.clear();
      if (!try_plan(what, plan)) return;
      plan.choices.resize(plan.of.size(), 0);
      while (!plan.choices.empty() && plan.choices.back() + 1 == plan.of[plan.choices.size() - 1]) {
        plan.choices.pop_back();
      }
      if (plan.choices.empty()) return;
      ++plan.choices.back();
    }
  }

  std::optional<Outcome> try_one(const Case& what, Plan plan = {}) { return try_plan(what, plan); }
  std::optional<Outcome> try_plan(const Case& what, Plan& plan) {
    if (is_over()) return std::nullopt;
    ++report_.runs;
    Outcome outcome = SmallRun(what, plan, false).run();
    report_.events += outcome.report.events;
    if (outcome.report.ok) return outcome;
    report_.failure = describe(what, plan) + "\n  " + outcome.report.failure;
    Plan again{.slow_lanes = plan.slow_lanes, .choices = plan.choices, .of = {}};
    report_.trace = SmallRun(what, again, true).run().report.trace;
    return std::nullopt;
  }

  const SmallScope scope_;
  SmallScopeReport report_;
};

}  // namespace

SmallScopeReport run_small_scope(const SmallScope& scope) { return Search(scope).run(); }

}  // namespace ballast::sim
