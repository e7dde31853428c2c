#include "model/takeover_model.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "model/takeover_state.h"

namespace ballast::model {
namespace {

// Of a state that was reached: how. The states themselves lie in one vector, found by hash.
struct Came {
  uint32_t from = 0;
  uint8_t event = 0, head = 0, member = 0;
};

class Search {
 public:
  Search(const Bounds& bounds, Fault fault, uint64_t states_max)
      : rules_(bounds, fault), states_max_(states_max), found_(16, Hash{this}, Equal{this}) {}

  Finding run() {
    add({rules_.start(), 0, 0, 0}, 0);
    std::vector<Rules::Next> nexts;
    uint64_t level_end = 1;
    for (uint64_t at = 0; at < states_.size(); ++at) {
      if (at == level_end) {
        ++finding_.depth;
        level_end = states_.size();
      }
      nexts.clear();
      const State state = states_[at];
      rules_.follow(state, nexts);
      finding_.transitions += nexts.size();
      for (const Rules::Next& next : nexts) {
        if (states_.size() == states_max_) {
          finding_.is_complete = false;
          return end();
        }
        add(next, static_cast<uint32_t>(at));
        if (!rules_.is_violation(next.state)) continue;
        tell(static_cast<uint32_t>(at), next);
        return end();
      }
    }
    return end();
  }

 private:
  struct Hash {
    const Search* search;
    size_t operator()(uint32_t index) const {
      const auto* bytes = reinterpret_cast<const char*>(&search->states_[index]);
      return std::hash<std::string_view>()({bytes, sizeof(State)});
    }
  };
  struct Equal {
    const Search* search;
    bool operator()(uint32_t a, uint32_t b) const { return search->states_[a] == search->states_[b]; }
  };

  void add(const Rules::Next& next, uint32_t from) {
    states_.push_back(next.state);
    if (!found_.insert(static_cast<uint32_t>(states_.size() - 1)).second) {
      states_.pop_back();
      return;
    }
    came_.push_back({from, next.event, next.head, next.member});
  }
  void tell(uint32_t from, const Rules::Next& last) {
    finding_.steps.push_back(Rules::describe(last));
    for (uint32_t at = from; at != 0; at = came_[at].from) {
      finding_.steps.push_back(Rules::describe({{}, came_[at].event, came_[at].head, came_[at].member}));
    }
    std::ranges::reverse(finding_.steps);
  }
  Finding end() {
    finding_.states = states_.size();
    return std::move(finding_);
  }

  Rules rules_;
  const uint64_t states_max_;
  Finding finding_;
  std::vector<State> states_;
  std::vector<Came> came_;
  std::unordered_set<uint32_t, Hash, Equal> found_;
};

}  // namespace

const char* fault_text(Fault fault) {
  static constexpr std::array<const char*, static_cast<size_t>(Fault::count)> k_texts = {
      "none",
      "no_lease_wait",
      "lease_from_answer",
      "lease_ignored",
      "lease_without_joiner",
      "acknowledged_early",
      "session_not_raised",
      "epoch_unchecked",
      "doubt_taken_for_yes",
      "not_reconciled",
      "reads_pass_writes",
      "joined_uncopied"};
  return k_texts[static_cast<size_t>(fault)];
}

Finding search(const Bounds& bounds, Fault fault, uint64_t states_max) {
  return Search(bounds, fault, states_max).run();
}

}  // namespace ballast::model
