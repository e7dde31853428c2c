// A replica over devices, as heads of the same process use it, from its own reactor and from another.
#include "bdev/mirror/replica.h"

#include "base/crc32c.h"
#include "native/bdev_mirror/replica_stage.h"

namespace ballast::bdev::mirror::test {
namespace {

class ReplicaTest : public ::testing::TestWithParam<bool> {
 protected:
  Reactor& heads_reactor() { return GetParam() ? stage.other : stage.home; }
  // A connection that is sealed.
  ReplicaStage::Connection& sealed(uint64_t epoch, uint64_t session = 1, uint8_t head = 1) {
    ReplicaStage::Connection& made = stage.connect(heads_reactor());
    EXPECT_EQ(stage.seal(made, epoch, session, head).status, Status::ok);
    return made;
  }
  bool wait_held(size_t count) {
    return stage.world.run_until([&] { return stage.data->held.size() == count; });
  }
  void release_all() {
    stage.data->hold = false;
    stage.world.on(stage.home, [&] {
      while (!stage.data->held.empty()) stage.data->release_one();
    });
  }
  ReplicaStage stage;
};
INSTANTIATE_TEST_SUITE_P(Reactors, ReplicaTest, ::testing::Bool(),
                         [](const auto& on) { return on.param ? "head_elsewhere" : "head_at_home"; });

TEST_P(ReplicaTest, nothing_is_done_before_a_seal) {
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& head = stage.connect(heads_reactor());
  HeadIo io(IoType::write, 0, 1);
  EXPECT_EQ(stage.run(head, io), Status::fenced);
  EXPECT_EQ(io.io.refusal, static_cast<uint8_t>(Refusal::not_sealed));
  stage.ask(head, ReplicaOpcode::set_content);
  EXPECT_EQ(stage.wait(head).refusal, Refusal::not_sealed);
  EXPECT_TRUE(stage.data->seen.empty());
}

TEST_P(ReplicaTest, D1_what_was_written_is_there_and_marked_after_a_restart) {
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& head = sealed(1);
  EXPECT_EQ(stage.write(head, 300, 0x42), Status::ok);
  EXPECT_EQ(stage.read(head, 300), 0x42);
  ASSERT_EQ(stage.reopen(), Errc::ok);
  EXPECT_EQ(stage.facts().marked_regions, 1u);
  EXPECT_EQ(stage.facts().max_epoch, 1u);
  EXPECT_EQ(stage.read(sealed(2), 300), 0x42);
}

// D9, D12: the stalled write of a head before ends before the new one is answered, and nothing follows it.
TEST_P(ReplicaTest, D12_seal_waits_for_io_of_the_head_before_and_fences_the_rest) {
  stage.options.ios_max = 1;
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& old_head = sealed(1);
  ASSERT_EQ(stage.write(old_head, 0, 1), Status::ok);  // the mark is there
  stage.data->hold = true;
  HeadIo in_device(IoType::write, 0, 1, 2), in_line(IoType::write, 1, 1, 2);
  stage.submit(old_head, in_device);
  stage.submit(old_head, in_line);
  ASSERT_TRUE(wait_held(1));
  auto& new_head = stage.connect(heads_reactor());
  stage.start_seal(new_head, 2, 1, 2);
  stage.world.advance(30 * k_ns_per_s);
  EXPECT_FALSE(new_head.answer);
  EXPECT_FALSE(in_device.status);
  EXPECT_TRUE(old_head.is_lost);
  release_all();
  EXPECT_EQ(stage.wait(new_head).status, Status::ok);
  EXPECT_EQ(in_device.status, Status::ok);
  EXPECT_EQ(in_line.status, Status::fenced);
  EXPECT_EQ(in_line.io.refusal, static_cast<uint8_t>(Refusal::fenced));
  EXPECT_EQ(stage.read(new_head, 1), 0);
  EXPECT_EQ(stage.seal(old_head, 3).refusal, Refusal::fenced);
}

// D13: of one head, what is stuck in an older session.
TEST_P(ReplicaTest, D13_later_session_fences_the_one_before) {
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& stuck = sealed(1, 1);
  auto& fresh = sealed(1, 2);
  EXPECT_EQ(stage.write(stuck, 0, 1), Status::fenced);
  EXPECT_EQ(stage.write(fresh, 0, 2), Status::ok);
  EXPECT_EQ(stage.seal(stage.connect(heads_reactor()), 1, 2).refusal, Refusal::fenced);
}

TEST_P(ReplicaTest, full_pool_lets_io_wait_in_order_and_fails_none) {
  stage.options.ios_max = 3;
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& head = sealed(1);
  ASSERT_EQ(stage.write(head, 0, 1), Status::ok);
  stage.data->seen.clear();
  stage.data->hold = true;
  std::vector<std::unique_ptr<HeadIo>> ios;
  for (uint32_t i = 0; i < 20; ++i) {
    ios.push_back(std::make_unique<HeadIo>(IoType::write, i, 1, static_cast<uint8_t>(i)));
    stage.submit(head, *ios.back());
  }
  ASSERT_TRUE(wait_held(3));
  stage.world.settle();
  EXPECT_EQ(stage.replica->ios_waiting(), 17u);
  release_all();
  EXPECT_TRUE(stage.world.run_until([&] { return ios.back()->status.has_value(); }));
  ASSERT_EQ(stage.data->seen.size(), 20u);
  for (uint32_t i = 0; i < 20; ++i) {
    EXPECT_EQ(ios[i]->status, Status::ok);
    EXPECT_EQ(stage.data->seen[i].lba, i);
  }
}

// A device that answers within submit(), and a submitter that sends the next from inside done().
TEST_P(ReplicaTest, io_that_is_sent_from_inside_an_end_does_not_pile_up) {
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& head = sealed(1);
  HeadIo io(IoType::write, 0, 1, 9);
  uint32_t left = 50'000;
  io.then = [&] {
    EXPECT_EQ(io.status, Status::ok);
    if (--left == 0) return;
    io.status.reset();
    head.way->submit(io.io);
  };
  stage.submit(head, io);
  EXPECT_TRUE(stage.world.run_until([&] { return left == 0; }));
}

// D3, D5: nothing is acknowledged over metadata whose state nobody knows, and nothing is tried again.
TEST_P(ReplicaTest, D5_failed_metadata_write_stops_it_until_it_is_opened_again) {
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& head = sealed(1);
  stage.metadata->answer = Status::io_error;
  EXPECT_EQ(stage.write(head, 0, 1), Status::io_error);
  stage.metadata->answer = Status::ok;
  EXPECT_EQ(stage.write(head, 0, 1), Status::io_error);
  EXPECT_EQ(stage.seal(stage.connect(heads_reactor()), 2).status, Status::io_error);
  EXPECT_TRUE(stage.facts().is_failed);
  EXPECT_TRUE(stage.data->seen.empty());
  ASSERT_EQ(stage.reopen(), Errc::ok);
  EXPECT_EQ(stage.write(sealed(2), 0, 1), Status::ok);
}

// D4, D6: errors of the data are the head's to judge.
TEST_P(ReplicaTest, D4_errors_of_the_data_device_are_passed_on) {
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& head = sealed(1);
  for (const Status status : {Status::media_error, Status::io_error, Status::no_space}) {
    stage.data->answer = status;
    EXPECT_EQ(stage.write(head, 0, 1), status);
  }
  stage.data->answer = Status::ok;
  EXPECT_EQ(stage.write(head, 0, 1), Status::ok);
}

TEST_P(ReplicaTest, checksums_are_those_of_its_data_and_beside_other_commands) {
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& head = sealed(1);
  for (uint64_t lba = 0; lba < 100; ++lba) {
    ASSERT_EQ(stage.write(head, 7 + lba, static_cast<uint8_t>(lba)), Status::ok);
  }
  std::vector<uint32_t> sums(100);
  std::optional<ReplicaAnswer> answer;
  const MutableByteSpan out(reinterpret_cast<uint8_t*>(sums.data()), sums.size() * sizeof(uint32_t));
  const auto read = [&](uint64_t first, uint32_t blocks) {
    answer.reset();
    stage.world.on(heads_reactor(), [&] {
      head.way->request({checksum_words(first, blocks * 4096), {}, out.first(size_t{blocks} * 4)},
                        [&](const ReplicaAnswer& said) { answer = said; });
    });
  };
  stage.data->hold = true;
  read(7, 100);
  EXPECT_EQ(stage.state(head).sealed_epoch, 1u);  // that is answered meanwhile
  EXPECT_FALSE(answer.has_value());
  release_all();
  ASSERT_TRUE(stage.world.run_until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->status, Status::ok);
  for (size_t i = 0; i < sums.size(); ++i) {
    EXPECT_EQ(sums[i], crc32c(std::vector<uint8_t>(4096, static_cast<uint8_t>(i)))) << i;
  }
  stage.data->answer = Status::media_error;
  read(0, 1);
  ASSERT_TRUE(stage.world.run_until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->status, Status::media_error);
}

// What is there behind its end is of something else.
TEST_P(ReplicaTest, grows_with_its_device_and_its_new_blocks_read_zeroes) {
  const uint64_t all = ReplicaStage::k_size_bytes / 4096, before = all - 300;
  stage.data->shown_geometry.blocks_count = before;
  HeadIo old(IoType::write, before, 300, 0xee);
  stage.world.on(stage.home, [&] { stage.data->open(stage.home)->submit(old.io); });
  ASSERT_EQ(old.status, Status::ok);
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& head = stage.connect(heads_reactor());
  ASSERT_EQ(stage.seal(head, 1).status, Status::ok);  // of a volume that is larger
  const auto grow = [&](uint64_t blocks) {
    stage.ask(head, ReplicaOpcode::grow, {}, 0, blocks);
    return stage.wait(head).status;
  };
  EXPECT_EQ(grow(all), Status::unsupported);  // nobody makes its device larger
  std::optional<uint64_t> asked;
  stage.world.on(stage.home, [&] {
    stage.replica->set_grower([&](uint64_t size_bytes, const auto& grown) {
      if (asked) stage.data->shown_geometry.blocks_count = all;
      asked = size_bytes;
      grown(Status::ok);
    });
  });
  EXPECT_EQ(grow(all), Status::no_space);  // it says so, and is not
  EXPECT_EQ(asked, all * 4096);
  EXPECT_EQ(stage.state(head).blocks_count, before);
  EXPECT_EQ(stage.read(head, before), -1);
  EXPECT_EQ(grow(all), Status::ok);
  EXPECT_EQ(stage.state(head).blocks_count, all);
  EXPECT_EQ(stage.read(head, before), 0);
  EXPECT_EQ(stage.read(head, all - 1), 0);
  EXPECT_EQ(stage.write(head, all - 1, 5), Status::ok);
  ASSERT_EQ(stage.reopen(), Errc::ok);
  EXPECT_EQ(stage.facts().blocks_count, all);
}

TEST_P(ReplicaTest, connection_that_is_closed_ends_its_io_before_it_says_so) {
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& head = sealed(1);
  ASSERT_EQ(stage.write(head, 0, 1), Status::ok);
  stage.data->hold = true;
  HeadIo in_device(IoType::write, 0, 1, 2);
  stage.submit(head, in_device);
  ASSERT_TRUE(wait_held(1));
  bool closed = false;
  stage.world.on(*head.reactor, [&] { head.way->close([&closed] { closed = true; }); });
  stage.world.advance(k_ns_per_s);
  EXPECT_FALSE(closed);
  EXPECT_FALSE(stage.facts().is_sealed);
  release_all();
  EXPECT_TRUE(stage.world.run_until([&] { return closed; }));
  EXPECT_EQ(in_device.status, Status::io_error);
  stage.world.on(*head.reactor, [&] { head.way.reset(); });
}

TEST_P(ReplicaTest, connection_with_a_seal_that_waits_can_be_closed) {
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& old_head = sealed(1);
  ASSERT_EQ(stage.write(old_head, 0, 1), Status::ok);
  stage.data->hold = true;
  HeadIo in_device(IoType::write, 0, 1, 2);
  stage.submit(old_head, in_device);
  ASSERT_TRUE(wait_held(1));
  auto& waits = stage.connect(heads_reactor());
  stage.start_seal(waits, 2);
  bool closed = false;
  stage.world.on(*waits.reactor, [&] { waits.way->close([&closed] { closed = true; }); });
  EXPECT_TRUE(stage.world.run_until([&] { return closed; }));
  EXPECT_EQ(waits.answer->refusal, Refusal::fenced);
  stage.world.on(*waits.reactor, [&] { waits.way.reset(); });
  release_all();
  EXPECT_TRUE(stage.world.run_until([&] { return in_device.status.has_value(); }));
}

TEST_P(ReplicaTest, closing_the_replica_loses_its_connections_and_takes_no_more) {
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& head = sealed(1);
  bool closed = false;
  stage.world.on(stage.home, [&] { stage.replica->close([&closed] { closed = true; }); });
  stage.world.advance(k_ns_per_s);
  EXPECT_TRUE(head.is_lost);
  EXPECT_FALSE(closed);
  EXPECT_EQ(stage.connect(heads_reactor()).errc, Errc::too_many);
  stage.end(1);
  stage.end(0);
  EXPECT_TRUE(stage.world.run_until([&] { return closed; }));
  stage.world.on(stage.home, [&] { stage.replica.reset(); });
}

TEST_P(ReplicaTest, associations_are_bounded_and_their_places_come_back) {
  stage.options.associations_max = 2;
  ASSERT_EQ(stage.open(), Errc::ok);
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(stage.connect(heads_reactor()).errc, Errc::ok);
    EXPECT_EQ(stage.connect(heads_reactor()).errc, Errc::ok);
    EXPECT_EQ(stage.connect(heads_reactor()).errc, Errc::too_many);
    while (!stage.connections.empty()) stage.end(0);
  }
}

TEST_P(ReplicaTest, cancelled_connect_is_answered_and_leaves_nothing) {
  stage.options.associations_max = 1;
  ASSERT_EQ(stage.open(), Errc::ok);
  std::optional<Errc> errc;
  std::unique_ptr<ReplicaConnector> connector;
  stage.world.on(heads_reactor(), [&] {
    connector = make_local_connector(*stage.replica, heads_reactor());
    connector->connect([&](auto result) { errc = result.errc(); }, [](const std::string&) {});
    connector->cancel();
  });
  EXPECT_TRUE(stage.world.run_until([&] { return errc.has_value(); }));
  EXPECT_EQ(errc, Errc::aborted);
  EXPECT_EQ(stage.connect(heads_reactor()).errc, Errc::ok);
  stage.world.on(heads_reactor(), [&] { connector.reset(); });
}

// ---- a replica of no volume yet ----

TEST_P(ReplicaTest, first_head_that_seals_it_says_of_which_volume_it_is) {
  ASSERT_EQ(stage.open({.uuid = id_of(0xaa)}), Errc::ok);
  auto& head = stage.connect(heads_reactor());
  EXPECT_EQ(stage.state(head).volume_uuid, Uuid{});
  EXPECT_EQ(stage.seal(head, 4, 1, 1, 0x77).status, Status::ok);
  EXPECT_EQ(stage.state(head).content, Content::nothing);
  EXPECT_EQ(stage.seal(stage.connect(heads_reactor()), 5, 1, 2, 0x78).refusal, Refusal::wrong_replica);
  ASSERT_EQ(stage.reopen(), Errc::ok);
  EXPECT_EQ(stage.facts().volume_uuid, id_of(0x77));
  EXPECT_EQ(stage.facts().max_epoch, 4u);
}

// With the same write: never an epoch without the volume, or the volume of a head that was refused.
TEST_P(ReplicaTest, volume_is_taken_with_the_epoch_and_not_from_a_refused_head) {
  ASSERT_EQ(stage.open({.uuid = id_of(0xaa)}), Errc::ok);
  auto& head = stage.connect(heads_reactor());
  EXPECT_EQ(stage.seal(head, 1, 1, 1, 0).status, Status::invalid);  // a volume without a name
  SealRequest other{.block_size_bytes = 512,
                    .epoch = 1,
                    .session = 1,
                    .volume_uuid = id_of(0x77),
                    .replica_uuid = id_of(0xaa),
                    .head_uuid = id_of(1),
                    .blocks_count = 1};
  ReplicaBlock block{};
  store(MutableByteSpan(block), other);
  stage.ask(head, ReplicaOpcode::seal, block);
  EXPECT_EQ(stage.wait(head).refusal, Refusal::wrong_replica);
  EXPECT_EQ(stage.facts().volume_uuid, Uuid{});
  EXPECT_EQ(stage.seal(head, 1, 1, 1, 0x78).status, Status::ok);
  for (uint64_t copy = 0; copy < 2; ++copy) {
    const auto superblock = load<ReplicaSuperblock>(ByteSpan(stage.metadata_block(copy)));
    EXPECT_EQ(superblock.volume_uuid, id_of(0x78));
    EXPECT_EQ(superblock.max_epoch, 1u);
  }
}

// D23: the store knows that it was sealed once, and it knows of nothing: another disk.
TEST_P(ReplicaTest, D23_complete_replica_that_lost_its_epoch_has_nothing) {
  ASSERT_EQ(stage.open({.uuid = id_of(0xaa), .content = Content::complete}), Errc::ok);
  auto& head = stage.connect(heads_reactor());
  ASSERT_EQ(stage.seal(head, 5, 1, 1, 0xbb, 4).status, Status::ok);
  EXPECT_EQ(stage.state(head).content, Content::nothing);
}

TEST_P(ReplicaTest, complete_replica_of_no_volume_is_complete_for_its_first) {
  ASSERT_EQ(stage.open({.uuid = id_of(0xaa), .content = Content::complete}), Errc::ok);
  auto& head = stage.connect(heads_reactor());
  ASSERT_EQ(stage.seal(head, 1).status, Status::ok);
  EXPECT_EQ(stage.state(head).content, Content::complete);
}

// ---- power ----

// D1, D2, D7: files whose power fails at every change, with what was in flight kept or not.
TEST(ReplicaPower, D2_power_failure_at_any_change_keeps_epoch_and_marks_of_what_was_acknowledged) {
  constexpr uint64_t k_bytes = uint64_t{8} << 20;
  for (uint64_t changes = 0; changes < 40; ++changes) {
    ReplicaStage stage(changes + 1);
    const auto open = [&] {
      auto data = make_file_bdev(stage.world.files(), {.path = "d", .size_bytes = k_bytes});
      auto metadata = make_file_bdev(stage.world.files(),
                                     {.path = "d.replica", .size_bytes = replica_metadata_bytes(k_bytes)});
      return stage.open({.uuid = id_of(0xaa), .volume_uuid = id_of(0xbb)}, *data, *metadata);
    };
    ASSERT_EQ(open(), Errc::ok);
    stage.world.cut_power_after(changes);
    auto& head = stage.connect(stage.other);
    SealRequest request{.epoch = 1,
                        .session = 1,
                        .volume_uuid = id_of(0xbb),
                        .replica_uuid = id_of(0xaa),
                        .head_uuid = id_of(1),
                        .blocks_count = k_bytes / 4096};
    ReplicaBlock block{};
    store(MutableByteSpan(block), request);
    stage.ask(head, ReplicaOpcode::seal, block);
    const bool is_sealed = stage.wait(head).status == Status::ok;
    std::vector<uint8_t> acknowledged;
    for (uint8_t region = 0; region < 8; ++region) {
      if (stage.write(head, region * 256u, static_cast<uint8_t>(region + 1)) == Status::ok)
        acknowledged.push_back(region);
    }
    stage.close();
    stage.world.restore_power(UnsyncedWrites::random);
    ASSERT_EQ(open(), Errc::ok) << stage.error_text;
    ASSERT_FALSE(stage.facts().is_unusable) << changes;
    EXPECT_GE(stage.facts().max_epoch, is_sealed ? 1u : 0u) << changes;
    auto& again = stage.connect(stage.other);
    request.epoch = 2;
    store(MutableByteSpan(block), request);
    stage.ask(again, ReplicaOpcode::seal, block);
    ASSERT_EQ(stage.wait(again).status, Status::ok);
    stage.ask(again, ReplicaOpcode::read_intent, {}, 8);
    ASSERT_EQ(stage.wait(again).status, Status::ok);
    for (const uint8_t region : acknowledged) {
      EXPECT_NE(again.got[0] & 1 << region, 0) << changes;
      EXPECT_EQ(stage.read(again, region * 256u), region + 1) << changes;
    }
    if (changes > 36) {
      EXPECT_EQ(acknowledged.size(), 8u);
    }
  }
}

}  // namespace
}  // namespace ballast::bdev::mirror::test
