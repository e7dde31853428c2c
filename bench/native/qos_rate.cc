// How exactly a limit is kept on this machine, by its clock: writes over the null device at a depth of 32 on
// each reactor, in this process.
//   qos_rate IOPS SECONDS [REACTORS]
// Prints one line of JSON: the mean rate, and how far the worst window of 1 s and of 10 s, wherever it is
// laid in steps of 10 ms, is off, in percent below and above. A limit makes up for 10 ms; `lost_ms` is how
// much longer than that nothing went down at a time, all together, because the machine had other things to do
// (of one reactor, and of limits from 1000 IOPS on).
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "base/prng.h"
#include "bdev/null/null_bdev.h"
#include "bdev/qos/qos_bdev.h"
#include "reactor/reactor_set.h"

namespace ballast::bdev::qos {
namespace {

constexpr uint32_t k_depth = 32;
constexpr uint64_t k_step_ns = 10 * k_ns_per_ms;

template <typename Body>
void run_on(Reactor& reactor, Body body) {
  std::promise<void> ran;
  send_task(reactor, [&body, &ran] {
    body();
    ran.set_value();
  });
  ran.get_future().wait();
}

// What goes down is counted in the step of time in which it does.
struct Steps {
  explicit Steps(uint64_t seconds) : counts((seconds + 1) * k_ns_per_s / k_step_ns) {}
  uint64_t from_ns = 0;
  std::vector<uint64_t> counts;
};

class Load {
 public:
  Load(Reactor& reactor, Bdev& device, uint64_t seconds) : steps(seconds), reactor_(reactor) {
    channel_ = device.open(reactor);
  }
  void start(uint64_t from_ns, uint64_t until_ns) {
    steps.from_ns = from_ns;
    until_ns_ = until_ns;
    for (Slot& slot : slots_) {
      slot.load = this;
      slot.io.type = IoType::write;
      slot.io.blocks_count = 1;
      slot.io.data = {&data_, 1};
      slot.io.context = &slot;
      slot.io.done = ended;
      run(slot);
    }
  }
  void close() { channel_.reset(); }

  Steps steps;
  std::atomic<uint32_t> idle_count{0};
  uint64_t lost_ns = 0;  // to be read when it is idle

 private:
  struct Slot {
    Io io;
    Load* load = nullptr;
    bool in_submit = false;
    bool ended_inside = false;
  };
  void run(Slot& slot) {
    do {
      if (reactor_.clock().now_ns() >= until_ns_) {
        ++idle_count;
        idle_count.notify_all();
        return;
      }
      slot.in_submit = true;
      slot.ended_inside = false;
      channel_->submit(slot.io);
      slot.in_submit = false;
    } while (slot.ended_inside);
  }
  // The null device ends an I/O when it gets it.
  static void ended(Io& io, Status) {
    Slot& slot = *static_cast<Slot*>(io.context);
    Load& self = *slot.load;
    const uint64_t now_ns = self.reactor_.clock().now_ns();
    const uint64_t step = (now_ns - self.steps.from_ns) / k_step_ns;
    if (self.last_ns_ != 0 && now_ns - self.last_ns_ > k_step_ns)
      self.lost_ns += now_ns - self.last_ns_ - k_step_ns;
    self.last_ns_ = now_ns;
    if (step < self.steps.counts.size()) ++self.steps.counts[step];
    slot.ended_inside = slot.in_submit;
    if (!slot.in_submit) self.run(slot);
  }

  Reactor& reactor_;
  std::unique_ptr<Channel> channel_;
  std::array<Slot, k_depth> slots_;
  std::array<uint8_t, 4096> memory_{};
  Segment data_{memory_.data(), memory_.size()};
  uint64_t until_ns_ = 0;
  uint64_t last_ns_ = 0;
};

struct Off {
  double above = 0;
  double below = 0;
};
Off worst(const std::vector<uint64_t>& counts, uint64_t steps_count, uint64_t window_s, double iops) {
  const uint64_t width = window_s * k_ns_per_s / k_step_ns;
  const double wanted = iops * static_cast<double>(window_s);
  Off off;
  uint64_t sum = 0;
  for (uint64_t i = 0; i < steps_count; ++i) {
    sum += counts[i];
    if (i >= width) sum -= counts[i - width];
    if (i + 1 < width) continue;
    const double part = (static_cast<double>(sum) - wanted) / wanted * 100;
    off.above = std::max(off.above, part);
    off.below = std::max(off.below, -part);
  }
  return off;
}

int run(uint64_t iops, uint64_t seconds, uint32_t reactors_count) {
  ReactorSetOptions options;
  options.reactors_count = reactors_count;
  options.buffers = {.small_count = 128, .large_count = 16};
  Result<std::unique_ptr<ReactorSet>> started = ReactorSet::start(options);
  if (!started.ok()) return std::fprintf(stderr, "qos_rate: %s\n", started.error().text.c_str()), 1;
  ReactorSet& reactors = **started;
  const uint64_t steps_count = seconds * k_ns_per_s / k_step_ns;
  std::vector<uint64_t> counts((seconds + 1) * k_ns_per_s / k_step_ns);
  uint64_t lost_ns = 0;
  {
    const std::shared_ptr<Bdev> null = std::move(*make_null_bdev({.size_bytes = 1 << 30}));
    Result<std::shared_ptr<QosBdev>> made =
        make_qos_bdev(null, Node::create(reactors.at(0)), {.total = {.iops = iops}});
    if (!made.ok()) return std::fprintf(stderr, "qos_rate: %s\n", made.error().text.c_str()), 2;
    const uint64_t from_ns = reactors.at(0).clock().now_ns(), until_ns = from_ns + seconds * k_ns_per_s;
    std::vector<std::unique_ptr<Load>> loads(reactors_count);
    for (uint32_t i = 0; i < reactors_count; ++i) {
      run_on(reactors.at(i), [&] {
        loads[i] = std::make_unique<Load>(reactors.at(i), **made, seconds);
        loads[i]->start(from_ns, until_ns);
      });
    }
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    (*made)->drain();  // what a low limit still holds
    for (const auto& load : loads) {
      for (uint32_t seen = load->idle_count; seen < k_depth; seen = load->idle_count)
        load->idle_count.wait(seen);
    }
    for (uint32_t i = 0; i < reactors_count; ++i) run_on(reactors.at(i), [&] { loads[i]->close(); });
    lost_ns = loads[0]->lost_ns;
    for (const auto& load : loads) {
      for (size_t i = 0; i < counts.size(); ++i) counts[i] += load->steps.counts[i];
    }
  }
  uint64_t sum = 0;
  for (uint64_t i = 0; i < steps_count; ++i) sum += counts[i];
  const Off second = worst(counts, steps_count, 1, static_cast<double>(iops));
  const Off ten = worst(counts, steps_count, 10, static_cast<double>(iops));
  std::printf("{\"iops\":%" PRIu64 ",\"seconds\":%" PRIu64
              ",\"reactors\":%u,\"mean\":%.3f,"
              "\"off_1s_percent\":[-%.3f,%.3f],\"off_10s_percent\":[-%.3f,%.3f],\"lost_ms\":%.1f}\n",
              iops, seconds, reactors_count, static_cast<double>(sum) / static_cast<double>(seconds),
              second.below, second.above, ten.below, ten.above, static_cast<double>(lost_ns) / 1e6);
  return 0;
}

}  // namespace
}  // namespace ballast::bdev::qos

int main(int arguments_count, char** arguments) {
  const auto number = [&](int index, uint64_t otherwise) {
    return index < arguments_count ? std::strtoull(arguments[index], nullptr, 10) : otherwise;
  };
  const uint64_t iops = number(1, 0), seconds = number(2, 0), reactors_count = number(3, 1);
  if (iops == 0 || seconds == 0 || reactors_count == 0 || reactors_count > 64 || arguments_count > 4) {
    std::fprintf(stderr, "usage: qos_rate IOPS SECONDS [REACTORS]\n");
    return 2;
  }
  return ballast::bdev::qos::run(iops, seconds, static_cast<uint32_t>(reactors_count));
}
