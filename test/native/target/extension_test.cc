// Vendor specific admin commands of a subsystem with an extension. Row N19 for those that it does not have.
#include <gtest/gtest.h>

#include <map>

#include "support/native/held_bdev.h"
#include "support/native/raw_controller.h"
#include "target/subsystem_extension.h"

namespace ballast::test {
namespace {

namespace status = nvme::status;

constexpr uint8_t k_put = 0xc1, k_get = 0xc2, k_do = 0xc4, k_both_ways = 0xc7;
constexpr nvme::Status k_own_refusal = nvme::make_status(nvme::StatusCodeType::vendor, 0xc9);

// Takes CDW10 bytes each way, and keeps commands until a test answers them, or answers at once.
class FakeExtension final : public target::SubsystemExtension {
 public:
  bool has_opcode(uint8_t opcode) const override {
    return opcode == k_put || opcode == k_get || opcode == k_do || opcode == k_both_ways;
  }
  Transfer transfer_of(const nvme::Command& command) const override {
    if (command.cdw11 != 0) return {status::invalid_field.with_dnr()};
    return {status::success, command.cdw10};
  }
  nvme::Status fenced_status(uint8_t refusal) const override {
    return nvme::make_status(nvme::StatusCodeType::vendor, refusal).with_dnr();
  }
  void execute(target::ExtensionCommand command) override {
    seen.push_back(std::move(command));
    if (!holds) answer_last(answers_with);
  }
  void on_controller_began(uint64_t association, std::function<void()> drop) override {
    EXPECT_NE(association, 0u);
    EXPECT_TRUE(controllers.emplace(association, std::move(drop)).second);
  }
  void on_controller_ended(uint64_t association) override {
    EXPECT_EQ(controllers.erase(association), 1u);
    ended.push_back(association);
  }
  void answer_last(nvme::Status with) {
    if (seen.back().command.opcode == k_get)
      std::fill(seen.back().data.begin(), seen.back().data.end(), 0x5e);
    std::exchange(seen.back().answer, nullptr)(with);
  }

  bool holds = false;
  nvme::Status answers_with = status::success;
  std::vector<target::ExtensionCommand> seen;
  std::map<uint64_t, std::function<void()>> controllers;
  std::vector<uint64_t> ended;
};

// Notes who asks, and fences when it is told to.
class AskingBdev final : public bdev::Bdev {
 public:
  const bdev::Geometry& geometry() const override { return geometry_; }
  const bdev::Capabilities& capabilities() const override { return capabilities_; }
  const char* kind() const override { return "asking"; }
  std::unique_ptr<bdev::Channel> open(Reactor&) override { return std::make_unique<AskingChannel>(*this); }
  std::vector<uint64_t> asked;
  uint8_t refusal = 0;

 private:
  class AskingChannel final : public bdev::Channel {
   public:
    explicit AskingChannel(AskingBdev& device) : device_(device) {}
    void submit(bdev::Io& io) override {
      device_.asked.push_back(io.association);
      io.refusal = device_.refusal;
      io.done(io, device_.refusal == 0 ? bdev::Status::ok : bdev::Status::fenced);
    }

   private:
    AskingBdev& device_;
  };
  bdev::Geometry geometry_{4096, 64};
  bdev::Capabilities capabilities_{.compare = true};
};

class Extension : public ::testing::TestWithParam<uint32_t> {
 protected:
  Extension()
      : target(GetParam()),
        extension(std::make_shared<FakeExtension>()),
        held(std::make_shared<HeldBdev>(64)),
        asking(std::make_shared<AskingBdev>()) {
    target::SubsystemConfig config;
    config.nqn = k_subsystem;
    config.serial_number = "SERIAL";
    config.extension = extension;
    EXPECT_TRUE(target.add_subsystem(config));
    EXPECT_TRUE(target.add_namespace(1, held));
    EXPECT_TRUE(target.add_namespace(2, asking));
  }
  uint32_t last() const { return GetParam() - 1; }
  static nvme::Command sized(uint8_t opcode, uint32_t bytes, uint32_t sgl_bytes) {
    nvme::Command command = with_transport_data(command_of(opcode, 1), sgl_bytes);
    command.cdw10 = bytes;
    return command;
  }
  TargetWorld target;
  std::shared_ptr<FakeExtension> extension;
  std::shared_ptr<HeldBdev> held;
  std::shared_ptr<AskingBdev> asking;
};
INSTANTIATE_TEST_SUITE_P(Reactors, Extension, ::testing::Values(1, 3));

TEST_P(Extension, N19_opcodes_that_it_does_not_have_are_invalid) {
  RawController controller(target, 0);
  for (uint32_t opcode = 0x80; opcode < 256; ++opcode) {
    if (extension->has_opcode(static_cast<uint8_t>(opcode))) continue;
    const Answer answer = controller.execute(command_of(static_cast<uint8_t>(opcode), 1));
    EXPECT_EQ(answer.status().value, status::invalid_opcode.with_dnr().value) << opcode;
  }
  EXPECT_TRUE(extension->seen.empty());
}

TEST_P(Extension, other_subsystems_know_nothing_of_it) {
  ASSERT_TRUE(target.add_subsystem("nqn.2026-11.dev.ballast:volume:two"));
  RawController controller(target, 0, {.subsystem_nqn = "nqn.2026-11.dev.ballast:volume:two"});
  EXPECT_TRUE(controller.execute(command_of(k_do, 1)).status().is(status::invalid_opcode));
  EXPECT_TRUE(extension->controllers.empty());
  EXPECT_EQ(controller.log<nvme::CommandEffectsLog>(nvme::LogPage::command_effects).admin[k_do], 0u);
}

TEST_P(Extension, malformed_commands_are_refused_before_it_hears_of_them) {
  RawController controller(target, 0);
  const auto refused = [&](const nvme::Command& command) {
    return controller.execute(command).status().value;
  };
  const uint16_t invalid_field = status::invalid_field.with_dnr().value;
  const uint16_t bad_length = status::data_sgl_length_invalid.with_dnr().value;
  for (const uint8_t opcode : {k_put, k_get}) {
    EXPECT_EQ(refused(sized(opcode, 4096, 4095)), bad_length);
    EXPECT_EQ(refused(sized(opcode, 4096, 0)), bad_length);
    EXPECT_EQ(refused(sized(opcode, nvme::k_transfer_bytes_max + 1, nvme::k_transfer_bytes_max + 1)),
              invalid_field);
    nvme::Command own = sized(opcode, 8, 8);
    own.cdw11 = 1;
    EXPECT_EQ(refused(own), invalid_field);
    nvme::Command fused = sized(opcode, 8, 8);
    fused.flags |= 1;
    EXPECT_EQ(refused(fused), invalid_field);
  }
  EXPECT_EQ(refused(sized(k_both_ways, 8, 8)), invalid_field);
  EXPECT_EQ(refused(sized(k_do, 8, 8)), invalid_field);
  EXPECT_TRUE(extension->seen.empty());
  EXPECT_TRUE(controller.csts().ready());
}

TEST_P(Extension, is_not_asked_before_the_controller_is_enabled) {
  RawController controller(target, 0, {.enable = false});
  EXPECT_TRUE(controller.execute(command_of(k_do, 1)).status().is(status::command_sequence_error));
  EXPECT_TRUE(extension->seen.empty());
}

TEST_P(Extension, gets_and_gives_the_data) {
  RawController controller(target, last());
  const Bytes sent = pattern(4096);
  nvme::Command put = command_of(k_put, 1);
  put.cdw10 = 4096;
  extension->holds = true;
  controller.admin().host().send_command(with_capsule_data(put, 4096), sent);
  ASSERT_TRUE(target.world().run_until([&] { return extension->seen.size() == 1; }));
  EXPECT_EQ(Bytes(extension->seen[0].data.begin(), extension->seen[0].data.end()), sent);
  target.world().on(target.reactor(last()), [&] { extension->answer_last(status::success); });
  EXPECT_TRUE(controller.admin().host().receive_answer(1).status().ok());
  extension->holds = false;
  const Answer got = controller.execute(sized(k_get, 4096, 4096));
  EXPECT_EQ(got.data, Bytes(4096, 0x5e));
  EXPECT_TRUE(controller.execute(command_of(k_do, 1)).status().ok());
  EXPECT_TRUE(extension->seen.back().data.empty());
}

TEST_P(Extension, refusal_of_its_own_reaches_the_host_as_it_is_and_without_data) {
  RawController controller(target, 0);
  extension->answers_with = k_own_refusal.with_dnr();
  const Answer got = controller.execute(sized(k_get, 64, 64));
  EXPECT_EQ(got.status().value, k_own_refusal.with_dnr().value);
  EXPECT_TRUE(got.data.empty());
}

TEST_P(Extension, its_commands_are_in_the_effects_log) {
  RawController controller(target, 0);
  const auto effects = controller.log<nvme::CommandEffectsLog>(nvme::LogPage::command_effects);
  EXPECT_NE(effects.admin[k_put], 0u);
  EXPECT_EQ(effects.admin[0xc8], 0u);
}

TEST_P(Extension, command_and_io_of_a_controller_have_one_number_that_no_other_has) {
  RawController one(target, 0), two(target, last(), {.host_id_byte = 0x5b});
  ASSERT_EQ(extension->controllers.size(), 2u);
  for (RawController* controller : {&one, &two}) {
    ASSERT_TRUE(controller->execute(command_of(k_do, 1)).status().ok());
    const auto queue = controller->connect_io(1, last());
    ASSERT_TRUE(queue->execute(io_command(nvme::NvmOpcode::flush, 1, 2, 0, 1)).status().ok());
    EXPECT_EQ(asking->asked.back(), extension->seen.back().association);
    EXPECT_TRUE(extension->controllers.contains(asking->asked.back()));
  }
  EXPECT_NE(extension->seen[0].association, extension->seen[1].association);
}

TEST_P(Extension, says_how_fenced_io_is_answered) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(1, last());
  const nvme::Command flush = io_command(nvme::NvmOpcode::flush, 1, 2, 0, 1);
  for (const uint8_t refusal : {1, 2}) {
    asking->refusal = refusal;
    EXPECT_EQ(queue->execute(flush).status().value, extension->fenced_status(refusal).value);
  }
}

TEST_P(Extension, hears_of_the_end_after_the_last_io) {
  auto controller = std::make_unique<RawController>(target, 0);
  const uint64_t association = extension->controllers.begin()->first;
  auto queue = controller->connect_io(1, last());
  held->hold(true);
  queue->host().send_command(io_command(nvme::NvmOpcode::flush, 9, 1, 0, 1));
  ASSERT_TRUE(target.world().run_until([&] { return held->held_count() == 1; }));
  controller.reset();
  queue.reset();
  target.world().advance(10 * k_ns_per_s);
  EXPECT_TRUE(extension->ended.empty());
  held->hold(false);
  EXPECT_TRUE(target.world().run_until([&] { return !extension->ended.empty(); }));
  EXPECT_EQ(extension->ended, std::vector<uint64_t>{association});
}

TEST_P(Extension, command_in_work_outlives_the_connection_and_the_end_waits_for_it) {
  extension->holds = true;
  auto controller = std::make_unique<RawController>(target, last());
  controller->admin().host().send_command(sized(k_get, 64, 64));
  ASSERT_TRUE(target.world().run_until([&] { return extension->seen.size() == 1; }));
  controller.reset();
  target.world().advance(10 * k_ns_per_s);
  EXPECT_TRUE(extension->ended.empty());
  target.world().on(target.reactor(last()), [&] { extension->answer_last(status::success); });
  EXPECT_TRUE(target.world().run_until([&] { return !extension->ended.empty(); }));
}

TEST_P(Extension, can_drop_a_controller_and_no_other) {
  RawController one(target, 0), two(target, last(), {.host_id_byte = 0x5b});
  ASSERT_TRUE(one.execute(command_of(k_do, 1)).status().ok());
  const uint64_t association = extension->seen.back().association;
  const auto drop = extension->controllers.at(association);
  drop();
  EXPECT_TRUE(closes_within(target, one.admin(), k_ns_per_s));
  EXPECT_TRUE(target.world().run_until([&] { return !extension->ended.empty(); }));
  EXPECT_EQ(extension->ended, std::vector<uint64_t>{association});
  drop();  // it has gone
  target.world().settle();
  EXPECT_TRUE(two.execute(command_of(k_do, 1)).status().ok());
}

}  // namespace
}  // namespace ballast::test
