#include "sim/simulator.h"

#include "history/checker.h"
#include "sim/simulation.h"

namespace ballast::sim {

// ---- the end ----

void Simulator::heal() {
  world_.say("everything heals");
  healing_ = true;
  store_out_ = false;
  store_cut_.clear();
  cut_.clear();
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    restart(i);
    nodes_[i].replica->disk().heal();
    nodes_[i].paused_until_ns = 0;
  }
}

bool Simulator::all_well() {
  for (const Node& node : nodes_) {
    if (node.head == nullptr || node.head->head->state() != HeadState::serving) continue;
    const Head& head = *node.head->head;
    if (head.record().revision == record_.revision && record_.in_sync == record_.all() &&
        head.unreconciled().empty()) {
      return true;
    }
  }
  return false;
}

Report Simulator::run() {
  draw();
  keep_a_head();
  inject();
  for (uint32_t host = 0; host < k_hosts; ++host) host_turn(host);
  const uint64_t limit_ns = 300 * k_s;
  run_until([&] { return issued_ >= options_.operations || world_.now_ns() > limit_ns; });
  if (report_.ok && !hopeless_) {
    heal();
    const uint64_t until_ns = world_.now_ns() + 200 * k_s;
    if (!run_until([&] { return all_well() || hopeless_ || world_.now_ns() > until_ns; }) ||
        (!all_well() && !hopeless_)) {
      fail("after everything healed the members do not become one: in sync " +
           std::to_string(record_.in_sync.bits()) + " of " + std::to_string(record_.all().bits()));
    }
  }
  if (report_.ok && !hopeless_) {
    issued_ = 0;
    options_.operations = 40;
    for (uint32_t host = 0; host < k_hosts; ++host) host_turn(host);
    run_until([&] { return issued_ >= options_.operations; });
    // Until all is quiet and marks have gone by themselves; or in the middle of things.
    const bool is_quiet = world_.chance(2);
    const uint64_t until_ns = world_.now_ns() + (is_quiet ? 20 * k_s : 0);
    run_until([&] { return world_.now_ns() > until_ns; });
    if (is_quiet) check_snapshot_rest();
    if (is_quiet) carry_to_the_end();
    if (is_quiet) verify_to_the_end();
    stopping_ = true;
    for (Node& node : nodes_) {
      if (const std::shared_ptr<HeadProcess> process = node.head) {
        stop_head(process);
      }
    }
    const uint64_t stop_ns = world_.now_ns() + 60 * k_s;
    const auto stopped = [&] {
      return std::all_of(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.head == nullptr; });
    };
    if (!run_until([&] { return stopped() || world_.now_ns() > stop_ns; }) || !stopped()) {
      fail("the head does not stop");
    }
    // What the store was asked before everything healed may have left only a member in the set whose disk was
    // replaced meanwhile: nobody has the data, and the volume stays unavailable.
    if (!hopeless_ && (is_quiet || ended_in_order_)) compare_members();
  }
  return conclude();
}

// Of the volume: what is behind it is made zero when it is taken.
std::vector<uint64_t> Simulator::contents_of(uint32_t node) const {
  std::vector<uint64_t> data = nodes_[node].replica->disk().image().data;
  data.resize(std::min<size_t>(data.size(), record_.blocks_count));
  return data;
}

void Simulator::compare_members() {
  const uint32_t first = node_at(record_.all().lowest());
  record_.all().for_each([&](uint32_t place) {
    if (!report_.ok) return;
    const uint32_t i = node_at(place);
    const SimulatedReplica& replica = *nodes_[i].replica;
    if (contents_of(i) != contents_of(first)) {
      fail("replica " + std::to_string(i) + " differs from replica " + std::to_string(first));
    } else if (replica.has_marks(record_.blocks_count)) {
      fail("a mark is left after a clean stop");
    }
  });
}

Report Simulator::conclude() {
  std::vector<history::Operation> all = history_;
  const std::vector<history::Operation> reads = reads_of_snapshots();
  all.insert(all.end(), reads.begin(), reads.end());
  const auto verdict = history::check(all);
  if (!verdict.ok()) {
    fail("the history cannot be judged: " + verdict.error().text);
  } else if (!verdict->ok()) {
    report_.failure.clear();
    fail(verdict->first->text);
    report_.violated_block = verdict->first->block;
  }
  for (const TakenSnapshot& taken : snapshots_) {
    if (report_.ok) check_cut(taken);
  }
  check_all_kept();
  report_.history = std::move(history_);
  report_.hash = world_.hash();
  report_.events = world_.events();
  report_.trace = world_.take_trace();
  for (Node& node : nodes_) {
    if (node.head != nullptr) end_process(*node.head);
    node.head.reset();
  }
  return std::move(report_);
}

const char* fault_name(uint32_t index) {
  static constexpr std::array<const char*, k_faults_count> names = {
      "crash",      "pause",    "partition", "break",      "store-outage", "slow-disk", "write-error",
      "read-error", "takeover", "late",      "clock-rate", "replace",      "rot",       "no-space",
      "members",    "verify",   "grow",      "snapshot",   "carry"};
  return index < k_faults_count ? names[index] : "unknown";
}

Report run(const Options& options) { return Simulator(options).run(); }

}  // namespace ballast::sim
