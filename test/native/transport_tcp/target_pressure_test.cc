// Rows P54, P55 and P60 of the refusals, and what happens when memory is short: slow, silent and greedy hosts
// cost a bounded amount and no other connection notices.
#include "native/transport_tcp/refusal.h"

namespace ballast::test {
namespace {

class PduPressure : public Refusal {
 protected:
  // Delivers `bytes` one each second until the target has had enough; how many seconds that took.
  uint32_t drip(RawHost& host, const Bytes& bytes) {
    uint32_t seconds = 0;
    for (const uint8_t byte : bytes) {
      host.send({byte});
      target().world.advance(k_ns_per_s);
      ++seconds;
      if (host.peer().peer_closed()) break;
    }
    return seconds;
  }
};

TEST_F(PduPressure, P54_one_byte_a_second_in_ic_req_ends_after_the_ic_timeout) {
  RawHost host = raw();
  EXPECT_LE(drip(host, build_ic_req()), 6u);
  EXPECT_EQ(newest().close_reason, CloseReason::timed_out);
}

TEST_F(PduPressure, P54_one_byte_a_second_in_a_header_ends_after_the_pdu_timeout) {
  const auto host = target().connect();
  const uint32_t seconds = drip(*host, build_capsule(read_command(1, 0, 1)));
  EXPECT_GE(seconds, 10u);
  EXPECT_LE(seconds, 12u);
  EXPECT_EQ(newest().close_reason, CloseReason::timed_out);
}

TEST_F(PduPressure, P54_one_byte_a_second_in_data_holds_one_buffer_and_ends) {
  const auto host = target().connect();
  const Bytes pdu = build_capsule(with_capsule_data(write_command(1, 0, 8), 4096), pattern(4096));
  const uint32_t free_before = target().reactor.buffers().small_free();
  host->send({pdu.begin(), pdu.begin() + 80});
  target().world.settle();
  EXPECT_EQ(target().reactor.buffers().small_free(), free_before - 1);
  EXPECT_LE(drip(*host, {pdu.begin() + 80, pdu.end()}), 12u);
  EXPECT_EQ(newest().close_reason, CloseReason::timed_out);
}

TEST_F(PduPressure, P54_data_that_was_solicited_and_never_comes_ends) {
  const auto host = target().connect();
  host->send_command(with_transport_data(write_command(1, 0, 256), 128 * 1024));
  ASSERT_TRUE(host->receive_pdu().has_value());
  EXPECT_FALSE(newest().closed);
  target().world.advance(31 * k_ns_per_s);
  EXPECT_EQ(newest().close_reason, CloseReason::timed_out);
}

TEST_F(PduPressure, P55_a_connection_that_says_nothing_is_closed) {
  RawHost host = raw();
  target().world.settle();
  EXPECT_FALSE(newest().closed);
  target().world.advance(4 * k_ns_per_s);
  EXPECT_FALSE(newest().closed);
  target().world.advance(2 * k_ns_per_s);
  expect_silent_close(host, CloseReason::timed_out);
}

TEST_F(PduPressure, an_idle_connection_is_left_alone) {
  const auto host = target().connect({.header_digest = true});
  for (int i = 0; i < 3; ++i) {
    expect_works(*host);
    target().world.advance(1000 * k_ns_per_s);
  }
  EXPECT_FALSE(newest().closed);
  expect_works(*host);
}

TEST_F(PduPressure, P60_a_host_that_never_reads_is_not_parsed_and_at_last_closed) {
  target().world.network().window_bytes = 256 * 1024;
  const auto host = target().connect({}, {.sqsize = 1023});
  host->peer().stop_receiving(true);
  // A hundred reads of 128 KiB at a time: more than the limit of the send queue each.
  uint16_t cid = 0;
  for (int batch = 0; batch < 10; ++batch) {
    for (int i = 0; i < 100; ++i) host->send_command(read_command(cid++, 0, 256));
    target().world.settle();
  }
  EXPECT_EQ(newest().shown, 101u);  // with Connect: the first batch, and no more was read
  expect_works(*witness_);
  target().world.advance(31 * k_ns_per_s);
  EXPECT_EQ(newest().close_reason, CloseReason::timed_out);
}

TEST_F(PduPressure, P60_parsing_goes_on_when_the_host_reads_again) {
  target().world.network().window_bytes = 256 * 1024;
  const auto host = target().connect({}, {.sqsize = 1023});
  host->peer().stop_receiving(true);
  for (uint16_t cid = 0; cid < 100; ++cid) host->send_command(read_command(cid, 0, 256));
  target().world.settle();
  for (uint16_t cid = 100; cid < 200; ++cid) host->send_command(read_command(cid, 0, 256));
  target().world.settle();
  EXPECT_EQ(newest().shown, 101u);
  host->peer().stop_receiving(false);
  for (uint16_t cid = 0; cid < 200; ++cid) {
    ASSERT_EQ(host->receive_answer(cid).data.size(), 128u * 1024);
  }
  expect_works(*host);
}

TEST_F(PduPressure, P60_answers_in_buffers_of_the_arena_stay_within_the_budget) {
  restart({.send_queue_bytes_max = 1 << 20});
  target().behaviour.mapped_reads = false;
  target().world.network().window_bytes = 64 * 1024;
  const uint32_t free_before = target().reactor.buffers().large_free();
  const auto host = target().connect({}, {.sqsize = 127});
  host->peer().stop_receiving(true);
  for (uint16_t cid = 0; cid < 64; ++cid) host->send_command(read_command(cid, cid, 256));
  for (uint16_t cid = 64; cid < 100; ++cid) {
    host->send_command(with_transport_data(write_command(cid, 512, 256), 128 * 1024));
  }
  target().world.settle();
  EXPECT_GE(target().reactor.buffers().large_free(), free_before - 8);
  host->peer().stop_receiving(false);
  for (uint16_t cid = 0; cid < 64; ++cid) ASSERT_EQ(host->receive_answer(cid).data.size(), 128u * 1024);
  for (uint16_t cid = 64; cid < 100; ++cid) {
    ASSERT_TRUE(host->receive_answer(cid, pattern(128 * 1024)).status().ok());
  }
}

TEST_F(PduPressure, P60_hosts_that_never_read_leave_buffers_for_the_others) {
  target().behaviour.mapped_reads = false;
  target().world.network().window_bytes = 64 * 1024;
  std::vector<std::unique_ptr<RawHost>> silent;
  for (int i = 0; i < 40; ++i) {
    silent.push_back(target().connect({}, {.sqsize = 63}));
    silent.back()->peer().stop_receiving(true);
    for (uint16_t cid = 0; cid < 60; ++cid) silent.back()->send_command(read_command(cid, 0, 256));
    target().world.settle();
  }
  EXPECT_GE(target().reactor.buffers().large_free(), 4u);
  const auto host = target().connect();
  const Bytes data = pattern(128 * 1024);
  EXPECT_TRUE(host->execute(write_command(1, 512, 256), data, false).status().ok());
  EXPECT_EQ(host->execute(read_command(2, 512, 256)).data, data);
}

TEST_F(PduPressure, commands_wait_for_buffers_and_none_fails) {
  BufferArenaSizes arena;
  arena.small_count = 3;
  arena.small_reserved_for_capsules = 1;
  arena.large_count = 2;
  arena.large_reserved_for_capsules = 1;
  for (const bool mapped : {true, false}) {
    for (const size_t cut : {size_t{0}, size_t{1}, size_t{7}, size_t{100}, size_t{4096}}) {
      restart({}, arena);
      target().behaviour.mapped_reads = mapped;
      target().world.network().receive_bytes_max = cut;
      const auto first = target().connect({.data_digest = true}, {.sqsize = 63});
      const auto second = target().connect({}, {.sqsize = 63});
      RawHost* const hosts[] = {first.get(), second.get()};
      for (uint16_t cid = 0; cid < 30; ++cid) {
        for (RawHost* host : hosts) {
          const Bytes data = pattern(2048, cid);
          if (cid % 3 == 2) {
            host->send_command(with_transport_data(write_command(cid, cid * 4u, 4), 2048));
          } else {
            host->send_command(with_capsule_data(write_command(cid, cid * 4u, 4), 2048), data);
          }
        }
      }
      uint32_t answers = 0;
      for (int round = 0; round < 1000 && answers < 60; ++round) {
        target().world.settle();
        for (RawHost* host : hosts) {
          while (const auto pdu = host->receive_pdu(0)) {
            if (pdu->is(tcp::PduType::r2t)) {
              host->answer_r2t(pdu->as<tcp::R2T>(), pattern(2048, pdu->as<tcp::R2T>().cccid));
            } else {
              ASSERT_TRUE(pdu->is(tcp::PduType::capsule_resp));
              EXPECT_TRUE(pdu->as<tcp::CapsuleResp>().rccqe.status().ok());
              ++answers;
            }
          }
        }
      }
      ASSERT_EQ(answers, 60u);
      for (uint16_t cid = 0; cid < 30; ++cid) {
        EXPECT_EQ(first->execute(read_command(cid, cid * 4u, 4)).data, pattern(2048, cid));
      }
      target().world.network().receive_bytes_max = 0;
    }
  }
}

TEST_F(PduPressure, a_connection_that_waits_for_a_buffer_can_end) {
  BufferArenaSizes arena;
  arena.small_count = 2;
  arena.small_reserved_for_capsules = 1;
  restart({}, arena);
  const auto holder = target().connect();
  newest().hold = true;
  EchoQpair& holding = newest();
  for (uint16_t cid = 0; cid < 2; ++cid) {
    holder->send_command(with_capsule_data(write_command(cid, 0, 1), 512), pattern(512));
  }
  target().world.settle();
  ASSERT_EQ(target().reactor.buffers().small_free(), 0u);
  for (const bool reset : {false, true}) {
    RawHost host = raw();
    ASSERT_TRUE(host.initialize());
    host.send_command(with_capsule_data(connect_command({}), 1024), connect_data({}));
    target().world.settle();
    EXPECT_EQ(newest().shown, 0u);
    reset ? host.peer().reset() : host.peer().close();
  }
  // It does not read, so it learns of its end when a buffer comes.
  target().world.on(target().reactor, [&] { holding.resume_held(); });
  target().world.settle();
  for (uint16_t cid = 0; cid < 2; ++cid) EXPECT_TRUE(holder->receive_answer(cid).status().ok());
  target().expect_released();
}

TEST_F(PduPressure, mapped_data_that_a_send_left_over_does_not_change_any_more) {
  target().world.network().window_bytes = 64 * 1024;
  for (const bool exhausted : {false, true}) {
    std::vector<Segment> taken;
    std::fill(target().device.begin(), target().device.begin() + 256 * 1024, uint8_t{0x11});
    const auto host = target().connect({.data_digest = true});
    host->peer().stop_receiving(true);
    host->send_command(read_command(1, 0, 256));
    host->send_command(read_command(2, 0, 256));
    if (exhausted) {
      while (true) {
        const Segment buffer =
            target().reactor.buffers().try_acquire(128 * 1024, BufferArena::Purpose::transfer);
        if (buffer.base == nullptr) break;
        taken.push_back(buffer);
      }
    }
    target().world.settle();
    std::fill(target().device.begin(), target().device.begin() + 256 * 1024, uint8_t{0x22});
    host->peer().stop_receiving(false);
    const Answer begun = host->receive_answer(1);
    EXPECT_EQ(begun.data, Bytes(128 * 1024, 0x11));
    EXPECT_TRUE(begun.digests_ok);
    const Answer not_begun = host->receive_answer(2);
    EXPECT_EQ(not_begun.data, Bytes(128 * 1024, 0x22));
    EXPECT_TRUE(not_begun.digests_ok);
    for (const Segment& buffer : taken) target().reactor.buffers().release(buffer);
  }
}

TEST_F(PduPressure, every_request_is_released_when_a_connection_ends_in_any_state) {
  target().world.network().window_bytes = 64 * 1024;
  for (const bool mapped : {true, false}) {
    target().behaviour.mapped_reads = mapped;
    for (const bool protocol_error : {true, false}) {
      const auto host = target().connect({}, {.sqsize = 63});
      EchoQpair& qpair = newest();
      host->peer().stop_receiving(true);
      host->send_command(with_transport_data(write_command(1, 0, 256), 128 * 1024));  // fetching
      target().world.settle();
      for (uint16_t cid = 2; cid < 6; ++cid) host->send_command(read_command(cid, 0, 256));  // replying
      target().world.settle();
      host->send_command(with_transport_data(write_command(6, 0, 256), 128 * 1024));  // its R2T queued
      target().world.settle();
      qpair.hold = true;
      host->send_command(read_command(7, 0, 1));  // with the observer
      const Bytes capsule = build_capsule(with_capsule_data(write_command(8, 0, 1), 512), pattern(512));
      if (protocol_error) {
        host->send(Bytes(8, 0xff));
      } else {
        host->send({capsule.begin(), capsule.begin() + 100});  // half arrived
        target().world.settle();
        host->peer().reset();
      }
      target().world.settle();
      EXPECT_TRUE(qpair.closed);
      target().world.advance(3 * k_ns_per_s);
      EXPECT_EQ(qpair.shown, qpair.released);
      target().expect_released();
    }
  }
}

}  // namespace
}  // namespace ballast::test
