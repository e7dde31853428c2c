// Bringing a controller up, using it, and every way in which that is refused.
#include <optional>

#include "initiator/remote_bdev.h"
#include "initiator_fixture.h"

namespace ballast::test {
namespace {

class ControllerConnect : public ControllerTest {};

TEST_F(ControllerConnect, arguments_that_make_no_sense_are_refused_before_anything_is_sent) {
  const auto good = options_;
  const std::function<void()> damages[] = {
      [this] { options_.subsystem_nqn = "volume"; },
      [this] { options_.host_nqn = ""; },
      [this] { options_.host_id = {}; },
      [this] { options_.io_queues_count = 1000; },
      [this] { options_.queue_entries = 1; },
      [this] { options_.queue_entries = 2000; },
      [this] { options_.subsystem_nqn = "nqn.2026-11.dev.ballast:" + std::string(230, 'x'); }};
  for (const auto& damage : damages) {
    options_ = good;
    connected_count_ = 0;
    damage();
    connect();
    EXPECT_EQ(controller_, nullptr);
    EXPECT_EQ(error_.errc, Errc::invalid_argument);
  }
  EXPECT_EQ(target_->connections_count, 0u);
}

TEST_F(ControllerConnect, a_refused_connection_is_told_as_such) {
  target_->stop_listening();
  connect();
  EXPECT_EQ(error_.errc, Errc::connection_refused);
  EXPECT_NE(error_.text.find("10.0.0.1:4420"), std::string::npos);
}

TEST_F(ControllerConnect, H20_a_silent_target_times_out) {
  target_->silent = true;
  const uint64_t from = world_.clock().now_ns();
  connect();
  EXPECT_EQ(error_.errc, Errc::timed_out);
  EXPECT_LE(world_.clock().now_ns() - from, options_.connect_timeout_ns + k_ns_per_s);
}

TEST_F(ControllerConnect, H20_a_target_silent_after_ic_resp_times_out) {
  target_->intercept = [](FakeConnection&, const nvme::Command&, ByteSpan) { return true; };
  connect();
  EXPECT_EQ(error_.errc, Errc::timed_out);
}

TEST_F(ControllerConnect, one_that_is_given_up_ends_at_once_and_is_told_as_aborted) {
  target_->silent = true;
  const std::weak_ptr<Controller> attempt = start_connect();
  world_.advance(k_ns_per_s);
  const uint64_t from = world_.clock().now_ns();
  int closed_count = 0;
  for (int i = 0; i < 2; ++i) attempt.lock()->close([&closed_count] { ++closed_count; });
  EXPECT_TRUE(world_.run_until([&closed_count] { return closed_count == 2; }));
  EXPECT_LE(world_.clock().now_ns() - from, k_ns_per_s);
  EXPECT_EQ(connected_count_, 1);
  EXPECT_EQ(error_.errc, Errc::aborted);
  EXPECT_TRUE(attempt.expired());
}

TEST_F(ControllerConnect, a_refused_connect_carries_the_status_by_name) {
  target_->intercept = [](FakeConnection& connection, const nvme::Command& command, ByteSpan) {
    connection.respond(command, nvme::status::connect_invalid_host.with_dnr());
    return true;
  };
  connect();
  EXPECT_EQ(error_.errc, Errc::refused_by_peer);
  EXPECT_NE(error_.text.find(nvme::status_name(nvme::status::connect_invalid_host)), std::string::npos);
  EXPECT_NE(error_.text.find("1/84h"), std::string::npos);
}

TEST_F(ControllerConnect, H22_a_target_that_demands_authentication_is_refused) {
  target_->connect_response_or = 1u << 17;
  connect();
  EXPECT_EQ(error_.errc, Errc::unsupported);
}

TEST_F(ControllerConnect, a_controller_that_never_gets_ready_is_given_up_after_cap_to) {
  target_->ready_after_reads = UINT32_MAX;
  const uint64_t from = world_.clock().now_ns();
  connect();
  EXPECT_EQ(error_.errc, Errc::timed_out);
  const uint64_t took = world_.clock().now_ns() - from;
  EXPECT_GE(took, 2 * k_ns_per_s);
  EXPECT_LE(took, 3 * k_ns_per_s);
}

TEST_F(ControllerConnect, a_controller_that_is_ready_late_is_waited_for) {
  target_->ready_after_reads = 50;
  connect_ok();
}

TEST_F(ControllerConnect, a_controller_with_a_fatal_status_is_refused) {
  target_->csts_or = 2;
  connect();
  EXPECT_EQ(error_.errc, Errc::protocol_error);
}

TEST_F(ControllerConnect, H23_a_namespace_that_makes_no_sense_is_left_out_and_the_others_are_used) {
  target_->add_namespace(2, 0x22);
  target_->add_namespace(3, 0x33);
  target_->namespaces[2].identify.lba_formats[0].data_size_log2 = 63;
  target_->namespaces[1].identify.nsze = 0;
  target_->controller.nn = 0xffffffff;
  target_->controller.mdts = 31;
  target_->controller.ioccsz = 1;
  connect_ok();
  ASSERT_EQ(controller_->info().namespaces.size(), 1u);
  EXPECT_EQ(controller_->info().namespaces[0].nsid, 3u);
  TestIo write(k_io_write, 5, 3, 9, 3);
  execute(write);
  EXPECT_TRUE(write.ok());
}

TEST_F(ControllerConnect, identify_fills_the_info) {
  options_.io_queues_count = 3;
  options_.queue_entries = 64;
  connect_ok();
  const initiator::ControllerInfo& info = controller_->info();
  EXPECT_EQ(info.controller_id, 1);
  EXPECT_EQ(info.serial_number, "FAKE1");
  EXPECT_EQ(info.model_number, "Fake target");
  EXPECT_EQ(info.version, nvme::k_version_2_0);
  EXPECT_EQ(info.transfer_bytes_max, 128u * 1024);
  EXPECT_EQ(info.in_capsule_bytes, 8192u);
  EXPECT_EQ(info.io_queues_count, 3);
  EXPECT_EQ(info.queue_entries, 64);
  EXPECT_EQ(info.identify_controller.size(), 4096u);
  ASSERT_EQ(info.namespaces.size(), 1u);
  EXPECT_EQ(info.namespaces[0].blocks_count, 2048u);
  EXPECT_EQ(info.namespaces[0].uuid.bytes[0], 0x11);
  EXPECT_TRUE(info.namespaces[0].supports_write_zeroes);
}

TEST_F(ControllerConnect, queues_connect_from_their_reactors_with_the_same_identity) {
  options_.io_queues_count = 5;
  connect_ok();
  for (uint16_t i = 0; i < 5; ++i) {
    EXPECT_EQ(&controller_->io_queue(i).reactor(), reactors_[i % 3]);
    ASSERT_NE(target_->queue(static_cast<uint16_t>(i + 1)), nullptr);
    EXPECT_EQ(target_->queue(static_cast<uint16_t>(i + 1))->queue_entries, 128);
  }
  ASSERT_EQ(target_->connects.size(), 6u);
  EXPECT_EQ(target_->connects[0].controller_id, 0xffff);
  for (size_t i = 1; i < 6; ++i) {
    EXPECT_EQ(target_->connects[i].controller_id, 1);
    EXPECT_EQ(std::string(target_->connects[i].host_nqn), options_.host_nqn);
  }
}

TEST_F(ControllerConnect, fewer_granted_queues_are_not_an_error) {
  options_.io_queues_count = 8;
  target_->queues_granted = 2;
  connect_ok();
  EXPECT_EQ(controller_->info().io_queues_count, 2);
}

TEST_F(ControllerConnect, a_refused_io_queue_fails_the_connect_and_leaves_no_connection) {
  options_.io_queues_count = 4;
  target_->intercept = [](FakeConnection& connection, const nvme::Command& command, ByteSpan) {
    const bool io_connect =
        command.opcode == nvme::k_opcode_fabrics && (command.nsid & 0xff) == 1 && (command.cdw10 >> 16) == 3;
    if (io_connect) connection.respond(command, nvme::status::connect_controller_busy);
    return io_connect;
  };
  connect();
  EXPECT_EQ(error_.errc, Errc::refused_by_peer);
  world_.settle();
  for (uint16_t qid = 0; qid < 5; ++qid) EXPECT_EQ(target_->queue(qid), nullptr);
}

TEST_F(ControllerConnect, close_shuts_the_controller_down_and_leaves_no_connection) {
  options_.io_queues_count = 3;
  connect_ok();
  close();
  EXPECT_EQ(nvme::ControllerConfiguration{target_->configuration}.shutdown(), 1);
  world_.settle();
  for (uint16_t qid = 0; qid < 4; ++qid) EXPECT_EQ(target_->queue(qid), nullptr);
}

TEST_F(ControllerConnect, close_of_a_target_that_ignores_the_shutdown_ends_within_seconds) {
  connect_ok();
  target_->intercept = [](FakeConnection& connection, const nvme::Command& command, ByteSpan) {
    if (command.opcode != nvme::k_opcode_fabrics || (command.nsid & 0xff) != 4) return false;
    connection.respond(command, nvme::status::success, 1);  // CSTS: ready, never shut down
    return true;
  };
  const uint64_t from = world_.clock().now_ns();
  close();
  EXPECT_LE(world_.clock().now_ns() - from, 6 * k_ns_per_s);
}

class ControllerIo : public ControllerTest {};

TEST_F(ControllerIo, errors_of_the_target_are_handed_up_as_they_are) {
  connect_ok();
  TestIo beyond(k_io_read, 2047, 2);
  execute(beyond);
  EXPECT_TRUE(beyond.completion.status().is(nvme::status::lba_out_of_range));
  TestIo missing(k_io_read, 0, 1, 0, 99);
  execute(missing);
  EXPECT_TRUE(missing.completion.status().is(nvme::status::invalid_namespace_or_format));
}

// A replica of a mirrored volume says by such a code that another head has it.
TEST_F(ControllerIo, a_vendor_code_that_was_named_ends_an_io_of_a_device_as_fenced) {
  connect_ok();
  target_->intercept = [](FakeConnection& at, const nvme::Command& command, ByteSpan) {
    if (at.qid == 0) return false;
    const auto code = static_cast<uint8_t>(command.cdw10 == 0 ? 0xc0 : 0xc1);
    at.respond(command, nvme::make_status(nvme::StatusCodeType::vendor, code).with_dnr());
    return true;
  };
  const auto device = initiator::make_remote_bdev(controller_, 1, {.retries = false, .fenced_code = 0xc0});
  ASSERT_TRUE(device.ok());
  const auto read = [&](uint64_t lba) {
    Bytes memory((*device)->geometry().block_size_bytes);
    const Segment segment{memory.data(), memory.size()};
    std::optional<bdev::Status> ended;
    bdev::Io io;
    io.lba = lba;
    io.blocks_count = 1;
    io.data = {&segment, 1};
    io.context = &ended;
    io.done = [](bdev::Io& done, bdev::Status status) {
      *static_cast<std::optional<bdev::Status>*>(done.context) = status;
    };
    std::unique_ptr<bdev::Channel> channel;
    world_.on(*reactors_[0], [&] {
      channel = (*device)->open(*reactors_[0]);
      channel->submit(io);
    });
    EXPECT_TRUE(world_.run_until([&] { return ended.has_value(); }));
    world_.on(*reactors_[0], [&] { channel.reset(); });
    return ended;
  };
  EXPECT_EQ(read(0), bdev::Status::fenced);
  EXPECT_EQ(read(1), bdev::Status::io_error);
}

TEST_F(ControllerIo, submit_above_queue_entries_is_refused) {
  options_.queue_entries = 4;
  connect_ok();
  target_->intercept = [](FakeConnection& connection, const nvme::Command&, ByteSpan) {
    return connection.qid != 0;
  };
  std::vector<std::unique_ptr<TestIo>> ios;
  for (int i = 0; i < 4; ++i) {
    ios.push_back(std::make_unique<TestIo>(k_io_read));
    submit(*ios.back());
  }
  TestIo fifth(k_io_read);
  world_.on(controller_->io_queue(0).reactor(),
            [&] { EXPECT_FALSE(controller_->io_queue(0).submit(fifth.request)); });
  close();
  for (const auto& io : ios) EXPECT_TRUE(io->is_pathing_error());
  EXPECT_EQ(fifth.done_count, 0);
}

TEST_F(ControllerIo, what_was_written_is_read_small_and_large) {
  connect_ok();
  for (const uint32_t blocks : {1u, 8u, 16u, 17u, 256u}) {
    TestIo write(k_io_write, 100, blocks, blocks);
    execute(write);
    ASSERT_TRUE(write.ok()) << blocks;
    TestIo read(k_io_read, 100, blocks);
    execute(read);
    ASSERT_TRUE(read.ok()) << blocks;
    EXPECT_EQ(read.memory, pattern(blocks * 512, blocks));
  }
}

TEST_F(ControllerIo, H19_a_transient_transport_error_is_retried_on_the_same_path) {
  connect_ok();
  int failures = 0;
  target_->intercept = [&failures](FakeConnection& connection, const nvme::Command& command, ByteSpan) {
    if (connection.qid == 0 || failures == 3) return false;
    ++failures;
    connection.respond(command, nvme::status::transient_transport_error);
    return true;
  };
  TestIo write(k_io_write, 0, 1, 4);
  execute(write);
  EXPECT_TRUE(write.ok());
  EXPECT_EQ(failures, 3);
  EXPECT_EQ(target_->writes, 1u);
}

TEST_F(ControllerIo, a_transient_transport_error_that_stays_is_handed_up) {
  connect_ok();
  int tries = 0;
  target_->intercept = [&tries](FakeConnection& connection, const nvme::Command& command, ByteSpan) {
    if (connection.qid == 0) return false;
    ++tries;
    connection.respond(command, nvme::status::transient_transport_error);
    return true;
  };
  TestIo write(k_io_write, 0, 1, 4);
  execute(write);
  EXPECT_TRUE(write.completion.status().is(nvme::status::transient_transport_error));
  EXPECT_EQ(tries, 5);
}

TEST_F(ControllerIo, admin_commands_of_users_run_and_carry_data) {
  connect_ok();
  Bytes page(4096);
  nvme::Command identify;
  identify.opcode = static_cast<uint8_t>(nvme::AdminOpcode::identify);
  identify.cdw10 = 1;
  int done = 0;
  for (int i = 0; i < 100; ++i) {  // more than the admin queue holds
    controller_->submit_admin(identify, {page.data(), page.size()}, [&done](nvme::Completion completion) {
      EXPECT_TRUE(completion.status().ok());
      ++done;
    });
  }
  world_.run_until([&done] { return done == 100; });
  EXPECT_EQ(done, 100);
  EXPECT_EQ(page, controller_->info().identify_controller);
}

TEST_F(ControllerIo, close_with_io_in_flight_ends_it_with_host_pathing_error) {
  options_.io_queues_count = 3;
  connect_ok();
  target_->intercept = [](FakeConnection& connection, const nvme::Command&, ByteSpan) {
    return connection.qid != 0;
  };
  TestIo first(k_io_read);
  TestIo second(k_io_write, 0, 1, 3);
  submit(first, 1);
  submit(second, 2);
  world_.settle();
  close();
  EXPECT_TRUE(first.is_pathing_error());
  EXPECT_TRUE(second.is_pathing_error());
}

TEST_F(ControllerIo, keep_alive_is_sent_at_half_of_kato) {
  options_.keep_alive_ms = 4000;
  connect_ok();
  const auto connect = load<nvme::ConnectCommand>(bytes_of(target_->commands.front()));
  EXPECT_EQ(connect.keep_alive_ms, 4000u);
  world_.advance(20 * k_ns_per_s + k_ns_per_ms * 100);
  EXPECT_GE(target_->keep_alives, 9u);
  EXPECT_LE(target_->keep_alives, 11u);
}

TEST_F(ControllerIo, no_keep_alive_is_sent_when_kato_is_0) {
  options_.keep_alive_ms = 0;
  connect_ok();
  world_.advance(60 * k_ns_per_s);
  EXPECT_EQ(target_->keep_alives, 0u);
  EXPECT_EQ(controller_->state(), ControllerState::live);
}

TEST_F(ControllerIo, the_event_request_is_armed_again_and_namespaces_are_read_again) {
  connect_ok();
  world_.settle();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(target_->queue(0)->events.size(), 1u);
    target_->send_event(nvme::async_event(nvme::EventType::notice, nvme::k_notice_namespace_attribute,
                                          nvme::LogPage::changed_namespaces));
    world_.settle();
  }
  EXPECT_EQ(target_->log_reads, 3u);
  EXPECT_EQ(controller_->state(), ControllerState::live);
}

TEST_F(ControllerIo, many_requests_on_three_reactors_keep_their_data_apart) {
  options_.io_queues_count = 3;
  options_.queue_entries = 32;
  connect_ok();
  std::vector<std::unique_ptr<TestIo>> ios;
  for (uint32_t i = 0; i < 96; ++i) {
    ios.push_back(std::make_unique<TestIo>(k_io_write, i * 20, 1 + i % 20, i + 1));
    submit(*ios.back(), static_cast<uint16_t>(i % 3));
  }
  world_.run_until([&ios] {
    return std::all_of(ios.begin(), ios.end(), [](const auto& io) { return io->done_count > 0; });
  });
  for (uint32_t i = 0; i < 96; ++i) {
    ASSERT_TRUE(ios[i]->ok());
    TestIo read(k_io_read, i * 20, 1 + i % 20);
    execute(read, static_cast<uint16_t>((i + 1) % 3));
    EXPECT_EQ(read.memory, pattern((1 + i % 20) * 512, i + 1));
  }
}

}  // namespace
}  // namespace ballast::test
