// What happens to a controller and its requests when connections are lost: waiting, coming back, giving up.
#include "initiator_fixture.h"

namespace ballast::test {
namespace {

class Reconnect : public ControllerTest {
 protected:
  // Takes I/O and answers none of it.
  void swallow_io() {
    target_->intercept = [](FakeConnection& connection, const nvme::Command&, ByteSpan) {
      return connection.qid != 0;
    };
  }
};

TEST_F(Reconnect, requests_in_flight_are_sent_again_after_a_reset) {
  options_.io_queues_count = 2;
  connect_ok();
  swallow_io();
  std::vector<std::unique_ptr<TestIo>> ios;
  for (uint32_t i = 0; i < 20; ++i) {
    ios.push_back(
        std::make_unique<TestIo>(i % 2 == 0 ? k_io_write : k_io_read, i * 4, 4, i % 2 == 0 ? i + 1 : 0));
    submit(*ios.back(), static_cast<uint16_t>(i % 2));
  }
  world_.settle();
  target_->intercept = nullptr;
  target_->drop_connections();
  ASSERT_TRUE(wait_for(ControllerState::reconnecting));
  TestIo late(k_io_write, 500, 1, 77);
  submit(late, 0);
  EXPECT_EQ(late.done_count, 0) << "it waits";
  ASSERT_TRUE(wait_for(ControllerState::live));
  world_.run_until([&] { return late.done_count > 0; });
  EXPECT_TRUE(late.ok());
  for (const auto& io : ios) EXPECT_TRUE(io->ok());
  EXPECT_EQ(target_->writes, 11u);
}

TEST_F(Reconnect, waiting_requests_are_bounded_by_queue_entries) {
  options_.queue_entries = 4;
  connect_ok();
  target_->stop_listening();
  target_->drop_connections();
  ASSERT_TRUE(wait_for(ControllerState::reconnecting));
  std::vector<std::unique_ptr<TestIo>> ios;
  for (int i = 0; i < 4; ++i) {
    ios.push_back(std::make_unique<TestIo>(k_io_read));
    submit(*ios.back());
  }
  TestIo fifth(k_io_read);
  world_.on(*reactors_[0], [&] { EXPECT_FALSE(controller_->io_queue(0).submit(fifth.request)); });
  target_->listen();
  ASSERT_TRUE(wait_for(ControllerState::live));
  world_.run_until([&] { return ios[3]->done_count > 0; });
  for (const auto& io : ios) EXPECT_TRUE(io->ok());
}

TEST_F(Reconnect, tries_are_spaced_by_a_growing_delay) {
  connect_ok();
  target_->stop_listening();
  target_->drop_connections();
  ASSERT_TRUE(wait_for(ControllerState::reconnecting));
  const size_t from = states_.size();
  world_.advance(30 * k_ns_per_s);
  const size_t tries = states_.size() - from;
  // 100, 200, 400 ... 6400 ms, 10 s: at most 7 + 2 if every delay is the longest, twice as many if the
  // shortest.
  EXPECT_GE(tries, 7u);
  EXPECT_LE(tries, 13u);
}

TEST_F(Reconnect, H20_a_target_gone_for_longer_than_the_limit_makes_the_controller_dead) {
  options_.ctrl_loss_timeout_ns = 20 * k_ns_per_s;
  connect_ok();
  swallow_io();
  TestIo in_flight(k_io_write, 0, 1, 3);
  submit(in_flight);
  world_.settle();
  target_->stop_listening();
  target_->drop_connections();
  ASSERT_TRUE(wait_for(ControllerState::reconnecting));
  TestIo waiting(k_io_read);
  submit(waiting);
  world_.advance(19 * k_ns_per_s);
  EXPECT_EQ(controller_->state(), ControllerState::reconnecting);
  EXPECT_EQ(in_flight.done_count, 0);
  world_.advance(2 * k_ns_per_s);
  EXPECT_EQ(controller_->state(), ControllerState::dead);
  EXPECT_TRUE(in_flight.is_pathing_error());
  EXPECT_TRUE(waiting.is_pathing_error());
  TestIo after(k_io_read);
  submit(after);
  EXPECT_TRUE(after.is_pathing_error());
  target_->listen();
  world_.advance(60 * k_ns_per_s);
  EXPECT_EQ(controller_->state(), ControllerState::dead) << "dead is for good";
}

TEST_F(Reconnect, the_limit_also_holds_while_a_silent_target_is_being_tried) {
  options_.ctrl_loss_timeout_ns = 5 * k_ns_per_s;
  connect_ok();
  target_->silent = true;
  target_->drop_connections();
  ASSERT_TRUE(wait_for(ControllerState::reconnecting));
  world_.advance(6 * k_ns_per_s);
  EXPECT_EQ(controller_->state(), ControllerState::dead);
}

TEST_F(Reconnect, a_target_that_comes_back_in_time_is_used_again_and_the_limit_starts_anew) {
  options_.ctrl_loss_timeout_ns = 20 * k_ns_per_s;
  connect_ok();
  for (int round = 0; round < 3; ++round) {
    target_->stop_listening();
    target_->drop_connections();
    ASSERT_TRUE(wait_for(ControllerState::reconnecting));
    world_.advance(8 * k_ns_per_s);  // the next try is at most 10 s away
    target_->listen();
    ASSERT_TRUE(wait_for(ControllerState::live));
  }
  TestIo read(k_io_read);
  execute(read);
  EXPECT_TRUE(read.ok());
}

TEST_F(Reconnect, another_volume_under_the_same_number_never_gets_a_write) {
  connect_ok();
  swallow_io();
  TestIo write(k_io_write, 0, 1, 3);
  submit(write);
  world_.settle();
  target_->intercept = nullptr;
  target_->add_namespace(1, 0x99);
  target_->drop_connections();
  ASSERT_TRUE(wait_for(ControllerState::dead));
  world_.settle();
  EXPECT_TRUE(write.is_pathing_error());
  EXPECT_EQ(target_->writes, 0u);
  EXPECT_NE(state_text_.find("another volume"), std::string::npos);
}

TEST_F(Reconnect, another_block_size_under_the_same_number_ends_the_controller) {
  connect_ok();
  target_->namespaces[1].identify.lba_formats[0].data_size_log2 = 12;
  target_->drop_connections();
  ASSERT_TRUE(wait_for(ControllerState::dead));
}

TEST_F(Reconnect, a_namespace_replaced_while_live_ends_the_controller) {
  connect_ok();
  world_.settle();
  target_->namespaces[1].uuid.bytes.fill(0x99);
  target_->send_event(nvme::async_event(nvme::EventType::notice, nvme::k_notice_namespace_attribute,
                                        nvme::LogPage::changed_namespaces));
  ASSERT_TRUE(wait_for(ControllerState::dead));
}

TEST_F(Reconnect, a_resized_namespace_does_not_end_the_controller) {
  connect_ok();
  target_->namespaces[1].identify.nsze = 4096;
  target_->drop_connections();
  ASSERT_TRUE(wait_for(ControllerState::reconnecting));
  ASSERT_TRUE(wait_for(ControllerState::live));
}

TEST_F(Reconnect, keep_alive_without_an_answer_drops_the_connection) {
  options_.keep_alive_ms = 2000;
  connect_ok();
  target_->intercept = [](FakeConnection&, const nvme::Command& command, ByteSpan) {
    return command.opcode == static_cast<uint8_t>(nvme::AdminOpcode::keep_alive);
  };
  const uint64_t from = world_.clock().now_ns();
  ASSERT_TRUE(wait_for(ControllerState::reconnecting));
  EXPECT_LE(world_.clock().now_ns() - from, 3100 * k_ns_per_ms);
  target_->intercept = nullptr;
  ASSERT_TRUE(wait_for(ControllerState::live));
}

TEST_F(Reconnect, io_without_an_answer_drops_the_connection_and_is_sent_again) {
  options_.command_timeout_ns = 4 * k_ns_per_s;
  connect_ok();
  swallow_io();
  TestIo write(k_io_write, 0, 1, 3);
  submit(write);
  ASSERT_TRUE(wait_for(ControllerState::reconnecting, 6 * k_ns_per_s));
  target_->intercept = nullptr;
  ASSERT_TRUE(wait_for(ControllerState::live));
  world_.run_until([&] { return write.done_count > 0; });
  EXPECT_TRUE(write.ok());
}

TEST_F(Reconnect, losing_one_io_queue_brings_all_of_them_back) {
  options_.io_queues_count = 3;
  connect_ok();
  target_->queue(2)->drop();
  ASSERT_TRUE(wait_for(ControllerState::reconnecting));
  ASSERT_TRUE(wait_for(ControllerState::live));
  for (uint16_t i = 0; i < 3; ++i) {
    TestIo read(k_io_read);
    execute(read, i);
    EXPECT_TRUE(read.ok());
  }
}

TEST_F(Reconnect, close_while_reconnecting_ends_what_waits) {
  connect_ok();
  target_->stop_listening();
  target_->drop_connections();
  ASSERT_TRUE(wait_for(ControllerState::reconnecting));
  TestIo read(k_io_read);
  submit(read);
  close();
  EXPECT_TRUE(read.is_pathing_error());
}

TEST_F(Reconnect, close_while_a_silent_target_is_being_tried_ends_at_once) {
  connect_ok();
  target_->silent = true;
  target_->drop_connections();
  ASSERT_TRUE(wait_for(ControllerState::reconnecting));
  world_.advance(k_ns_per_s);
  const uint64_t from = world_.clock().now_ns();
  close();
  EXPECT_LE(world_.clock().now_ns() - from, 2 * k_ns_per_s);
}

TEST_F(Reconnect, admin_commands_are_refused_while_there_is_no_connection) {
  connect_ok();
  target_->stop_listening();
  target_->drop_connections();
  ASSERT_TRUE(wait_for(ControllerState::reconnecting));
  bool done = false;
  controller_->submit_admin({}, {}, [&done](nvme::Completion completion) {
    EXPECT_TRUE(completion.status().is(nvme::status::host_pathing_error));
    done = true;
  });
  world_.settle();
  EXPECT_TRUE(done);
}

// Connections are cut at random moments while data is written and read: nothing is lost, nothing is mixed up.
class ReconnectStorm : public Reconnect, public testing::WithParamInterface<uint64_t> {
 protected:
  ReconnectStorm() { options_.reconnect_delay_max_ns = 500 * k_ns_per_ms; }
};

TEST_P(ReconnectStorm, every_acknowledged_write_is_there) {
  Prng prng(GetParam());
  world_.network().random_cuts = true;
  options_.io_queues_count = 3;
  options_.queue_entries = 16;
  connect_ok();
  constexpr uint32_t k_blocks = 64;
  std::vector<uint32_t> seeds(k_blocks);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::unique_ptr<TestIo>> ios;
    for (uint32_t i = 0; i < 24; ++i) {
      const auto block = static_cast<uint32_t>(i * 2 + prng.below(2));
      seeds[block] = static_cast<uint32_t>(prng.next() | 1);
      ios.push_back(std::make_unique<TestIo>(k_io_write, block * 8, 8, seeds[block]));
      submit(*ios.back(), static_cast<uint16_t>(prng.below(3)));
    }
    if (prng.chance(1, 3)) {
      for (uint64_t turns = prng.below(6); turns > 0; --turns) {
        for (Reactor* const reactor : reactors_) world_.on(*reactor, [reactor] { reactor->turn(); });
      }
      if (prng.chance(1, 2)) {
        target_->drop_connections();
      } else if (FakeConnection* const one = target_->queue(static_cast<uint16_t>(1 + prng.below(3)))) {
        one->drop();
      }
    }
    ASSERT_TRUE(world_.run_until([&ios] {
      return std::all_of(ios.begin(), ios.end(), [](const auto& io) { return io->done_count > 0; });
    }));
    for (const auto& io : ios) ASSERT_TRUE(io->ok());
  }
  for (uint32_t block = 0; block < k_blocks; ++block) {
    if (seeds[block] == 0) continue;
    TestIo read(k_io_read, block * 8, 8);
    execute(read, static_cast<uint16_t>(block % 3));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read.memory, pattern(4096, seeds[block])) << block;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReconnectStorm, testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace ballast::test
