// Two threads, two volumes, one node, and limits, promises and budgets that change all the time: every I/O
// ends once, in the order of its channel, and everything can be closed. For the sanitizers above all.
#include <atomic>
#include <vector>

#include "base/prng.h"
#include "bdev/memory/memory_bdev.h"
#include "bdev/qos/qos_bdev.h"
#include "native/bdev/stage.h"

namespace ballast::bdev::qos::test {
namespace {

using bdev::test::Buffer;
using bdev::test::RealStage;

constexpr uint32_t k_depth = 16;
constexpr uint32_t k_block = 4096;

// Keeps some writes going on one channel until it is told to stop.
class Writer {
 public:
  Writer(RealStage& stage, uint32_t reactor, Bdev& device) : stage_(stage), reactor_(reactor) {
    stage_.on(reactor_, [&] { channel_ = device.open(stage_.reactor(reactor_)); });
  }
  void start() {
    stage_.on(reactor_, [&] {
      for (Slot& slot : slots_) submit(slot);
    });
  }
  void stop() { stopping_ = true; }
  void finish() {
    idle_.wait(false);
    stage_.on(reactor_, [&] { channel_.reset(); });
  }
  std::atomic<uint64_t> done{0};
  std::atomic<bool> in_order{true};

 private:
  struct Slot {
    Io io;
    Buffer buffer{k_block, 0x5a};
    Segment data;
    Writer* writer = nullptr;
    uint64_t number = 0;
  };
  void submit(Slot& slot) {
    slot.data = slot.buffer.segment();
    slot.writer = this;
    slot.number = submitted_++;
    slot.io.type = IoType::write;
    slot.io.lba = slot.number % 64;
    slot.io.blocks_count = 1;
    slot.io.data = {&slot.data, 1};
    slot.io.context = &slot;
    slot.io.done = ended;
    ++in_flight_;
    channel_->submit(slot.io);
  }
  // Memory answers within submit(), so what goes down in order ends in order.
  static void ended(Io& io, Status status) {
    Slot& slot = *static_cast<Slot*>(io.context);
    Writer& self = *slot.writer;
    if (status != Status::ok || slot.number != self.done) self.in_order = false;
    ++self.done;
    --self.in_flight_;
    if (!self.stopping_) {
      // By a message: a device that answers at once would nest the next within this one.
      return send_task(self.stage_.reactor(self.reactor_), [&slot] {
        if (slot.writer->stopping_) return slot.writer->end_if_idle();
        slot.writer->submit(slot);
      });
    }
    self.end_if_idle();
  }
  void end_if_idle() {
    if (in_flight_ > 0) return;
    idle_ = true;
    idle_.notify_all();
  }

  RealStage& stage_;
  uint32_t reactor_;
  std::unique_ptr<Channel> channel_;
  std::array<Slot, k_depth> slots_;
  uint64_t submitted_ = 0;
  uint32_t in_flight_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> idle_{false};
};

TEST(QosThreads, changes_under_load_lose_and_reorder_nothing) {
  RealStage stage(2);
  Prng prng(11);
  for (int round = 0; round < 3; ++round) {
    std::shared_ptr<Node> node = Node::create(stage.reactor(static_cast<uint32_t>(round % 2)));
    std::vector<std::shared_ptr<QosBdev>> volumes;
    for (int i = 0; i < 2; ++i) {
      volumes.push_back(*make_qos_bdev(*make_memory_bdev({1 << 20, k_block}), node, {}));
    }
    std::vector<std::unique_ptr<Writer>> writers;
    for (uint32_t i = 0; i < 4; ++i) {
      writers.push_back(std::make_unique<Writer>(stage, i % 2, *volumes[i / 2]));
    }
    for (const auto& writer : writers) writer->start();
    for (int change = 0; change < 60; ++change) {
      Config config{.total = {.iops = prng.below(2) * (1000 + prng.below(400'000))},
                    .write = {.bytes = prng.below(2) * (1 << 28)},
                    .weight = static_cast<uint32_t>(1 + prng.below(100))};
      if (config.total.iops != 0) config.min_iops = prng.below(1000);
      ASSERT_TRUE(volumes[prng.below(2)]->set(config).ok());
      const NodeBudget budget{prng.below(2) * (100'000 + prng.below(500'000)),
                              static_cast<uint32_t>(prng.below(2) * (1 + prng.below(20)))};
      ASSERT_TRUE(node->set_budget(budget).ok());
      // Some I/O passes before the next change.
      const uint64_t before = writers[change % 4]->done;
      while (writers[change % 4]->done < before + 20) stage.settle();
      EXPECT_LE(volumes[0]->stats().waiting_ios, 2 * k_depth);
    }
    ASSERT_TRUE(volumes[0]->set({.total = {.iops = 1}}).ok());
    for (const auto& writer : writers) writer->stop();
    for (const auto& volume : volumes) volume->drain();
    for (const auto& writer : writers) writer->finish();
    for (const auto& writer : writers) EXPECT_TRUE(writer->in_order);
    EXPECT_EQ(volumes[0]->stats().waiting_ios + volumes[1]->stats().waiting_ios, 0u);
    EXPECT_EQ(node->stats().in_flight_units, 0u);
    volumes.clear();
    node.reset();
  }
}

}  // namespace
}  // namespace ballast::bdev::qos::test
