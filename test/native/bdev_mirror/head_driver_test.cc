// The plumbing between a Head and its members: what is carried out, in which order, and when memory is given
// back. The rules themselves are tested by head_test.cc and the simulation.
#include "bdev/mirror/head_driver.h"

#include "native/bdev_mirror/driver_rig.h"

namespace ballast::bdev::mirror::test {
namespace {

std::vector<uint8_t> filled(uint32_t blocks, uint8_t value) {
  return std::vector<uint8_t>(size_t{blocks} * k_block_bytes, value);
}

TEST(HeadDriver, WritesGoToAllMembersAndAreReadBack) {
  DriverRig rig(3);
  rig.start();
  EXPECT_EQ(rig.write(5, 3, 0x11), Status::ok);
  EXPECT_EQ(rig.write(255, 2, 0x22), Status::ok);  // two regions
  EXPECT_EQ(rig.read(5, 3), filled(3, 0x11));
  EXPECT_EQ(rig.read(255, 2), filled(2, 0x22));
  EXPECT_EQ(rig.read(100, 1), filled(1, 0));
  EXPECT_TRUE(rig.all_equal());
  for (const auto& replica : rig.replicas) EXPECT_EQ(replica->data()[5 * k_block_bytes], 0x11);
}

TEST(HeadDriver, IsADeviceOnAnotherReactorToo) {
  DriverRig rig(2, 1, true);
  rig.start();
  EXPECT_EQ(rig.write(7, 1, 0x33), Status::ok);
  EXPECT_EQ(rig.read(7, 1), filled(1, 0x33));
}

TEST(HeadDriver, ZeroesUnmapsComparesAndRefusesWhatItCannot) {
  DriverRig rig(2);
  rig.start();
  ASSERT_EQ(rig.write(0, 8, 0x44), Status::ok);
  const auto run = [&](DriverRig::Op& op) {
    rig.world.on(rig.user, [&] { rig.channel->submit(op.io); });
    EXPECT_TRUE(rig.wait_for([&] { return rig.is_over(op); }));
    return op.status.value_or(Status::aborted);
  };
  EXPECT_EQ(run(rig.submit(IoType::compare, 0, 4, 0x44)), Status::ok);
  EXPECT_EQ(run(rig.submit(IoType::compare, 0, 4, 0x45)), Status::compare_mismatch);
  EXPECT_EQ(run(rig.submit(IoType::write_zeroes, 1, 1)), Status::ok);
  EXPECT_EQ(run(rig.submit(IoType::unmap, 2, 1)), Status::ok);
  EXPECT_EQ(rig.read(1, 2), filled(2, 0));
  EXPECT_EQ(run(rig.submit(IoType::flush, 0, 0)), Status::ok);
  EXPECT_EQ(run(rig.submit(IoType::copy, 0, 1)), Status::unsupported);
  EXPECT_EQ(run(rig.submit(IoType::read, DriverRig::k_blocks - 1, 2)), Status::out_of_range);

  DriverRig::Op& wrong = rig.submit(IoType::compare_and_write, 4, 2, 0x55);
  EXPECT_EQ(run(wrong), Status::compare_mismatch);
  EXPECT_EQ(rig.read(4, 2), filled(2, 0x44));
  DriverRig::Op& right = rig.submit(IoType::compare_and_write, 4, 2, 0x44);
  std::fill(right.memory.begin() + 2 * k_block_bytes, right.memory.end(), 0x66);
  EXPECT_EQ(run(right), Status::ok);
  EXPECT_EQ(rig.read(4, 2), filled(2, 0x66));
  EXPECT_TRUE(rig.all_equal());
}

TEST(HeadDriver, MemberThatIsLostLeavesTheSetAndComesBackEqual) {
  DriverRig rig(3);
  rig.start();
  ASSERT_EQ(rig.write(0, 8, 1), Status::ok);
  rig.world.on(rig.home, [&] { rig.replicas[1]->be_unreachable(true); });
  EXPECT_EQ(rig.write(0, 4, 2), Status::ok);
  EXPECT_FALSE(rig.record.in_sync.has(1));
  EXPECT_EQ(rig.write(300, 4, 3), Status::ok);
  EXPECT_FALSE(rig.all_equal());
  EXPECT_NE(rig.driver->member(1).trouble, "");
  const uint64_t writes_before = rig.replicas[1]->writes_count();
  rig.world.on(rig.home, [&] { rig.replicas[1]->be_unreachable(false); });
  ASSERT_TRUE(rig.wait_in_sync());
  EXPECT_TRUE(rig.all_equal());
  // What was missed, and nothing else.
  EXPECT_LE(rig.replicas[1]->writes_count() - writes_before, 2u);
  EXPECT_EQ(rig.driver->member(1).trouble, "");
}

// A new member, on a disk that held something else: what nobody has written is zeroed there, not copied.
TEST(HeadDriver, AFullCopyMovesWhatIsAllocatedAndZeroesTheRest) {
  DriverRig rig(2);
  rig.record.in_sync = MemberSet::of(0);
  std::fill(rig.replicas[1]->data().begin(), rig.replicas[1]->data().end(), uint8_t{0x99});
  std::fill_n(rig.replicas[1]->data().begin() + 300 * k_block_bytes, 20 * k_block_bytes, uint8_t{0});
  std::fill_n(rig.replicas[0]->data().begin() + 10 * k_block_bytes, 5 * k_block_bytes, uint8_t{0x77});
  rig.start();
  ASSERT_TRUE(rig.wait_in_sync());
  EXPECT_TRUE(rig.all_equal());
  EXPECT_EQ(rig.read(10, 5), filled(5, 0x77));
  EXPECT_EQ(rig.read(100, 1), filled(1, 0));
  EXPECT_EQ(rig.replicas[1]->blocks_written(), 5u);
  EXPECT_EQ(rig.replicas[1]->blocks_zeroed(), DriverRig::k_blocks - 5 - 20);
}

// Of a member that was never in sync, and whose copy was broken off: by the end of its head, and by its own.
TEST(HeadDriver, AFullCopyGoesOnWhereItWas) {
  for (const bool head_ends : {true, false}) {
    DriverRig rig(2);
    rig.record.in_sync = MemberSet::of(0);
    std::fill(rig.replicas[0]->data().begin(), rig.replicas[0]->data().end(), uint8_t{0x77});
    rig.options.head.settle_bytes = k_region_bytes;
    rig.start();
    MemoryReplica& joining = *rig.replicas[1];
    ASSERT_TRUE(rig.wait_for([&] { return joining.blocks_written() >= 600; }));
    ASSERT_FALSE(rig.record.in_sync.has(1));
    if (head_ends) {
      rig.stop_head(false);
    } else {
      rig.world.on(rig.home, [&] { joining.restart(); });
    }
    const uint64_t written = joining.blocks_written();
    if (head_ends) rig.start();
    ASSERT_EQ(rig.write(1, 1, 0x88), Status::ok);
    ASSERT_TRUE(rig.wait_in_sync());
    EXPECT_TRUE(rig.all_equal());
    EXPECT_EQ(rig.read(0, 3)[k_block_bytes], 0x88);
    // The first region was noted; of it the block that was written is copied.
    EXPECT_LE(joining.blocks_written() - written, DriverRig::k_blocks - 256 + 1) << head_ends;
  }
}

// A write that only one of them has must still be noted by that one when the head is gone.
TEST(HeadDriver, NothingCountsAsCopiedWhileItIsBeingWritten) {
  DriverRig rig(2);
  rig.record.in_sync = MemberSet::of(0);
  std::fill(rig.replicas[0]->data().begin(), rig.replicas[0]->data().end(), uint8_t{0x77});
  rig.options.head.settle_bytes = k_region_bytes;
  rig.options.head.copies_max = 1;
  rig.options.head.latency_budget_ns = 20 * k_ns_per_s;
  rig.options.head.resync_bytes_per_s = rig.options.head.busy_resync_bytes_per_s = k_region_bytes;
  rig.start();
  MemoryReplica& source = *rig.replicas[0];
  MemoryReplica& joining = *rig.replicas[1];
  const auto notes = [&](uint64_t granule) {
    const ReplicaMetadata& metadata = source.metadata();
    return std::ranges::any_of(metadata.absent, [&](const auto& map) { return map && map->has(granule); });
  };
  ASSERT_TRUE(rig.wait_for([&] { return joining.blocks_written() >= 128; }));
  rig.world.on(rig.home, [&] { source.hold_ios(true, 1); });
  DriverRig::Op& write = rig.submit(IoType::write, 1, 1, 0x88);
  rig.world.on(rig.user, [&] { rig.channel->submit(write.io); });
  // The first region has been copied, and so has the second.
  ASSERT_TRUE(rig.wait_for([&] { return joining.blocks_written() >= 512 + 1; }));
  EXPECT_FALSE(rig.is_over(write));
  EXPECT_TRUE(notes(1));
  rig.world.on(rig.home, [&] { source.hold_ios(false); });
  ASSERT_TRUE(rig.wait_for([&] { return !notes(1); }));
  EXPECT_EQ(write.status, Status::ok);
  EXPECT_TRUE(notes(DriverRig::k_blocks - 1));
  ASSERT_TRUE(rig.wait_in_sync());
  EXPECT_TRUE(rig.all_equal());
}

TEST(HeadDriver, AnotherRateOfCopiesHoldsAtOnce) {
  DriverRig rig(2);
  rig.record.in_sync = MemberSet::of(0);
  std::fill(rig.replicas[0]->data().begin(), rig.replicas[0]->data().end(), uint8_t{0x77});
  rig.options.head.copies_max = 1;
  rig.options.head.copy_bytes = k_region_bytes;
  rig.options.head.resync_bytes_per_s = 1;  // the second copy would begin after days
  rig.start();
  MemoryReplica& joining = *rig.replicas[1];
  const auto joins = [&] { return joining.blocks_written() == DriverRig::k_blocks; };
  ASSERT_FALSE(rig.wait_for(joins));
  EXPECT_EQ(joining.blocks_written(), k_region_bytes / k_block_bytes);
  rig.world.on(rig.home, [&] { rig.driver->set_resync_rate(0); });
  ASSERT_TRUE(rig.wait_for(joins));
  ASSERT_TRUE(rig.wait_in_sync());
  EXPECT_TRUE(rig.all_equal());
}

// So it is by a member that cannot unmap, and by one that can only write.
TEST(HeadDriver, ZeroesAreBroughtByWhatTheMemberHasForThem) {
  for (const bool can_zero : {true, false}) {
    DriverRig rig(2);
    rig.record.in_sync = MemberSet::of(0);
    std::fill(rig.replicas[1]->data().begin(), rig.replicas[1]->data().end(), uint8_t{0x99});
    rig.replicas[1]->capabilities = {.write_zeroes = can_zero};
    rig.start();
    ASSERT_TRUE(rig.wait_in_sync());
    EXPECT_TRUE(rig.all_equal());
    EXPECT_EQ(rig.replicas[1]->blocks_zeroed(), can_zero ? DriverRig::k_blocks : 0);
    EXPECT_EQ(rig.replicas[1]->unmaps_count(), 0u);
  }
}

TEST(HeadDriver, EveryIoIsAnsweredWhenAMemberRestartsUnderLoad) {
  DriverRig rig(3);
  rig.start();
  std::vector<DriverRig::Op*> ops;
  for (uint32_t i = 0; i < 60; ++i)
    ops.push_back(&rig.submit(IoType::write, i * 7, 2, static_cast<uint8_t>(i)));
  rig.world.on(rig.user, [&] {
    for (DriverRig::Op* const op : ops) rig.channel->submit(op->io);
  });
  rig.world.on(rig.home, [&] { rig.replicas[2]->restart(); });
  ASSERT_TRUE(rig.wait_for([&] {
    return std::ranges::all_of(ops, [](const DriverRig::Op* op) { return op->status == Status::ok; });
  }));
  ASSERT_TRUE(rig.wait_in_sync());
  EXPECT_TRUE(rig.all_equal());
  for (uint32_t i = 0; i < 60; ++i) EXPECT_EQ(rig.read(i * 7, 2), filled(2, static_cast<uint8_t>(i)));
}

TEST(HeadDriver, AMemberSlowerThanTheLatencyBudgetLeavesTheSetAndTheWriteIsAnswered) {
  DriverRig rig(3);
  rig.start();
  ASSERT_EQ(rig.write(0, 1, 1), Status::ok);
  rig.world.on(rig.home, [&] { rig.replicas[1]->hold_ios(true); });
  DriverRig::Op& op = rig.submit(IoType::write, 0, 1, 2);
  rig.world.on(rig.user, [&] { rig.channel->submit(op.io); });
  rig.world.advance(rig.options.head.latency_budget_ns / 2);
  EXPECT_FALSE(rig.is_over(op));
  EXPECT_TRUE(rig.record.in_sync.has(1));
  ASSERT_TRUE(rig.wait_for([&] { return rig.is_over(op); }, rig.options.head.latency_budget_ns));
  EXPECT_EQ(op.status, Status::ok);
  EXPECT_FALSE(rig.record.in_sync.has(1));
  rig.world.on(rig.home, [&] { rig.replicas[1]->hold_ios(false); });
  ASSERT_TRUE(rig.wait_in_sync());
  EXPECT_TRUE(rig.all_equal());
}

TEST(HeadDriver, AsksMembersSeldomWhileNobodyUsesTheVolumeAndReadsByTheLeaseAllTheSame) {
  DriverRig rig(3);
  const uint64_t lease_ns = rig.options.head.lease_ns;
  rig.options.head.quiet_ns = 3 * lease_ns;
  rig.options.head.intent_idle_ns = lease_ns;
  rig.start();
  ASSERT_EQ(rig.write(0, 1, 1), Status::ok);
  rig.world.advance(10 * lease_ns);
  const auto asked_in = [&](uint64_t ns) {
    const uint64_t before = rig.replicas[1]->commands_count();
    rig.world.advance(ns);
    return rig.replicas[1]->commands_count() - before;
  };
  const uint64_t quiet = asked_in(20 * lease_ns);
  EXPECT_GE(quiet, 3u);
  EXPECT_LE(quiet, 5u);

  // Long after the lease: it waits for the answer of each member, and not for a tick.
  DriverRig::Op& op = rig.submit(IoType::read, 0, 1);
  rig.world.on(rig.user, [&] { rig.channel->submit(op.io); });
  EXPECT_TRUE(rig.wait_for([&] { return rig.is_over(op); }, lease_ns / 20));
  EXPECT_EQ(op.status, Status::ok);
  EXPECT_GE(asked_in(2 * lease_ns), 4u);  // it is used: as often as ever

  rig.world.advance(20 * lease_ns);
  rig.connectors[2]->delay_ns = lease_ns / 5;  // there, and back
  DriverRig::Op& late = rig.submit(IoType::read, 0, 1);
  rig.world.on(rig.user, [&] { rig.channel->submit(late.io); });
  rig.world.advance(lease_ns / 3);
  EXPECT_FALSE(rig.is_over(late));
  EXPECT_TRUE(rig.wait_for([&] { return rig.is_over(late); }, lease_ns));
  EXPECT_EQ(late.status, Status::ok);
}

TEST(HeadDriver, IsNotQuietWhileAMemberIsAway) {
  DriverRig rig(2);
  rig.options.head.quiet_ns = 1;
  rig.options.head.intent_idle_ns = k_ms;
  rig.start();
  rig.world.advance(k_ns_per_s);
  rig.world.on(rig.home, [&] { rig.replicas[1]->be_unreachable(true); });
  ASSERT_TRUE(rig.wait_for([&] { return !rig.record.in_sync.has(1); }, k_ns_per_s));
  rig.world.on(rig.home, [&] { rig.replicas[1]->be_unreachable(false); });
  // Tried again as soon as ever.
  ASSERT_TRUE(rig.wait_for([&] { return rig.record.in_sync.has(1); }, 4 * rig.options.head.reconnect_ns));
}

// A host's buffer is not given back while a connection that was given up may still send it.
TEST(HeadDriver, AnswersWhenNothingOfTheIoIsOutAnyMore) {
  DriverRig rig(2);
  rig.start();
  ASSERT_EQ(rig.write(0, 1, 1), Status::ok);
  rig.connectors[1]->close_ns = 2 * k_ns_per_s;
  rig.world.on(rig.home, [&] { rig.replicas[1]->hold_ios(true); });
  DriverRig::Op& op = rig.submit(IoType::write, 0, 1, 2);
  rig.world.on(rig.user, [&] { rig.channel->submit(op.io); });
  ASSERT_TRUE(rig.wait_for([&] { return !rig.record.in_sync.has(1); }));
  rig.world.advance(k_ns_per_s);
  EXPECT_FALSE(rig.is_over(op));
  ASSERT_TRUE(rig.wait_for([&] { return rig.is_over(op); }));
  EXPECT_EQ(op.status, Status::ok);
  rig.connectors[1]->close_ns = 0;
  rig.world.on(rig.home, [&] { rig.replicas[1]->hold_ios(false); });
  ASSERT_TRUE(rig.wait_in_sync());
  EXPECT_TRUE(rig.all_equal());
}

TEST(HeadDriver, WritesWaitWhileTheStoreIsAwayAndAMemberHasFailed) {
  DriverRig rig(2);
  rig.start();
  ASSERT_EQ(rig.write(0, 1, 1), Status::ok);
  rig.store = DriverRig::Store::is_down;
  EXPECT_EQ(rig.write(0, 1, 2), Status::ok);  // all are well: nobody needs the store
  rig.world.on(rig.home, [&] { rig.replicas[0]->be_unreachable(true); });
  DriverRig::Op& op = rig.submit(IoType::write, 1, 1, 3);
  rig.world.on(rig.user, [&] { rig.channel->submit(op.io); });
  rig.world.advance(5 * k_ns_per_s);
  EXPECT_FALSE(rig.is_over(op));
  rig.store = DriverRig::Store::answers;
  ASSERT_TRUE(rig.wait_for([&] { return rig.is_over(op); }));
  EXPECT_EQ(op.status, Status::ok);
  EXPECT_FALSE(rig.record.in_sync.has(0));
}

TEST(HeadDriver, MoreIoThanThereAreNumbersForWaitsInLine) {
  DriverRig rig(2);
  rig.start();
  std::vector<DriverRig::Op*> ops;
  for (uint32_t i = 0; i < 200; ++i) ops.push_back(&rig.submit(IoType::write, 0, 1, static_cast<uint8_t>(i)));
  rig.world.on(rig.user, [&] {
    for (DriverRig::Op* const op : ops) rig.channel->submit(op->io);
  });
  ASSERT_TRUE(rig.wait_for([&] { return rig.is_over(*ops.back()); }));
  for (const DriverRig::Op* const op : ops) EXPECT_EQ(op->status, Status::ok);
  EXPECT_EQ(rig.read(0, 1), filled(1, 199));  // the order of coming
}

TEST(HeadDriver, StopLeavesNoMarkAndEndsWhatComesLater) {
  DriverRig rig(3);
  rig.start();
  ASSERT_EQ(rig.write(0, 1, 1), Status::ok);
  EXPECT_GT(rig.replicas[0]->metadata().marks.count(), 0u);
  bool stopped = false;
  rig.world.on(rig.home, [&] { rig.driver->stop([&] { stopped = true; }); });
  ASSERT_TRUE(rig.wait_for([&] { return stopped; }));
  for (const auto& replica : rig.replicas) EXPECT_EQ(replica->metadata().marks.count(), 0u);
  EXPECT_EQ(rig.write(0, 1, 1), Status::fenced);
  rig.world.on(rig.home, [&] {
    rig.slot->clear();
    rig.driver.reset();
  });
}

TEST(HeadDriver, AnotherHeadTakesThePlaceOfOneThatStoppedAndWaitsForNoLease) {
  std::vector<HeadState> states;
  DriverRig rig(2);
  rig.options.head.lease_ns = 10 * k_ns_per_s;
  rig.start();
  ASSERT_EQ(rig.write(0, 1, 1), Status::ok);
  rig.stop_head();
  EXPECT_TRUE(rig.record.head_stopped);
  EXPECT_EQ(rig.write(0, 1, 2), Status::fenced);
  rig.options.on_state = [&](HeadState state) { states.push_back(state); };
  rig.start();
  const auto serves = [&] { return std::as_const(*rig.driver).head().state() == HeadState::serving; };
  EXPECT_TRUE(rig.wait_for(serves, k_ns_per_s));
  EXPECT_EQ(states.back(), HeadState::serving);
  EXPECT_FALSE(rig.record.head_stopped);
  EXPECT_EQ(rig.read(0, 1), std::vector<uint8_t>(k_block_bytes, 1));
}

TEST(HeadDriver, AHeadThatWasAbandonedHasNotStopped) {
  DriverRig rig(2);
  rig.options.head.lease_ns = 10 * k_ns_per_s;
  rig.start();
  bool stopped = false;
  rig.world.on(rig.home, [&] {
    rig.driver->stop([&] { stopped = true; });
    rig.driver->abandon();
  });
  ASSERT_TRUE(rig.wait_for([&] { return stopped; }));
  EXPECT_FALSE(rig.record.head_stopped);
  rig.world.on(rig.home, [&] {
    rig.slot->clear();
    rig.driver.reset();
  });
  rig.start();
  const auto serves = [&] { return std::as_const(*rig.driver).head().state() == HeadState::serving; };
  EXPECT_FALSE(rig.wait_for(serves, 9 * k_ns_per_s));
  EXPECT_TRUE(rig.wait_for(serves, 3 * k_ns_per_s));
}

TEST(HeadDriver, CountsARegionThatIsWrittenAgainAndAgainOnce) {
  DriverRig rig(2);
  rig.options.head.intent_idle_ns = 200 * k_ms;
  rig.start();
  for (uint32_t turn = 0; turn < 30; ++turn) {
    ASSERT_EQ(rig.write(0, 1, 1), Status::ok);
    ASSERT_EQ(std::as_const(*rig.driver).head().marked_regions(), 1u);
    rig.world.advance(30 * k_ms);
  }
}

TEST(HeadDriver, StopsWhileItCannotConnect) {
  DriverRig rig(2);
  for (const auto& replica : rig.replicas) replica->be_unreachable(true);
  rig.start();
  rig.world.advance(3 * k_ns_per_s);
  rig.stop();
}

// Everything at once, decided by a seed: members come and go, hold I/O, fail it, while a user writes and
// reads what it has written.
TEST(HeadDriver, RandomFaultsLoseNothing) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    DriverRig rig(3, seed, seed % 2 == 0);
    rig.start();
    Prng prng(seed);
    std::map<uint64_t, uint8_t> written;
    for (uint32_t turn = 0; turn < 120; ++turn) {
      const auto member = static_cast<uint32_t>(prng.below(3));
      MemoryReplica& replica = *rig.replicas[member];
      rig.connectors[member]->close_ns = prng.below(4) == 0 ? 300 * k_ms : 0;
      rig.world.on(rig.home, [&] {
        switch (prng.below(10)) {
          case 0: replica.restart(); break;
          case 1: replica.hold_ios(true); break;
          case 2: replica.be_unreachable(true); break;
          case 3: replica.fail_ios(prng.below(2) == 0 ? Status::io_error : Status::media_error); break;
          default:
            for (const auto& one : rig.replicas) {
              one->hold_ios(false);
              one->be_unreachable(false);
              one->fail_ios(Status::ok);
            }
        }
      });
      const uint64_t lba = prng.below(DriverRig::k_blocks);
      const auto value = static_cast<uint8_t>(1 + prng.below(255));
      DriverRig::Op& op = rig.submit(IoType::write, lba, 1, value);
      rig.world.on(rig.user, [&] { rig.channel->submit(op.io); });
      rig.world.advance(prng.below(300) * k_ms);
      rig.world.on(rig.home, [&] {
        for (const auto& one : rig.replicas) {
          one->hold_ios(false);
          one->be_unreachable(false);
          one->fail_ios(Status::ok);
        }
      });
      ASSERT_TRUE(rig.wait_for([&] { return rig.is_over(op); }))
          << std::as_const(*rig.driver).head().describe();
      ASSERT_EQ(op.status, Status::ok);
      written[lba] = value;
    }
    ASSERT_TRUE(rig.wait_in_sync()) << std::as_const(*rig.driver).head().describe();
    EXPECT_TRUE(rig.all_equal());
    for (const auto& [lba, value] : written) ASSERT_EQ(rig.read(lba, 1), filled(1, value)) << lba;
  }
}

// ---- another number of members ----

const Head& head_of(const DriverRig& rig) { return std::as_const(*rig.driver).head(); }

ChangeRefusal add(DriverRig& rig, const Uuid& replica) {
  ChangeRefusal refusal{};
  rig.world.on(rig.home, [&] { refusal = rig.driver->add_member(replica, rig.way_to(replica), false); });
  return refusal;
}

ChangeRefusal remove(DriverRig& rig, uint32_t number) {
  ChangeRefusal refusal{};
  rig.world.on(rig.home, [&] { refusal = rig.driver->remove_member(number_uuid(3, number)); });
  return refusal;
}

bool wait_changed(DriverRig& rig) {
  return rig.wait_for([&] { return !head_of(rig).is_changing(); }) && rig.wait_in_sync();
}

TEST(HeadDriver, NewMemberGetsEverythingWhileTheVolumeIsWritten) {
  DriverRig rig(2);
  rig.start();
  ASSERT_EQ(rig.write(0, 8, 1), Status::ok);
  const Uuid added = rig.add_replica();
  ASSERT_EQ(add(rig, added), ChangeRefusal::none);
  EXPECT_EQ(add(rig, added), ChangeRefusal::busy);
  for (uint32_t i = 0; i < 40; ++i) ASSERT_EQ(rig.write(i * 9, 2, static_cast<uint8_t>(i + 1)), Status::ok);
  ASSERT_TRUE(wait_changed(rig));
  EXPECT_EQ(rig.record.place_of(added), 2u);
  EXPECT_TRUE(rig.record.in_sync.has(2));
  EXPECT_EQ(add(rig, added), ChangeRefusal::known);
  EXPECT_TRUE(rig.all_equal());
  // It counts: nothing is acknowledged that it lacks.
  ASSERT_EQ(rig.write(100, 1, 0x77), Status::ok);
  EXPECT_EQ(rig.replicas[2]->data()[100 * k_block_bytes], 0x77);
}

TEST(HeadDriver, MemberThatIsRemovedIsNoneAnyMoreAndKnowsIt) {
  DriverRig rig(3);
  rig.start();
  ASSERT_EQ(rig.write(0, 8, 1), Status::ok);
  ASSERT_EQ(remove(rig, 1), ChangeRefusal::none);
  ASSERT_TRUE(wait_changed(rig));
  EXPECT_EQ(rig.record.all().size(), 2u);
  EXPECT_TRUE(rig.record.members[1].is_nil());
  ASSERT_TRUE(
      rig.wait_for([&] { return rig.replicas[1]->metadata().superblock.content == Content::nothing; }));
  EXPECT_EQ(remove(rig, 1), ChangeRefusal::unknown);
  ASSERT_EQ(rig.write(0, 8, 2), Status::ok);
  EXPECT_EQ(rig.replicas[1]->data()[0], 1);
  EXPECT_TRUE(rig.all_equal());
  // Nobody notes any more what it misses.
  ASSERT_TRUE(rig.wait_for([&] {
    return std::ranges::all_of(rig.replicas[0]->metadata().superblock.absent,
                               [](const AbsentEntry& entry) { return entry.is_free(); });
  }));
  // The last one stays in its place, also at the next start.
  rig.stop();
  rig.start();
  ASSERT_TRUE(rig.wait_in_sync());
  EXPECT_EQ(rig.record.members_count, 3u);
  EXPECT_EQ(rig.read(0, 1), filled(1, 2));
}

TEST(HeadDriver, IoIsAnsweredWhileMembersAreExchanged) {
  DriverRig rig(2);
  rig.start();
  ASSERT_TRUE(rig.wait_in_sync());
  uint32_t out = 0;
  for (uint32_t round = 0; round < 4; ++round) {
    const Uuid added = rig.add_replica();
    ASSERT_EQ(add(rig, added), ChangeRefusal::none);
    ASSERT_EQ(rig.write(round, 4, static_cast<uint8_t>(0x10 + round)), Status::ok);
    ASSERT_TRUE(wait_changed(rig));
    ASSERT_EQ(remove(rig, out++), ChangeRefusal::none);
    ASSERT_EQ(rig.write(300 + round, 4, static_cast<uint8_t>(0x20 + round)), Status::ok);
    ASSERT_TRUE(wait_changed(rig));
    ASSERT_TRUE(rig.all_equal());
  }
  // None of those that it began with is a member; their places were given out again.
  EXPECT_LE(rig.record.members_count, 3u);
  EXPECT_EQ(rig.read(3, 4), filled(4, 0x13));
}

TEST(HeadDriver, RemovalIsRefusedWhereTooFewWouldBeLeft) {
  DriverRig rig(2);
  rig.record.min_in_sync = 2;
  rig.start();
  EXPECT_EQ(remove(rig, 0), ChangeRefusal::not_serving);
  ASSERT_TRUE(rig.wait_in_sync());
  EXPECT_EQ(remove(rig, 0), ChangeRefusal::too_few);
  EXPECT_EQ(remove(rig, 7), ChangeRefusal::unknown);
  const Uuid added = rig.add_replica();
  ASSERT_EQ(add(rig, added), ChangeRefusal::none);
  ASSERT_TRUE(wait_changed(rig));
  rig.world.on(rig.home, [&] { rig.replicas[1]->be_unreachable(true); });
  ASSERT_EQ(rig.write(0, 1, 1), Status::ok);
  EXPECT_EQ(remove(rig, 0), ChangeRefusal::too_few);  // two are in sync, and writes need them
  ASSERT_EQ(remove(rig, 1), ChangeRefusal::none);     // absent already
  ASSERT_TRUE(wait_changed(rig));
  EXPECT_EQ(rig.write(0, 1, 2), Status::ok);
  EXPECT_TRUE(rig.all_equal());
}

TEST(HeadDriver, LastCompleteMemberIsNotRemoved) {
  DriverRig rig(2);
  rig.start();
  rig.world.on(rig.home, [&] { rig.replicas[1]->be_unreachable(true); });
  ASSERT_EQ(rig.write(0, 1, 1), Status::ok);
  EXPECT_EQ(remove(rig, 0), ChangeRefusal::last_complete);
  ASSERT_EQ(remove(rig, 1), ChangeRefusal::none);
  ASSERT_TRUE(wait_changed(rig));
  EXPECT_EQ(remove(rig, 0), ChangeRefusal::too_few);
  EXPECT_EQ(rig.read(0, 1), filled(1, 1));
}

TEST(HeadDriver, NoMoreMembersThanThereArePlaces) {
  DriverRig rig(8);
  rig.start();
  ASSERT_TRUE(rig.wait_in_sync());
  EXPECT_EQ(add(rig, rig.add_replica()), ChangeRefusal::no_place);
  ASSERT_EQ(remove(rig, 3), ChangeRefusal::none);
  ASSERT_TRUE(wait_changed(rig));
  ASSERT_TRUE(rig.wait_for([&] { return add(rig, number_uuid(3, 8)) == ChangeRefusal::none; }));
  ASSERT_TRUE(wait_changed(rig));
  EXPECT_EQ(rig.record.members[3], number_uuid(3, 8));
}

TEST(HeadDriver, ChangeWaitsForTheStoreAndIsDoneOnce) {
  DriverRig rig(2);
  rig.start();
  ASSERT_TRUE(rig.wait_in_sync());
  rig.store = DriverRig::Store::is_down;
  const Uuid added = rig.add_replica();
  ASSERT_EQ(add(rig, added), ChangeRefusal::none);
  EXPECT_EQ(rig.write(0, 1, 1), Status::ok);  // nothing waits for it
  rig.world.advance(2 * k_ns_per_s);
  EXPECT_TRUE(head_of(rig).is_changing());
  rig.store = DriverRig::Store::answers;
  ASSERT_TRUE(wait_changed(rig));
  EXPECT_EQ(rig.record.all().size(), 3u);
  EXPECT_TRUE(rig.all_equal());
}

}  // namespace
}  // namespace ballast::bdev::mirror::test
