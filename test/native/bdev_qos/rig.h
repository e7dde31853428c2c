// A simulated world for the tests of qos: a device that notes when it was asked for what, load on channels,
// and counts over windows of time. Time is virtual, so what is said of a second holds on any machine.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "bdev/qos/qos_bdev.h"
#include "reactor/simulated_world.h"

namespace ballast::bdev::qos::test {

inline constexpr uint32_t k_block = 4096;

// What reached a device.
struct Seen {
  uint64_t at_ns;
  uint64_t lba;
  uint64_t bytes;
  IoType type;
  uint32_t reactor;
};

// Keeps nothing. Serves `servers` at a time, each taking `service_ns`; 0: at once.
class TimedBdev final : public Bdev {
 public:
  explicit TimedBdev(Clock& clock, uint64_t service_ns = 0, uint32_t servers = 1)
      : clock_(clock), service_ns_(service_ns), free_at_ns_(servers, 0) {}
  const Geometry& geometry() const override { return geometry_; }
  const Capabilities& capabilities() const override { return capabilities_; }
  const char* kind() const override { return "timed"; }
  std::unique_ptr<Channel> open(Reactor& reactor) override {
    return std::make_unique<TimedChannel>(*this, reactor);
  }

  std::vector<Seen> seen;
  bool note = true;
  uint32_t in_flight = 0;
  uint32_t in_flight_max = 0;
  bool takes_data = false;
  Segment mapped;  // what map_read() gives
  uint32_t maps_count = 0;

 private:
  class TimedChannel final : public Channel {
   public:
    TimedChannel(TimedBdev& device, Reactor& reactor)
        : device_(device),
          reactor_(reactor),
          timer_([](Timer&, void* context) { static_cast<TimedChannel*>(context)->finish_due(); }, this) {}
    ~TimedChannel() override {
      EXPECT_TRUE(due_.empty());
      reactor_.cancel(timer_);
    }
    bool takes_data_at_submit() const override { return device_.takes_data; }
    Segment map_read(uint64_t, uint32_t) override {
      device_.maps_count += device_.mapped.base == nullptr ? 0 : 1;
      return device_.mapped;
    }
    void unmap_read(Segment) override { --device_.maps_count; }
    void submit(Io& io) override {
      const uint64_t now_ns = device_.clock_.now_ns();
      if (device_.note) {
        device_.seen.push_back(
            {now_ns, io.lba, uint64_t{io.blocks_count} * k_block, io.type, reactor_.index()});
      }
      if (device_.service_ns_ == 0) return io.done(io, Status::ok);
      device_.in_flight_max = std::max(device_.in_flight_max, ++device_.in_flight);
      uint64_t& server = *std::min_element(device_.free_at_ns_.begin(), device_.free_at_ns_.end());
      server = std::max(server, now_ns) + device_.service_ns_;
      due_.emplace_back(server, &io);
      if (!timer_.armed()) reactor_.arm(timer_, server - now_ns);
    }

   private:
    void finish_due() {
      const uint64_t now_ns = device_.clock_.now_ns();
      while (!due_.empty() && due_.front().first <= now_ns) {
        Io& io = *due_.front().second;
        due_.pop_front();
        --device_.in_flight;
        io.done(io, Status::ok);
      }
      if (!due_.empty()) reactor_.arm(timer_, due_.front().first - now_ns);
    }
    TimedBdev& device_;
    Reactor& reactor_;
    Timer timer_;
    std::deque<std::pair<uint64_t, Io*>> due_;  // in order: servers are free in the order of asking
  };

  Clock& clock_;
  uint64_t service_ns_;
  std::vector<uint64_t> free_at_ns_;
  Geometry geometry_{k_block, uint64_t{1} << 30};
  Capabilities capabilities_{
      .unmap = true, .write_zeroes = true, .compare = true, .copy = true, .verify = true};
};

// Some I/Os on one channel, each followed by the next when it ends. lba counts them, in the order in which
// they were submitted.
class Load {
 public:
  Load(SimulatedWorld& world, Reactor& reactor, Bdev& device)
      : world_(world),
        reactor_(reactor),
        timer_([](Timer&, void* context) { static_cast<Load*>(context)->go_on_paced(); }, this) {
    world_.on(reactor_, [&] { channel_ = device.open(reactor_); });
  }
  ~Load() { close(); }
  void close() {
    EXPECT_EQ(in_flight, 0u);
    world_.on(reactor_, [&] {
      reactor_.cancel(timer_);
      channel_.reset();
    });
  }

  // Keeps `depth` in flight until stop().
  void start(uint32_t depth, IoType type = IoType::read, uint32_t blocks_count = 1) {
    running_ = true;
    world_.on(reactor_, [&] {
      for (uint32_t i = 0; i < depth; ++i) submit_next(add(type, blocks_count));
    });
  }
  // One each `interval_ns`, whatever has ended.
  void start_paced(uint64_t interval_ns, IoType type = IoType::read) {
    running_ = true;
    interval_ns_ = interval_ns;
    paced_type_ = type;
    next_ns_ = world_.clock().now_ns();
    world_.on(reactor_, [&] { go_on_paced(); });
  }
  void stop() { running_ = false; }
  void submit_one(IoType type, uint32_t blocks_count = 1) {
    world_.on(reactor_, [&] { submit_next(add(type, blocks_count)); });
  }
  Channel& channel() { return *channel_; }

  uint64_t submitted = 0;
  uint32_t in_flight = 0;
  uint64_t done = 0;
  uint64_t errors = 0;
  std::vector<uint64_t> latencies_ns;  // of those that ended while noting
  bool note = false;

 private:
  struct Slot {
    Io io;
    Load* load = nullptr;
    uint64_t at_ns = 0;
    bool in_submit = false;
    bool ended_inside = false;
    bool busy = false;
  };
  Slot& add(IoType type, uint32_t blocks_count) {
    const auto idle = std::find_if(slots_.begin(), slots_.end(), [](const auto& one) { return !one->busy; });
    const auto index = static_cast<size_t>(idle - slots_.begin());
    if (index == slots_.size()) slots_.push_back(std::make_unique<Slot>());
    Slot& slot = *slots_[index];
    slot.io.type = type;
    slot.io.blocks_count = type == IoType::flush ? 0 : blocks_count;
    slot.io.context = &slot;
    slot.load = this;
    slot.io.done = ended;
    return slot;
  }
  void submit_next(Slot& slot) {
    do {
      slot.ended_inside = false;
      slot.in_submit = true;
      slot.busy = true;
      slot.io.lba = submitted++;
      slot.at_ns = world_.clock().now_ns();
      ++in_flight;
      channel_->submit(slot.io);
      slot.in_submit = false;
    } while (slot.ended_inside && running_ && interval_ns_ == 0);
  }
  static void ended(Io& io, Status status) {
    Slot& slot = *static_cast<Slot*>(io.context);
    EXPECT_EQ(&io, &slot.io);
    Load& self = *slot.load;
    slot.busy = false;
    --self.in_flight;
    ++self.done;
    self.errors += status == Status::ok ? 0 : 1;
    if (self.note) self.latencies_ns.push_back(self.world_.clock().now_ns() - slot.at_ns);
    slot.ended_inside = slot.in_submit;
    if (!slot.in_submit && self.running_ && self.interval_ns_ == 0) self.submit_next(slot);
  }
  void go_on_paced() {
    const uint64_t now_ns = world_.clock().now_ns();
    while (running_ && next_ns_ <= now_ns) {
      next_ns_ += interval_ns_;
      submit_next(add(paced_type_, 1));
    }
    if (running_) reactor_.arm(timer_, next_ns_ - now_ns);
  }

  SimulatedWorld& world_;
  Reactor& reactor_;
  std::unique_ptr<Channel> channel_;
  std::vector<std::unique_ptr<Slot>> slots_;
  bool running_ = false;
  Timer timer_;
  uint64_t interval_ns_ = 0;
  uint64_t next_ns_ = 0;
  IoType paced_type_ = IoType::read;
};

// The least and the most of anything in a window of time, wherever it is laid between two moments.
struct Extremes {
  uint64_t least = UINT64_MAX;
  uint64_t most = 0;
};
template <typename Amount>
Extremes extremes(const std::vector<Seen>& seen, uint64_t from_ns, uint64_t to_ns, uint64_t window_ns,
                  Amount amount) {
  std::vector<std::pair<uint64_t, uint64_t>> steps{{from_ns, 0}};  // time, sum before it
  uint64_t sum = 0;
  for (const Seen& one : seen) {
    if (one.at_ns < from_ns || one.at_ns >= to_ns) continue;
    steps.emplace_back(one.at_ns, sum);
    sum += amount(one);
  }
  steps.emplace_back(to_ns, sum);
  // sum_before(t): the first step at or after t.
  Extremes found;
  size_t end = 0;
  for (size_t begin = 0; begin < steps.size(); ++begin) {
    // Most: [time, time + window). Least: (time, time + window], from behind all that came at that time.
    const uint64_t at_ns = steps[begin].first;
    if (at_ns + window_ns > to_ns) break;
    while (steps[end].first < at_ns + window_ns) ++end;
    found.most = std::max(found.most, steps[end].second - steps[begin].second);
    size_t behind = begin, last = end;
    while (behind + 1 < steps.size() && steps[behind].first == at_ns) ++behind;
    while (last + 1 < steps.size() && steps[last].first == at_ns + window_ns) ++last;
    found.least =
        std::min(found.least, steps[last].second - std::min(steps[last].second, steps[behind].second));
  }
  return found;
}
inline Extremes ios_in(const std::vector<Seen>& seen, uint64_t from_ns, uint64_t to_ns, uint64_t window_ns) {
  return extremes(seen, from_ns, to_ns, window_ns, [](const Seen&) { return uint64_t{1}; });
}

inline uint64_t percentile(std::vector<uint64_t> values, double percent) {
  EXPECT_FALSE(values.empty());
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<size_t>(percent / 100 * static_cast<double>(values.size())))];
}

class Rig : public testing::Test {
 protected:
  static constexpr uint64_t k_ms = k_ns_per_ms;
  static constexpr uint64_t k_s = k_ns_per_s;

  explicit Rig(uint32_t reactors_count = 1) {
    for (uint32_t i = 0; i < reactors_count; ++i) reactors_.push_back(&world_.add_reactor());
    node_ = Node::create(*reactors_[0]);
  }
  // What is on its way to home keeps the node: it arrives, as home runs until all its volumes are closed.
  ~Rig() override { world_.settle(); }
  // A second one would be of the same node.
  std::shared_ptr<QosBdev> governed(std::shared_ptr<Bdev> below, const Config& config) {
    Result<std::shared_ptr<QosBdev>> made = make_qos_bdev(std::move(below), node_, config);
    EXPECT_TRUE(made.ok()) << made.error().text;
    world_.settle();
    return *made;
  }
  std::shared_ptr<TimedBdev> timed(uint64_t service_ns = 0, uint32_t servers = 1) {
    return std::make_shared<TimedBdev>(world_.clock(), service_ns, servers);
  }
  void set_budget(const NodeBudget& budget) {
    ASSERT_TRUE(node_->set_budget(budget).ok());
    world_.settle();
  }
  uint64_t now_ns() { return world_.clock().now_ns(); }
  // Stops the loads and lets what they have in flight end.
  template <typename... Loads>
  void finish(Loads&... loads) {
    (loads.stop(), ...);
    ASSERT_TRUE(world_.run_until([&] { return (loads.in_flight + ...) == 0; }, 1'000'000 * k_s));
  }

  SimulatedWorld world_{1};
  std::vector<Reactor*> reactors_;
  std::shared_ptr<Node> node_;
};

}  // namespace ballast::bdev::qos::test
