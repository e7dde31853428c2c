// Limits and promises of volumes as an engine keeps them: through the target, with hosts connected.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

#include "engine/blocking.h"
#include "engine/engine.h"

namespace ballast::engine {
namespace {

constexpr char k_nqn[] = "nqn.2026-11.dev.ballast:test:qos";

Uuid uuid_of(uint8_t number) {
  Uuid uuid;
  uuid.bytes[15] = number;
  return uuid;
}

std::unique_ptr<Engine> start(uint32_t reactors_count) {
  EngineOptions options;
  options.reactors.reactors_count = reactors_count;
  options.reactors.buffers.small_count = 256;
  options.reactors.buffers.large_count = 64;
  auto started = Engine::start(options);
  EXPECT_TRUE(started.ok());
  return std::move(started.value());
}

VolumeConfig memory_volume(const std::string& name, uint8_t number, const bdev::qos::Config& qos = {}) {
  VolumeConfig config;
  config.name = name;
  config.size_bytes = 4u << 20;
  config.nqn = k_nqn;
  config.uuid = uuid_of(number);
  config.qos = qos;
  return config;
}

bdev::qos::Config iops(uint64_t limit) {
  bdev::qos::Config config;
  config.total.iops = limit;
  return config;
}

bdev::qos::Config promised(uint64_t min_iops) {
  bdev::qos::Config config;
  config.min_iops = min_iops;
  return config;
}

HostController& connect(Engine& engine) {
  const auto bound = engine.listen({{"127.0.0.1", 0}, {}});
  EXPECT_TRUE(bound.ok());
  initiator::ControllerOptions options;
  options.address = bound.value();
  options.subsystem_nqn = k_nqn;
  options.host_nqn = "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555";
  options.host_id = uuid_of(7);
  options.ctrl_loss_timeout_ns = 0;
  Result<HostController*> answer = Errc::io_error;
  wait_for([&](auto done) {
    engine.host_side().connect(options, {}, [&answer, done](Result<HostController*> result) {
      answer = std::move(result);
      done();
    });
  });
  EXPECT_TRUE(answer.ok());
  return *answer.value();
}

// Reads of 4 KiB at once from this thread; each ends once.
class Reads {
 public:
  Reads(HostController& controller, size_t count) : ios_(count) {
    for (Io& io : ios_) {
      io.reads = this;
      io.memory.resize(4096);
      io.command.opcode = static_cast<uint8_t>(nvme::NvmOpcode::read);
      io.command.nsid = 1;
      io.data = {io.memory.data(), io.memory.size()};
      io.done = [](HostIo& ended, const nvme::Completion& completion) {
        Io& own = static_cast<Io&>(ended);
        own.status = completion.status();
        own.reads->ended_.raise();
      };
      controller.submit(io);
    }
  }
  void wait() {
    for (size_t i = 0; i < ios_.size(); ++i) ended_.wait();
  }
  bool all_ok() const {
    return std::all_of(ios_.begin(), ios_.end(), [](const Io& io) { return io.status.ok(); });
  }

 private:
  struct Io : HostIo {
    Reads* reads = nullptr;
    std::vector<uint8_t> memory;
    nvme::Status status{0x7fff};
  };
  std::vector<Io> ios_;
  Signal ended_;
};

// Until so many of the volume's I/Os wait. No time is asserted: it has to come.
void wait_until_waiting(const VolumeInfo& info, uint64_t ios_count) {
  while (info.qos_stats->read().waiting_ios < ios_count) std::this_thread::yield();
}

TEST(EngineQos, refuses_what_cannot_be_kept_and_adds_nothing) {
  const auto engine = start(1);
  bdev::qos::Config bad;
  bad.weight = 0;
  EXPECT_EQ(engine->add_volume(memory_volume("a", 1, bad)).error().errc, Errc::invalid_argument);
  ASSERT_TRUE(engine->set_qos_budget({1000, 0}).ok());
  EXPECT_EQ(engine->add_volume(memory_volume("a", 1, promised(1001))).error().errc, Errc::too_many);
  EXPECT_EQ(engine->qos_stats().guaranteed_iops, 0u);
  ASSERT_TRUE(engine->add_volume(memory_volume("a", 1, promised(600))).ok());
  ASSERT_TRUE(engine->add_volume(memory_volume("b", 2, promised(400))).ok());
  EXPECT_EQ(engine->qos_stats().guaranteed_iops, 1000u);
  EXPECT_EQ(engine->set_qos("b", promised(401)).error().errc, Errc::too_many);
  EXPECT_EQ(engine->set_qos("nobody", iops(1)).error().errc, Errc::not_found);
  ASSERT_TRUE(engine->remove_volume("a").ok());
  EXPECT_EQ(engine->qos_stats().guaranteed_iops, 400u);
  EXPECT_TRUE(engine->set_qos("b", promised(1000)).ok());
}

TEST(EngineQos, gives_back_the_promise_of_a_volume_that_could_not_be_added) {
  const auto engine = start(1);
  ASSERT_TRUE(engine->set_qos_budget({1000, 0}).ok());
  ASSERT_TRUE(engine->add_volume(memory_volume("a", 1)).ok());
  VolumeConfig same = memory_volume("b", 1, promised(700));  // the UUID is taken
  EXPECT_EQ(engine->add_volume(same).error().errc, Errc::already_exists);
  EXPECT_EQ(engine->qos_stats().guaranteed_iops, 0u);
}

// N31: a limit lowered under load, and raised again: nothing is lost, nothing refused.
TEST(EngineQos, I_O_that_waits_goes_on_under_new_limits) {
  const auto engine = start(2);
  const auto info = engine->add_volume(memory_volume("a", 1, iops(1)));
  ASSERT_TRUE(info.ok());
  HostController& controller = connect(*engine);
  Reads reads(controller, 20);
  wait_until_waiting(info.value(), 19);
  ASSERT_TRUE(engine->set_qos("a", iops(1'000'000'000'000)).ok());
  reads.wait();
  EXPECT_TRUE(reads.all_ok());
  EXPECT_GE(info.value().qos_stats->read().throttled_ios, 18u);  // one, or two, were due before
  ASSERT_TRUE(engine->set_qos("a", iops(1)).ok());
  Reads later(controller, 20);
  wait_until_waiting(info.value(), 18);
  ASSERT_TRUE(engine->set_qos("a", {}).ok());
  later.wait();
  EXPECT_TRUE(later.all_ok());
}

// N31: admin commands and keep-alives are not of a volume: they pass what waits.
TEST(EngineQos, admin_commands_pass_what_waits) {
  const auto engine = start(1);
  const auto info = engine->add_volume(memory_volume("a", 1, iops(1)));
  HostController& controller = connect(*engine);
  Reads reads(controller, 20);
  wait_until_waiting(info.value(), 18);
  for (int i = 0; i < 3; ++i) {
    nvme::Command command{};
    command.opcode = static_cast<uint8_t>(nvme::AdminOpcode::keep_alive);
    nvme::Status status{0x7fff};
    wait_for([&](auto done) {
      controller.submit_admin(command, {}, [&status, done](nvme::Completion completion) {
        status = completion.status();
        done();
      });
    });
    EXPECT_TRUE(status.ok());
  }
  EXPECT_GE(info.value().qos_stats->read().waiting_ios, 10u);
  ASSERT_TRUE(engine->set_qos("a", {}).ok());
  reads.wait();
}

TEST(EngineQos, removing_a_volume_lets_what_waits_end_first) {
  const auto engine = start(2);
  const auto info = engine->add_volume(memory_volume("a", 1, iops(1)));
  HostController& controller = connect(*engine);
  Reads reads(controller, 50);
  wait_until_waiting(info.value(), 45);
  ASSERT_TRUE(engine->remove_volume("a").ok());
  reads.wait();
  EXPECT_TRUE(reads.all_ok());
}

// Who takes a volume from a host waits for its I/O, not for its limits.
TEST(EngineQos, revoking_a_host_does_not_wait_for_limits_which_hold_again_after) {
  const auto engine = start(2);
  const auto info = engine->add_volume(memory_volume("a", 1, iops(1)));
  HostController& controller = connect(*engine);
  Reads reads(controller, 50);
  wait_until_waiting(info.value(), 45);
  Outcome begun = Errc::io_error;
  wait_for([&](auto done) { begun = engine->set_hosts(k_nqn, false, {}, done); });
  EXPECT_TRUE(begun.ok());
  reads.wait();  // answered or given up
  EXPECT_EQ(info.value().qos_stats->read().waiting_ios, 0u);
  wait_for([&](auto done) { begun = engine->set_hosts(k_nqn, true, {}, done); });
  HostController& again = connect(*engine);
  Reads later(again, 20);
  wait_until_waiting(info.value(), 15);
  ASSERT_TRUE(engine->set_qos("a", {}).ok());
  later.wait();
  EXPECT_TRUE(later.all_ok());
}

TEST(EngineQos, closing_an_engine_lets_what_waits_end_first) {
  auto engine = start(2);
  const auto info = engine->add_volume(memory_volume("a", 1, iops(1)));
  HostController& controller = connect(*engine);
  Reads reads(controller, 50);
  wait_until_waiting(info.value(), 45);
  engine->close();  // our own controller goes first, so its I/O may be given up: but all of it ends
  reads.wait();
  EXPECT_EQ(info.value().qos_stats->read().waiting_ios, 0u);
}

TEST(EngineQos, a_budget_changes_under_load) {
  const auto engine = start(2);
  const auto info = engine->add_volume(memory_volume("a", 1));
  ASSERT_TRUE(engine->set_qos_budget({1, 1}).ok());
  HostController& controller = connect(*engine);
  Reads reads(controller, 50);
  wait_until_waiting(info.value(), 45);
  EXPECT_EQ(engine->qos_stats().waiting_volumes, 1u);
  ASSERT_TRUE(engine->set_qos_budget({}).ok());
  reads.wait();
  EXPECT_TRUE(reads.all_ok());
}

}  // namespace
}  // namespace ballast::engine
