// Virtual time and what is to happen in it.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"

namespace ballast::sim {

class World {
 public:
  World(uint64_t seed, bool traces) : prng_(seed), traces_(traces) {}

  uint64_t now_ns() const { return now_ns_; }
  Prng& prng() { return prng_; }
  uint64_t between(uint64_t least, uint64_t most) { return least + prng_.below(most - least + 1); }
  // What becomes of something that is left to the hardware.
  uint64_t choose(uint64_t count) { return prng_.below(count); }
  bool chance(uint64_t one_in) { return prng_.below(one_in) == 0; }

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
  bool traces_;
  uint64_t now_ns_ = 0, next_number_ = 0, events_ = 0;
  uint64_t hash_ = 0xcbf29ce484222325ull;
  std::priority_queue<Event> queue_;
  std::vector<std::string> trace_;
};

}  // namespace ballast::sim
