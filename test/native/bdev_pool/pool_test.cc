// A pool from the outside: what is written is read, through snapshots, clones, zeroing, deletion, closing and
// opening again.
#include <cerrno>

#include "native/bdev_pool/pool_fixture.h"

namespace ballast::bdev::pool::test {
namespace {

using Numbers = std::vector<uint64_t>;

class PoolTest : public PoolFixture {
 protected:
  void SetUp() override { ASSERT_TRUE(create({"a"}, 64 * k_mib).ok()); }
  Served& new_volume(const std::string& name, uint64_t size_bytes = 4 * k_mib, uint32_t flags = 0) {
    const Result<uint32_t> id = add_volume(name, size_bytes, flags);
    EXPECT_TRUE(id.ok());
    return serve(*id);
  }
  void expect(Served& served, uint64_t lba, const Numbers& wanted) {
    const auto found = read(served, lba, static_cast<uint32_t>(wanted.size()));
    ASSERT_TRUE(found.ok()) << found.error().text;
    EXPECT_EQ(*found, wanted);
  }
  uint64_t free() { return pool_->facts().extents_free; }
};

TEST_F(PoolTest, ANewVolumeReadsZeroesAndTakesNoRoom) {
  const uint64_t before = free();
  Served& volume = new_volume("v");
  expect(volume, 0, Numbers(8, 0));
  expect(volume, 60, Numbers(8, 0));
  EXPECT_EQ(free(), before);
}

TEST_F(PoolTest, WhatIsWrittenIsReadAcrossSlots) {
  Served& volume = new_volume("v");
  Numbers numbers;
  for (uint64_t i = 1; i <= 100; ++i) numbers.push_back(i);
  ASSERT_EQ(write(volume, 30, numbers), Status::ok);
  expect(volume, 30, numbers);
  expect(volume, 28, {0, 0, 1, 2});
  ASSERT_EQ(write(volume, 63, {7, 8}), Status::ok);
  expect(volume, 62, {33, 7, 8, 36});
}

TEST_F(PoolTest, WhatWasWrittenIsThereAfterOpeningAgain) {
  const uint32_t id = new_volume("v").id;
  ASSERT_EQ(write(served_.at(id), 10, {1, 2, 3}), Status::ok);
  drop();
  ASSERT_TRUE(open({"a"}).ok());
  Served& volume = serve(id);
  expect(volume, 9, {0, 1, 2, 3, 0});
}

TEST_F(PoolTest, ASnapshotKeepsWhatWasThere) {
  Served& volume = new_volume("v");
  ASSERT_EQ(write(volume, 0, {1, 2, 3, 4}), Status::ok);
  const Result<uint32_t> frozen = snapshot(volume.id, "s");
  ASSERT_TRUE(frozen.ok());
  const uint64_t before = free();
  ASSERT_EQ(write(volume, 1, {9}), Status::ok);
  EXPECT_EQ(free(), before - 1);
  expect(volume, 0, {1, 9, 3, 4, 0});
  const Result<uint32_t> copy = clone(*frozen, "c");
  ASSERT_TRUE(copy.ok());
  Served& cloned = serve(*copy);
  expect(cloned, 0, {1, 2, 3, 4, 0});
  ASSERT_EQ(write(cloned, 2, {8}), Status::ok);
  expect(cloned, 0, {1, 2, 8, 4, 0});
  expect(volume, 0, {1, 9, 3, 4, 0});
}

TEST_F(PoolTest, WhatAVolumeAndItsSnapshotsHoldIsCounted) {
  const auto allocated = [&](uint32_t id) {
    return stage_->run([&] { return pool_->volumes().allocated_extents(id); })->value_or(UINT64_MAX);
  };
  const uint32_t id = new_volume("v").id;
  EXPECT_EQ(allocated(id), 0u);
  ASSERT_EQ(write(served_.at(id), 0, Numbers(4 * 64, 1)), Status::ok);
  EXPECT_EQ(allocated(id), 4u);
  const Result<uint32_t> frozen = snapshot(id, "s");
  ASSERT_TRUE(frozen.ok());
  ASSERT_EQ(write(served_.at(id), 1, {9}), Status::ok);
  EXPECT_EQ(allocated(id), 5u);
  const Result<uint32_t> copy = clone(*frozen, "c");
  ASSERT_TRUE(copy.ok());
  EXPECT_EQ(allocated(*copy), 0u);
  serve(*copy);
  ASSERT_EQ(write(served_.at(*copy), 100, {8}), Status::ok);
  EXPECT_EQ(allocated(*copy), 1u);
  const uint32_t thick = new_volume("t", 4 * k_mib, k_volume_thick).id;
  EXPECT_EQ(allocated(thick), 16u);
  drop();
  ASSERT_TRUE(open({"a"}).ok());
  EXPECT_EQ(allocated(id), 5u);
  EXPECT_EQ(allocated(*copy), 1u);
  EXPECT_EQ(allocated(thick), 16u);
  ASSERT_EQ(simple(serve(id), IoType::write_zeroes, 0, 64), Status::ok);
  EXPECT_EQ(allocated(id), 4u);
  // What only the clone needs of the snapshot goes to it.
  ASSERT_TRUE(stage_->run([&] { return pool_->remove(*copy, false); }).ok());
  ASSERT_TRUE(stage_->run([&] { return pool_->remove_snapshot(*frozen); }).ok());
  finish_layer_work();
  EXPECT_EQ(allocated(id), 3u);
}

TEST_F(PoolTest, ZeroingHidesWhatTheSnapshotHolds) {
  Served& volume = new_volume("v");
  ASSERT_EQ(write(volume, 0, {1, 2, 3, 4}), Status::ok);
  ASSERT_TRUE(snapshot(volume.id, "s").ok());
  ASSERT_EQ(simple(volume, IoType::unmap, 1, 2), Status::ok);
  expect(volume, 0, {1, 0, 0, 4});
  ASSERT_EQ(write(volume, 2, {7}), Status::ok);
  expect(volume, 0, {1, 0, 7, 4});
}

TEST_F(PoolTest, UnmappingGivesTheRoomBack) {
  const uint64_t before = free();
  Served& volume = new_volume("v");
  ASSERT_EQ(write(volume, 0, Numbers(128, 5)), Status::ok);
  EXPECT_EQ(free(), before - 2);
  ASSERT_EQ(simple(volume, IoType::write_zeroes, 0, 64), Status::ok);
  EXPECT_EQ(free(), before - 1);
  ASSERT_EQ(simple(volume, IoType::unmap, 0, 1024), Status::ok);
  EXPECT_EQ(free(), before);
  expect(volume, 0, Numbers(128, 0));
}

TEST_F(PoolTest, DeletingASnapshotAndTheVolumeGivesAllRoomBack) {
  const uint64_t before = free();
  Served& volume = new_volume("v");
  ASSERT_EQ(write(volume, 0, Numbers(256, 5)), Status::ok);
  const Result<uint32_t> frozen = snapshot(volume.id, "s");
  ASSERT_TRUE(frozen.ok());
  ASSERT_EQ(write(volume, 0, Numbers(64, 6)), Status::ok);
  ASSERT_EQ(write(volume, 100, Numbers(3, 7)), Status::ok);
  ASSERT_TRUE(stage_->run([&] { return pool_->remove_snapshot(*frozen); }).ok());
  finish_layer_work();
  // The first slot's old extent went; the second has two.
  EXPECT_EQ(free(), before - 5);
  expect(volume, 0, Numbers(64, 6));
  expect(volume, 98, {5, 5, 7, 7, 7, 5});
  const uint32_t id = volume.id;
  stop_serving(id);
  ASSERT_TRUE(stage_->run([&] { return pool_->remove(id, true); }).ok());
  finish_layer_work();
  EXPECT_EQ(free(), before);
}

TEST_F(PoolTest, AFullPoolSaysNoSpaceAndWorksAgainWhenThereIsRoom) {
  Served& volume = new_volume("v", 1024 * k_mib);
  const uint64_t extents = free();
  uint64_t written = 0;
  Status status = Status::ok;
  while ((status = write(volume, written * 64, {written + 1})) == Status::ok) ++written;
  EXPECT_EQ(status, Status::no_space);
  EXPECT_EQ(written, extents);
  ASSERT_EQ(write(volume, 0, {77}), Status::ok);  // what has a place goes on
  ASSERT_EQ(simple(volume, IoType::unmap, 64, 64), Status::ok);
  EXPECT_EQ(write(volume, extents * 64, {5}), Status::ok);
  expect(volume, extents * 64, {5, 0});
  expect(volume, 64, {0, 0});
}

// Without that a volume could be deleted, and the write that its room is for fail.
TEST_F(PoolTest, AWriteToAFullPoolWaitsForWhatIsBeingDeleted) {
  Served& old = new_volume("old", 1024 * k_mib);
  for (uint64_t slot = 0; write(old, slot * 64, {1}) == Status::ok;) ++slot;
  Served& volume = new_volume("new");
  EXPECT_EQ(write(volume, 0, {2}), Status::no_space);
  const uint32_t id = old.id;
  stop_serving(id);
  ASSERT_TRUE(stage_->run([&] { return pool_->remove(id, false); }).ok());
  EXPECT_EQ(write(volume, 0, {2}), Status::ok);
  finish_layer_work();
  expect(volume, 0, {2, 0});
}

TEST_F(PoolTest, AThickVolumeHasItsRoomAndKeepsIt) {
  const uint64_t before = free();
  Served& volume = new_volume("v", 4 * k_mib, k_volume_thick);
  EXPECT_EQ(free(), before - 16);
  expect(volume, 0, Numbers(64, 0));
  ASSERT_EQ(write(volume, 3, {5, 6}), Status::ok);
  ASSERT_EQ(simple(volume, IoType::unmap, 3, 1), Status::ok);
  expect(volume, 2, {0, 0, 6, 0});
  EXPECT_EQ(free(), before - 16);
  const auto resize = [&](uint64_t bytes) {
    return stage_->run([&] { return pool_->resize(volume.id, bytes); });
  };
  EXPECT_EQ(resize(4 * k_mib + 4096).errc(), Errc::invalid_argument);
  EXPECT_EQ(resize(3 * k_mib).errc(), Errc::invalid_argument);
  ASSERT_TRUE(resize(5 * k_mib).ok());
  EXPECT_EQ(free(), before - 20);
  expect(volume, 1024, Numbers(64, 0));
  EXPECT_EQ(add_volume("w", 1024 * k_mib, k_volume_thick).errc(), Errc::no_space);
  finish_layer_work();
  EXPECT_EQ(free(), before - 20);
}

TEST_F(PoolTest, RottenDataIsAMediaErrorNotWrongData) {
  Served& volume = new_volume("v");
  ASSERT_EQ(write(volume, 0, {1, 2, 3}), Status::ok);
  ASSERT_EQ(write(volume, 64, {4}), Status::ok);
  // Extents are given out in order from the start of the data region.
  stage_->world.spoil_file("a", 33 * k_mib + k_page_bytes + 77, 0x10);
  EXPECT_EQ(read(volume, 1, 1).error().text, "media error");
  EXPECT_EQ(read(volume, 0, 3).error().text, "media error");
  expect(volume, 2, {3});
  expect(volume, 64, {4});
  // Written anew it is whole again.
  ASSERT_EQ(write(volume, 1, {9}), Status::ok);
  expect(volume, 0, {1, 9, 3});
}

TEST_F(PoolTest, RotIsFoundAfterCleaningAndOpeningAgain) {
  const uint32_t id = new_volume("v").id;
  ASSERT_EQ(write(served_.at(id), 0, {1, 2, 3}), Status::ok);
  drop();
  stage_->world.spoil_file("a", 33 * k_mib + 2 * k_page_bytes, 0x01);
  ASSERT_TRUE(open({"a"}).ok());
  Served& volume = serve(id);
  expect(volume, 0, {1, 2});
  EXPECT_EQ(read(volume, 2, 1).error().text, "media error");
}

// The first write to a clean extent marks those around it as well.
TEST_F(PoolTest, ExtentsThatAreMarkedWithOthersAreWrittenAndCleanedAgain) {
  const uint32_t id = new_volume("v").id;
  for (uint64_t slot = 0; slot < 16; ++slot) {
    ASSERT_EQ(write(served_.at(id), slot * 64, {slot + 1}), Status::ok);
  }
  drop();
  ASSERT_TRUE(open({"a"}).ok());
  serve(id);
  for (uint64_t slot = 0; slot < 8; ++slot) {
    ASSERT_EQ(write(served_.at(id), slot * 64, {slot + 101}), Status::ok);
  }
  drop();  // cleans
  stage_->world.spoil_file("a", 33 * k_mib, 0x01);
  stage_->world.spoil_file("a", 33 * k_mib + 12 * 256 * k_kib, 0x01);
  ASSERT_TRUE(open({"a"}).ok());
  Served& volume = serve(id);
  for (const uint64_t slot : {0, 12}) EXPECT_FALSE(read(volume, slot * 64, 1).ok());
  for (const uint64_t slot : {1, 7}) expect(volume, slot * 64, {slot + 101});
  for (const uint64_t slot : {8, 15}) expect(volume, slot * 64, {slot + 1});
}

// What a failed write has left may be in the disk's cache only: a checksum of that would be of nothing.
TEST_F(PoolTest, TheChecksumsOfAFailedWriteAreThoseOfWhatIsDurable) {
  const uint32_t id = new_volume("v").id;
  for (uint64_t lba = 0; lba < 3; ++lba) ASSERT_EQ(write(served_.at(id), lba, {1}), Status::ok);
  stage_->world.spoil_file_operations("a", FileOp::Kind::write_durable,
                                      {SimulatedFault::Kind::unsynced, EIO, 0}, 1);
  ASSERT_EQ(write(served_.at(id), 0, {2}), Status::io_error);
  expect(served_.at(id), 0, {2, 1, 1});
  stage_->world.advance(60 * k_ns_per_s);  // it is cleaned
  stage_->world.cut_power_after(0);
  drop();
  stage_->world.restore_power(UnsyncedWrites::dropped);
  ASSERT_TRUE(open({"a"}).ok());
  expect(serve(id), 0, {2, 1, 1});
}

TEST_F(PoolTest, CompareAndWrite) {
  Served& volume = new_volume("v");
  ASSERT_EQ(write(volume, 62, {1, 2, 3}), Status::ok);
  Buffer expected(3 * k_page_bytes), wanted(3 * k_page_bytes);
  number_blocks(expected.data(), Numbers{1, 2, 3});
  number_blocks(wanted.data(), Numbers{4, 5, 6});
  TestIo first(IoType::compare_and_write, 62, 3, {expected.segment(), wanted.segment()});
  EXPECT_EQ(run(volume, first), Status::ok);
  expect(volume, 62, {4, 5, 6});
  TestIo second(IoType::compare_and_write, 62, 3, {expected.segment(), wanted.segment()});
  EXPECT_EQ(run(volume, second), Status::compare_mismatch);
}

TEST_F(PoolTest, ShrinkingIsRefusedWhereThereIsData) {
  Served& volume = new_volume("v");
  ASSERT_EQ(write(volume, 500, {1}), Status::ok);
  const auto resize = [&](uint64_t bytes) {
    return stage_->run([&] { return pool_->resize(volume.id, bytes); });
  };
  EXPECT_EQ(resize(2 * k_mib - 12 * k_page_bytes).errc(), Errc::invalid_argument);
  ASSERT_TRUE(resize(2 * k_mib).ok());
  EXPECT_EQ(simple(volume, IoType::unmap, 512, 1), Status::out_of_range);
  ASSERT_TRUE(resize(8 * k_mib).ok());
  expect(volume, 2000, {0});
  expect(volume, 500, {1});
}

TEST_F(PoolTest, RangesOfWhatIsAllocatedAndOfWhatChanged) {
  Served& volume = new_volume("v");
  ASSERT_EQ(write(volume, 60, Numbers(10, 1)), Status::ok);
  const Result<uint32_t> first = snapshot(volume.id, "one");
  ASSERT_EQ(write(volume, 200, Numbers(1, 1)), Status::ok);
  ASSERT_EQ(simple(volume, IoType::unmap, 62, 1), Status::ok);
  const uint32_t head = stage_->run([&] { return pool_->volumes().get(volume.id); })->head_layer;
  const auto list = [&](uint32_t layer, std::optional<uint32_t> since, uint64_t from, uint32_t max) {
    const auto found = stage_->run([&] { return pool_->ranges(layer, since, 4 * k_mib, from, max); });
    EXPECT_TRUE(found.ok());
    std::vector<std::pair<uint64_t, uint64_t>> blocks;
    for (const ByteRange& range : found->ranges) {
      blocks.emplace_back(range.offset_bytes / k_page_bytes, range.length_bytes / k_page_bytes);
    }
    if (found->next_offset_bytes) blocks.emplace_back(*found->next_offset_bytes / k_page_bytes, 0);
    return blocks;
  };
  using Blocks = std::vector<std::pair<uint64_t, uint64_t>>;
  EXPECT_EQ(list(*first, {}, 0, 10), (Blocks{{60, 10}}));
  EXPECT_EQ(list(head, {}, 0, 10), (Blocks{{60, 2}, {63, 7}, {200, 1}}));
  EXPECT_EQ(list(head, {}, 0, 2), (Blocks{{60, 2}, {63, 7}, {200, 0}}));
  EXPECT_EQ(list(head, {}, 64 * k_page_bytes, 10), (Blocks{{64, 6}, {200, 1}}));
  EXPECT_EQ(list(head, *first, 0, 10), (Blocks{{62, 1}, {200, 1}}));
}

TEST_F(PoolTest, SaysWhichBlocksAreAllocatedAlsoOfWhatASnapshotHolds) {
  Served& volume = new_volume("v");
  ASSERT_EQ(write(volume, 60, Numbers(10, 1)), Status::ok);
  const auto bits = [&](uint64_t lba, uint32_t blocks) {
    Buffer buffer(k_page_bytes);
    const size_t bytes = allocation_bytes(uint64_t{blocks} * k_page_bytes);
    TestIo io(IoType::read_allocation, lba, blocks, {{buffer.data(), bytes}});
    stage_->world.on(stage_->reactor, [&] { volume.channel->submit(io.io); });
    EXPECT_TRUE(stage_->world.run_until([&] { return io.done.load(); }));
    EXPECT_EQ(io.status, Status::ok);
    uint64_t word = 0;
    std::memcpy(&word, buffer.data(), 8);
    return word;
  };
  EXPECT_EQ(bits(56, 64), 0x3ff0u);
  EXPECT_EQ(bits(64, 64), 0x3fu);
  EXPECT_EQ(bits(60, 2), 0x3u);
  ASSERT_TRUE(snapshot(volume.id, "one").ok());
  ASSERT_EQ(write(volume, 100, Numbers(1, 1)), Status::ok);
  ASSERT_EQ(simple(volume, IoType::unmap, 62, 1), Status::ok);
  EXPECT_EQ(bits(56, 64), 0x3fb0u | uint64_t{1} << 44);
  EXPECT_EQ(bits(128, 64), 0u);
}

TEST_F(PoolTest, AScrubFindsWhatHasRotten) {
  Served& volume = new_volume("v");
  ASSERT_EQ(write(volume, 0, Numbers(200, 3)), Status::ok);
  stage_->world.spoil_file("a", 33 * k_mib + 70 * k_page_bytes, 0x01);
  stage_->world.on(stage_->reactor, [&] { ASSERT_TRUE(pool_->start_scrub(0).ok()); });
  ASSERT_TRUE(stage_->world.run_until([&] { return !pool_->facts().scrub.is_running; }));
  EXPECT_EQ(pool_->facts().scrub.errors, 1u);
  EXPECT_EQ(pool_->facts().scrub.done_bytes, 4 * 256 * k_kib);
}

// A merge leaves slots of several extents with holes, which cost room.
TEST_F(PoolTest, SlotsOfSeveralExtentsAreCopiedTogetherWhenRoomGetsShort) {
  const uint64_t extents = free();
  Served& volume = new_volume("v", 64 * k_mib);
  const uint64_t slots = extents * 2 / 5;
  for (uint64_t slot = 0; slot < slots; ++slot) {
    ASSERT_EQ(write(volume, slot * 64, {slot + 1, slot + 1, slot + 1}), Status::ok);
  }
  const Result<uint32_t> frozen = snapshot(volume.id, "s");
  for (uint64_t slot = 0; slot < slots; ++slot) ASSERT_EQ(write(volume, slot * 64 + 1, {7}), Status::ok);
  ASSERT_TRUE(stage_->run([&] { return pool_->remove_snapshot(*frozen); }).ok());
  finish_layer_work();
  // A fifth was free: the slots are copied together until a quarter is.
  EXPECT_GE(free(), extents / 4);
  for (uint64_t slot = 0; slot < slots; ++slot) expect(volume, slot * 64, {slot + 1, 7, slot + 1, 0});
  // Most of the rest goes to new data: what is left is copied together on the way.
  uint64_t more = 0;
  while (write(volume, (slots + more) * 64, {9}) == Status::ok) ++more;
  finish_layer_work();
  while (write(volume, (slots + more) * 64, {9}) == Status::ok) ++more;
  EXPECT_EQ(more, extents - slots);
  for (uint64_t slot = 0; slot < slots; ++slot) expect(volume, slot * 64, {slot + 1, 7, slot + 1, 0});
}

TEST_F(PoolTest, FiveExtentsOfASlotAreCopiedTogether) {
  Served& volume = new_volume("v");
  std::vector<uint32_t> layers;
  for (uint64_t i = 0; i < 6; ++i) {
    ASSERT_EQ(write(volume, i, {i + 1}), Status::ok);
    layers.push_back(*snapshot(volume.id, "s" + std::to_string(i)));
  }
  const Result<uint32_t> copy = clone(layers[5], "c");
  Served& cloned = serve(*copy);
  expect(cloned, 0, {1, 2, 3, 4, 5, 6, 0});
  for (size_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(stage_->run([&] { return pool_->remove_snapshot(layers[i]); }).ok());
  }
  finish_layer_work();
  expect(cloned, 0, {1, 2, 3, 4, 5, 6, 0});
  expect(volume, 0, {1, 2, 3, 4, 5, 6, 0});
  ASSERT_EQ(write(volume, 2, {9}), Status::ok);
  expect(cloned, 0, {1, 2, 3, 4, 5, 6, 0});
  expect(volume, 0, {1, 2, 9, 4, 5, 6, 0});
}

TEST_F(PoolTest, TwoDevicesAndAThirdAddedOnline) {
  drop();
  ASSERT_TRUE(create({"b", "c"}, 48 * k_mib).ok());
  const uint64_t before = free();
  ASSERT_TRUE(stage_->run([&] { return pool_->add_device(file("d", 16 * k_mib), uuid_of(0x77)); }).ok());
  EXPECT_EQ(free(), before + 14 * 4);
  const uint32_t id = new_volume("v", 64 * k_mib).id;
  for (uint64_t slot = 0; slot < 240; ++slot)
    ASSERT_EQ(write(served_.at(id), slot * 64, {slot + 1}), Status::ok);
  drop();
  EXPECT_EQ(open({"b", "c"}).errc(), Errc::not_found);
  ASSERT_TRUE(open({"d", "b", "c"}).ok());
  Served& volume = serve(id);
  for (uint64_t slot = 0; slot < 240; ++slot) expect(volume, slot * 64, {slot + 1, 0});
}

TEST_F(PoolTest, TheMetadataOfAPoolIsForTheDevicesThatWereThereOrForWhatItWasSaidToGrowTo) {
  constexpr uint64_t k_first = 256 * k_mib, k_second = 8192 * k_mib;
  for (const bool is_said : {false, true}) {
    drop();
    settings_.overwrites = true;
    settings_.grows_to_bytes = is_said ? k_first + k_second : 0;
    ASSERT_TRUE(create({"b"}, k_first).ok());
    EXPECT_EQ(pool_->facts().extents_without_metadata, 0u);
    const auto add = [&] { return pool_->add_device(file("c", k_second), uuid_of(0x77)); };
    ASSERT_TRUE(stage_->run(add).ok());
    const PoolFacts facts = pool_->facts();
    EXPECT_EQ(facts.extents_without_metadata == 0, is_said);
    const uint64_t of_devices =
        facts.superblock.devices[0].extents_count + facts.superblock.devices[1].extents_count;
    EXPECT_EQ(facts.extents_count + facts.extents_without_metadata, of_devices);
    drop();
    stage_->world.files().remove("c");
  }
  settings_.grows_to_bytes = 64 * k_second;
  EXPECT_EQ(create({"b"}, 0).errc(), Errc::invalid_argument);
}

TEST_F(PoolTest, ADeviceWhoseJoiningWasInterruptedCanBeAddedAgain) {
  const uint64_t before = stage_->world.file_changes_count();
  stage_->world.cut_power_after(5);  // its copies are written, device 0 does not name it yet
  const auto add = [&] {
    return stage_->run([&] { return pool_->add_device(file("b", 16 * k_mib), uuid_of(0x77)); });
  };
  EXPECT_FALSE(add().ok());
  EXPECT_GE(stage_->world.file_changes_count(), before + 5);
  drop();
  stage_->world.restore_power(UnsyncedWrites::kept);
  ASSERT_TRUE(open({"a"}).ok());
  EXPECT_TRUE(add().ok());
  drop();
  EXPECT_TRUE(open({"b", "a"}).ok());
}

TEST_F(PoolTest, AFileThatHoldsDataIsNotTaken) {
  drop();
  EXPECT_EQ(create({"a"}, 0).errc(), Errc::already_exists);
  settings_.overwrites = true;
  EXPECT_TRUE(create({"a"}, 0).ok());
}

TEST_F(PoolTest, ADestroyedPoolIsNone) {
  const uint32_t id = new_volume("v").id;
  EXPECT_EQ(stage_->run([&] { return pool_->destroy(); }).errc(), Errc::in_use);
  stop_serving(id);
  ASSERT_TRUE(stage_->run([&] { return pool_->remove(id, false); }).ok());
  ASSERT_TRUE(stage_->run([&] { return pool_->destroy(); }).ok());
  stage_->world.on(stage_->reactor, [&] { pool_.reset(); });
  EXPECT_EQ(open({"a"}).errc(), Errc::not_found);
}

}  // namespace
}  // namespace ballast::bdev::pool::test
