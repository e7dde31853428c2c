// Virtual time, what is to happen in it, and what decides how: chance by a seed, or a plan.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"

namespace ballast::sim {

// The ways of a member on which things go one after the other, or wait for each other's being slow.
enum class Lane : uint8_t { commands, io, data, metadata };
inline constexpr uint32_t k_lanes_per_member = 4;
constexpr uint32_t lane_of(uint32_t member, Lane lane) {
  return member * k_lanes_per_member + static_cast<uint32_t>(lane);
}

// Leaves nothing to chance: everything takes as little time as it may, and on slow lanes as much; no accident
// happens; what is left to the hardware is decided as `choices` says, 0 where that ends.
struct Plan {
  uint32_t slow_lanes = 0;  // a bit each
  std::vector<uint64_t> choices;
  std::vector<uint64_t> of;  // of how many each was chosen

  uint64_t choose(uint64_t count) {
    const size_t at = of.size();
    of.push_back(count);
    return at < choices.size() ? choices[at] : 0;
  }
};

class World {
 public:
  World(uint64_t seed, bool traces) : prng_(seed), traces_(traces) {}
  // `plan` outlives it.
  void follow(Plan& plan) { plan_ = &plan; }

  uint64_t now_ns() const { return now_ns_; }
  Prng& prng() { return prng_; }
  uint64_t between(uint64_t least, uint64_t most) {
    return plan_ != nullptr ? least : least + prng_.below(most - least + 1);
  }
  // How long something takes on a lane.
  uint64_t delay(uint32_t lane, uint64_t least, uint64_t most) {
    const bool is_slow = ((plan_ != nullptr ? plan_->slow_lanes : slow_lanes_) >> lane & 1) != 0;
    if (plan_ != nullptr) return is_slow ? most : least;
    return between(least, is_slow ? most * 10 : most);
  }
  void slow_down(uint32_t lanes) { slow_lanes_ = lanes; }
  // What becomes of something that is left to the hardware.
  uint64_t choose(uint64_t count) { return plan_ != nullptr ? plan_->choose(count) : prng_.below(count); }
  bool chance(uint64_t one_in) { return plan_ == nullptr && prng_.below(one_in) == 0; }

  void after(uint64_t ns, std::function<void()> what) {
    queue_.push({now_ns_ + ns, next_number_++, std::move(what)});
  }
  // False: nothing is left.
  bool step() {
    if (queue_.empty()) return false;
    Event event = std::move(const_cast<Event&>(queue_.top()));
    queue_.pop();
    now_ns_ = event.at_ns;
    ++events_;
    event.what();
    return true;
  }
  uint64_t events() const { return events_; }

  // Everything that matters, so that two runs of a seed can be compared.
  void note(uint64_t word) { hash_ = (hash_ ^ word) * 0x100000001b3ull + (hash_ >> 29); }
  uint64_t hash() const { return hash_; }
  bool traces() const { return traces_; }
  void say(std::string text) {
    if (traces_) trace_.push_back(std::to_string(now_ns_) + " " + std::move(text));
  }
  std::vector<std::string> take_trace() { return std::move(trace_); }

 private:
  struct Event {
    uint64_t at_ns;
    uint64_t number;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return at_ns != other.at_ns ? at_ns > other.at_ns : number > other.number;
    }
  };
  Prng prng_;
  Plan* plan_ = nullptr;
  uint32_t slow_lanes_ = 0;
  bool traces_;
  uint64_t now_ns_ = 0, next_number_ = 0, events_ = 0;
  uint64_t hash_ = 0xcbf29ce484222325ull;
  std::priority_queue<Event> queue_;
  std::vector<std::string> trace_;
};

}  // namespace ballast::sim
